"""What a person asks of a running sync: a backfill from the start, a sweep, the go-ahead for one that
stopped.

An order is a row that the sync's runner finds; it is carried out when the sync runs. Not here: carrying it
out (`syncs`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import InUse, Invalid
from headwater.kit.clock import Clock, from_us
from headwater.kit.ids import new_id
from headwater.management import listing, schemas
from headwater.management.caller import Caller, Permission
from headwater.management.listing import Page, Wanted
from headwater.management.sync_views import Progress, active, progress, visible
from headwater.model.sync import CollectionState
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep: what it looked at and found missing. `halted`: it found so much that a person must confirm."""

    id: str
    collection_id: str
    state: str
    requested_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    seen: int
    missing: int
    deleted: int
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedObject:
    """An object that could not be read as its collection says, and why."""

    collection_id: str
    upstream_id: str
    reason: str
    rejected_at: datetime


class Orders:
    """Orders to syncs, and what became of them."""

    def __init__(self, database: Database, revisions: Revisions, clock: Clock) -> None:
        """Write orders into the tables of `database`."""
        self._database = database
        self._revisions = revisions
        self._clock = clock

    async def backfill(
        self, caller: Caller, sync_id: str, collection_ids: Sequence[str] | None
    ) -> tuple[Progress, ...]:
        """Start the backfill of these collections (None: of all) anew.

        Raises: NotFound, Invalid, InUse while the sync is paused.
        """
        caller.require(Permission.ADMIN)
        now_us = self._clock.now_us()
        async with self._revisions.changing("syncs") as connection:
            await active(connection, caller, sync_id)
            slots = await _selected(connection, sync_id, collection_ids)
            await start_backfills(connection, list(slots), now_us)
            table = schema.backfills
            rows = await connection.execute(
                select(table).where(table.c.slot.in_(slots), table.c.outcome.is_(None)).order_by(table.c.id)
            )
            return tuple(progress(row, slots[row.slot], now_us) for row in rows)

    async def backfills(self, caller: Caller, sync_id: str, wanted: Wanted) -> Page[Progress]:
        """Return a page of a sync's backfills, the newest first. Raises: NotFound."""
        caller.require(Permission.READ)
        table = schema.backfills
        rows = await self._history(caller, sync_id, table, wanted)
        now_us = self._clock.now_us()
        found = [progress(row, row.collection_id, now_us) for row in rows]
        return listing.page_of(wanted, found, lambda backfill: backfill.id)

    async def sweep(self, caller: Caller, sync_id: str, collection_id: str, *, confirm: bool) -> Sweep:
        """Ask for a sweep of a collection, or confirm the one that stopped.

        One that waits already is not doubled.

        Raises: NotFound, Invalid, InUse when there is nothing to confirm, or while the sync is paused.
        """
        caller.require(Permission.ADMIN)
        table = schema.sweeps
        async with self._revisions.changing("syncs") as connection:
            await active(connection, caller, sync_id)
            (slot,) = await _selected(connection, sync_id, [collection_id])
            latest = (
                await connection.execute(
                    select(table).where(table.c.slot == slot).order_by(table.c.id.desc()).limit(1)
                )
            ).one_or_none()
            if confirm:
                if latest is None or latest.state != "halted":
                    raise InUse(
                        "No sweep of this collection waits to be confirmed.",
                        code="sweep.not_halted",
                        fix="Look at GET /v1/syncs/{id}/sweeps; leave `confirm` out to ask for a new sweep.",
                    )
                sweep_id = latest.id
                await connection.execute(
                    update(table)
                    .where(table.c.id == sweep_id)
                    .values(state="requested", confirmed=True, completed_us=None)
                )
            elif latest is not None and latest.state in {"requested", "running"}:
                sweep_id = latest.id
            else:
                sweep_id = new_id()
                await connection.execute(
                    insert(table).values(
                        id=sweep_id, slot=slot, state="requested", requested_us=self._clock.now_us()
                    )
                )
            row = (await connection.execute(select(table).where(table.c.id == sweep_id))).one()
        return _sweep(row, collection_id)

    async def sweeps(self, caller: Caller, sync_id: str, wanted: Wanted) -> Page[Sweep]:
        """Return a page of a sync's sweeps, the newest first. Raises: NotFound."""
        caller.require(Permission.READ)
        rows = await self._history(caller, sync_id, schema.sweeps, wanted)
        found = [_sweep(row, row.collection_id) for row in rows]
        return listing.page_of(wanted, found, lambda sweep: sweep.id)

    async def rejected(self, caller: Caller, sync_id: str, wanted: Wanted) -> Page[RejectedObject]:
        """Return a page of the objects that could not be read, by collection and id. Raises: NotFound."""
        caller.require(Permission.READ)
        table, slots = schema.rejected, schema.slots
        query = (
            select(table, slots.c.collection_id)
            .join(slots, slots.c.slot == table.c.slot)
            .where(slots.c.sync_id == sync_id)
            .order_by(table.c.slot, table.c.upstream_id)
            .limit(wanted.limit + 1)
        )
        if wanted.after_cursor is not None:
            slot, _, upstream_id = listing.key_of(wanted.after_cursor).partition("/")
            number = int(slot) if slot.isdecimal() and len(slot) < 10 else 0
            query = query.where(
                (table.c.slot > number) | ((table.c.slot == number) & (table.c.upstream_id > upstream_id))
            )
        async with self._database.read() as connection:
            await visible(connection, caller, sync_id)
            rows = (await connection.execute(query)).all()
        page = listing.page_of(wanted, rows, lambda row: f"{row.slot}/{row.upstream_id}")
        return Page(
            items=tuple(
                RejectedObject(
                    collection_id=row.collection_id,
                    upstream_id=row.upstream_id,
                    reason=row.reason,
                    rejected_at=from_us(row.rejected_us),
                )
                for row in page.items
            ),
            cursor=page.cursor,
            has_more=page.has_more,
        )

    async def _history(self, caller: Caller, sync_id: str, table: Any, wanted: Wanted) -> Sequence[Any]:
        """Return rows of `backfills` or `sweeps` of a sync with their collection, the newest first, one too
        many.
        """
        slots = schema.slots
        query = (
            select(table, slots.c.collection_id)
            .join(slots, slots.c.slot == table.c.slot)
            .where(slots.c.sync_id == sync_id)
            .order_by(table.c.id.desc())
            .limit(wanted.limit + 1)
        )
        if wanted.after_cursor is not None:
            query = query.where(table.c.id < listing.key_of(wanted.after_cursor))
        async with self._database.read() as connection:
            await visible(connection, caller, sync_id)
            return (await connection.execute(query)).all()


