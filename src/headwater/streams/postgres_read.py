"""How the PostgreSQL engine reads a stream, page by page, as functions on a connection in autocommit.

Each statement has a snapshot of its own, and that is enough. Commits of a partition come one after another,
so a statement sees all positions up to the head that an earlier one saw (P11). A record that moves meanwhile
moves behind that head. Events that are trimmed meanwhile are noticed at the end. No lock is taken.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row

from headwater.errors import Gone
from headwater.model.position import Stream, Vector
from headwater.model.record import Entry
from headwater.streams.engine import Read
from headwater.streams.postgres_pools import Connection

COLUMNS = (
    "log.partition, log.position, log.slot, log.upstream_id::varchar, log.event, log.origin, log.inserted_us,"
    " log.created_us, log.updated_us, log.mutation_id, log.data, log.previous_data, log.replaces"
)
"""The fields of an entry. `text` is loaded as bytes, `varchar` as str."""

FEW_SLOTS = 32
"""Up to so many slots are read through the index; more by scanning."""

_SCAN = f"""
SELECT {COLUMNS} FROM log
WHERE partition = %(partition)s AND position > %(after)s AND position <= %(end)s
    AND (latest OR %(events)s) AND (%(slots)s::int[] IS NULL OR slot = ANY(%(slots)s::int[]))
ORDER BY position LIMIT %(limit)s"""  # noqa: S608 - made of constants

_FOLLOWING = "SELECT min(position) FROM log WHERE partition = %s AND position > %s AND position <= %s"

_PLACES = """
SELECT place.position, place.latest FROM unnest(%s::int[]) AS wanted (slot), LATERAL (
    SELECT position, latest FROM log
    WHERE log.slot = wanted.slot AND partition = %s AND position > %s AND position <= %s
    ORDER BY position LIMIT %s
) AS place ORDER BY place.position LIMIT %s"""

_ROWS = f"""
SELECT {COLUMNS} FROM unnest(%(positions)s::bigint[]) AS wanted (position), LATERAL (
    SELECT * FROM log WHERE partition = %(partition)s AND position = wanted.position OFFSET 0
) AS log
WHERE latest OR %(events)s ORDER BY log.position"""  # noqa: S608 - made of constants

_AT = f"""
SELECT {COLUMNS} FROM unnest(%(positions)s::bigint[]) AS wanted (position), LATERAL (
    SELECT * FROM log WHERE partition = %(partition)s AND position = wanted.position OFFSET 0
) AS log WHERE """  # noqa: S608 - made of constants

RECORDS_AT = f"{_AT} latest"
EVENTS_AT = f"{_AT} log.position > (SELECT trimmed FROM partitions WHERE partition = %(partition)s)"  # noqa: S608


async def lines(connection: Connection) -> tuple[Vector, Vector]:
    """Return heads and trim lines."""
    cursor = await connection.execute("SELECT head, trimmed FROM partitions ORDER BY partition", binary=True)
    heads, trimmed = zip(*await cursor.fetchall(), strict=True)
    return heads, trimmed


async def read(
    connection: Connection,
    stream: Stream,
    after: Vector,
    wanted: Mapping[int, Set[int]] | None,
    limit: int,
    scan: int,
) -> Read:
    """Return the next entries after a position; `wanted` are slots by partition, None for all.

    Raises: Gone.
    """
    heads, trimmed = await lines(connection)
    _check_left(stream, after, trimmed)
    page = _Page(connection, stream, limit, scan)
    position = list(after)
    for partition, head in enumerate(heads):
        if page.full:
            break
        if position[partition] >= head:
            continue
        stretch = _Stretch(partition, after[partition], head)
        slots = None if wanted is None else sorted(wanted.get(partition, ()))
        if slots is None or len(slots) > FEW_SLOTS:
            position[partition] = await page.scan(stretch, slots)
        else:
            position[partition] = await page.pick(stretch, slots) if slots else head
    if stream is Stream.EVENTS and page.entries:
        _check_left(stream, after, (await lines(connection))[1])
    return Read(page.entries, tuple(position), tuple(position) != heads)


def _check_left(stream: Stream, after: Vector, trimmed: Vector) -> None:
    """Raise Gone when events after a position have been trimmed (P11)."""
    if stream is Stream.EVENTS and any(a < t for a, t in zip(after, trimmed, strict=True)):
        raise Gone(fix="Start again from the earliest position that is left.")


class _Stretch(msgspec.Struct, frozen=True):
    """What is unread of a partition: the positions above `after`, up to the head at the start of the read."""

    partition: int
    after: int
    head: int


class _Page:
    """A page that fills up. `scan` is how many rows it may still look at."""

    def __init__(self, connection: Connection, stream: Stream, limit: int, scan: int) -> None:
        self.entries: list[Entry] = []
        self._connection, self._events = connection, stream is Stream.EVENTS
        self._limit, self._scan = limit, scan

    @property
    def full(self) -> bool:
        return len(self.entries) >= self._limit or self._scan <= 0

    async def scan(self, stretch: _Stretch, slots: Sequence[int] | None) -> int:
        """Read rows in order of position; return how far was looked."""
        end = min(stretch.after + self._scan, stretch.head)
        limit = self._limit - len(self.entries)
        found = await self._add(
            _SCAN, partition=stretch.partition, after=stretch.after, end=end, slots=slots, limit=limit
        )
        if found == limit:
            end = self.entries[-1].position
        self._scan -= end - stretch.after
        if found < limit and end < stretch.head:  # no walk through what retention has emptied
            cursor = await self._connection.execute(
                _FOLLOWING, (stretch.partition, end, stretch.head), binary=True
            )
            row = await cursor.fetchone()
            end = stretch.head if row is None or row[0] is None else row[0] - 1
        return end

    async def pick(self, stretch: _Stretch, slots: Sequence[int]) -> int:
        """Read rows of a few slots through their index; return how far was looked."""
        after = stretch.after
        while not self.full:
            limit = self._limit - len(self.entries)
            look_at = limit if self._events else min(2 * limit, self._scan)
            cursor = await self._connection.execute(
                _PLACES, (slots, stretch.partition, after, stretch.head, look_at, look_at), binary=True
            )
            places = await cursor.fetchall()
            chosen = [position for position, latest in places if latest or self._events]
            if chosen:
                await self._add(_ROWS, partition=stretch.partition, positions=chosen[:limit])
            self._scan -= len(places)
            if len(chosen) > limit:
                return chosen[limit - 1]
            if len(places) < look_at:
                return stretch.head
            after = places[-1][0]
        return after

    async def _add(self, statement: LiteralString, **arguments: Any) -> int:
        """Add the entries that a statement finds; return how many."""
        async with self._connection.cursor(binary=True, row_factory=args_row(Entry)) as cursor:
            await cursor.execute(statement, {"events": self._events, **arguments})
            found = await cursor.fetchall()
        self.entries += found
        return len(found)
