"""Consumers over HTTP: made, changed, begun anew, removed, and who may ask for their messages.

Not here: how messages are handed out and settled (`consumers.pull`), managed consumers (`consumers`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import policy, selection, standing
from headwater.consumers.handout import Batch, Settled
from headwater.consumers.pull import Pulls, Worker
from headwater.errors import Invalid, NotFound
from headwater.kit import durations
from headwater.kit.clock import Clock, from_us
from headwater.kit.ids import new_id
from headwater.management import listing
from headwater.management.caller import Caller, Permission
from headwater.management.credentials import own_external_id
from headwater.management.listing import Page, Wanted, to_json
from headwater.management.selections import Given, Selections
from headwater.model.consumer import ALL, LAST, NEW, UNLIMITED, HttpConsumer
from headwater.model.position import Stream
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions

_LONGEST = timedelta(days=36_500)
_TABLE = schema.http_consumers
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHttpConsumer:
    """What a user gives to make one. `filters`: what is left out wants everything."""

    name: str | None = None
    stream: Stream = Stream.RECORDS
    filters: Given
    ack_wait: timedelta = timedelta(seconds=30)
    max_deliver: int = UNLIMITED
    max_ack_pending: int = 1_000
    deliver_policy: str = ALL
    external_id: str | None = None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConsumerChange:
    """What a user changes; None leaves it. Other filters hold for what is yet to be read."""

    name: str | None = None
    filters: Given | None = None
    ack_wait: timedelta | None = None
    max_deliver: int | None = None
    max_ack_pending: int | None = None
    metadata: Mapping[str, Any] | None = None


class HttpConsumers:
    """The consumers over HTTP of one installation."""

    def __init__(
        self, database: Database, revisions: Revisions, selections: Selections, pulls: Pulls, clock: Clock
    ) -> None:
        """Keep consumers in `database`; `pulls` hands out their messages."""
        self._database = database
        self._revisions = revisions
        self._known: dict[str, HttpConsumer] = {}
        self._known_at = -1
        self._selections = selections
        self._pulls = pulls
        self._clock = clock

    # --- what there is --------------------------------------------------------------------------------------

    async def create(self, caller: Caller, new: NewHttpConsumer) -> HttpConsumer:
        """Make a consumer that stands where its policy says. Raises: Invalid, Forbidden."""
        caller.require(Permission.ADMIN)
        external_id = own_external_id(caller, new.external_id) or None
        wanted = await self._selections.of(new.stream, new.filters, external_id)
        deliver_policy, meant = _policy(new.deliver_policy)
        now_us = self._clock.now_us()
        consumer = HttpConsumer(
            id=new_id(),
            name=new.name or f"{new.stream} over HTTP",
            stream=new.stream,
            filters=wanted,
            ack_wait=new.ack_wait,
            max_deliver=new.max_deliver,
            max_ack_pending=new.max_ack_pending,
            deliver_policy=deliver_policy,
            external_id=external_id,
            created_at=from_us(now_us),
            updated_at=from_us(now_us),
            metadata=dict(new.metadata),
        )
        position = await policy.begin(self._pulls.source(consumer), meant, now_us)
        async with self._revisions.changing("consumers") as connection:
            await connection.execute(
                insert(_TABLE).values(
                    id=consumer.id,
                    name=consumer.name,
                    stream=consumer.stream,
                    filters=selection.to_text(wanted),
                    ack_wait_ms=consumer.ack_wait // _MILLISECOND,
                    max_deliver=consumer.max_deliver,
                    max_ack_pending=consumer.max_ack_pending,
                    deliver_policy=deliver_policy,
                    external_id=external_id,
                    metadata=to_json(new.metadata),
                    created_us=now_us,
                    updated_us=now_us,
                )
            )
            await standing.make(connection, consumer.id, position, self._clock)
        return consumer

    async def page(self, caller: Caller, wanted: Wanted, stream: Stream | None = None) -> Page[HttpConsumer]:
        """Return a page of consumers, of one stream if it is named."""
        caller.require(Permission.READ)
        query = listing.narrowed(select(_TABLE), _TABLE, caller, wanted, self._database.dialect)
        if stream is not None:
            query = query.where(_TABLE.c.stream == stream)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return listing.page_of(wanted, [_consumer(row) for row in rows], lambda consumer: consumer.id)

    async def get(self, caller: Caller, consumer_id: str) -> HttpConsumer:
        """Return one consumer. Raises: NotFound."""
        caller.require(Permission.READ)
        async with self._database.read() as connection:
            return _consumer(await visible(connection, caller, consumer_id))

    async def change(self, caller: Caller, consumer_id: str, change: HttpConsumerChange) -> HttpConsumer:
        """Change a consumer; it goes on from where it stands. Raises: NotFound, Invalid."""
        before = await self._ruled(caller, consumer_id)
        values = _values(change)
        if change.filters is not None:
            wanted = await self._selections.of(before.stream, change.filters, before.external_id)
            values["filters"] = selection.to_text(wanted)
        async with self._revisions.changing("consumers") as connection:
            row = await visible(connection, caller, consumer_id)
            values["updated_us"] = max(self._clock.now_us(), row.updated_us + 1)
            await connection.execute(update(_TABLE).where(_TABLE.c.id == consumer_id).values(values))
            row = await visible(connection, caller, consumer_id)
        self._pulls.changed(consumer_id)
        return _consumer(row)

    async def reset(self, caller: Caller, consumer_id: str, deliver_policy: str | None) -> HttpConsumer:
        """Let a consumer start over, by its policy or another one from now on.

        What is out is forgotten: its tokens are unknown. Dead letters stay. Raises: NotFound, Invalid.
        """
        consumer = await self._ruled(caller, consumer_id)
        kept, meant = _policy(deliver_policy or consumer.deliver_policy)
        position = await policy.begin(self._pulls.source(consumer), meant, self._clock.now_us())
        async with self._revisions.changing("consumers") as connection:
            row = await visible(connection, caller, consumer_id)
            await standing.reset(connection, consumer_id, position, self._clock)
            updated_us = max(self._clock.now_us(), row.updated_us + 1)
            await connection.execute(
                update(_TABLE)
                .where(_TABLE.c.id == consumer_id)
                .values(deliver_policy=kept, updated_us=updated_us)
            )
            row = await visible(connection, caller, consumer_id)
        self._pulls.changed(consumer_id)
        return _consumer(row)

    async def delete(self, caller: Caller, consumer_id: str) -> None:
        """Remove a consumer with its dead letters. Raises: NotFound."""
        caller.require(Permission.ADMIN)
        async with self._revisions.changing("consumers") as connection:
            await visible(connection, caller, consumer_id)
            await standing.remove(connection, consumer_id)
            await connection.execute(delete(_TABLE).where(_TABLE.c.id == consumer_id))
        self._pulls.forget(consumer_id)

    # --- its messages ---------------------------------------------------------------------------------------

    async def next(
        self, caller: Caller, consumer_id: str, limit: int, wait: timedelta, worker: Worker
    ) -> Batch:
        """Hand out messages. Raises: NotFound, Gone `consumer.gap`, TooMany."""
        return await self._pulls.next(await self._served(caller, consumer_id), limit, wait, worker)

    async def peek(self, caller: Caller, consumer_id: str, limit: int) -> Batch:
        """Return what would be handed out, and take nothing. Raises: NotFound, Gone `consumer.gap`."""
        return await self._pulls.peek(await self._served(caller, consumer_id), limit)

    async def ack(self, caller: Caller, consumer_id: str, tokens: list[str]) -> Settled:
        """Settle messages. Raises: NotFound."""
        return await self._pulls.ack(await self._served(caller, consumer_id), tokens)

    async def nack(self, caller: Caller, consumer_id: str, tokens: list[str], delay: timedelta) -> Settled:
        """Give messages back, to be handed out again after a delay. Raises: NotFound."""
        return await self._pulls.nack(await self._served(caller, consumer_id), tokens, delay)

    async def extend(self, caller: Caller, consumer_id: str, tokens: list[str]) -> Settled:
        """Let the wait for messages begin anew. Raises: NotFound."""
        return await self._pulls.extend(await self._served(caller, consumer_id), tokens)

    async def _ruled(self, caller: Caller, consumer_id: str) -> HttpConsumer:
        caller.require(Permission.ADMIN)
        return await self.get(caller, consumer_id)

    async def _served(self, caller: Caller, consumer_id: str) -> HttpConsumer:
        """Return a consumer as it was a second ago or later: workers ask often. Raises: NotFound."""
        caller.require(Permission.READ)
        revision = await self._revisions.recent("consumers")
        if revision != self._known_at:
            self._known, self._known_at = {}, revision
        known = self._known.get(consumer_id)
        if known is None or caller.external_id not in (None, known.external_id):  # P12
            known = await self.get(caller, consumer_id)
            self._known[consumer_id] = known
        return known


async def visible(connection: AsyncConnection, caller: Caller, consumer_id: str) -> Row[Any]:
    """Return a consumer's row if the caller may see it. Raises: NotFound, also for another tenant's (P12)."""
    query = select(_TABLE).where(_TABLE.c.id == consumer_id, *listing.seen_by(caller, _TABLE.c.external_id))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no such consumer.",
            code="consumer.not_found",
            fix="List those over HTTP with GET /v1/http-consumers, managed ones with GET /v1/consumers.",
        )
    return row


def _consumer(row: Row[Any]) -> HttpConsumer:
    return HttpConsumer(
        id=row.id,
        name=row.name,
        stream=Stream(row.stream),
        filters=selection.from_text(row.filters),
        ack_wait=timedelta(milliseconds=row.ack_wait_ms),
        max_deliver=row.max_deliver,
        max_ack_pending=row.max_ack_pending,
        deliver_policy=row.deliver_policy,
        external_id=row.external_id,
        created_at=from_us(row.created_us),
        updated_at=from_us(row.updated_us),
        metadata=json.loads(row.metadata),
    )


def _policy(text: str) -> tuple[str, str | timedelta]:
    """Return a deliver policy as it is kept, and what it means. Raises: Invalid."""
    if text in (ALL, NEW, LAST):
        return text, text
    try:
        back = durations.parse(text)
    except (ValueError, OverflowError):
        back = timedelta()
    if not timedelta() < back <= _LONGEST:
        raise Invalid(
            "The deliver policy is none.",
            errors=[("deliver_policy", 'Must be "all", "new", "last" or a duration such as "1h" or "7d".')],
            fix="Correct `deliver_policy`, or leave it out for all that there is.",
        )
    return durations.show(back), back


def _values(change: HttpConsumerChange) -> dict[str, Any]:
    """Return the columns of a change that are what the user gave."""
    values: dict[str, Any] = {}
    for name in ("name", "max_deliver", "max_ack_pending"):
        if (value := getattr(change, name)) is not None:
            values[name] = value
    if change.ack_wait is not None:
        values["ack_wait_ms"] = change.ack_wait // _MILLISECOND
    if change.metadata is not None:
        values["metadata"] = to_json(change.metadata)
    return values
