"""Both streams on a real database, with somebody who writes into them: what tests of consumers read from."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, insert, select

from headwater.kit.clock import Clock, SystemClock
from headwater.kit.ids import new_id
from headwater.model.position import Stream, start
from headwater.model.record import Change, Entry, EventKind, Origin, Slot
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.store.vault import Vault, new_key
from headwater.streams.cursor import Cursors
from headwater.streams.engine import Commit, StreamEngine
from headwater.streams.postgres import PostgresStreams
from headwater.streams.reading import Streams
from headwater.streams.slots import SlotTable
from headwater.streams.sqlite import SqliteStreams


@dataclass
class River:
    """The streams, and what has been written."""

    database: Database
    engine: StreamEngine
    revisions: Revisions
    streams: Streams
    vault: Vault
    clock: Clock
    last: dict[tuple[int, str], int] = field(default_factory=dict[tuple[int, str], int])
    """The newest version of each record."""

    async def slot(self, external_id: str | None = None, partition: int = 0) -> Slot:
        """Make a place for the records of a sync."""
        row = {
            "partition": partition % self.engine.partitions,
            "sync_id": new_id(),
            "collection_id": "crm:contact",
        }
        async with self.revisions.changing("syncs") as connection:
            number = await connection.scalar(
                insert(schema.slots).values(**row, external_id=external_id).returning(schema.slots.c.slot)
            )
        return Slot(number=number, **row)

    async def put(self, slot: Slot, *ids: str, **data: Any) -> list[int]:
        """Write a new version of each of these records in one commit; return their positions."""
        committed = await self.engine.commit(
            Commit(partition=slot.partition, changes=[self._change(slot, id, data) for id in ids])
        )
        positions = list(range(committed.first, committed.first + len(ids)))
        self.last.update({(slot.number, id): at for id, at in zip(ids, positions, strict=True)})
        return positions

    async def drop(self, slot: Slot, id: str) -> int:
        """Note that a record has gone."""
        change = self._change(slot, id, {}, EventKind.DELETED)
        committed = await self.engine.commit(Commit(partition=slot.partition, changes=[change]))
        self.last[slot.number, id] = committed.first
        return committed.first

    async def entries(self, stream: Stream) -> list[Entry]:
        """Return everything that a stream has now."""
        read = await self.engine.read(stream, start(self.engine.partitions), limit=100_000)
        return read.entries

    def _change(self, slot: Slot, id: str, data: dict[str, Any], event: EventKind | None = None) -> Change:
        before = self.last.get((slot.number, id))
        kind = EventKind.CREATED if before is None else EventKind.UPDATED
        text = json.dumps({"id": id, **data}).encode()
        return Change(
            slot=slot.number,
            upstream_id=id,
            event=event or kind,
            origin=Origin.SINCE,
            expects=before,
            fingerprint=text,
            version=None,
            asked_us=0,
            created_us=None,
            updated_us=None,
            data=text,
            previous_data=b"{}" if event is None and before is not None else None,
        )


@asynccontextmanager
async def flowing(database: Database, clock: Clock | None = None) -> AsyncGenerator[River]:
    """Give the streams of a database."""
    clock = clock or SystemClock()
    kind = SqliteStreams if database.dialect == "sqlite" else PostgresStreams
    engine = await kind.open(database, clock=clock)
    revisions = Revisions(database, clock)
    vault = Vault.with_keys([new_key()])
    streams = Streams(
        engine=engine,
        slots=SlotTable(database, revisions),
        cursors=Cursors(vault),
        created_event_name="created",
    )
    try:
        yield River(database, engine, revisions, streams, vault, clock)
    finally:
        await engine.close()


async def rows(database: Database, table: Any, consumer_id: str) -> Sequence[Any]:
    """Return the rows of a consumer."""
    async with database.read() as connection:
        found = await connection.execute(select(table).where(table.c.consumer_id == consumer_id))
        return found.all()


async def count(database: Database, table: Any) -> int:
    """Return how many rows a table has."""
    async with database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(table)) or 0


async def until(true: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until something is so; give up after a while."""
    async with asyncio.timeout(seconds):
        while True:
            so = true()
            if so if isinstance(so, bool) else await so:
                return
            await asyncio.sleep(0.005)
