"""How a sync is shown: the sync itself, and of each of its collections how far it is and how late.

Everything of a page of syncs is read in a fixed number of statements. Not here: its JSON (`api.shapes`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import InUse, NotFound
from headwater.kit.clock import Clock, from_us
from headwater.management import listing
from headwater.management.caller import Caller
from headwater.model.record import Slot
from headwater.model.sync import CollectionState, Health, HealthStatus, Note, Status, Sync
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.engine import StreamEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A backfill: what it has read, how fast, when it may be done. `outcome` None while it is not over."""

    id: str
    collection_id: str
    requested_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    records: int
    estimated_total: int | None
    records_per_second: float | None
    eta: timedelta | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionView:
    """One selected collection of a sync. `lag`: since when there may be changes that we have not seen."""

    collection_id: str
    state: CollectionState
    backfill: Progress | None
    last_checked_at: datetime | None
    lag: timedelta | None
    records: int
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncView:
    """A sync with its collections."""

    sync: Sync
    collections: tuple[CollectionView, ...]


class SyncViews:
    """Reads what is shown of syncs."""

    def __init__(self, database: Database, engine: StreamEngine, clock: Clock) -> None:
        """Read the tables of `database`, and record counts from `engine`."""
        self._database = database
        self._engine = engine
        self._clock = clock

    async def of(self, syncs: Sequence[Row[Any]]) -> list[SyncView]:
        """Return what is shown of these rows of `syncs`, in their order."""
        if not syncs:
            return []
        table, slots = schema.sync_collections, schema.slots
        async with self._database.read() as connection:
            rows = (
                await connection.execute(
                    select(table, slots.c.partition)
                    .join(slots, slots.c.slot == table.c.slot)
                    .where(table.c.sync_id.in_([sync.id for sync in syncs]), table.c.selected)
                    .order_by(table.c.slot)
                )
            ).all()
            backfills = await _newest_backfills(connection, [row.slot for row in rows])
        counts = await self._engine.count([_slot(row) for row in rows])
        now_us = self._clock.now_us()
        paused = {sync.id for sync in syncs if sync.status == Status.PAUSED}
        views: dict[str, list[CollectionView]] = {sync.id: [] for sync in syncs}
        for row in rows:
            backfill = backfills.get(row.slot)
            count = counts.get(row.slot)
            views[row.sync_id].append(
                CollectionView(
                    collection_id=row.collection_id,
                    state=CollectionState.PAUSED if row.sync_id in paused else CollectionState(row.state),
                    backfill=None if backfill is None else progress(backfill, row.collection_id, now_us),
                    last_checked_at=_at(row.last_checked_us),
                    lag=None
                    if row.complete_us is None
                    else timedelta(microseconds=max(0, now_us - row.complete_us)),
                    records=0 if count is None else count.records,
                    error=row.error,
                )
            )
        return [
            SyncView(sync=_sync(sync, views[sync.id]), collections=tuple(views[sync.id])) for sync in syncs
        ]


async def visible(connection: AsyncConnection, caller: Caller, sync_id: str) -> Row[Any]:
    """Return a sync's row if the caller may see it. Raises: NotFound, also for another tenant's (P12)."""
    table = schema.syncs
    query = select(table).where(table.c.id == sync_id, *listing.seen_by(caller, table.c.external_id))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no such sync.", code="sync.not_found", fix="List the syncs with GET /v1/syncs."
        )
    return row


async def active(connection: AsyncConnection, caller: Caller, sync_id: str) -> Row[Any]:
    """Return the row of a sync that carries out what it is asked. Raises: NotFound; InUse while it rests."""
    row = await visible(connection, caller, sync_id)
    if row.status != Status.ACTIVE:
        raise InUse(
            "The sync is paused: it would do nothing until it goes on.",
            code="sync.paused",
            fix='Let it go on first: PATCH it with {"status": "active"}, or `headwater sync resume`.',
        )
    return row


def progress(row: Row[Any], collection_id: str, now_us: int) -> Progress:
    """Return how far a backfill is, from its row of `backfills`."""
    rate: float | None = None
    if row.started_us is not None:
        seconds = ((row.completed_us or now_us) - row.started_us) / 1e6
        rate = row.records / seconds if seconds > 0 else None
    eta: timedelta | None = None
    if rate and row.outcome is None and row.estimated_total is not None:
        # An honest one: an estimate that was passed says nothing any more.
        left = row.estimated_total - row.records
        eta = timedelta(seconds=left / rate) if left > 0 else None
    return Progress(
        id=row.id,
        collection_id=collection_id,
        requested_at=from_us(row.requested_us),
        started_at=_at(row.started_us),
        completed_at=_at(row.completed_us),
        records=row.records,
        estimated_total=row.estimated_total,
        records_per_second=rate,
        eta=eta,
        outcome=row.outcome,
    )


async def _newest_backfills(connection: AsyncConnection, slots: Sequence[int]) -> dict[int, Row[Any]]:
    """Return the last backfill asked for, by slot."""
    table = schema.backfills
    newest = select(func.max(table.c.id)).where(table.c.slot.in_(slots)).group_by(table.c.slot)
    rows = await connection.execute(select(table).where(table.c.id.in_(newest)))
    return {row.slot: row for row in rows}


def _slot(row: Row[Any]) -> Slot:
    return Slot(
        number=row.slot, partition=row.partition, sync_id=row.sync_id, collection_id=row.collection_id
    )


def _sync(row: Row[Any], collections: Iterable[CollectionView]) -> Sync:
    health = json.loads(row.health)
    return Sync(
        id=row.id,
        provider=row.provider,
        name=row.name,
        credential_id=row.credential_id,
        collection_ids=tuple(one.collection_id for one in collections),
        rate_share=row.rate_share,
        status=Status(row.status),
        health=Health(
            status=HealthStatus(health["status"]),
            since=datetime.fromisoformat(health["since"]),
            notes=tuple(
                Note(code=note["code"], text=note["text"], about=note.get("about", ""))
                for note in health["notes"]
            ),
        ),
        max_age_days=row.max_age_days,
        sync_frequency=row.sync_frequency,
        external_id=row.external_id,
        created_at=from_us(row.created_us),
        updated_at=from_us(row.updated_us),
        initial_backfill_completed_at=_at(row.initial_backfill_completed_us),
        config=json.loads(row.config),
        metadata=json.loads(row.metadata),
        checks=row.checks,
    )


def _at(instant_us: int | None) -> datetime | None:
    return None if instant_us is None else from_us(instant_us)
