"""What commands are given."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.cli import inputs
from headwater.cli.failures import Exit, Failure


def test_values_come_from_wherever_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, file, stdin, environment, JSON; dotted names nest."""
    (tmp_path / "secret").write_text("päss\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("from stdin\n"))
    pairs = [
        "a=1=2",
        f"b=@{tmp_path / 'secret'}",
        "c=-",
        "d=env:TOKEN",
        "e:=[1, true]",
        "f.g=x",
        "f.h=",
        "i=",
    ]
    assert inputs.named(pairs, "--set", {"TOKEN": "t"}) == {
        "a": "1=2", "b": "päss", "c": "from stdin", "d": "t", "e": [1, True],
        "f": {"g": "x", "h": ""}, "i": "",
    }  # fmt: skip


@pytest.mark.parametrize("pair", ["token", "=x", "a=env:NOWHERE", "a:={", "a=@/nowhere/at/all", "x.y=b"])
def test_mistakes_are_usage(pair: str) -> None:
    """And never repeat a value."""
    with pytest.raises(Failure) as failed:
        inputs.named(["x=s3cret", pair], "--set", {})
    assert failed.value.exit_code == Exit.USAGE
    assert "s3cret" not in failed.value.detail


NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
TEXTS = st.text().filter(lambda text: text[:1] not in {"@", "-"} and not text.startswith("env:"))


@given(st.dictionaries(NAMES, TEXTS))
def test_plain_text_goes_through_unchanged(values: dict[str, str]) -> None:
    """Whatever is in it."""
    assert inputs.named([f"{name}={value}" for name, value in values.items()], "--set", {}) == values


def test_a_documents_mistake_has_its_place() -> None:
    """Line and column, as editors count."""
    with pytest.raises(Failure, match=r"crm\.yaml, line 2, column \d+"):
        inputs.document("crm.yaml", "a: 1\nb: : :\n")
    with pytest.raises(Failure, match="no object"):
        inputs.document("crm.yaml", "- a\n")


@pytest.mark.parametrize("text", ["crm.yaml", "x.json", "./crm", "-"])
def test_what_is_a_file(text: str) -> None:
    """Names of providers have neither dots nor slashes."""
    assert inputs.looks_like_file(text)
    assert not inputs.looks_like_file("stripe")
