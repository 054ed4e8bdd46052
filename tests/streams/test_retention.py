import asyncio
from datetime import timedelta

import pytest

from headwater.errors import Halt, Retry
from headwater.model.position import Stream
from headwater.model.record import Change, EventKind, Origin
from headwater.streams import retention
from headwater.streams.engine import Commit
from headwater.streams.memory import MemoryStreams
from headwater.testing.clock import ManualClock

DAY_US = 86_400_000_000


class SlowTrim(MemoryStreams):
    """An engine whose rows take a millisecond each to trim, and that counts what is asked of it."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(partitions=1, clock=clock)
        self.clock, self.steps, self.busy = clock, list[int](), 0

    async def trim(self, before_us: int, limit: int) -> bool:
        if self.busy:
            self.busy -= 1
            raise Retry
        self.steps.append(limit)
        self.clock.us += limit * 1_000
        return await super().trim(before_us, limit)


async def changes(engine: MemoryStreams, count: int) -> None:
    """Commit so many changes of so many records."""
    first = (await engine.heads())[0]
    made = [
        Change(
            slot=1,
            upstream_id=str(first + number),
            event=EventKind.CREATED,
            origin=Origin.BACKFILL,
            expects=None,
            fingerprint=b"",
            version=None,
            asked_us=0,
            created_us=None,
            updated_us=None,
            data=b"{}",
        )
        for number in range(count)
    ]
    await engine.commit(Commit(partition=0, changes=made))


async def until(clock: ManualClock, keeping: "asyncio.Task[None]", instant_us: int) -> None:
    """Let retention work until an instant of its clock."""
    while clock.us < instant_us and not keeping.done():  # noqa: ASYNC110 - its clock is moved by the task under test
        await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_old_events_leave_and_records_stay() -> None:
    """What is younger than the retention stays an event."""
    clock = ManualClock()
    engine = SlowTrim(clock)
    await changes(engine, 300)
    clock.us += 6 * DAY_US
    await changes(engine, 40)
    clock.us += DAY_US + 1
    keeping = asyncio.create_task(retention.keep(engine, timedelta(days=7), clock))
    await until(clock, keeping, clock.us + 120_000_000)

    assert await engine.trimmed() == (300,)
    events = await engine.read(Stream.EVENTS, (300,), limit=1000)
    records = await engine.read(Stream.RECORDS, (0,), limit=1000)
    assert len(events.entries) == 40
    assert len(records.entries) == 340


async def test_steps_stay_small_and_leave_time_to_others() -> None:
    """At a millisecond a row, a step settles at 50 rows, and three times as long is left to others."""
    clock = ManualClock()
    engine = SlowTrim(clock)
    await changes(engine, 1_000)
    clock.us += 8 * DAY_US
    began = clock.us
    keeping = asyncio.create_task(retention.keep(engine, timedelta(days=7), clock))
    while await engine.trimmed() != (1_000,):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    took = clock.us - began
    await until(clock, keeping, clock.us)

    assert max(engine.steps) <= 50
    assert took >= 1_000_000 * retention.REST * 0.9


async def test_it_waits_where_nothing_is_old() -> None:
    """One look a minute is enough for a week of events."""
    clock = ManualClock()
    engine = SlowTrim(clock)
    keeping = asyncio.create_task(retention.keep(engine, timedelta(days=7), clock))
    await until(clock, keeping, clock.us + 600_000_000)
    assert 9 <= len(engine.steps) <= 11


async def test_a_short_retention_is_looked_at_oftener() -> None:
    """A hundredth of it, so that events of a minute do not live for two."""
    clock = ManualClock()
    engine = SlowTrim(clock)
    keeping = asyncio.create_task(retention.keep(engine, timedelta(minutes=5), clock))
    await until(clock, keeping, clock.us + 60_000_000)
    assert 15 <= len(engine.steps) <= 21


async def test_a_busy_database_is_left_alone_for_a_while() -> None:
    """Retention tries again later, and nothing is reported."""
    clock = ManualClock()
    engine = SlowTrim(clock)
    engine.busy = 3
    keeping = asyncio.create_task(retention.keep(engine, timedelta(days=7), clock))
    await until(clock, keeping, clock.us + 250_000_000)
    assert engine.busy == 0
    assert engine.steps


async def test_what_needs_a_person_ends_it() -> None:
    """Its supervisor reports it."""

    class Broken(SlowTrim):
        async def trim(self, before_us: int, limit: int) -> bool:
            raise Halt("The disk is full.")

    clock = ManualClock()
    with pytest.raises(Halt):
        await retention.keep(Broken(clock), timedelta(days=7), clock)


@pytest.mark.parametrize(
    ("limit", "took", "expected"),
    [
        (100, 0.0, 200),
        (100, 0.05, 100),
        (100, 0.001, 200),
        (100, 0.1, 50),
        (100, 5.0, retention.FEWEST),
        (4_000, 0.001, retention.MOST),
    ],
)
def test_the_next_step(limit: int, took: float, expected: int) -> None:
    """As many rows as fit into the time, at most twice as many as before."""
    assert retention.next_limit(limit, took) == expected
