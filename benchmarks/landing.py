"""A database that a PostgreSQL target writes to, which tells when each record's row is there to be read.

A trigger notifies for each row, which PostgreSQL delivers when the transaction is committed. Not here: what
is written, and by whom.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Set
from contextlib import asynccontextmanager

import psycopg
from tests.plugins.postgres import fresh_database

from headwater.model.secret import Secret
from headwater.targets.postgres import PostgresSettings
from headwater.targets.postgres.tables import Layout

_TRIGGER = """
CREATE FUNCTION landed() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('landed', NEW.upstream_id); RETURN NULL; END $$;
CREATE TRIGGER landed AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION landed();
LISTEN landed
"""


class Landing:
    """The database, and what has come to it."""

    def __init__(self, url: str) -> None:
        """Use `landing`."""
        self.url = url
        self.at: dict[str, float] = {}
        """When the row of an object was heard of first, by `perf_counter`."""
        self._moved = asyncio.Event()

    async def listen(self, connection: psycopg.AsyncConnection) -> None:
        """Take note of each row."""
        async for told in connection.notifies():
            self.at.setdefault(told.payload, time.perf_counter())
            self._moved.set()

    async def until(self, ids: Set[str], seconds: float = 60) -> None:
        """Wait until there are rows of all these objects."""
        async with asyncio.timeout(seconds):
            while not ids <= self.at.keys():
                self._moved.clear()
                await self._moved.wait()


@asynccontextmanager
async def landing(server: str) -> AsyncGenerator[Landing]:
    """Give such a database on a server, with the target's table of records in it."""
    with fresh_database(server) as url:
        table = Layout(PostgresSettings(url=Secret(url))).records
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(table.ddl.encode())
            await connection.execute(_TRIGGER.format(table=table.quoted).encode())
            place = Landing(url)
            listening = asyncio.create_task(place.listen(connection))
            try:
                yield place
            finally:
                listening.cancel()
                await asyncio.wait([listening])
