"""The heartbeat of a process: one for all that it runs under leases, whoever runs it. Knows no work.

It beats well within the lease time. When the process was silent for too long (it was stopped, or the database
was away), everything has passed to others: whoever works is told to drop it, and then the process becomes a
new worker. Not here: who takes which lease (the runners).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog

from headwater.errors import HeadwaterError, LeaseLost
from headwater.kit.clock import Clock
from headwater.store.leases import Leases

_LOG = structlog.get_logger(__name__)
_FRESH_SECONDS = 1.0
"""How old a count of the workers may be. A share that is wrong for so long is put right by the next look."""

Drop = Callable[[], Awaitable[None]]
"""Stops all work at once, and gives nothing back: it is others' by now."""


class Worker:
    """This process as one of those that share the work. Run it beside the runners, and end it after them."""

    def __init__(self, leases: Leases, *, clock: Clock, lease_time: timedelta) -> None:
        """Keep `leases`, which expire after `lease_time` without a beat."""
        self.leases = leases
        self._clock = clock
        self._seconds = lease_time.total_seconds()
        self._drops: list[Drop] = []
        self._until = float("-inf")
        self._beaten = asyncio.Event()
        self._alive, self._counted = 1, float("-inf")

    async def run(self) -> None:
        """Beat until cancelled; then give all leases back. Raises: Halt, Retry when it cannot even begin."""
        await self._register()
        told = ""
        try:
            while True:
                await asyncio.sleep(self._seconds / 4)
                try:
                    await self._beat()
                    told = ""
                except HeadwaterError as error:  # waited out: the next beat tries again
                    if error.error_code != told:
                        _LOG.warning("worker waits", code=error.error_code, reason=error.message)
                    told = error.error_code
        finally:
            self._until = float("-inf")
            with suppress(HeadwaterError):
                await self.leases.release_all()

    @asynccontextmanager
    async def working(self, drop: Drop) -> AsyncGenerator[None]:
        """Work under leases of this process, once it may; `drop` is called when they are lost."""
        await self.certain()
        self._drops.append(drop)
        try:
            yield
        finally:
            self._drops.remove(drop)

    @property
    def is_certain(self) -> bool:
        """Whether the leases are ours beyond doubt: counted from before the last beat, by our own clock."""
        return self._clock.monotonic() < self._until

    async def certain(self) -> None:
        """Wait until the leases are ours beyond doubt. Call it right before each write that nobody fences.

        A process that was stopped and wakes up waits here for its next beat; if all was lost meanwhile, that
        one drops whoever waits.
        """
        while not self.is_certain:
            await self._beaten.wait()

    async def alive(self) -> int:
        """Return how many workers there are, this one included, as of a moment ago."""
        now = self._clock.monotonic()
        if now - self._counted > _FRESH_SECONDS:
            self._alive, self._counted = max(await self.leases.alive(), 1), now
        return self._alive

    async def _register(self) -> None:
        before = self._clock.monotonic()
        await self.leases.register()
        self._live(before)

    async def _beat(self) -> None:
        before = self._clock.monotonic()
        try:
            await self.leases.beat()
        except LeaseLost:
            _LOG.warning("leases lost: this process was silent for too long")
            self._until = float("-inf")
            for drop in list(self._drops):
                await drop()
            await self._register()
        else:
            self._live(before)

    def _live(self, since: float) -> None:
        self._until = since + self._seconds
        beaten, self._beaten = self._beaten, asyncio.Event()
        beaten.set()
