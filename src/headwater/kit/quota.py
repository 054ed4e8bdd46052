"""What an API said of its own quota, and how fast to go by it. Pure, like `window`.

Our own buckets are guesses about the API and know nothing of its other users; the API's own numbers do.
While much is left they change nothing for urgent requests; what is left when it gets short is spread until
the reset, and a write may have the last of it.
"""

import math

PLENTY = 0.2
"""As long as this part of the most that was ever left is left, urgent requests are not slowed."""
RESET_GUESS = 1.0
"""Seconds to wait where nothing is left and the API does not say until when."""


class Quota:
    """Units left until a reset, as the API said and as counted since. Times are seconds."""

    __slots__ = ("_last", "_left", "_most", "_resets_at", "_under_way")

    def __init__(self) -> None:
        self._left = self._most = self._under_way = 0
        self._last, self._resets_at = 0.0, -math.inf

    def hear(self, now: float, remaining: int, reset_after: float | None) -> None:
        """Take in that an answer said: so many units are left until a reset in so many seconds.

        Without a time only the end of the quota tells something.
        """
        if reset_after is None and remaining > 0:
            return
        # Of those under way one is this answer's, which the API has counted; the others it may not have.
        self._left = remaining - max(0, self._under_way - 1)
        self._most = max(self._most, remaining)
        self._resets_at = now + (RESET_GUESS if reset_after is None else reset_after)

    def ready_at(self, now: float, haste: float) -> float:
        """Return when one more request may go.

        `haste` 1: while anything is left; between: while plenty is left; 0: always at an even pace.
        """
        if now >= self._resets_at:
            return now
        if self._left < 1:
            return self._resets_at
        if haste == 1 or (haste and self._left > PLENTY * self._most):
            return now
        return self._last + (self._resets_at - self._last) / (self._left + 1)

    def take(self, now: float) -> None:
        """Count a request that goes now."""
        self._left -= 1
        self._under_way += 1
        self._last = now

    def finish(self) -> None:
        """Count a request as over."""
        self._under_way -= 1

    def undo(self) -> None:
        """Forget a request that was taken and never sent."""
        self._left += 1
        self._under_way -= 1
