"""The parts of the NATS target that need no server: subjects, keys, messages, settings, meaning of errors."""

import base64
import inspect
import ssl

import nats.errors
import nats.js.errors
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.nats import NATS, NatsSettings, from_url, subjects
from headwater.targets.nats.errors import FULL, Trouble, mapped, mapped_errors, of_answer
from headwater.targets.nats.layout import Layout, Message, unfit
from headwater.targets.nats.nkeys import UserKey, credentials
from headwater.targets.table import kind_for
from headwater.testing.target_rig import SLOTS, Author

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
"""The pair that the documentation of NATS shows."""

ids = st.text(alphabet=st.characters(), max_size=60)


# --- subjects -----------------------------------------------------------------------------------------------


@given(ids)
def test_every_id_is_a_token_and_comes_back(text: str) -> None:
    """Surrogates, dots, wildcards, blanks and nothing at all."""
    token = subjects.token(text)
    assert token
    assert token.isascii()
    assert not set(token) & set(".*> \t\r\n")
    assert subjects.text(token) == text


@given(ids, ids)
def test_different_ids_have_different_tokens(one: str, two: str) -> None:
    """So that no two records share a subject."""
    assert (subjects.token(one) == subjects.token(two)) == (one == two)


def test_an_id_is_encoded_as_in_a_url() -> None:
    """As the docs say."""
    assert subjects.token("a.b/ü") == "a%2Eb%2F%C3%BC"
    assert subjects.token("cus_Nf-~9") == "cus_Nf-~9"
    assert subjects.token("%") == "%25"
    assert subjects.token("") == "%"


@pytest.mark.parametrize("stream", Stream)
def test_a_subject_names_the_record(stream: Stream) -> None:
    """And of an event what happened, as its last token."""
    item = Author(stream).deleted("a.b", owned=SLOTS[2])
    message = Layout("my.prefix", stream).message(item)
    begin = f"my.prefix.{stream.value}.{item.slot.sync_id}.acme.odd__c.a%2Eb"
    assert message.subject == (begin if stream is Stream.RECORDS else f"{begin}.deleted")
    assert message.payload == item.json
    assert message.headers == {
        "Nats-Msg-Id": item.message_id,
        "Headwater-Record-Id": item.record_id,
        "Headwater-Updated-Idx": "1",
        "Headwater-Event": "deleted",
    }


def test_what_a_server_would_not_take_is_not_sent() -> None:
    """Too large with its headers, or with a subject that would end the connection."""
    message = Message("s", {"A": "b"}, b"x" * 100)
    assert message.size == len(b"NATS/1.0\r\nA: b\r\n\r\n") + 100
    assert unfit(0, message, message.size) is None
    assert unfit(3, message, message.size - 1) == unfit(3, message, message.size - 1)
    refusal = unfit(3, message, message.size - 1)
    assert refusal is not None
    assert (refusal.index, refusal.code) == (3, "target.item_too_large")
    long = unfit(0, Message("s" * 3_501, {}, b""), 1_000)
    assert long is not None
    assert long.code == "target.item_refused"


# --- keys ---------------------------------------------------------------------------------------------------


def test_a_seed_tells_its_public_half() -> None:
    """As NATS's own tools say it."""
    assert UserKey(Secret(SEED)).public == PUBLIC


def test_a_seed_signs() -> None:
    """So that whoever has the public half can tell."""
    signature = UserKey(Secret(SEED)).sign("nonce")
    raw = base64.b32decode(PUBLIC + "=" * (-len(PUBLIC) % 8))[1:33]
    padded = signature + b"=" * (-len(signature) % 4)
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.urlsafe_b64decode(padded), b"nonce")


@pytest.mark.parametrize("wrong", ["", "SU", SEED[:-1], SEED[:-1] + "A", "S" + PUBLIC[1:], PUBLIC, "ä1!"])
def test_what_is_no_seed_is_refused_without_being_shown(wrong: str) -> None:
    """Cut off, mistyped, a public key (P8)."""
    with pytest.raises(Halt) as caught:
        UserKey(Secret(wrong))
    assert caught.value.error_code == "target.refused"
    assert not wrong or wrong not in str(caught.value)


