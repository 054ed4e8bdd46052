"""How APIs write instants, both ways: into microseconds since 1970 UTC, and as the value of a parameter.

Reading comes in two speeds: `wire` is the type that the JSON decoder makes of the member and `from_wire` what
turns it into microseconds, for the hot path; `read` takes whatever else the format allows, for objects that
the fast way refuses.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from headwater.kit.clock import EPOCH, from_us, to_us

_MICROSECOND = timedelta(microseconds=1)
_EARLIEST_US, _LATEST_US = to_us(datetime.min), to_us(datetime.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstantFormat:
    """One way of writing instants. `unit_us` is the smallest difference that `write` shows."""

    name: str
    wire: Any
    from_wire: Callable[[Any], int]
    read: Callable[[Any], int]
    """Raises: ValueError for what is no instant in this format."""
    write: Callable[[int], str]
    unit_us: int


def _aware_us(instant: datetime) -> int:
    """Return an aware datetime in microseconds. Raises: TypeError for a naive one (`read` does not)."""
    return (instant - EPOCH) // _MICROSECOND


def _read_iso(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("not text")
    return to_us(datetime.fromisoformat(value.strip()))


def _read_http(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("not text")
    return to_us(parsedate_to_datetime(value))


def _number_us(value: float | str, unit_us: int) -> int:
    number = float(value) if isinstance(value, str) else value
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError("not finite")
    us = number * unit_us if isinstance(number, int) else round(number * unit_us)
    if not _EARLIEST_US <= us <= _LATEST_US:
        raise ValueError("not between the years 1 and 9999")
    return us


def _epoch(name: str, unit_us: int) -> InstantFormat:
    """Return the format of a number of units since 1970 UTC; fractions and numbers in quotes are read."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError("not a number")
        return _number_us(value, unit_us)

    return InstantFormat(
        name=name,
        wire=int | float | str | None,
        from_wire=read,
        read=read,
        write=lambda us: str(us // unit_us),
        unit_us=unit_us,
    )


def _iso(name: str, unit_us: int, pattern: str) -> InstantFormat:
    def write(us: int) -> str:
        text = from_us(us - us % unit_us).strftime(pattern)
        return text.replace("000Z", "Z") if unit_us == 1000 else text

    return InstantFormat(
        name=name,
        wire=datetime | None,
        from_wire=_aware_us,
        read=_read_iso,
        write=write,
        unit_us=unit_us,
    )


ISO = _iso("iso", 1, "%Y-%m-%dT%H:%M:%S.%fZ")
ISO_MS = _iso("iso_ms", 1_000, "%Y-%m-%dT%H:%M:%S.%fZ")
ISO_S = _iso("iso_s", 1_000_000, "%Y-%m-%dT%H:%M:%SZ")
DATE = _iso("date", 86_400_000_000, "%Y-%m-%d")
SECONDS = _epoch("s", 1_000_000)
MILLISECONDS = _epoch("ms", 1_000)
MICROSECONDS = _epoch("us", 1)
HTTP_DATE = InstantFormat(
    name="http",
    wire=str | None,
    from_wire=_read_http,
    read=_read_http,
    write=lambda us: format_datetime(from_us(us).astimezone(UTC), usegmt=True),
    unit_us=1_000_000,
)

FORMATS = {
    each.name: each for each in (ISO, ISO_MS, ISO_S, DATE, SECONDS, MILLISECONDS, MICROSECONDS, HTTP_DATE)
}
"""Every format by its name in a document. The variants of `iso` and `date` are read alike and written
differently.
"""
