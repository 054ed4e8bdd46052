"""Removing a sync: with its records left readable, or with a `deleted` event for each, so that targets
follow. Records that were left can be deleted later in the same way.

The slots stay in either case: they say whose the records are. Not here: privacy deletions, which leave no
data.
"""

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import Conflict, HeadwaterError, NotFound
from headwater.kit.clock import Clock
from headwater.management.caller import Caller, Permission
from headwater.management.sync_views import visible
from headwater.model.position import Stream, Vector, start
from headwater.model.record import Change, Entry, EventKind, Origin, Slot
from headwater.model.sync import Status
from headwater.store import schema
from headwater.store.revisions import Revisions
from headwater.streams.engine import Commit, StreamEngine
from headwater.streams.slots import SlotTable
from headwater.syncs import hooks

Unhook = Callable[[Caller, str], Awaitable[None]]
"""`(caller, sync id)`: have its API push no more, as far as it can be reached."""

_LOG = structlog.get_logger(__name__)
_STEP = 500
"""Records deleted in one commit: small, so that others' commits go between."""


class Removal:
    """Removes syncs."""

    def __init__(
        self, revisions: Revisions, slots: SlotTable, engine: StreamEngine, unhook: Unhook, clock: Clock
    ) -> None:
        """Remove rows of management, and records from `engine`; `unhook` ends pushes before that."""
        self._revisions = revisions
        self._slots = slots
        self._engine = engine
        self._unhook = unhook
        self._clock = clock

    async def remove(self, caller: Caller, sync_id: str, *, with_records: bool) -> None:
        """Remove a sync, or with its records also what a sync that was removed before has left.

        With its records, it is paused first; asked again after a crash, this goes on where it was.

        Raises: NotFound.
        """
        caller.require(Permission.ADMIN)
        if with_records:
            there = True
            async with self._revisions.changing("syncs") as connection:
                try:
                    await visible(connection, caller, sync_id)
                    await _stop(connection, sync_id)
                except NotFound:
                    there = False
            slots = await self._slots_of(caller, sync_id)
            left = any(count.records for count in (await self._engine.count(slots)).values())
            for slot in slots:
                await self._delete_records(slot)
            if left and not there:
                return
        try:
            await self._unhook(caller, sync_id)
        except HeadwaterError as error:  # the sync goes in any case: then its API is answered with 404
            _LOG.info("webhook not ended", sync_id=sync_id, code=error.error_code)
        async with self._revisions.changing("syncs") as connection:
            await visible(connection, caller, sync_id)
            await _forget(connection, sync_id)

    async def _slots_of(self, caller: Caller, sync_id: str) -> list[Slot]:
        """Return the slots of a sync, also of one that was removed, as far as they are the caller's (P12)."""
        return [
            owned.slot
            for owned in (await self._slots.now()).by_number.values()
            if owned.slot.sync_id == sync_id and caller.external_id in (None, owned.external_id)
        ]

    async def _delete_records(self, slot: Slot) -> None:
        """Give every record of a slot that exists a `deleted` event, step by step."""
        heads = await self._engine.heads()
        position: Vector = start(self._engine.partitions)
        while position[slot.partition] < heads[slot.partition]:
            read = await self._engine.read(Stream.RECORDS, position, slots={slot.number}, limit=_STEP)
            there = [entry for entry in read.entries if entry.event != EventKind.DELETED]
            if there and not await self._delete(slot, there):
                continue  # somebody's commit came between: read this step again
            position = read.position
            if not read.has_more:
                break

    async def _delete(self, slot: Slot, entries: list[Entry]) -> bool:
        held = await self._engine.held(slot, [entry.upstream_id for entry in entries])
        changes = [
            Change(
                slot=slot.number,
                upstream_id=entry.upstream_id,
                event=EventKind.DELETED,
                origin=Origin.SWEEP,  # what noticed it is nearest to that: the whole collection is gone
                expects=entry.position,
                fingerprint=before.fingerprint,
                version=before.version,
                asked_us=before.asked_us,
                created_us=entry.created_us,
                updated_us=None,
                data=entry.data,
            )
            for entry in entries
            if (before := held.get(entry.upstream_id)) is not None and before.position == entry.position
        ]
        try:
            await self._engine.commit(Commit(partition=slot.partition, changes=changes))
        except Conflict:
            return False
        return True


async def _stop(connection: AsyncConnection, sync_id: str) -> None:
    """Pause a sync and move its lease on, so that whoever runs it still can write nothing more."""
    await connection.execute(
        update(schema.syncs).where(schema.syncs.c.id == sync_id).values(status=Status.PAUSED)
    )
    leases = schema.leases
    await connection.execute(
        update(leases)
        .where(leases.c.name == f"sync:{sync_id}")
        .values(epoch=leases.c.epoch + 1, worker_id=None)
    )


async def _forget(connection: AsyncConnection, sync_id: str) -> None:
    """Remove every row of a sync except its slots and its records."""
    await _stop(connection, sync_id)
    own = (
        schema.slots.select().where(schema.slots.c.sync_id == sync_id).with_only_columns(schema.slots.c.slot)
    )
    for table in (schema.backfills, schema.sweeps, schema.checkpoints, schema.rejected, schema.suspects):
        await connection.execute(delete(table).where(table.c.slot.in_(own)))
    await connection.execute(
        delete(schema.sync_collections).where(schema.sync_collections.c.sync_id == sync_id)
    )
    await hooks.forget(connection, sync_id)
    await connection.execute(delete(schema.leases).where(schema.leases.c.name == f"sync:{sync_id}"))
    await connection.execute(delete(schema.syncs).where(schema.syncs.c.id == sync_id))