def test_a_creds_file_is_read() -> None:
    """Its JWT and its seed, whatever stands around them."""
    content = f"""-----BEGIN NATS USER JWT-----
eyJ0.eyJ1.c2ln
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
{SEED}
------END USER NKEY SEED------
"""
    jwt, seed = credentials(Secret(content))
    assert jwt == "eyJ0.eyJ1.c2ln"
    assert UserKey(seed).public == PUBLIC
    with pytest.raises(Halt):
        credentials(Secret(content.replace("SEED", "SEAD")))


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"servers": "http://x"},
        {"servers": "nats://user:password@x"},
        {"servers": "nats://"},
        {"subject_prefix": "a..b"},
        {"subject_prefix": "a.*"},
        {"username": "u"},
        {"key": "PEM"},
        {"token": "t", "nkey": SEED},
        {"replicas": 0},
        {"unknown": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    """Before anything is tried with them."""
    with pytest.raises(ValidationError):
        NatsSettings.model_validate({"servers": "nats://x:4222", **wrong})


def test_a_url_stands_for_settings() -> None:
    """User and password, or a token; TLS, several servers, and whatever else there is."""
    made = NatsSettings.model_validate(from_url("nats://me:p%40ss@one:4222,two?create_stream=true"))
    assert made.addresses == ["nats://one:4222", "nats://two"]
    assert (made.username, made.password, made.create_stream) == ("me", Secret("p@ss"), True)
    token = NatsSettings.model_validate(from_url("tls+nats://s3cret@one"))
    assert (token.token, token.encrypted) == (Secret("s3cret"), True)
    assert kind_for("nats://one") is kind_for("tls+nats://one") is NATS


# --- errors -------------------------------------------------------------------------------------------------


def exceptions() -> list[type[Exception]]:
    """All classes of exceptions that the driver has."""
    return [
        one
        for module in (nats.errors, nats.js.errors)
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, Exception) and one.__module__.startswith("nats.")
    ]


@pytest.mark.parametrize(
    "kind", sorted(set(exceptions()), key=lambda one: f"{one.__module__}.{one.__name__}")
)
def test_no_exception_of_the_driver_is_unmapped(kind: type[Exception]) -> None:
    """Each is one of ours, with a code of ours and a fix."""
    parameters = {
        "SlowConsumerError": ("subject", "reply", 1, None),
        "ConsumerSequenceMismatchError": (1, 2, 3),
    }
    with pytest.raises(HeadwaterError) as caught, mapped_errors():
        raise kind(*parameters.get(kind.__name__, ()))
    assert type(caught.value) in (Halt, Retry)
    assert caught.value.error_code.startswith("target.")
    assert caught.value.fix
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (nats.errors.AuthorizationError(), Halt, "target.refused"),
        (nats.errors.Error("nats: user authentication expired"), Halt, "target.refused"),
        (nats.errors.Error('nats: permissions violation for publish to "x"'), Halt, "target.forbidden"),
        (ssl.SSLCertVerificationError("self-signed"), Halt, "target.certificate"),
        (nats.errors.SecureConnWantedError(), Halt, "target.certificate"),
        (ConnectionRefusedError(), Retry, "target.unreachable"),
        (nats.errors.TimeoutError(), Retry, "target.timeout"),
        (nats.errors.StaleConnectionError(), Retry, "target.unreachable"),
        (nats.js.errors.BadRequestError(code=400, err_code=10065), Halt, "target.settings_refused"),
        (nats.js.errors.ServiceUnavailableError(code=503, err_code=10039), Halt, "target.unusable"),
    ],
)
def test_what_an_error_means(error: Exception, kind: type[HeadwaterError], code: str) -> None:
    """Halt where a person must act."""
    meant = mapped(error)
    assert (type(meant), meant.error_code) == (kind, code)


@pytest.mark.parametrize(
    ("err_code", "kind", "code"),
    [
        (10039, Halt, "target.unusable"),
        (10109, Halt, "target.unusable"),
        (10077, Retry, "target.full"),
        *((err_code, Retry, "target.full") for err_code in sorted(FULL)),
        (10008, Retry, "target.busy"),
        (0, Retry, "target.busy"),
    ],
)
def test_what_an_answer_means(err_code: int, kind: type[HeadwaterError], code: str) -> None:
    """Of a message that JetStream did not store."""
    meant = of_answer(Trouble(500, err_code, "words"))
    assert (type(meant), meant.error_code) == (kind, code)
    assert meant.fix
