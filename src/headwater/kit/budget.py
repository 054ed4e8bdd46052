"""A rate budget: buckets of requests that many callers share, the most urgent first. Knows no API."""

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """At most `allowed` units in any window of `per`.

    `name` `default` is the bucket of every request; others are named by the requests that spend from them too.
    """

    name: str = "default"
    unit: str = "requests"
    allowed: int
    per: timedelta
    concurrent: int | None = None
    """At most so many requests under way at once."""


class Urgency(IntEnum):
    """Who goes first when the budget is short."""

    WRITE = 0
    CHANGES = 1
    BACKFILL = 2
    SWEEP = 3


class Limiter(Protocol):
    """What a request asks before it is sent, and tells after it was answered."""

    async def acquire(self, urgency: Urgency, bucket: str = "default") -> None:
        """Wait until a request may be sent."""
        ...

    def release(self, bucket: str = "default") -> None:
        """Say that the request is over."""
        ...

    def learn(self, *, remaining: int | None, reset_after: float | None, retry_after: float | None) -> None:
        """Take in what the API said of its quota: units left, seconds to its reset, seconds to wait before the next."""
        ...
