"""How connections to the database are set up. Opens none by itself.

SQLite: WAL, so that readers and the one writer do not wait for each other; `synchronous=FULL`, so that what
has been committed survives a power cut. PostgreSQL: time-outs, so that a process that was stopped in the
middle of a transaction cannot hold its locks for longer than a lease.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from headwater.store.location import Location

BUSY_MILLISECONDS = 10_000
"""How long SQLite waits for a lock of another connection."""

HELD_MILLISECONDS = 10_000
"""How long a statement may run and a transaction may be idle on PostgreSQL. Shorter than a lease (15 s)."""

PRAGMAS = (
    "PRAGMA page_size = 4096",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}",
)

POSTGRESQL_SETTINGS = f"""
SELECT set_config('statement_timeout', '{HELD_MILLISECONDS}', false),
       set_config('idle_in_transaction_session_timeout', '{HELD_MILLISECONDS}', false),
       set_config('timezone', 'UTC', false)
"""

CONNECT_SECONDS = 10


def application_name(session: str, purpose: str = "management") -> str:
    """Return the name under which PostgreSQL knows the connections of a process for a purpose."""
    return f"headwater {session} {purpose}"


class LettingGo(sqlite3.Connection):
    """A connection that ends its transaction when it is closed, whatever statements are still open on it.

    SQLite itself keeps a closed connection, with its lock on the file, until the last of them is collected:
    a task that was cancelled in the middle would keep everybody from writing.
    Source: https://sqlite.org/c3ref/close.html (sqlite3_close_v2, read 2026-11-24).
    """

    def close(self) -> None:
        """Close it."""
        if self.in_transaction:
            self.rollback()
        super().close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Where connections come from: to read, and to write. On PostgreSQL both use one pool."""

    reading: AsyncEngine
    writing: AsyncEngine

    async def dispose(self) -> None:
        """Close all connections."""
        await self.reading.dispose()
        await self.writing.dispose()


def engines(location: Location, session: str) -> Engines:
    """Return the engines of a database for a process of this `session`, without connecting yet."""
    if location.dialect == "postgresql":
        engine = _postgresql(location, session)
        return Engines(reading=engine.execution_options(postgresql_readonly=True), writing=engine)
    return Engines(
        reading=_sqlite(location, "BEGIN", "PRAGMA query_only = ON", pool_size=4),
        writing=_sqlite(location, "BEGIN IMMEDIATE", pool_size=1, max_overflow=0),
    )


def _sqlite(location: Location, begin: str, *pragmas: str, **pool: int) -> AsyncEngine:
    engine = create_async_engine(
        location.engine_url,
        connect_args={"isolation_level": None, "factory": LettingGo},
        hide_parameters=True,
        **pool,
    )
    _on_connect(engine.sync_engine, *PRAGMAS, *pragmas)
    _on_begin(engine.sync_engine, begin)
    return engine


def _postgresql(location: Location, session: str) -> AsyncEngine:
    engine = create_async_engine(
        location.engine_url,
        pool_size=5,
        max_overflow=10,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": application_name(session)},
        hide_parameters=True,  # P8: the text of an error would show what was being stored
    )
    _on_connect(engine.sync_engine, POSTGRESQL_SETTINGS)
    return engine


def migrating(location: Location) -> Engine:
    """Return an engine for a thread of its own, without time-outs: a migration takes as long as it takes."""
    if location.dialect == "sqlite":
        url = location.engine_url.set(drivername="sqlite+pysqlite")
        engine = create_engine(url, connect_args={"isolation_level": None})
        _on_connect(engine, *PRAGMAS)
        _on_begin(engine, "BEGIN IMMEDIATE")
        return engine
    arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "headwater migration"}
    return create_engine(location.engine_url, connect_args=arguments)


def _on_connect(engine: Engine, *statements: str) -> None:
    def set_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", set_up)


def _on_begin(engine: Engine, statement: str) -> None:
    """Begin by ourselves: the driver begins too late for reads and does not begin at all for DDL."""

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine, "begin", begin)
