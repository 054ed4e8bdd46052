"""The database of an installation: connections to read and to write, on SQLite or PostgreSQL.

Opening it brings its tables up to date. Does not know what rows mean. Drivers' errors leave it as `Retry` or
`Halt` (see `failures`); a violated constraint stays SQLAlchemy's `IntegrityError`.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Self

from sqlalchemy import BigInteger, ColumnElement, cast, extract, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import Halt
from headwater.kit.clock import Clock
from headwater.kit.ids import new_id
from headwater.store import schema
from headwater.store.connections import Engines, engines
from headwater.store.failures import mapped_errors
from headwater.store.location import Dialect, Location
from headwater.store.lockfile import LockFile
from headwater.store.migrations import migrate


class Database:
    """An open database."""

    def __init__(
        self, location: Location, engines: Engines, partitions: int, clock: Clock, session: str
    ) -> None:
        self.session = session
        """Names the connections of this process, so that others can end them when it has been stopped."""
        self.clock = clock
        """The database's clock on SQLite; PostgreSQL has its own."""
        self.partitions = partitions
        """The number of partitions of the streams, fixed when the database was made."""
        self.write_lock = asyncio.Lock()
        """On SQLite held by whoever writes: `write()`, and the stream engine for its commits."""
        self._location, self._engines = location, engines
        self._lock: LockFile | None = None

    def __repr__(self) -> str:
        return f"Database({self._location.shown!r})"

    @classmethod
    async def open(
        cls, url: str, *, clock: Clock, partitions: int | None = None, exclusive: bool = False
    ) -> Self:
        """Open a database, making a file that does not exist, and migrate it to today's tables.

        `partitions` counts only for a new database (default: 1 on SQLite, 16 on PostgreSQL). `exclusive`: no
        other process may open this SQLite file exclusively, or migrate it, until it is closed.
        Raises: Halt `database.…` with the fix, Retry `database.unreachable`.
        """
        location = Location.parse(url)
        with mapped_errors(location.shown):
            return await cls._open(location, clock, partitions, exclusive)

    @classmethod
    async def _open(cls, location: Location, clock: Clock, partitions: int | None, exclusive: bool) -> Self:
        async with AsyncExitStack() as undo:
            lock = None
            if location.path is not None:
                _make_file(location.path)
                lock = LockFile(location.path)
                if exclusive:
                    undo.enter_context(lock)
            guard = None if exclusive else lock
            await asyncio.to_thread(migrate, location, partitions=partitions, guard=guard)
            session = new_id()
            pools = engines(location, session)
            undo.push_async_callback(pools.dispose)
            async with pools.reading.connect() as connection:
                known = await connection.scalar(
                    select(schema.meta.c.value).where(schema.meta.c.name == "partitions")
                )
            database = cls(location, pools, int(known or 0), clock, session)
            if exclusive:
                database._lock = lock
            undo.pop_all()
        return database

    @property
    def dialect(self) -> Dialect:
        """`sqlite` or `postgresql`."""
        return self._location.dialect

    @property
    def path(self) -> Path | None:
        """The file, on SQLite."""
        return self._location.path

    @property
    def url(self) -> str:
        """The URL as the database's own driver takes it. It may carry a password: never for show."""
        return self._location.url

    @property
    def shown(self) -> str:
        """The URL without its secrets, for people and logs (P8)."""
        return self._location.shown

    @property
    def now_us(self) -> ColumnElement[int]:
        """The time of the database in a statement, for what several processes must agree on."""
        if self.dialect == "sqlite":
            return literal(self.clock.now_us(), BigInteger)
        return cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection in a transaction that sees one state of the database and can write nothing."""
        with mapped_errors(self.shown):
            async with self._engines.reading.begin() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection in a transaction that is committed on leaving, rolled back on an exception."""
        with mapped_errors(self.shown):
            async with self._turn(), self._engines.writing.begin() as connection:
                yield connection

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self.write_lock if self.dialect == "sqlite" else nullcontext()

    async def close(self) -> None:
        """Close all connections. Calling it twice is fine."""
        await self._engines.dispose()
        if self._lock is not None:
            self._lock.release()


def _make_file(path: Path) -> None:
    """Make file and folder for this user alone; SQLite gives its companion files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        message = f"The database file {path} cannot be opened: {error.strerror}."
        fix = "Let the user that runs Headwater read and write it and its folder, or choose another place."
        raise Halt(message, code="database.permission", fix=fix) from error
