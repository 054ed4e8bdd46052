"""What managed consumers are to do, as their rows in the database say. Not here: what becomes of it
(`ledger`)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import selection
from headwater.model.consumer import Batching, OnGap, Selection
from headwater.model.position import Stream
from headwater.model.sync import HealthStatus
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.store.vault import Vault

_LIST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a consumer is to do. `settings` are its target's, opened: never for show (P8)."""

    consumer_id: str
    name: str
    stream: Stream
    filters: Selection
    external_id: str | None
    on_gap: OnGap
    max_deliver: int
    batch: Batching
    target_id: str
    kind: str
    settings: dict[str, Any] = field(repr=False)
    stamp: tuple[int, int, int]
    """Changes whenever a user changed the consumer or its target, or let it begin anew."""
    health: dict[str, Any]
    target_well: bool
    """Whether nothing is known against the target."""
    called_back: bool
    """Whether dead letters of it are to be delivered once more."""

    @property
    def lease(self) -> str:
        """The name of the lease under which it is run."""
        return lease_name(self.consumer_id)


def lease_name(consumer_id: str) -> str:
    """Return the name of a consumer's lease."""
    return f"consumer:{consumer_id}"


class Plans:
    """Reads plans. One for each process that runs consumers."""

    def __init__(self, database: Database, revisions: Revisions, vault: Vault) -> None:
        """Read the tables of `database`, and open the settings of targets with `vault`."""
        self._database = database
        self._revisions = revisions
        self._vault = vault

    async def revision(self) -> int:
        """Return the number that grows with every change that running processes must notice."""
        return await self._revisions.recent("consumers")

    async def active(self) -> set[str]:
        """Return the ids of the consumers that are to run."""
        table = schema.consumers
        async with self._database.read() as connection:
            return set(await connection.scalars(select(table.c.id).where(table.c.status == "active")))

    async def read(self, consumer_ids: Iterable[str]) -> dict[str, Plan]:
        """Return what these consumers are to do; those that are paused or gone are left out."""
        wanted = sorted(consumer_ids)
        plans: dict[str, Plan] = {}
        for start in range(0, len(wanted), _LIST):
            async with self._database.read() as connection:
                plans |= await self._some(connection, wanted[start : start + _LIST])
        return plans

    async def _some(self, connection: AsyncConnection, consumer_ids: Sequence[str]) -> dict[str, Plan]:
        consumers, targets, standings = schema.consumers, schema.targets, schema.standings
        dead = schema.dead_letters
        called_back = exists().where(dead.c.consumer_id == consumers.c.id, dead.c.redrive)
        query = (
            select(
                consumers,
                targets.c.kind,
                targets.c.settings,
                targets.c.secrets,
                targets.c.updated_us.label("target_us"),
                targets.c.health.label("target_health"),
                standings.c.generation,
                called_back.label("called_back"),
            )
            .join(targets, targets.c.id == consumers.c.target_id)
            .join(standings, standings.c.consumer_id == consumers.c.id)
            .where(consumers.c.id.in_(consumer_ids), consumers.c.status == "active")
        )
        return {row.id: self._plan(row) for row in await connection.execute(query)}

    def _plan(self, row: Row[Any]) -> Plan:
        return Plan(
            consumer_id=row.id,
            name=row.name,
            stream=Stream(row.stream),
            filters=selection.from_text(row.filters),
            external_id=row.external_id,
            on_gap=OnGap(row.on_gap),
            max_deliver=row.max_deliver,
            batch=Batching(**json.loads(row.batch)),
            target_id=row.target_id,
            kind=row.kind,
            settings=json.loads(row.settings) | json.loads(self._vault.open(row.secrets)),
            stamp=(row.updated_us, row.target_us, row.generation),
            health=json.loads(row.health),
            target_well=json.loads(row.target_health)["status"] == HealthStatus.OK,
            called_back=row.called_back,
        )
