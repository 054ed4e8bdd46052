"""The stream engine on PostgreSQL: many processes on one database. See `engine` for promises.

Partitions are written independently; the row of a partition in `partitions` is its lock, held for one commit.
Readers take no lock. Everything is prepared and binary. An upstream id with NUL or a lone surrogate cannot be
stored as PostgreSQL's text: its commit raises Reject before anything is written, so whoever reads objects
from an API has to put those aside first. Not here: the schema (`store.migrations`).
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, LiteralString, Self

from psycopg.errors import CharacterNotInRepertoire, UniqueViolation
from psycopg.rows import args_row

from headwater.errors import Conflict, Reject
from headwater.kit.clock import Clock
from headwater.model.position import Stream, Vector
from headwater.model.record import Entry, Held, Slot
from headwater.store import failures
from headwater.store.database import Database
from headwater.streams import postgres_read, postgres_write
from headwater.streams.engine import Checkpoint, Commit, Committed, Count, Read
from headwater.streams.postgres_pools import Connection, Pools
from headwater.streams.postgres_read import COLUMNS
from headwater.streams.watch import Watch

STATEMENT_TIME = timedelta(seconds=10)
IDLE_TIME = timedelta(seconds=10)
"""Shorter than a lease: a process that was stopped in the middle cannot hold a partition for longer."""

# `OFFSET 0` keeps the lookup of each key a lookup (see `postgres_write`).
_HELD = """
SELECT held.upstream_id::varchar, position, fingerprint, version, asked_us, deleted
FROM unnest(%s::text[]) AS wanted (upstream_id), LATERAL (
    SELECT * FROM state WHERE partition = %s AND slot = %s AND upstream_id = wanted.upstream_id OFFSET 0
) AS held"""

_KEYS = """
SELECT upstream_id::varchar, position, fingerprint, version, asked_us, deleted FROM state
WHERE partition = %s AND slot = %s AND upstream_id > %s ORDER BY upstream_id LIMIT %s"""

_DATA = """
SELECT found.position, found.data FROM unnest(%s::bigint[]) AS wanted (position), LATERAL (
    SELECT position, data FROM log WHERE partition = %s AND position = wanted.position OFFSET 0
) AS found"""

_RECORD = f"""
SELECT {COLUMNS} FROM log
WHERE partition = %s AND position = (
    SELECT position FROM state WHERE partition = %s AND slot = %s AND upstream_id = %s
)"""  # noqa: S608 - made of constants

_HISTORY = f"""
WITH RECURSIVE version AS (
    SELECT log.* FROM log WHERE partition = %s AND position = (
        SELECT position FROM state WHERE partition = %s AND slot = %s AND upstream_id = %s
    )
    UNION ALL
    SELECT log.* FROM version
    JOIN log ON log.partition = version.partition AND log.position = version.replaces
)
SELECT {COLUMNS} FROM version AS log
WHERE position > (SELECT trimmed FROM partitions WHERE partition = %s) LIMIT %s"""  # noqa: S608 - made of constants

_POSITION_AT = """
WITH RECURSIVE halving (partition, low, high) AS (
    SELECT partition, 0::bigint, head FROM partitions
    UNION ALL
    SELECT halving.partition,
        CASE WHEN following.inserted_us < %s THEN following.position ELSE low END,
        CASE WHEN following.inserted_us < %s THEN high ELSE (low + high) / 2 END
    FROM halving LEFT JOIN LATERAL (
        SELECT position, inserted_us FROM log
        WHERE log.partition = halving.partition AND position > (low + high) / 2 ORDER BY position LIMIT 1
    ) AS following ON true
    WHERE low < high
)
SELECT max(low) FROM halving GROUP BY partition ORDER BY partition"""

_OLD_PARTITIONS = """
SELECT partitions.partition FROM partitions, LATERAL (
    SELECT inserted_us FROM log WHERE log.partition = partitions.partition AND position > trimmed
    ORDER BY position LIMIT 1
) AS oldest WHERE oldest.inserted_us < %s ORDER BY partitions.partition"""


@contextmanager
def mapped_errors(where: str) -> Generator[None]:
    """Raise the driver's errors as ours: Conflict and Reject where a row is the cause, else Retry or Halt."""
    with failures.mapped_errors(where):
        try:
            yield
        except UniqueViolation as error:
            if error.diag.table_name != "state":
                raise
            raise Conflict from error  # P2: somebody else has made this record in the meantime
        except CharacterNotInRepertoire as error:
            raise Reject("The object contains bytes that are not UTF-8, or NUL.") from error


