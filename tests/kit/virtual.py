"""A clock whose time passes only when a test says so, and then at once."""

import asyncio
import heapq
import itertools

START_US = 1_700_000_000_000_000
SETTLE = 30
"""Turns of the event loop that let everything happen that can happen now."""


class VirtualClock:
    """Time in seconds from 0; the wall clock starts at a fixed instant."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now_us(self) -> int:
        return START_US + round(self.now * 1_000_000)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + max(seconds, 0.0), next(self._numbers), woken))
        await woken

    def sleeping(self) -> int:
        """Return how many wait for the time."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(SETTLE):
            await asyncio.sleep(0)

    async def pass_until(self, instant: float) -> None:
        """Let the time pass, waking sleepers in order."""
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= instant:
            at, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self.now = max(self.now, at)
            woken.set_result(None)
            await self.settle()
        self.now = max(self.now, instant)

    async def pass_seconds(self, seconds: float) -> None:
        """Let so many seconds pass."""
        await self.pass_until(self.now + seconds)
