"""The connections of the PostgreSQL engine: how many, and how each is set up.

Beside those of `store.database`, which are for statements that need no haste. Readers have a pool of their
own, so that writers who wait for a partition leave them alone. Not here: statements.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Self

from psycopg import AsyncConnection
from psycopg.types.string import ByteaBinaryLoader
from psycopg_pool import AsyncConnectionPool

from headwater.store.connections import application_name

Connection = AsyncConnection[Any]

READERS = 6
WRITERS = 6
"""Connections of one process at most. PostgreSQL allows 100 to all by default."""

CONNECT_SECONDS = 10

_SET = "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)"

_PLANS = {
    # The statements are lookups by key and walks along one. Their plans must not hang on statistics of tables
    # that were empty a minute ago: each has one, through the index.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


class Pools:
    """Connections to read (each statement for itself) and to write (in a transaction)."""

    def __init__(
        self, reading: AsyncConnectionPool[Connection], writing: AsyncConnectionPool[Connection]
    ) -> None:
        """Use `open`."""
        self.reading, self.writing = reading, writing

    @classmethod
    async def open(cls, url: str, session: str, statement_time: timedelta, idle_time: timedelta) -> Self:
        """Connect as a process of this `session`. Raises psycopg's errors."""
        settings = _PLANS | {
            "statement_timeout": _milliseconds(statement_time),
            "idle_in_transaction_session_timeout": _milliseconds(idle_time),
        }

        async def prepare(connection: Connection) -> None:
            connection.prepare_threshold = 0
            connection.adapters.register_loader("text", ByteaBinaryLoader)  # bodies stay bytes
            await connection.set_autocommit(True)
            await connection.execute(_SET, (list(settings), list(settings.values())))

        async def prepare_writer(connection: Connection) -> None:
            await prepare(connection)
            await connection.set_autocommit(False)

        pools = cls(
            _pool(url, session, READERS, prepare, "read"),
            _pool(url, session, WRITERS, prepare_writer, "write"),
        )
        for pool in (pools.reading, pools.writing):
            await pool.open(wait=True, timeout=CONNECT_SECONDS)
        return pools

    async def close(self) -> None:
        """Wait for connections that are in use, and close all."""
        for pool in (self.reading, self.writing):
            await pool.close()


def _pool(
    url: str, session: str, size: int, prepare: Callable[[Connection], Awaitable[None]], name: str
) -> AsyncConnectionPool[Connection]:
    return AsyncConnectionPool(
        url,
        kwargs={"connect_timeout": CONNECT_SECONDS, "application_name": application_name(session, "streams")},
        min_size=1,
        max_size=size,
        open=False,
        configure=prepare,
        name=f"streams-{name}",
    )


def _milliseconds(time: timedelta) -> str:
    return str(time // timedelta(milliseconds=1))