class PostgresStreams:
    """The record stream and the event stream in one PostgreSQL database."""

    def __init__(self, database: Database, clock: Clock, pools: Pools, heads: Vector) -> None:
        """Use `open`."""
        self._where, self._clock, self._pools = database.shown, clock, pools
        self._watch = Watch(self.heads, heads)
        self._turns = [asyncio.Lock() for _ in heads]
        """Writers of a partition in this process wait here, not each with a connection in its hand."""
        self._partition_of: dict[int, int] = {}

    @classmethod
    async def open(
        cls,
        database: Database,
        *,
        clock: Clock,
        statement_time: timedelta = STATEMENT_TIME,
        idle_time: timedelta = IDLE_TIME,
    ) -> Self:
        """Open the streams of a migrated database.

        `statement_time` is how long a statement may run, `idle_time` how long a transaction may pause. Both
        must be shorter than a lease.
        """
        with mapped_errors(database.shown):
            pools = await Pools.open(database.url, database.session, statement_time, idle_time)
            async with pools.reading.connection() as connection:
                heads, _ = await postgres_read.lines(connection)
        return cls(database, clock, pools, heads)

    @property
    def partitions(self) -> int:
        """The number of partitions."""
        return len(self._turns)

    # --- reading ------------------------------------------------------------------------------------------

    async def held(self, slot: Slot, ids: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of these records."""
        if not (storable := postgres_write.storable(ids)):
            return {}
        rows = await self._rows(_HELD, storable, slot.partition, slot.number)
        return {id: Held(*held) for id, *held in rows}

    async def data(self, slot: Slot, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Return the data of these versions by position."""
        return dict(await self._rows(_DATA, list(positions), slot.partition) if positions else ())

    async def keys(self, slot: Slot, after: str, limit: int) -> Sequence[tuple[str, Held]]:
        """Return records of a slot by upstream id."""
        rows = await self._rows(_KEYS, slot.partition, slot.number, after, limit)
        return [(id, Held(*held)) for id, *held in rows]

    async def read(
        self,
        stream: Stream,
        after: Vector,
        *,
        slots: Set[int] | None = None,
        limit: int = 100,
        scan: int = 20_000,
    ) -> Read:
        """Return the next entries after a position."""
        async with self._reading() as connection:
            wanted = None if slots is None else await self._by_partition(connection, slots)
            return await postgres_read.read(connection, stream, after, wanted, limit, scan)

    async def at(self, stream: Stream, partition: int, positions: Sequence[int]) -> Mapping[int, Entry]:
        """Return entries of a stream by position."""
        statement = postgres_read.RECORDS_AT if stream is Stream.RECORDS else postgres_read.EVENTS_AT
        wanted = {"partition": partition, "positions": list(positions)}
        async with self._reading() as connection, connection.cursor(row_factory=args_row(Entry)) as cursor:
            await cursor.execute(statement, wanted, binary=True)
            return {entry.position: entry for entry in await cursor.fetchall()}

    async def heads(self) -> Vector:
        """Return the last position of each partition."""
        async with self._reading() as connection:
            return (await postgres_read.lines(connection))[0]

    async def trimmed(self) -> Vector:
        """Return the trim line."""
        async with self._reading() as connection:
            return (await postgres_read.lines(connection))[1]

    async def position_at(self, instant_us: int) -> Vector:
        """Return the last positions committed before an instant, by halving: times never go back in the
        log."""
        return tuple(position for (position,) in await self._rows(_POSITION_AT, instant_us, instant_us))

    async def record(self, slot: Slot, upstream_id: str) -> Entry | None:
        """Return the record's latest version."""
        if not postgres_write.storable([upstream_id]):
            return None
        found = await self._entries(_RECORD, slot.partition, slot.partition, slot.number, upstream_id)
        return found[0] if found else None

    async def history(self, slot: Slot, upstream_id: str, limit: int) -> Sequence[Entry]:
        """Return the record's events that are still in the log, newest first."""
        if not postgres_write.storable([upstream_id]):
            return []
        key = (slot.partition, slot.partition, slot.number, upstream_id)
        return await self._entries(_HISTORY, *key, slot.partition, limit)

    async def count(self, slots: Sequence[Slot]) -> Mapping[int, Count]:
        """Return the record counts of these slots."""
        numbers = [slot.number for slot in slots]
        rows = await self._rows(
            "SELECT slot, records, deleted FROM slots WHERE slot = ANY(%s::int[])", numbers
        )
        return {number: Count(records, deleted) for number, records, deleted in rows}

    async def checkpoints(self, slot: Slot) -> Sequence[Checkpoint]:
        """Return all checkpoints of a slot."""
        statement = "SELECT slot, detector, value, scope::varchar FROM checkpoints WHERE slot = %s"
        return [Checkpoint(*row) for row in await self._rows(statement, slot.number)]

    async def changed(self, heads: Vector, timeout: float) -> Vector:
        """Wait until the heads differ from `heads`."""
        return await self._watch.changed(heads, timeout)

    # --- writing ------------------------------------------------------------------------------------------

    async def commit(self, commit: Commit) -> Committed:
        """Write one commit. Raises besides: Reject for an upstream id that PostgreSQL cannot store."""
        if not (commit.changes or commit.renewals):
            async with self._writing() as connection:
                return await postgres_write.commit(connection, commit, self._clock.now_us())
        async with self._turns[commit.partition], self._writing() as connection:
            committed = await postgres_write.commit(connection, commit, self._clock.now_us())
        if commit.changes:
            self._watch.committed(commit.partition, committed.first + len(commit.changes) - 1)
        return committed

    async def forget(self, slot: Slot, ids: Sequence[str]) -> int:
        """Take records out of the record stream quietly."""
        if not (storable := postgres_write.storable(ids)):
            return 0
        async with self._turns[slot.partition], self._writing() as connection:
            return await postgres_write.forget(connection, slot, storable)

    async def trim(self, before_us: int, limit: int) -> bool:
        """Take one small step of retention, in a partition that has something to trim and is not busy."""
        old = [partition for (partition,) in await self._rows(_OLD_PARTITIONS, before_us)]
        for partition in old:
            async with self._writing() as connection:
                more = await postgres_write.trim(connection, partition, before_us, limit)
            if more is not None:
                return more or partition != old[-1]
        return bool(old)

    async def close(self) -> None:
        """Finish running calls and close."""
        await self._watch.close()
        await self._pools.close()

    # --- connections --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _reading(self) -> AsyncGenerator[Connection]:
        """Give a connection on which each statement stands for itself."""
        with mapped_errors(self._where):
            async with self._pools.reading.connection() as connection:
                yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[Connection]:
        """Give a connection whose transaction is committed on leaving, rolled back on an exception."""
        with mapped_errors(self._where):
            async with self._pools.writing.connection() as connection:
                yield connection

    async def _rows(self, statement: LiteralString, *arguments: Any) -> list[Any]:
        async with self._reading() as connection:
            cursor = await connection.execute(statement, arguments, binary=True)
            return await cursor.fetchall()

    async def _entries(self, statement: LiteralString, *arguments: Any) -> list[Entry]:
        async with self._reading() as connection, connection.cursor(row_factory=args_row(Entry)) as cursor:
            await cursor.execute(statement, arguments, binary=True)
            return await cursor.fetchall()

    async def _by_partition(self, connection: Connection, slots: Set[int]) -> dict[int, set[int]]:
        """Return slots by their partition, which never changes; those that do not exist are left out."""
        if unknown := [slot for slot in slots if slot not in self._partition_of]:
            statement = "SELECT slot, partition FROM slots WHERE slot = ANY(%s::int[])"
            cursor = await connection.execute(statement, (unknown,), binary=True)
            self._partition_of.update(await cursor.fetchall())
        found: dict[int, set[int]] = {}
        for slot in slots:
            if (partition := self._partition_of.get(slot)) is not None:
                found.setdefault(partition, set()).add(slot)
        return found
