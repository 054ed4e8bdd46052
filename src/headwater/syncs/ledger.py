"""The rows in which a sync's work is written down: how far it is, how it is doing, what was found.

Progress is gathered in memory and written for all syncs of the process in one transaction every few seconds;
every write checks the lease's epoch, so that a process that was paused and woke up late writes nothing. Not
here: checkpoints, which are committed with the records they cover (`streams`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import LeaseLost
from headwater.kit.clock import Clock, from_us, iso
from headwater.kit.ids import new_id
from headwater.model.lease import Fence
from headwater.model.record import Slot
from headwater.model.sync import HealthStatus, Note
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.leases import holds
from headwater.syncs.plan import Plan

_LIST = 500
REFUSED = frozenset({"provider.credential_refused", "provider.credential_invalid", "provider.forbidden"})
"""Codes of notes that concern the credential of a sync, and other syncs with the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionNews:
    """What there is to write down of one collection. None leaves a column as it is."""

    slot: int
    state: str | None = None
    error: str | None = None
    last_checked_us: int | None = None
    complete_us: int | None = None
    backfill_id: str | None = None
    backfill_started_us: int | None = None
    backfill_records: int | None = None
    backfill_total: int | None = None
    backfill_completed_us: int | None = None


class Ledger:
    """Writes progress, health and history. One for each process that runs syncs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Write into the tables of `database`."""
        self._database = database
        self._clock = clock

    async def write(self, news: Sequence[tuple[Fence, CollectionNews]]) -> None:
        """Write the progress of many collections, each only if its lease is still ours."""
        if not news:
            return
        async with self._database.write() as connection:
            for fence, one in news:
                await self._write_one(connection, fence, one)

    async def _write_one(self, connection: AsyncConnection, fence: Fence, news: CollectionNews) -> None:
        ours = holds(fence)
        values: dict[str, Any] = {
            name: value
            for name in ("state", "last_checked_us", "complete_us")
            if (value := getattr(news, name)) is not None
        }
        if news.state is not None or news.error is not None:
            values["error"] = news.error
        chosen, backfills = schema.sync_collections, schema.backfills
        if values:
            await connection.execute(update(chosen).where(chosen.c.slot == news.slot, ours).values(values))
        if news.backfill_id is None:
            return
        of_backfill: dict[str, Any] = {
            name: value
            for name, value in (
                ("started_us", news.backfill_started_us),
                ("records", news.backfill_records),
                ("estimated_total", news.backfill_total),
                ("completed_us", news.backfill_completed_us),
            )
            if value is not None
        }
        if news.backfill_completed_us is not None:
            of_backfill["outcome"] = "completed"
        if of_backfill:
            await connection.execute(
                update(backfills).where(backfills.c.id == news.backfill_id, ours).values(of_backfill)
            )

    async def backfilled(self, fence: Fence, sync_id: str) -> None:
        """Note that a sync's first backfills are all completed."""
        syncs = schema.syncs
        async with self._database.write() as connection:
            await connection.execute(
                update(syncs)
                .where(syncs.c.id == sync_id, syncs.c.initial_backfill_completed_us.is_(None), holds(fence))
                .values(initial_backfill_completed_us=self._clock.now_us())
            )

    async def ask_for_backfill(self, fence: Fence, slot: Slot) -> str:
        """Have a collection listed anew, in place of a backfill that is under way. Raises: LeaseLost."""
        backfills, now_us, backfill_id = schema.backfills, self._clock.now_us(), new_id()
        async with self._database.write() as connection:
            if not await connection.scalar(select(holds(fence))):
                raise LeaseLost
            await connection.execute(
                update(backfills)
                .where(backfills.c.slot == slot.number, backfills.c.outcome.is_(None))
                .values(outcome="replaced", completed_us=now_us)
            )
            await connection.execute(
                insert(backfills).values(id=backfill_id, slot=slot.number, requested_us=now_us)
            )
        return backfill_id

    async def health(
        self, fence: Fence, plan: Plan, status: HealthStatus, notes: Sequence[Note], *, worked: bool = False
    ) -> None:
        """Write a sync's health, and what it says of the credential; `since` moves only when the status does.

        `worked`: the API has answered this run, so that nothing older need be said of the credential.
        """
        now = iso(from_us(self._clock.now_us()))
        written = [{"code": note.code, "text": note.text, "about": note.about} for note in notes]
        health = _health(status, written, plan.health, now)
        plan.health.clear()
        plan.health.update(health)
        async with self._database.write() as connection:
            await connection.execute(
                update(schema.syncs)
                .where(schema.syncs.c.id == plan.sync_id, holds(fence))
                .values(health=json.dumps(health))
            )
            await self._credential_health(connection, fence, plan.credential_id, now, worked=worked)

    async def _credential_health(
        self, connection: AsyncConnection, fence: Fence, credential_id: str, now: str, *, worked: bool
    ) -> None:
        """Write what the syncs of a credential say of it: whether the API refuses it to any of them."""
        syncs, credentials = schema.syncs, schema.credentials
        of_syncs = await connection.scalars(
            select(syncs.c.health).where(syncs.c.credential_id == credential_id, syncs.c.status == "active")
        )
        refused = [note for one in of_syncs for note in json.loads(one)["notes"] if note["code"] in REFUSED]
        if not refused and not worked:
            return  # what trying it has shown still stands
        ours = (credentials.c.id == credential_id, holds(fence))
        known = await connection.scalar(select(credentials.c.health).where(*ours))
        if known is None:
            return
        status = HealthStatus.ERROR if refused else HealthStatus.OK
        health = _health(status, refused, before := json.loads(known), now)
        if health != before:
            await connection.execute(update(credentials).where(*ours).values(health=json.dumps(health)))

    async def sweep_news(
        self,
        fence: Fence,
        slot: Slot,
        sweep_id: str | None,
        state: str,
        *,
        started_us: int,
        seen: int = 0,
        missing: int = 0,
        deleted: int = 0,
    ) -> None:
        """Write down a sweep that a person asked for, or that has something to tell."""
        sweeps = schema.sweeps
        now = self._clock.now_us()
        values: dict[str, Any] = {
            "state": state,
            "started_us": started_us,
            "completed_us": None if state == "running" else now,
            "seen": seen,
            "missing": missing,
            "deleted": deleted,
        }
        async with self._database.write() as connection:
            if sweep_id is not None:
                await connection.execute(
                    update(sweeps).where(sweeps.c.id == sweep_id, holds(fence)).values(values)
                )
            else:
                await connection.execute(
                    insert(sweeps).values(id=new_id(), slot=slot.number, requested_us=started_us, **values)
                )

    async def suspects(self, slot: Slot, ids: Sequence[str]) -> dict[str, int]:
        """Return which of these records the sweep before missed, with the version that they had."""
        found: dict[str, int] = {}
        suspects = schema.suspects
        async with self._database.read() as connection:
            for start in range(0, len(ids), _LIST):
                rows = await connection.execute(
                    select(suspects.c.upstream_id, suspects.c.position).where(
                        suspects.c.slot == slot.number, suspects.c.upstream_id.in_(ids[start : start + _LIST])
                    )
                )
                found.update({row.upstream_id: row.position for row in rows})
        return found

    async def replace_suspects(self, slot: Slot, suspects: dict[str, int]) -> None:
        """Keep which records a sweep missed, for the next one."""
        table = schema.suspects
        async with self._database.read() as connection:
            if not suspects and not await connection.scalar(
                select(exists().where(table.c.slot == slot.number))
            ):
                return
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(table.c.slot == slot.number))
            if suspects:
                await connection.execute(
                    insert(table),
                    [{"slot": slot.number, "upstream_id": id, "position": at} for id, at in suspects.items()],
                )

    async def rejected(self, slots: Sequence[int]) -> int:
        """Return how many objects of these slots could not be read."""
        async with self._database.read() as connection:
            count = await connection.scalar(
                select(func.count()).select_from(schema.rejected).where(schema.rejected.c.slot.in_(slots))
            )
        return int(count or 0)

    async def last_rejected(self, slot: Slot) -> int | None:
        """Return when an object of a slot could last not be read; None where all can be."""
        rejected = schema.rejected
        async with self._database.read() as connection:
            return await connection.scalar(
                select(func.max(rejected.c.rejected_us)).where(rejected.c.slot == slot.number)
            )

    async def forget_rejected(self, fence: Fence, slot: Slot, until_us: int) -> int:
        """Forget the objects of a slot that could not be read until then, and not since; return how many."""
        rejected = schema.rejected
        async with self._database.write() as connection:
            gone = await connection.execute(
                delete(rejected).where(
                    rejected.c.slot == slot.number, rejected.c.rejected_us <= until_us, holds(fence)
                )
            )
        return gone.rowcount


def _health(
    status: HealthStatus, notes: list[dict[str, str]], before: dict[str, Any], now: str
) -> dict[str, Any]:
    since = before.get("since", now) if before.get("status") == status else now
    return {"status": status, "notes": notes, "since": since}