async def start_backfills(connection: AsyncConnection, slots: Sequence[int], now_us: int) -> None:
    """Ask for a backfill of each slot, in place of one that is not over."""
    if not slots:
        return
    await stop_backfills(connection, slots, now_us)
    table = schema.sync_collections
    await connection.execute(
        update(table).where(table.c.slot.in_(slots)).values(state=CollectionState.PENDING, error=None)
    )
    await connection.execute(
        insert(schema.backfills), [{"id": new_id(), "slot": slot, "requested_us": now_us} for slot in slots]
    )


async def stop_backfills(connection: AsyncConnection, slots: Sequence[int], now_us: int) -> None:
    """End the backfills of these slots that are not over."""
    table = schema.backfills
    await connection.execute(
        update(table)
        .where(table.c.slot.in_(slots), table.c.outcome.is_(None))
        .values(outcome="replaced", completed_us=now_us)
    )


async def _selected(
    connection: AsyncConnection, sync_id: str, collection_ids: Sequence[str] | None
) -> dict[int, str]:
    """Return selected collections of a sync by slot. Raises: Invalid for one that is not."""
    table = schema.sync_collections
    rows = await connection.execute(
        select(table.c.slot, table.c.collection_id).where(table.c.sync_id == sync_id, table.c.selected)
    )
    selected = {row.collection_id: row.slot for row in rows}
    wanted = list(selected) if collection_ids is None else list(collection_ids)
    errors = [
        ("collection_ids", schemas.unknown(id, selected).replace("field", "collection"))
        for id in wanted
        if id not in selected
    ]
    if errors:
        raise Invalid(
            "The sync has no such collection.",
            errors=errors,
            fix="Choose among its collection_ids, or add the collection to the sync first.",
        )
    return {selected[id]: id for id in wanted}


def _sweep(row: Row[Any], collection_id: str) -> Sweep:
    return Sweep(
        id=row.id,
        collection_id=collection_id,
        state=row.state,
        requested_at=from_us(row.requested_us),
        started_at=None if row.started_us is None else from_us(row.started_us),
        completed_at=None if row.completed_us is None else from_us(row.completed_us),
        seen=row.seen,
        missing=row.missing,
        deleted=row.deleted,
        confirmed=row.confirmed,
    )
