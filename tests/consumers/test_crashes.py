"""Processes that are killed between two steps, that wake up late, that are overtaken. Targets in memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from sqlalchemy import update
from tests.consumers.mill import Mill, milling
from tests.consumers.mortal import Fuse, MortalDatabase, mortal
from tests.consumers.river import rows, until
from tests.store.test_worker import Wrist

from headwater.consumers.ledger import Ledger
from headwater.consumers.plan import Plans
from headwater.consumers.progress import Progress
from headwater.consumers.run import Parts
from headwater.consumers.runner import Runner
from headwater.kit.tasks import ended
from headwater.model.position import Stream
from headwater.store import schema
from headwater.store.database import Database
from headwater.targets.target import Item
from headwater.testing.fake_target import FakeServer

MOST_STEPS = 150


@dataclass(slots=True, eq=False)
class Diary(FakeServer):
    """A server that remembers what came in which order, repeats as well."""

    came: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def put(self, stream: Stream, item: Item) -> None:
        """Note one, and store it."""
        self.came.append((item.entry.upstream_id, item.updated_idx))
        FakeServer.put(self, stream, item)


@pytest.fixture
async def mill(database: Database) -> AsyncGenerator[Mill]:
    """Return a mill with a river in which everything happens: updates, a poison record, one that is held."""
    async with milling(database) as mill:
        slot = await mill.river.slot()
        for ids in (("a", "bad", "slow"), ("b", "slow"), ("a", "bad"), ("slow", "c")):
            await mill.river.put(slot, *ids)
        yield mill


def process(mill: Mill, fuse: Fuse, kind: str) -> Parts:
    """Return a process that may be killed."""
    parts = mill.parts()
    ledger = Ledger(cast("Database", MortalDatabase(mill.river.database, fuse)), mill.river.clock)
    progress = Progress(ledger, every=0.0, leisure=0.01)
    tools = replace(parts.tools, ledger=ledger, progress=progress, wait=lambda _deliveries: 0.02)
    return replace(parts, tools=tools, kinds={kind: mortal(mill.kinds[kind], fuse)})


async def lives(mill: Mill, parts: Parts, fuse: Fuse, done: Any) -> None:
    """Let a process live until it is killed, or everything is done."""
    river = mill.river
    runner = Runner(parts, Plans(river.database, river.revisions, river.vault))
    beating = asyncio.create_task(parts.tools.worker.run())
    working = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(20):
            while not fuse.dead and not await done():  # noqa: ASYNC110 - it is in a database
                await asyncio.sleep(0.005)
    finally:
        await ended(working)
        await ended(beating)


@pytest.mark.parametrize("kind", ["fake", "exact"])
async def test_p4_a_kill_at_any_step_loses_nothing(mill: Mill, kind: str) -> None:
    """Every event is at the target or in the dead letters, those of a record in order (P5); a target that
    keeps the position has each exactly once."""
    events = [(entry.upstream_id, entry.position) for entry in await mill.river.entries(Stream.EVENTS)]
    every = 1 if mill.river.database.dialect == "sqlite" else 5  # the steps are the same
    for steps in range(1, MOST_STEPS, every):
        server = Diary(password=mill.server.password, refuses={"bad"}, holds={"slow"})
        mill.kinds[kind] = server.kind(transactional=kind == "exact")
        consumer = await mill.consumer(kind=kind, batch={"max_messages": 2})

        async def done(consumer: str = consumer, server: Diary = server) -> bool:
            dead = await rows(mill.river.database, schema.dead_letters, consumer)
            out = await rows(mill.river.database, schema.outstanding, consumer)
            there = {*server.came, *((row.upstream_id, row.position) for row in dead)}
            if kind == "fake" and len(there) >= len(events) - 3:
                server.holds.clear()
            return there == set(events) and not out and await mill.position(consumer) == await heads()

        async def heads() -> tuple[int, ...]:
            return await mill.river.engine.heads()

        fuse = Fuse(steps)
        await lives(mill, process(mill, fuse, kind), fuse, done)
        whole = not fuse.dead
        if not whole:
            immortal = Fuse(None)
            await lives(mill, process(mill, immortal, kind), immortal, done)
        assert await done()
        _assert_in_order(server)
        if kind == "exact":
            assert max(Counter(server.came).values()) == 1, (steps, server.came)
        await mill.change(consumer, status="paused")
        if whole:
            return
    pytest.fail("the process takes more steps than were tried")


def _assert_in_order(server: Diary) -> None:
    """Assert that the events of each record came in order, repeats left out (P5)."""
    first = list(dict.fromkeys(server.came))
    for id in {id for id, _ in first}:
        places = [at for one, at in first if one == id]
        assert places == sorted(places), (id, server.came)


async def test_p4_a_process_that_was_paused_writes_nothing_when_it_wakes_up(mill: Mill) -> None:
    """Its lease has run out: it is not certain of it, waits, and is told that all was lost."""
    wrist = Wrist()
    sleepy, wakeful = Diary(password=mill.server.password), Diary(password=mill.server.password)
    mill.kinds["fake"] = sleepy.kind()
    parts = mill.parts(clock=wrist)
    consumer = await mill.consumer()
    async with mill.running(parts) as runner:
        await until(lambda: len(sleepy.came) == 9)
        wrist.ahead = 1_000.0  # it slept; its row has run out, and it has not beaten since
        async with mill.river.database.write() as connection:
            mine = schema.workers.c.worker_id == parts.tools.worker.leases.worker_id
            await connection.execute(update(schema.workers).where(mine).values(expires_us=1))
        [slot] = (await mill.river.streams.slots.now()).by_number.values()
        await mill.river.put(slot.slot, "late")
        mill.kinds = {"fake": wakeful.kind()}
        async with mill.running() as other:
            await until(lambda: ("late", 10) in wakeful.came)
            assert other.running == {consumer}
            await until(lambda: consumer not in runner.running)
            assert ("late", 10) not in sleepy.came


async def test_p7_a_process_that_was_overtaken_moves_no_position(mill: Mill) -> None:
    """A write that was under way when the lease passed on is not written down."""
    consumer = await mill.consumer(batch={"max_messages": 9})
    async with mill.running() as runner:
        mill.server.gate.clear()
        await until(lambda: len(mill.server.writes) == 1)
        async with mill.river.database.write() as connection:
            await connection.execute(
                update(schema.leases).values(epoch=schema.leases.c.epoch + 1, worker_id="other")
            )
            await connection.execute(
                schema.workers.insert().values(
                    worker_id="other", started_us=0, expires_us=2**62, session="other"
                )
            )
        mill.server.gate.set()
        await until(lambda: not runner.running)
    assert sum(await mill.position(consumer)) == 0


async def test_two_processes_share_the_consumers(mill: Mill) -> None:
    """Each has about half of them, and no message is delivered by both."""
    server = Diary(password=mill.server.password)
    mill.kinds["fake"] = server.kind()
    consumers = {await mill.consumer() for _ in range(4)}
    async with mill.running() as first, mill.running() as second:

        def shared() -> bool:
            return len(first.running) == len(second.running) == 2

        await until(shared)
        assert first.running | second.running == consumers
        [slot] = (await mill.river.streams.slots.now()).by_number.values()
        await mill.river.put(slot.slot, "new")
        await until(lambda: server.came.count(("new", 10)) == 4)
