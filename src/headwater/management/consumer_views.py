"""Managed consumers as they are shown: how late they are, what is in their dead letters. Changes nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Row, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import selection
from headwater.errors import Gone
from headwater.kit.clock import Clock, from_us
from headwater.model.consumer import Batching, Consumer, OnGap
from headwater.model.position import Stream, Vector
from headwater.model.sync import Health, HealthStatus, Note, Status
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.engine import StreamEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a consumer is behind its stream.

    `messages`: entries that it has yet to look at, and messages that wait to be tried again. Its filters may
    leave some of the former out, and of a record only the latest version will be delivered: at most so many.
    `behind`: how long ago the oldest of them was written; none where there is none.
    """

    messages: int
    behind: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerView:
    """A managed consumer with what becomes of it."""

    consumer: Consumer
    lag: Lag
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """Messages of a consumer that wait in one partition, and the position of the first."""

    partition: int
    messages: int
    first: int


class ConsumerViews:
    """Reads what is shown of consumers."""

    def __init__(self, database: Database, engine: StreamEngine, clock: Clock) -> None:
        """Read the tables of `database`, and how far the streams are from `engine`."""
        self._database = database
        self._engine = engine
        self._clock = clock

    async def of(self, rows: Sequence[Row[Any]]) -> list[ConsumerView]:
        """Return what is shown of these rows of `consumers`, in their order."""
        if not rows:
            return []
        ids = [row.id for row in rows]
        async with self._database.read() as connection:
            positions = await _positions(connection, ids)
            waiting = await _waiting(connection, ids)
            dead = await dead_letters(connection, ids)
        heads, trimmed = await self._engine.heads(), await self._engine.trimmed()
        views: list[ConsumerView] = []
        for row in rows:
            consumer = _consumer(row)
            position = positions.get(row.id, heads)
            if consumer.stream is Stream.EVENTS:  # what has passed out of retention is lost, not to come
                position = tuple(max(pair) for pair in zip(position, trimmed, strict=True))
            lag = await self._lag(consumer.stream, position, heads, waiting.get(row.id, ()))
            views.append(ConsumerView(consumer=consumer, lag=lag, dead_letters=dead.get(row.id, 0)))
        return views

    async def _lag(self, stream: Stream, position: Vector, heads: Vector, waiting: Sequence[_Waiting]) -> Lag:
        unread = [max(head - at, 0) for head, at in zip(heads, position, strict=True)]
        places = [(one.partition, one.first - 1) for one in waiting]
        places += [(number, position[number]) for number, count in enumerate(unread) if count]
        times = [await self._written_us(stream, partition, after, heads) for partition, after in places]
        oldest = min((time for time in times if time is not None), default=None)
        behind_us = 0 if oldest is None else max(self._clock.now_us() - oldest, 0)
        messages = sum(unread) + sum(one.messages for one in waiting)
        return Lag(messages=messages, behind=timedelta(microseconds=behind_us))

    async def _written_us(self, stream: Stream, partition: int, after: int, heads: Vector) -> int | None:
        """Return when the first entry of a partition after a position was written; None if none is left."""
        place = (*heads[:partition], after, *heads[partition + 1 :])
        try:
            read = await self._engine.read(stream, place, limit=1)
        except Gone:  # retention took a step between our looks
            return None
        return read.entries[0].inserted_us if read.entries else None


async def dead_letters(connection: AsyncConnection, consumer_ids: Sequence[str]) -> Mapping[str, int]:
    """Return how many messages of each consumer were given up; those without any are left out."""
    table = schema.dead_letters
    rows = await connection.execute(
        select(table.c.consumer_id, func.count().label("messages"))
        .where(table.c.consumer_id.in_(consumer_ids))
        .group_by(table.c.consumer_id)
    )
    return {row.consumer_id: row.messages for row in rows}


async def _positions(connection: AsyncConnection, consumer_ids: Sequence[str]) -> dict[str, Vector]:
    table = schema.standings
    rows = await connection.execute(
        select(table.c.consumer_id, table.c.position).where(table.c.consumer_id.in_(consumer_ids))
    )
    return {row.consumer_id: tuple(json.loads(row.position)) for row in rows}


async def _waiting(connection: AsyncConnection, consumer_ids: Sequence[str]) -> dict[str, list[_Waiting]]:
    """Return what is outstanding of each consumer, by partition; positions held behind another count, too."""
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
    found: dict[str, list[_Waiting]] = {}
    for row in rows:
        found.setdefault(row.consumer_id, []).append(
            _Waiting(partition=row.partition, messages=int(row.messages), first=row.first)
        )
    return found


def _consumer(row: Row[Any]) -> Consumer:
    return Consumer(
        id=row.id,
        name=row.name,
        stream=Stream(row.stream),
        target_id=row.target_id,
        filters=selection.from_text(row.filters),
        start=row.start,
        on_gap=OnGap(row.on_gap),
        max_deliver=row.max_deliver,
        batch=Batching(**json.loads(row.batch)),
        status=Status(row.status),
        health=health_of(row.health),
        external_id=row.external_id,
        metadata=json.loads(row.metadata),
        created_at=from_us(row.created_us),
        updated_at=from_us(row.updated_us),
    )


def health_of(text: str) -> Health:
    """Return the health that a column holds."""
    found = json.loads(text)
    return Health(
        status=HealthStatus(found["status"]),
        since=datetime.fromisoformat(found["since"]),
        notes=tuple(
            Note(code=note["code"], text=note["text"], about=note.get("about", "")) for note in found["notes"]
        ),
    )
