import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.kit import redact
from headwater.kit.redact import MASK

SECRET = "s3cr3t-4711"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "client_secret",
        "accessToken",
        "refresh-token",
        "Authorization",
        "X-Api-Key",
        "apikey",
        "api_key",
        "Set-Cookie",
        "X-Hub-Signature",
        "private_key",
        "secret_keys",
        "key",
        "AWSSecretKey",
    ],
)
def test_names_of_secrets(name: str) -> None:
    """In any spelling."""
    assert redact.is_secret(name)
    assert redact.value({name: SECRET}) == {name: MASK}


@pytest.mark.parametrize(
    "name",
    [
        "key_id",
        "credential_id",
        "token_type",
        "secret_count",
        "collection",
        "keys",
        "name",
        "monkey",
        "tokenizer",
        "",
        "password_at",
        "partition_key",
        "api_key_file_path",
        "sync_id",
        "reason",
    ],
)
def test_names_of_other_things(name: str) -> None:
    """Ids, kinds and counts of secrets are none."""
    assert not redact.is_secret(name)
    assert redact.value({name: "shown"}) == {name: "shown"}


@pytest.mark.parametrize(
    "shown",
    [
        f"postgresql://user:{SECRET}@host:5432/name",
        f"cannot reach https://{SECRET}@host/path, retrying",
        f"https://host/path?page=2&access_token={SECRET}&limit=5",
        f"https://host/path?api_key={SECRET}#part",
        f"sent Authorization: Bearer {SECRET}",
        f"Basic {SECRET}",
        f"1 validation error: [type=int, input_value='{SECRET}', input_type=str]",
        f"duplicate key value\nDETAIL:  Key (name)=({SECRET}) already exists.",
    ],
)
def test_secrets_inside_texts(shown: str) -> None:
    """They are masked where they stand (P8)."""
    masked = redact.text(shown)
    assert SECRET not in masked
    assert MASK in masked


def test_the_rest_of_a_text_stays() -> None:
    """So that the line still helps."""
    masked = redact.text(
        f"GET https://user:{SECRET}@api.example/v2/items?page=2&token={SECRET}&limit=5 failed"
    )
    assert masked == f"GET https://{MASK}@api.example/v2/items?page=2&token={MASK}&limit=5 failed"


def test_content_is_not_shown_but_its_size_is() -> None:
    """Names that are said to hold content, and bytes wherever they are."""
    shown = redact.value(
        {"data": {"name": "Ada"}, "record": 3, "rows": [b"abc"], "deep": {"data": "Ada"}},
        content={"data", "record"},
    )
    assert shown == {"data": MASK, "record": 3, "rows": ["<3 bytes>"], "deep": {"data": MASK}}


def test_long_texts_keep_their_end() -> None:
    """Where a traceback has its error."""
    shown = redact.text("x" * 10_000 + "the error")
    assert len(shown) <= redact.LONGEST + 1
    assert shown.endswith("the error")


def test_endless_nesting_ends() -> None:
    """A structure that contains itself is shown to a depth."""
    loop: dict[str, object] = {}
    loop["loop"] = [loop]
    assert "…" in str(redact.value(loop))


NESTED = st.recursive(
    st.sampled_from([SECRET, f"https://u:{SECRET}@h/", f"?token={SECRET}", 1, None, SECRET.encode()]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["token", "data"]), inner),
    max_leaves=10,
)


@given(NESTED)
def test_no_secret_survives_under_its_name(shown: object) -> None:
    """However deep it lies (P8)."""
    assert SECRET not in str(redact.value({"password": shown, "data": shown}, content={"data"}))


@pytest.mark.parametrize("value", [1, 1.5, True, None, "plain"])
def test_harmless_values_stay_what_they_are(value: object) -> None:
    """Numbers stay numbers."""
    assert redact.value(value) == value
