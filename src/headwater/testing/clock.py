"""A clock that stands still until a test moves it."""

import asyncio

FIRST_US = 1_700_000_000_000_000


class ManualClock:
    """A `Clock` whose wall time is `us`. Sleeping moves it on and lets other tasks run; nothing waits."""

    def __init__(self, us: int = FIRST_US) -> None:
        """Begin at an instant."""
        self.us = us

    def now_us(self) -> int:
        """Return the wall clock in microseconds."""
        return self.us

    def monotonic(self) -> float:
        """Return seconds that never go back, as long as the test does not turn `us` back."""
        return self.us / 1e6

    async def sleep(self, seconds: float) -> None:
        """Move the time on."""
        self.us += round(seconds * 1e6)
        await asyncio.sleep(0)
