"""The rigs on which the engine suite runs: an engine, and what other modules write around it."""

import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, make_url, select, text
from tests.streams.cutting_proxy import Cut, CuttingProxy

from headwater.errors import HeadwaterError
from headwater.kit.ids import new_id
from headwater.model.record import Slot
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.engine import StreamEngine
from headwater.streams.memory import MemoryStreams
from headwater.streams.postgres import PostgresStreams
from headwater.streams.sqlite import SqliteStreams
from headwater.testing.clock import ManualClock
from headwater.testing.engine_rig import DurableRig, Rig


class MemoryRig:
    """The reference with a few partitions."""

    def __init__(self, kind: type[MemoryStreams] = MemoryStreams) -> None:
        self.clock = ManualClock()
        self._memory = kind(partitions=3, clock=self.clock)
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

    engine: StreamEngine

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock = database, clock

    async def reopen(self) -> StreamEngine:
        if hasattr(self, "engine"):
            with suppress(HeadwaterError):
                await self.engine.close()
        self.engine = await self._open()
        return self.engine

    async def _open(self) -> StreamEngine:
        raise NotImplementedError

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

    async def _open(self) -> StreamEngine:
        return await SqliteStreams.open(self.database, clock=self.clock)


@asynccontextmanager
async def sqlite_rig() -> AsyncIterator[DurableRig]:
    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return real_connect(*arguments, **{"factory": MortalConnection} | options)

    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        real_connect = sqlite3.connect
        patch.setattr(sqlite3, "connect", connect)
        database = await Database.open(f"sqlite:///{Path(folder) / 'streams.db'}", clock=clock)
        rig = SqliteRig(database, clock)
        await rig.reopen()
        try:
            yield rig
        finally:
            await rig.engine.close()
            await database.close()


# --- PostgreSQL ---------------------------------------------------------------------------------------------

PARTITIONS = 3

EMPTY = """
TRUNCATE log, state, slots, checkpoints, rejected, leases;
UPDATE partitions SET head = 0, trimmed = 0, last_us = 0"""


class PostgresRig(DatabaseRig):
    """The engine on PostgreSQL, connected through a door that can be shut."""

    def __init__(
        self, database: Database, through: Database, proxy: CuttingProxy, clock: ManualClock
    ) -> None:
        self.through, self.proxy = through, proxy
        super().__init__(database, clock)

    def crash_at(self, step: int) -> AbstractContextManager[Cut]:
        return self.proxy.cut_at(step)

    async def _open(self) -> StreamEngine:
        return await PostgresStreams.open(self.through, clock=self.clock)


@asynccontextmanager
async def postgres_rig(url: str) -> AsyncIterator[PostgresRig]:
    clock = ManualClock()
    address = make_url(url)
    async with AsyncExitStack() as stack:
        proxy = CuttingProxy(address.host or "", address.port or 0)
        await stack.enter_async_context(proxy.listening())
        database = await Database.open(url, clock=clock, partitions=PARTITIONS)
        stack.push_async_callback(database.close)
        through_url = address.set(port=proxy.port).render_as_string(hide_password=False)
        through = await Database.open(through_url, clock=clock)
        stack.push_async_callback(through.close)
        async with database.write() as connection:
            await connection.execute(text(EMPTY))
        rig = PostgresRig(database, through, proxy, clock)
        await rig.reopen()
        yield rig
        await rig.engine.close()
