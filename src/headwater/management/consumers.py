"""Managed consumers: made, changed, begun anew, removed. What one does is `consumers`' matter; here is what
users may ask of it.

Each write counts the revision `consumers` up in the same transaction, so that the runner notices. Not here:
consumers over HTTP (`http_consumers`), how one is shown (`consumer_views`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import selection, standing
from headwater.errors import Invalid, NotFound
from headwater.kit.clock import Clock, from_us, iso
from headwater.kit.ids import new_id
from headwater.management import listing, targets
from headwater.management.caller import Caller, Permission
from headwater.management.consumer_views import ConsumerView, ConsumerViews
from headwater.management.credentials import own_external_id
from headwater.management.listing import Page, Wanted, to_json
from headwater.management.selections import Given, Selections
from headwater.management.starts import Starts
from headwater.management.targets import Targets
from headwater.model.consumer import BEGINNING, UNLIMITED, Batching, OnGap
from headwater.model.position import Stream
from headwater.model.sync import Status
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConsumer:
    """What a user gives to make one. `filters`: what is left out wants everything."""

    target_id: str
    name: str | None = None
    stream: Stream = Stream.RECORDS
    filters: Given
    start: str = BEGINNING
    on_gap: OnGap = OnGap.HALT
    max_deliver: int = UNLIMITED
    batch: Batching = field(default_factory=Batching)
    status: Status = Status.ACTIVE
    external_id: str | None = None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerChange:
    """What a user changes; None leaves it. Other filters hold for what is yet to be read."""

    name: str | None = None
    filters: Given | None = None
    on_gap: OnGap | None = None
    max_deliver: int | None = None
    batch: Mapping[str, int] | None = None
    status: Status | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumersOf:
    """Which consumers a list should have, besides what every list can be narrowed by; None: all."""

    target_id: str | None = None
    stream: Stream | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the words of a consumer are checked with."""

    targets: Targets
    selections: Selections
    starts: Starts


class Consumers:
    """The managed consumers of one installation."""

    def __init__(
        self, database: Database, revisions: Revisions, advice: Advice, views: ConsumerViews, clock: Clock
    ) -> None:
        """Keep consumers in `database`."""
        self._database = database
        self._revisions = revisions
        self._advice = advice
        self._views = views
        self._clock = clock

    async def create(self, caller: Caller, new: NewConsumer) -> ConsumerView:
        """Make a consumer that stands at its start. Raises: Invalid, Forbidden."""
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            target = await _target(connection, caller, new.target_id)
        external_id = _tenant(caller, new.external_id, target)
        self._refuse_stream(target, new.stream)
        wanted = await self._advice.selections.of(new.stream, new.filters, external_id)
        consumer_id, now_us = new_id(), self._clock.now_us()
        start, position = await self._advice.starts.position(new.stream, new.start, now_us)
        async with self._revisions.changing("consumers") as connection:
            target = await _target(connection, caller, new.target_id)
            await connection.execute(
                insert(schema.consumers).values(
                    id=consumer_id,
                    name=new.name or f"{new.stream} to {target.name}",
                    stream=new.stream,
                    target_id=new.target_id,
                    filters=selection.to_text(wanted),
                    start=start,
                    on_gap=new.on_gap,
                    max_deliver=new.max_deliver,
                    batch=to_json(asdict(new.batch)),
                    status=new.status,
                    health=_well(now_us),
                    external_id=external_id,
                    metadata=to_json(new.metadata),
                    created_us=now_us,
                    updated_us=now_us,
                )
            )
            await standing.make(connection, consumer_id, position, self._clock)
            row = await visible(connection, caller, consumer_id)
        return (await self._views.of([row]))[0]

    async def page(
        self, caller: Caller, wanted: Wanted, only: ConsumersOf = ConsumersOf()
    ) -> Page[ConsumerView]:
        """Return a page of consumers."""
        caller.require(Permission.READ)
        table = schema.consumers
        query = listing.narrowed(select(table), table, caller, wanted, self._database.dialect)
        for name, value in asdict(only).items():
            if value is not None:
                query = query.where(table.c[name] == value)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return listing.page_of(wanted, await self._views.of(rows), lambda view: view.consumer.id)

    async def get(self, caller: Caller, consumer_id: str) -> ConsumerView:
        """Return one consumer. Raises: NotFound."""
        caller.require(Permission.READ)
        async with self._database.read() as connection:
            row = await visible(connection, caller, consumer_id)
        return (await self._views.of([row]))[0]

    async def change(self, caller: Caller, consumer_id: str, change: ConsumerChange) -> ConsumerView:
        """Change a consumer; it goes on from where it stands. Raises: NotFound, Invalid."""
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            row = await visible(connection, caller, consumer_id)
        values = _values(change)
        if change.filters is not None:
            wanted = await self._advice.selections.of(Stream(row.stream), change.filters, row.external_id)
            values["filters"] = selection.to_text(wanted)
        return await self._write(caller, consumer_id, values, change.batch or {})

    async def reset(self, caller: Caller, consumer_id: str, start: str) -> ConsumerView:
        """Let a consumer begin anew: at the beginning, at the end, or at an instant back to which it goes.

        What waited to be tried again is forgotten; dead letters stay. Raises: NotFound, Invalid.
        """
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            row = await visible(connection, caller, consumer_id)
        now_us = self._clock.now_us()
        start, position = await self._advice.starts.position(Stream(row.stream), start, now_us)
        table = schema.consumers
        async with self._revisions.changing("consumers") as connection:
            row = await visible(connection, caller, consumer_id)
            await standing.reset(connection, consumer_id, position, self._clock)
            await connection.execute(
                update(table)
                .where(table.c.id == consumer_id)
                .values(start=start, health=_well(now_us), updated_us=max(now_us, row.updated_us + 1))
            )
            row = await visible(connection, caller, consumer_id)
        return (await self._views.of([row]))[0]

    async def delete(self, caller: Caller, consumer_id: str) -> None:
        """Remove a consumer with its dead letters. What it has written stays. Raises: NotFound."""
        caller.require(Permission.ADMIN)
        leases, lease = schema.leases, f"consumer:{consumer_id}"
        async with self._revisions.changing("consumers") as connection:
            await visible(connection, caller, consumer_id)
            await standing.remove(connection, consumer_id)
            await connection.execute(delete(schema.consumers).where(schema.consumers.c.id == consumer_id))
            await connection.execute(delete(leases).where(leases.c.name == lease))  # whoever has it stops

    async def _write(
        self, caller: Caller, consumer_id: str, values: Mapping[str, Any], batch: Mapping[str, int]
    ) -> ConsumerView:
        table = schema.consumers
        async with self._revisions.changing("consumers") as connection:
            row = await visible(connection, caller, consumer_id)
            updated_us = max(self._clock.now_us(), row.updated_us + 1)
            await connection.execute(
                update(table)
                .where(table.c.id == consumer_id)
                .values({**values, "batch": _over(row.batch, batch), "updated_us": updated_us})
            )
            row = await visible(connection, caller, consumer_id)
        return (await self._views.of([row]))[0]

    def _refuse_stream(self, target: Row[Any], stream: Stream) -> None:
        kind = self._advice.targets.kind_of(target)
        if stream not in kind.streams:
            takes = ", ".join(sorted(kind.streams))
            raise Invalid(
                "The target does not take this stream.",
                errors=[("stream", f"{kind.title} takes {takes} only.")],
                fix="Choose the other stream, or another target.",
            )


