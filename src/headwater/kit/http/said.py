"""What the headers of an answer say about the time and the quota. Pure; an unreadable header says nothing.

Source: RFC 9110 (`Date`, `Retry-After`), RFC 9111 (`Age`); draft-ietf-httpapi-ratelimit-headers, versions 03
(`RateLimit-Remaining`) and 08 (`RateLimit`), and the `X-` forms that came before them;
https://docs.stripe.com/rate-limits (`Stripe-Rate-Limited-Reason`);
https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api (secondary limits that only the
body tells). Read 2026-11-24.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from headwater.kit.clock import to_us

LONGEST = timedelta(days=31).total_seconds()
"""Seconds. A reset or a wait further away is a number that means something else."""
_UNIX_SECONDS, _UNIX_MILLIS = 1e9, 1e12
"""From here on a reset is an instant, not a time to wait."""

_FAMILIES = ("x-ratelimit-", "ratelimit-", "x-rate-limit-")
_WHOLE = re.compile(r"\s*(-?[0-9]{1,18})(?![0-9])")
_REASON = re.compile(r"[a-z-]{1,40}")
_PAIR = re.compile(r"\b(r|t|remaining|reset)\s*=\s*([0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an answer said: units left, seconds until they are renewed, seconds to wait; the API's time."""

    remaining: int | None = None
    reset_after: float | None = None
    retry_after: float | None = None
    date_us: int | None = None
    """When the answer was made, in whole seconds; None if it came out of a cache."""
    limited_by: str | None = None
    """Which limit was reached, in the API's word (`endpoint-rate`)."""

    @property
    def exhausted(self) -> bool:
        """The quota is used up, or the API asks to wait."""
        return self.remaining == 0 or self.retry_after is not None

    @property
    def narrow(self) -> bool:
        """The limit is one of this kind of request, or of one object: others may go on."""
        return self.limited_by is not None and self.limited_by.startswith(("endpoint", "resource"))

    @property
    def wait(self) -> float | None:
        """Seconds until the next request has a chance, where that is known."""
        if self.retry_after is None and self.remaining in (0, None):
            return self.reset_after
        return self.retry_after


def read(headers: Mapping[str, str], now_us: int) -> Said:
    """Read the headers (names in lower case) of an answer that came at `now_us`."""
    date = _instant(headers.get("date", ""))
    now = (now_us if date is None else to_us(date)) / 1e6
    remaining, reset = _quota(headers)
    wait = headers.get("retry-after", "")
    return Said(
        remaining=remaining,
        reset_after=_after(reset, now),
        retry_after=_after(wait, now),
        date_us=None if date is None or headers.get("age", "0") != "0" else to_us(date),
        limited_by=_reason(headers),
    )


_UNSAID = timedelta(minutes=1).total_seconds()
"""Seconds to wait for a limit of which only the body tells, and which does not say how long."""
_LOOKED_AT = 2_000
"""Bytes of a body."""


def with_body(said: Said, status: int, body: bytes) -> Said:
    """Return what an answer said, its body considered: a refusal for a secondary limit may have no header."""
    if status in (403, 429) and not said.exhausted and b"secondary rate limit" in body[:_LOOKED_AT]:
        return replace(said, retry_after=_UNSAID)
    return said


def _reason(headers: Mapping[str, str]) -> str | None:
    """Return which limit was reached, as some APIs say it; a word of another form says nothing (P8)."""
    for name, value in headers.items():
        if name.endswith("rate-limited-reason") and _REASON.fullmatch(value):
            return value
    return None


def _quota(headers: Mapping[str, str]) -> tuple[int | None, str]:
    """Return the units left, and the reset as it was written."""
    for family in _FAMILIES:
        found = _WHOLE.match(headers.get(f"{family}remaining", ""))
        left = int(found[1]) if found else -1  # which some write for no limit
        reset = headers.get(f"{family}reset", "")
        if left >= 0 or reset:
            return (left if left >= 0 else None), reset
    pairs = dict(_PAIR.findall(headers.get("ratelimit", "")))
    remaining = pairs.get("r") or pairs.get("remaining")
    return (int(remaining) if remaining else None), pairs.get("t") or pairs.get("reset", "")


def _after(text: str, now: float) -> float | None:
    """Return the seconds from `now` that a number of seconds, a unix time or a date means."""
    try:
        seconds = float(text)
    except ValueError:
        instant = _instant(text)
        if instant is None:
            return None
        seconds = instant.timestamp() - now
    else:
        if seconds >= _UNIX_MILLIS:
            seconds = seconds / 1000 - now
        elif seconds >= _UNIX_SECONDS:
            seconds -= now
    return max(0.0, seconds) if seconds <= LONGEST else None


def _instant(text: str) -> datetime | None:
    """Return the instant of an HTTP date or an ISO 8601 one."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            instant = parse(text)
            instant.timestamp()
        except (ValueError, OverflowError):
            continue
        return instant
    return None
