"""Managed consumers as they are shown: how late they are, what is in their dead letters. Changes nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import selection
from headwater.kit.clock import Clock, from_us
from headwater.management.lags import Lag, Lags
from headwater.model.consumer import Batching, Consumer, OnGap
from headwater.model.position import Stream
from headwater.model.sync import Health, HealthStatus, Note, Status
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.engine import StreamEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerView:
    """A managed consumer with what becomes of it."""

    consumer: Consumer
    lag: Lag
    dead_letters: int


class ConsumerViews:
    """Reads what is shown of consumers."""

    def __init__(self, database: Database, engine: StreamEngine, clock: Clock) -> None:
        """Read the tables of `database`, and how far the streams are from `engine`."""
        self._database = database
        self._lags = Lags(database, engine, clock)

    async def of(self, rows: Sequence[Row[Any]]) -> list[ConsumerView]:
        """Return what is shown of these rows of `consumers`, in their order."""
        if not rows:
            return []
        consumers = [_consumer(row) for row in rows]
        lags = await self._lags.of({consumer.id: consumer.stream for consumer in consumers})
        async with self._database.read() as connection:
            dead = await dead_letters(connection, [consumer.id for consumer in consumers])
        return [
            ConsumerView(
                consumer=consumer,
                lag=lags.get(consumer.id, Lag()),
                dead_letters=dead.get(consumer.id, 0),
            )
            for consumer in consumers
        ]


async def dead_letters(connection: AsyncConnection, consumer_ids: Sequence[str]) -> Mapping[str, int]:
    """Return how many messages of each consumer were given up; those without any are left out."""
    table = schema.dead_letters
    rows = await connection.execute(
        select(table.c.consumer_id, func.count().label("messages"))
        .where(table.c.consumer_id.in_(consumer_ids))
        .group_by(table.c.consumer_id)
    )
    return {row.consumer_id: row.messages for row in rows}


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