async def visible(connection: AsyncConnection, caller: Caller, consumer_id: str) -> Row[Any]:
    """Return a consumer's row if the caller may see it. Raises: NotFound, also for another tenant's (P12)."""
    table = schema.consumers
    query = select(table).where(table.c.id == consumer_id, *listing.seen_by(caller, table.c.external_id))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no such consumer.",
            code="consumer.not_found",
            fix="List the consumers with GET /v1/consumers; those over HTTP with GET /v1/http-consumers.",
        )
    return row


async def _target(connection: AsyncConnection, caller: Caller, target_id: str) -> Row[Any]:
    """Return the target of a consumer if the caller may use it. Raises: Invalid."""
    try:
        return await targets.visible(connection, caller, target_id)
    except NotFound as error:
        raise Invalid(
            "The consumer's target does not exist.",
            errors=[("target_id", "There is no such target.")],
            fix=error.fix,
        ) from error


def _tenant(caller: Caller, wanted: str | None, target: Row[Any]) -> str | None:
    """Return the tenant of a consumer: a target that belongs to one is written for no other (P12)."""
    external_id = own_external_id(caller, wanted) or target.external_id
    if target.external_id is not None and external_id != target.external_id:
        raise Invalid(  # P12
            "The consumer and its target belong to different tenants.",
            errors=[("external_id", "Is not the external_id of the target.")],
            fix="Leave external_id out: the consumer takes the target's.",
        )
    return external_id


def _values(change: ConsumerChange) -> dict[str, Any]:
    """Return the columns of a change that are what the user gave."""
    values: dict[str, Any] = {}
    for name in ("name", "on_gap", "max_deliver", "status"):
        if (value := getattr(change, name)) is not None:
            values[name] = value
    if change.metadata is not None:
        values["metadata"] = to_json(change.metadata)
    return values


def _over(kept: str, given: Mapping[str, int]) -> str:
    """Return the batching of a consumer with what was given over it."""
    return to_json(json.loads(kept) | dict(given))


def _well(now_us: int) -> str:
    """Return the health of a consumer that begins."""
    return to_json({"status": "ok", "notes": [], "since": iso(from_us(now_us))})
