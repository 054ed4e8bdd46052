"""A river with managed consumers: their rows, and the runner that works on them, in this process.

async with mill(database) as mill, mill.running():
    consumer = await mill.consumer(Stream.EVENTS)
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, update
from tests.consumers.river import River, flowing, rows

from headwater.consumers import selection, standing
from headwater.consumers.deliver import Tools
from headwater.consumers.ledger import Ledger
from headwater.consumers.plan import Plans
from headwater.consumers.progress import Progress
from headwater.consumers.run import Parts
from headwater.consumers.runner import Runner
from headwater.kit.clock import Clock
from headwater.kit.ids import new_id
from headwater.kit.tasks import ended
from headwater.model.consumer import Selection
from headwater.model.position import Stream, Vector, start
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.leases import Leases
from headwater.store.worker import Worker
from headwater.targets.target import Kind
from headwater.telemetry import metrics
from headwater.testing.fake_target import FakeServer

WELL = json.dumps({"status": "ok", "notes": [], "since": "2026-11-24T00:00:00.000000Z"})
RETENTION = timedelta(days=7)


@dataclass
class Mill:
    """Consumers on a river, and the servers of their targets."""

    river: River
    kinds: dict[str, Kind]
    server: FakeServer = field(default_factory=FakeServer)
    lease_time: timedelta = timedelta(seconds=15)

    async def target(self, kind: str = "fake", **settings: Any) -> str:
        """Make a target; return its id."""
        id = new_id()
        async with self.river.revisions.changing("consumers") as connection:
            await connection.execute(
                insert(schema.targets).values(
                    id=id,
                    kind=kind,
                    name=kind,
                    settings=json.dumps(settings),
                    secrets=self.river.vault.seal(json.dumps({"password": self.server.password}).encode()),
                    metadata="{}",
                    health=WELL,
                    created_us=0,
                    updated_us=0,
                )
            )
        return id

    async def consumer(
        self,
        stream: Stream = Stream.EVENTS,
        *,
        target: str | None = None,
        kind: str = "fake",
        begin: Vector | None = None,
        filters: Selection | None = None,
        external_id: str | None = None,
        **columns: Any,
    ) -> str:
        """Make a consumer; return its id."""
        id = new_id()
        target = target or await self.target(kind)
        batch = columns.pop("batch", {"max_messages": 100})
        values = {"on_gap": "halt", "max_deliver": -1, "status": "active", **columns}
        async with self.river.revisions.changing("consumers") as connection:
            await connection.execute(
                insert(schema.consumers).values(
                    id=id,
                    name="c",
                    stream=stream,
                    target_id=target,
                    filters=selection.to_text(filters or Selection()),
                    start="beginning",
                    batch=json.dumps(batch),
                    health=WELL,
                    external_id=external_id,
                    metadata="{}",
                    created_us=0,
                    updated_us=0,
                    **values,
                )
            )
            begin = begin if begin is not None else start(self.river.engine.partitions)
            await standing.make(connection, id, begin, self.river.clock)
        return id

    async def change(self, consumer_id: str, **columns: Any) -> None:
        """Change a consumer, as a user does."""
        table = schema.consumers
        async with self.river.revisions.changing("consumers") as connection:
            await connection.execute(
                update(table)
                .where(table.c.id == consumer_id)
                .values(**columns, updated_us=table.c.updated_us + 1)
            )

    async def touch(self) -> None:
        """Press `check`: something of consumers has changed."""
        async with self.river.revisions.changing("consumers"):
            pass

    async def reset(self, consumer_id: str, begin: Vector | None = None) -> None:
        """Let a consumer begin anew."""
        async with self.river.revisions.changing("consumers") as connection:
            begin = begin if begin is not None else start(self.river.engine.partitions)
            await standing.reset(connection, consumer_id, begin, self.river.clock)

    async def health(self, consumer_id: str, table: Any = schema.consumers) -> dict[str, Any]:
        """Return what a consumer's (or a target's) health says."""
        async with self.river.database.read() as connection:
            return json.loads(
                await connection.scalar(select(table.c.health).where(table.c.id == consumer_id))
            )

    async def position(self, consumer_id: str) -> Vector:
        """Return where a consumer stands."""
        [row] = await rows(self.river.database, schema.standings, consumer_id)
        return tuple(json.loads(row.position))

    def delivered(self, stream: Stream = Stream.EVENTS) -> list[tuple[str, int]]:
        """Return what the server holds, as pairs of upstream id and version."""
        found = self.server.events if stream is Stream.EVENTS else self.server.records
        return [(item.entry.upstream_id, item.updated_idx) for item in found.values()]

    def parts(self, database: Database | None = None, clock: Clock | None = None) -> Parts:
        """Return the parts of a process that runs consumers."""
        database, clock = database or self.river.database, clock or self.river.clock
        ledger = Ledger(database, clock)
        leases = Leases(database, clock=self.river.clock, lease_time=self.lease_time)
        return Parts(
            tools=Tools(
                ledger=ledger,
                progress=Progress(ledger, every=0.01, leisure=0.2),
                worker=Worker(leases, clock=clock, lease_time=self.lease_time),
                clock=clock,
                event_retention=RETENTION,
            ),
            streams=self.river.streams,
            kinds=self.kinds,
            metrics=metrics(),
        )

    @asynccontextmanager
    async def running(self, parts: Parts | None = None) -> AsyncGenerator[Runner]:
        """Run a process's share of the consumers."""
        parts = parts or self.parts()
        river = self.river
        runner = Runner(parts, Plans(river.database, river.revisions, river.vault))
        beating = asyncio.create_task(parts.tools.worker.run())
        working = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            await ended(working)
            await ended(beating)


@asynccontextmanager
async def milling(
    database: Database,
    clock: Clock | None = None,
    more: Callable[[FakeServer], dict[str, Kind]] | None = None,
) -> AsyncGenerator[Mill]:
    """Give a mill on a database, with the kinds `fake` and `exact`, the transactional one, and `more`."""
    async with flowing(database, clock) as river:
        server = FakeServer()
        kinds = {"fake": server.kind(), "exact": server.kind(transactional=True)}
        yield Mill(river, kinds | (more(server) if more else {}), server)
