"""The heartbeat: what it is certain of, and what happens when it was silent for too long."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

from tests.store.test_leases import expire

from headwater.kit.clock import SystemClock
from headwater.kit.tasks import ended
from headwater.store.database import Database
from headwater.store.leases import Leases
from headwater.store.worker import Worker


class Wrist(SystemClock):
    """The machine's clock, which a test can put forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return super().monotonic() + self.ahead


def made(database: Database, lease_time: timedelta) -> tuple[Worker, Wrist]:
    """Return a worker and its own clock."""
    wrist = Wrist()
    leases = Leases(database, clock=SystemClock(), lease_time=lease_time)
    return Worker(leases, clock=wrist, lease_time=lease_time), wrist


async def nothing() -> None:
    """Have nothing to drop."""


async def test_nobody_works_before_the_process_is_a_worker(database: Database) -> None:
    """Working waits for the registration; at the end everything is given back."""
    worker, _ = made(database, timedelta(seconds=15))
    assert not worker.is_certain
    beating = asyncio.create_task(worker.run())
    async with worker.working(nothing):
        assert worker.is_certain
        [fence] = await worker.leases.claim(["sync:a"], 1)
        assert await worker.leases.held() == [fence]
        assert await worker.alive() == 1
    await ended(beating)
    assert not worker.is_certain
    assert await worker.leases.held() == []


async def test_two_that_share_a_heartbeat_are_both_told_when_it_was_silent(database: Database) -> None:
    """All leases of a process are lost together; then it begins anew, under another name."""
    worker, _ = made(database, timedelta(seconds=1))
    dropped = list[str]()
    again = asyncio.Event()

    async def drop(name: str) -> None:
        assert not worker.is_certain
        dropped.append(name)
        if len(dropped) == 2:
            again.set()

    beating = asyncio.create_task(worker.run())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(worker.working(lambda: drop("syncs")))
        await stack.enter_async_context(worker.working(lambda: drop("consumers")))
        before = worker.leases.worker_id
        await expire(database, before)
        await again.wait()
        await worker.certain()
        assert dropped == ["syncs", "consumers"]
        assert worker.leases.worker_id != before
    await ended(beating)


async def test_who_wakes_up_late_is_not_certain_until_the_next_beat(database: Database) -> None:
    """By our own clock the time is over, whatever the database says; a beat that works makes it good."""
    worker, wrist = made(database, timedelta(seconds=2))
    beating = asyncio.create_task(worker.run())
    await worker.certain()
    wrist.ahead = 10.0
    assert not worker.is_certain
    await worker.certain()
    assert worker.is_certain
    await ended(beating)
