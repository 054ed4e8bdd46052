"""Rendering: fast, and equal to what the plain way gives."""

import json

from hypothesis import given
from hypothesis import strategies as st

from headwater.kit.clock import EPOCH, from_us
from headwater.streams import render
from headwater.streams.render import instant, quoted

EARLIEST_US, LATEST_US = -62_135_596_800_000_000, 253_402_300_799_999_999


@given(st.integers(EARLIEST_US, LATEST_US))
def test_instants_are_iso_8601_in_microseconds(instant_us: int) -> None:
    """Also before 1970."""
    text = from_us(instant_us).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert instant(instant_us).decode() == text


def test_instants_without_a_year_are_cut() -> None:
    """An API may send any number; a stream must not break on one."""
    assert instant(LATEST_US + 1) == b"9999-12-31T23:59:59.999999Z"
    assert instant(EARLIEST_US - 1) == b"0001-01-01T00:00:00.000000Z"
    assert instant(0).decode() == EPOCH.strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def test_many_seconds_do_not_pile_up() -> None:
    """The memory of what was formatted is bounded."""
    for second in range(2 * render._KNOWN_SECONDS):
        instant(second * 1_000_000)
    assert len(render._seconds) <= render._KNOWN_SECONDS


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Z", "Cc", "Cs"])))
def test_any_text_is_one_json_string(text: str) -> None:
    """Also one with half of a surrogate pair; never with a raw line break."""
    assert json.loads(quoted(text)) == text
    assert b"\n" not in quoted(text)
