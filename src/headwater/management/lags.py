"""How far managed consumers are behind their streams: from where they stand, what waits, and the heads.

Cheap for many at once: a few looks into the database, and one into the log for each partition. Not here: what
a running consumer knows of itself (`consumers.runner`, for the metrics).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import JSON, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.kit.clock import Clock
from headwater.model.position import Stream, Vector
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.engine import StreamEngine

Place = tuple[int, int]
"""Partition and position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a consumer is behind its stream.

    `messages`: entries that it has yet to look at, and messages that wait to be tried again. Its filters may
    leave some of the former out, and of a record only the latest version will be delivered: at most so many.
    `behind`: how long ago the oldest of them was written; nothing where there is none.
    """

    messages: int = 0
    behind: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Todo:
    """What there is still to do for a consumer: how much, and where it begins in each partition."""

    messages: int
    firsts: tuple[Place, ...]


class Lags:
    """Measures how late consumers are."""

    def __init__(self, database: Database, engine: StreamEngine, clock: Clock) -> None:
        """Read the tables of `database`, and how far the streams are from `engine`."""
        self._database = database
        self._engine = engine
        self._clock = clock

    async def of(self, consumers: Mapping[str, Stream]) -> dict[str, Lag]:
        """Return how late consumers are, given by id with their streams."""
        async with self._database.read() as connection:
            positions = await _positions(connection, list(consumers))
            waiting = await _waiting(connection, list(consumers))
        heads, trimmed = await self._engine.heads(), await self._engine.trimmed()
        todos: dict[str, _Todo] = {}
        for id, position in positions.items():
            if consumers[id] is Stream.EVENTS:  # what has passed out of retention is lost, not to come
                position = tuple(max(pair) for pair in zip(position, trimmed, strict=True))
            todos[id] = _todo(position, heads, waiting.get(id, ()))
        written = await self._written_us({first for todo in todos.values() for first in todo.firsts})
        now_us = self._clock.now_us()
        lags: dict[str, Lag] = {}
        for id, todo in todos.items():
            oldest_us = min((written[first] for first in todo.firsts if first in written), default=now_us)
            behind = timedelta(microseconds=max(now_us - oldest_us, 0))
            lags[id] = Lag(messages=todo.messages, behind=behind)
        return lags

    async def _written_us(self, places: set[Place]) -> dict[Place, int]:
        """Return when entries were written; for one that has left the log, when the next record was."""
        by_partition: dict[int, list[int]] = {}
        for partition, position in places:
            by_partition.setdefault(partition, []).append(position)
        found: dict[Place, int] = {}
        for partition, wanted in by_partition.items():
            for position, entry in (await self._engine.at(Stream.EVENTS, partition, wanted)).items():
                found[partition, position] = entry.inserted_us
        heads = await self._engine.heads()
        for partition, position in places - found.keys():
            after = (*heads[:partition], position - 1, *heads[partition + 1 :])
            read = await self._engine.read(Stream.RECORDS, after, limit=1)
            if read.entries:
                found[partition, position] = read.entries[0].inserted_us
        return found


def _todo(position: Vector, heads: Vector, waiting: Sequence[tuple[Place, int]]) -> _Todo:
    unread = [max(head - at, 0) for head, at in zip(heads, position, strict=True)]
    firsts = [(number, position[number] + 1) for number, count in enumerate(unread) if count]
    return _Todo(
        messages=sum(unread) + sum(messages for _, messages in waiting),
        firsts=(*firsts, *(first for first, _ in waiting)),
    )


async def _positions(connection: AsyncConnection, consumer_ids: Sequence[str]) -> dict[str, Vector]:
    table = schema.standings
    rows = await connection.execute(
        select(table.c.consumer_id, table.c.position).where(table.c.consumer_id.in_(consumer_ids))
    )
    return {row.consumer_id: tuple(json.loads(row.position)) for row in rows}


async def _waiting(
    connection: AsyncConnection, consumer_ids: Sequence[str]
) -> dict[str, list[tuple[Place, int]]]:
    """Return where what is outstanding of each consumer begins in each partition, and how much that is."""
    table = schema.outstanding
    is_postgresql = connection.dialect.name == "postgresql"
    held = func.json_array_length(cast(table.c.held, JSON) if is_postgresql else table.c.held)
    rows = await connection.execute(
        select(
            table.c.consumer_id,
            table.c.partition,
            func.sum(1 + held).label("messages"),
            func.min(table.c.position).label("first"),
        )
        .where(table.c.consumer_id.in_(consumer_ids))
        .group_by(table.c.consumer_id, table.c.partition)
    )
    found: dict[str, list[tuple[Place, int]]] = {}
    for row in rows:
        found.setdefault(row.consumer_id, []).append(((row.partition, row.first), int(row.messages)))
    return found
