"""What a sync is to do, as its rows in the database say. Not here: what becomes of it (`ledger`)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.kit import durations
from headwater.model.record import Slot
from headwater.model.sync import CONTINUOUS
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault

_LIST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionPlan:
    """One selected collection of a sync, with the backfill to run and the sweep that a person asked for."""

    slot: Slot
    state: str
    complete_us: int | None = None
    backfill_id: str | None = None
    sweep_id: str | None = None
    sweep_confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sync is to do. `credential` are the opened properties; `account` names whose quota is spent."""

    sync_id: str
    provider: str
    config: dict[str, Any]
    kind: str
    account: str
    credential_id: str
    credential: dict[str, Any]
    rate_limit: dict[str, Any] | None
    rate_share: float
    frequency: timedelta | None
    max_age_days: int | None
    health: dict[str, Any]
    checks: int
    stamp: int
    """Changes whenever a user changed the sync or its credential."""
    backfilled: bool
    collections: tuple[CollectionPlan, ...]
    pushed: bool = False
    """Whether the API may push to it: to its own webhook, or to that of the OAuth app that linked it."""

    @property
    def lease(self) -> str:
        """The name of the lease under which it is run."""
        return lease_name(self.sync_id)


def lease_name(sync_id: str) -> str:
    """Return the name of a sync's lease."""
    return f"sync:{sync_id}"


class Plans:
    """Reads plans. One for each process that runs syncs."""

    def __init__(self, database: Database, vault: Vault) -> None:
        """Read the tables of `database`, and open credentials with `vault`."""
        self._database = database
        self._vault = vault

    async def revision(self) -> int:
        """Return the number that grows with every change that running processes must notice."""
        async with self._database.read() as connection:
            numbers = schema.revisions.c
            ours = numbers.name.in_(("syncs", "providers"))
            total = await connection.scalar(select(func.coalesce(func.sum(numbers.number), 0)).where(ours))
        return int(total or 0)

    async def active(self) -> set[str]:
        """Return the ids of the syncs that are to run."""
        async with self._database.read() as connection:
            rows = await connection.scalars(
                select(schema.syncs.c.id).where(schema.syncs.c.status == "active")
            )
            return set(rows)

    async def read(self, sync_ids: Iterable[str]) -> dict[str, Plan]:
        """Return what these syncs are to do; those that are paused or gone are left out."""
        wanted = sorted(sync_ids)
        plans: dict[str, Plan] = {}
        for start in range(0, len(wanted), _LIST):
            async with self._database.read() as connection:
                plans |= await self._some_plans(connection, wanted[start : start + _LIST])
        return plans

    async def _some_plans(self, connection: AsyncConnection, sync_ids: Sequence[str]) -> dict[str, Plan]:
        syncs, credentials, hooks = schema.syncs, schema.credentials, schema.webhooks
        rows = await connection.execute(
            select(
                syncs,
                credentials.c.kind,
                credentials.c.account,
                credentials.c.properties,
                credentials.c.secrets,
                credentials.c.oauth_app_id,
                credentials.c.rate_limit,
                credentials.c.updated_us.label("credential_us"),
                hooks.c.updated_us.label("hook_us"),
            )
            .join(credentials, credentials.c.id == syncs.c.credential_id)
            .outerjoin(hooks, hooks.c.sync_id == syncs.c.id)
            .where(syncs.c.id.in_(sync_ids), syncs.c.status == "active")
        )
        collections = await self._collections(connection, sync_ids)
        plans: dict[str, Plan] = {}
        for row in rows:
            frequency = None if row.sync_frequency == CONTINUOUS else durations.parse(row.sync_frequency)
            secrets = json.loads(self._vault.open(row.secrets))
            plans[row.id] = Plan(
                sync_id=row.id,
                provider=row.provider,
                config=json.loads(row.config),
                kind=row.kind,
                account=f"{row.provider}/{row.account}",
                credential_id=row.credential_id,
                credential=json.loads(row.properties) | secrets,
                rate_limit=json.loads(row.rate_limit) if row.rate_limit else None,
                rate_share=row.rate_share,
                frequency=frequency,
                max_age_days=row.max_age_days,
                health=json.loads(row.health),
                checks=row.checks,
                stamp=row.updated_us + row.credential_us + (row.hook_us or 0),
                backfilled=row.initial_backfill_completed_us is not None,
                pushed=row.hook_us is not None or row.oauth_app_id is not None,
                collections=tuple(collections.get(row.id, ())),
            )
        return plans

    async def _collections(
        self, connection: AsyncConnection, sync_ids: Sequence[str]
    ) -> dict[str, list[CollectionPlan]]:
        chosen, slots = schema.sync_collections, schema.slots
        backfills, sweeps = schema.backfills, schema.sweeps
        open_backfills = {
            row.slot: row.id
            for row in await connection.execute(
                select(backfills.c.slot, backfills.c.id)
                .join(chosen, chosen.c.slot == backfills.c.slot)
                .where(chosen.c.sync_id.in_(sync_ids), backfills.c.outcome.is_(None))
                .order_by(backfills.c.requested_us, backfills.c.id)
            )
        }
        open_sweeps = {
            row.slot: row
            for row in await connection.execute(
                select(sweeps.c.slot, sweeps.c.id, sweeps.c.confirmed)
                .join(chosen, chosen.c.slot == sweeps.c.slot)
                .where(chosen.c.sync_id.in_(sync_ids), sweeps.c.state.in_(("requested", "running")))
                .order_by(sweeps.c.requested_us, sweeps.c.id)
            )
        }
        found: dict[str, list[CollectionPlan]] = {}
        for row in await connection.execute(
            select(chosen, slots.c.partition)
            .join(slots, slots.c.slot == chosen.c.slot)
            .where(chosen.c.sync_id.in_(sync_ids), chosen.c.selected)
            .order_by(chosen.c.slot)
        ):
            asked = open_sweeps.get(row.slot)
            found.setdefault(row.sync_id, []).append(
                CollectionPlan(
                    slot=Slot(
                        number=row.slot,
                        partition=row.partition,
                        sync_id=row.sync_id,
                        collection_id=row.collection_id,
                    ),
                    state=row.state,
                    complete_us=row.complete_us,
                    backfill_id=open_backfills.get(row.slot),
                    sweep_id=asked.id if asked else None,
                    sweep_confirmed=bool(asked and asked.confirmed),
                )
            )
        return found
