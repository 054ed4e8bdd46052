"""Records that grow too old leave the record stream quietly."""

from tests.syncs.conftest import Assign, events, records
from tests.syncs.shelf import Shelf

from headwater.model.position import Stream, start
from headwater.streams.memory import MemoryStreams
from headwater.syncs.backfill import backfill
from headwater.syncs.poll import poll
from headwater.syncs.retire import retire_once

DAY_US = 86_400_000_000


async def test_old_records_leave_quietly(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """What was last updated before the oldest time that is kept is held no more; nothing was deleted."""
    work = await assign(shelf.collection())
    shelf.now_us = work.clock.now_us() - 10 * DAY_US
    shelf.put("old")
    shelf.now_us = work.clock.now_us()
    shelf.put("new")
    await backfill(work, "b1")
    work.max_age_days = 5
    assert await retire_once(work) == 1
    assert set(await records(engine)) == {"new"}
    assert {kind for _, kind in await events(engine)} == {"created"}
    assert (await engine.count([work.slot]))[work.slot.number].records == 1


async def test_old_objects_are_not_fetched_again(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """A look that still shows an old object does not bring it back; an update of it does."""
    work = await assign(shelf.collection())
    work.max_age_days = 5
    shelf.now_us = work.clock.now_us() - 10 * DAY_US
    shelf.put("old")
    await backfill(work, "b1")
    assert await records(engine) == {}
    shelf.now_us = work.clock.now_us()
    shelf.put("old", n=2)
    await poll(work, new_scopes=True)
    assert set(await records(engine)) == {"old"}


async def test_without_a_limit_nothing_leaves(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """No `max_age_days`: not even the stream is read."""
    shelf.put("a")
    work = await assign(shelf.collection())
    await backfill(work, "b1")
    assert await retire_once(work) == 0
    assert len((await engine.read(Stream.RECORDS, start(1), limit=10)).entries) == 1
