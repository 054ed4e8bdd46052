"""The rigs on which the engine suite runs: an engine, and what other modules write around it."""

import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from headwater.errors import HeadwaterError
from headwater.model.ids import new_id
from headwater.model.record import Slot
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.engine import StreamEngine
from headwater.streams.memory import MemoryStreams
from headwater.streams.sqlite import SqliteStreams
from headwater.testing.clock import ManualClock
from headwater.testing.engine_rig import DurableRig, Rig


class MemoryRig:
    """The reference with a few partitions."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._memory = MemoryStreams(partitions=3, clock=self.clock)
        self._numbers = count(1)
        self.engine: StreamEngine = self._memory

    async def slot(self, partition: int = 0) -> Slot:
        return Slot(
            number=next(self._numbers),
            partition=partition % self.engine.partitions,
            sync_id=new_id(),
            collection_id="crm:contact",
        )

    async def lease(self, name: str, epoch: int) -> None:
        self._memory.leases[name] = epoch

    async def rejected(self, slot: Slot) -> dict[str, str]:
        return {id: why for (number, id), why in self._memory.rejected.items() if number == slot.number}


@asynccontextmanager
async def memory_rig() -> AsyncIterator[Rig]:
    yield MemoryRig()


class DatabaseRig:
    """What the engines on a database have in common. Their slots and leases are rows."""

    def __init__(self, database: Database, engine: StreamEngine, clock: ManualClock) -> None:
        self.database, self.engine, self.clock = database, engine, clock

    async def slot(self, partition: int = 0) -> Slot:
        row = {
            "partition": partition % self.engine.partitions,
            "sync_id": new_id(),
            "collection_id": "crm:contact",
        }
        async with self.database.write() as connection:
            number = await connection.scalar(insert(schema.slots).values(row).returning(schema.slots.c.slot))
        return Slot(number=number, **row)

    async def lease(self, name: str, epoch: int) -> None:
        statement = (
            "INSERT INTO leases (name, epoch) VALUES (:name, :epoch)"
            " ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch"
        )
        async with self.database.write() as connection:
            await connection.execute(text(statement), {"name": name, "epoch": epoch})

    async def rejected(self, slot: Slot) -> dict[str, str]:
        bad = schema.rejected.c
        statement = select(bad.upstream_id, bad.reason).where(bad.slot == slot.number)
        async with self.database.read() as connection:
            rows = await connection.execute(statement)
        return {row.upstream_id: row.reason for row in rows}


# --- SQLite -------------------------------------------------------------------------------------------------


class Killed(sqlite3.OperationalError):
    """The process was killed; nothing of this connection happens any more."""


class Countdown:
    """Lets a number of writing statements pass and then none."""

    def __init__(self, step: int) -> None:
        self.left, self.reached = step, False

    def pass_one(self) -> None:
        if self.left == 0:
            self.reached = True
        if self.reached:
            raise Killed("killed")
        self.left -= 1


class MortalConnection(sqlite3.Connection):
    """A connection that a test can kill between two statements; then it cannot even roll back."""

    countdown: Countdown | None = None
    """Set on the class, for all connections."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._pass_one()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._pass_one()
        return super().executemany(*arguments)

    def _pass_one(self) -> None:
        if MortalConnection.countdown is not None:
            MortalConnection.countdown.pass_one()


class SqliteRig(DatabaseRig):
    """The embedded engine on a file."""

    @contextmanager
    def crash_at(self, step: int) -> Iterator[Countdown]:
        MortalConnection.countdown = countdown = Countdown(step)
        try:
            yield countdown
        finally:
            MortalConnection.countdown = None

    async def reopen(self) -> StreamEngine:
        with suppress(HeadwaterError):
            await self.engine.close()
        self.engine = await SqliteStreams.open(self.database, clock=self.clock)
        return self.engine


@asynccontextmanager
async def sqlite_rig() -> AsyncIterator[DurableRig]:
    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return real_connect(*arguments, **{"factory": MortalConnection} | options)

    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        real_connect = sqlite3.connect
        patch.setattr(sqlite3, "connect", connect)
        database = await Database.open(f"sqlite:///{Path(folder) / 'streams.db'}", clock=clock)
        rig = SqliteRig(database, await SqliteStreams.open(database, clock=clock), clock)
        try:
            yield rig
        finally:
            await rig.engine.close()
            await database.close()
