"""Empty databases to measure on, of both engines, with today's tables in them."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from tests.plugins.postgres import MISSING, fresh_database, running_server, server_binaries

from headwater.kit.clock import SystemClock
from headwater.model.record import Slot
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.engine import StreamEngine
from headwater.streams.postgres import PostgresStreams
from headwater.streams.sqlite import SqliteStreams

EngineName = Literal["sqlite", "postgres"]

SLOT = Slot(number=1, partition=0, sync_id="bench", collection_id="fast:thing")


@dataclass(frozen=True, slots=True)
class Place:
    """Where databases of an engine are made. `server` is PostgreSQL's URL."""

    engine: EngineName
    server: str | None = None

    @contextmanager
    def empty(self) -> Generator[str]:
        """Give the URL of a database without tables, removed afterwards."""
        if self.server is None:
            with TemporaryDirectory(prefix="headwater-bench-") as folder:
                yield f"sqlite:///{Path(folder) / 'bench.db'}"
            return
        with fresh_database(self.server) as url:
            yield url

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[Database]:
        """Give a database with its tables and the slot `SLOT`."""
        with self.empty() as url:
            database = await Database.open(url, clock=SystemClock())
            try:
                async with database.write() as connection:
                    await connection.execute(
                        schema.slots.insert().values(
                            slot=SLOT.number,
                            partition=SLOT.partition,
                            sync_id=SLOT.sync_id,
                            collection_id=SLOT.collection_id,
                        )
                    )
                yield database
            finally:
                await database.close()

    @asynccontextmanager
    async def streams(self) -> AsyncGenerator[StreamEngine]:
        """Give an engine on an empty database."""
        kind = SqliteStreams if self.engine == "sqlite" else PostgresStreams
        async with self.database() as database:
            engine = await kind.open(database, clock=SystemClock())
            try:
                yield engine
            finally:
                await engine.close()


@contextmanager
def place(engine: EngineName) -> Generator[Place]:
    """Give a place for databases; for PostgreSQL a server is started, the one that tests use."""
    if engine == "sqlite":
        yield Place(engine)
        return
    binaries = server_binaries()
    if binaries is None:
        raise SystemExit(MISSING)
    with running_server(binaries) as server:
        yield Place(engine, server)
