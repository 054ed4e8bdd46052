"""One HTTP consumer on a real database, as its workers and its owner use it; tests let time pass for it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import update
from tests.management.office import ADMIN, Office

from headwater.consumers.handout import Batch, Settled
from headwater.consumers.pull import Worker
from headwater.management.http_consumers import HttpConsumerChange, NewHttpConsumer
from headwater.model.consumer import HttpConsumer
from headwater.model.position import Stream
from headwater.model.record import Slot
from headwater.store import schema

NO_WAIT = timedelta()


async def _stays() -> bool:
    return False


@dataclass
class Counter:
    """Where messages of one consumer are fetched."""

    office: Office
    consumer: HttpConsumer
    slot: Slot
    worker: Worker = field(default_factory=lambda: Worker(_stays, asyncio.Event()))

    async def write(self, *ids: str, **data: Any) -> None:
        """Change records, one after the other."""
        for id in ids:
            await self.office.write(self.slot, id, {"id": id, **data})

    async def delete(self, id: str) -> None:
        """Delete a record."""
        await self.office.write(self.slot, id, None)

    async def next(self, limit: int = 100, wait: timedelta = NO_WAIT) -> Batch:
        """Take messages."""
        return await self.office.services.http_consumers.next(
            ADMIN, self.consumer.id, limit, wait, self.worker
        )

    async def take(self, limit: int = 100) -> dict[str, str]:
        """Take messages; return their tokens by upstream id."""
        batch = await self.next(limit)
        return {id: str(message.token) for id, message in zip(ids_of(batch), batch.messages, strict=True)}

    async def peek(self, limit: int = 100) -> Batch:
        """Look at messages."""
        return await self.office.services.http_consumers.peek(ADMIN, self.consumer.id, limit)

    async def ack(self, *tokens: str) -> Settled:
        """Acknowledge messages."""
        return await self.office.services.http_consumers.ack(ADMIN, self.consumer.id, list(tokens))

    async def nack(self, *tokens: str, delay: timedelta = NO_WAIT) -> Settled:
        """Give messages back."""
        return await self.office.services.http_consumers.nack(ADMIN, self.consumer.id, list(tokens), delay)

    async def extend(self, *tokens: str) -> Settled:
        """Ask for more time."""
        return await self.office.services.http_consumers.extend(ADMIN, self.consumer.id, list(tokens))

    async def reset(self, policy: str | None = None) -> None:
        """Start over."""
        await self.office.services.http_consumers.reset(ADMIN, self.consumer.id, policy)

    async def change(self, **change: Any) -> None:
        """Change the consumer."""
        await self.office.services.http_consumers.change(
            ADMIN, self.consumer.id, HttpConsumerChange(**change)
        )

    async def call_back(self) -> None:
        """Have all dead letters delivered once more."""
        async with self.office.database.write() as connection:
            await connection.execute(update(schema.dead_letters).values(redrive=True))

    async def pass_time(self, seconds: float) -> None:
        """Let time pass: on PostgreSQL, whose clock nobody moves, all due times come nearer instead."""
        self.office.clock.move(seconds)
        if self.office.database.dialect == "sqlite":
            return
        due_us = schema.outstanding.c.due_us
        async with self.office.database.write() as connection:
            await connection.execute(
                update(schema.outstanding).values(due_us=due_us - round(seconds * 1_000_000))
            )

    async def standing(self) -> list[int]:
        """Return the position that is written down."""
        (row,) = await self.office.rows("standings")
        return json.loads(row.position)


async def open_counter(office: Office, *, only_own: bool = False, **more: Any) -> Counter:
    """Make a sync, and a consumer of the stream or `only_own`: of this sync."""
    sync = await office.sync()
    slot = await office.slot(sync.sync.id)
    filters = {"sync_id": [sync.sync.id]} if only_own else {}
    given: dict[str, Any] = {"stream": Stream.EVENTS, "filters": filters, "metadata": {}}
    consumer = await office.services.http_consumers.create(ADMIN, NewHttpConsumer(**given | more))
    return Counter(office, consumer, slot)


def bodies(batch: Batch) -> list[Mapping[str, Any]]:
    """Return messages as JSON."""
    return [json.loads(message.json) for message in batch.messages]


def ids_of(batch: Batch) -> list[str]:
    """Return the upstream ids of messages, in order."""
    return [body["upstream_id"] for body in bodies(batch)]


def tokens(batch: Batch) -> Sequence[str]:
    """Return the tokens of messages."""
    return [str(message.token) for message in batch.messages]
