"""The arithmetic of one bucket: when may the next request go? Pure: it is told the time, and never waits.

Two rules, both must allow. The wall: a request counts from when it is sent until `per` after it is over, so
whenever in between the API counted it, no window of `per` holds more than `allowed`. The pace: requests
flow evenly, with a small burst, so that one caller cannot spend an hour's budget in a minute and leave the
others before the wall; the less urgent a request is, the more of the burst it leaves for others.
"""

import math
from collections import deque
from dataclasses import dataclass

BURST_PART = 0.1
"""The part of `allowed` that may go at once."""
BURST_SECONDS = 10.0
"""The burst is at most what flows in this time: long windows get no long bursts."""
GRAINS = 1000
"""A bucket that allows more than this remembers requests in so many grains, for the sake of memory."""
_NEARLY = 1e-9
"""Of a request: what rounding may lose."""


@dataclass(slots=True)
class _Over:
    """Requests that were over between `first` and `last`; all count until `per` after `last`."""

    first: float
    last: float
    count: int


class Window:
    """One bucket: what was spent of it, and when there is more. Times and `per` are seconds."""

    __slots__ = (
        "_allowed", "_burst", "_concurrent", "_grain", "_over", "_over_count", "_per", "_rate",
        "_refilled_at", "_tokens", "_under_way",
    )  # fmt: skip

    def __init__(self, allowed: int, per: float, concurrent: int | None, now: float) -> None:
        self._allowed, self._per, self._concurrent = allowed, per, concurrent
        self._burst = max(1.0, min(allowed * BURST_PART, BURST_SECONDS * allowed / per))
        self._rate = max(allowed - self._burst, allowed * (1 - BURST_PART)) / per
        self._tokens, self._refilled_at = self._burst, now
        self._grain = per / GRAINS if allowed > GRAINS else 0.0
        self._over: deque[_Over] = deque()
        self._over_count = self._under_way = 0

    def ready_at(self, now: float, leave: float) -> float:
        """Return when one more request may go if nothing else does; infinite if another must be over first.

        `leave` is the part of the burst (0 to 1) that this request leaves for more urgent ones.
        """
        if self._concurrent is not None and self._under_way >= self._concurrent:
            return math.inf
        self._refill(now)
        missing = 1 + leave * (self._burst - 1) - self._tokens
        paced = now if missing < _NEARLY else now + missing / self._rate
        while self._over and self._over[0].last + self._per <= now:
            self._over_count -= self._over.popleft().count
        if self._under_way + self._over_count < self._allowed:
            return paced
        # P10: before the wall, until the oldest request has left every window that could hold it.
        return max(paced, self._over[0].last + self._per) if self._over else math.inf

    def take(self, now: float) -> None:
        """Count a request that goes now."""
        self._refill(now)
        self._tokens -= 1
        self._under_way += 1

    def finish(self, now: float) -> None:
        """Count a request as over."""
        self._under_way -= 1
        self._over_count += 1
        if self._over and now - self._over[-1].first < self._grain:
            self._over[-1].last = now
            self._over[-1].count += 1
        else:
            self._over.append(_Over(now, now, 1))

    def undo(self) -> None:
        """Forget a request that was taken and never sent."""
        self._under_way -= 1
        self._tokens = min(self._burst, self._tokens + 1)

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._refilled_at) * self._rate)
        self._refilled_at = now
