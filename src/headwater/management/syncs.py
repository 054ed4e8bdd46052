"""Syncs: made, changed and listed. What a sync does is `syncs`' matter; here is what users may ask of it.

Each write that a runner must notice counts the revision `syncs` up in the same transaction. Not here:
restarting backfills, sweeps and the like (`orders`), removing a sync (`removal`), how one is shown
(`sync_views`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import Invalid, NotFound
from headwater.kit import durations
from headwater.kit.clock import Clock, from_us, iso
from headwater.kit.ids import new_id
from headwater.management import credentials, listing, orders, schemas
from headwater.management.caller import Caller, Permission
from headwater.management.credentials import own_external_id
from headwater.management.listing import Page, Wanted, to_json
from headwater.management.providers import Providers
from headwater.management.sync_views import SyncView, SyncViews, active, visible
from headwater.model.sync import CONTINUOUS, CollectionState, Status
from headwater.providers.provider import Provider
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.streams.slots import partition_of

_SHORTEST = timedelta(seconds=1)
_LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSync:
    """What a user gives to make a sync. `collection_ids` None: those of the provider's default."""

    provider: str
    credential_id: str
    name: str | None = None
    collection_ids: Sequence[str] | None = None
    rate_share: float = 1.0
    status: Status = Status.ACTIVE
    max_age_days: int | None = None
    sync_frequency: str = CONTINUOUS
    config: Mapping[str, Any]
    external_id: str | None = None
    metadata: Mapping[str, Any]


Unset = Literal["unset"]
UNSET: Unset = "unset"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncChange:
    """What a user changes of a sync; None leaves it, except where None is a value: there `UNSET` does."""

    name: str | None = None
    collection_ids: Sequence[str] | None = None
    rate_share: float | None = None
    status: Status | None = None
    max_age_days: int | Unset | None = UNSET
    sync_frequency: str | None = None
    config: Mapping[str, Any] | None = None
    external_id: str | Unset | None = UNSET
    metadata: Mapping[str, Any] | None = None


class Syncs:
    """The syncs of one installation."""

    def __init__(
        self,
        database: Database,
        revisions: Revisions,
        providers: Providers,
        views: SyncViews,
        partitions: int,
        clock: Clock,
    ) -> None:
        """Keep syncs in `database`; their records go into one of `partitions` partitions each."""
        self._database = database
        self._revisions = revisions
        self._providers = providers
        self._views = views
        self._partitions = partitions
        self._clock = clock

    async def create(self, caller: Caller, new: NewSync) -> SyncView:
        """Make a sync with the slots of its collections and a backfill of each, all or nothing.

        Raises: Invalid, Forbidden.
        """
        caller.require(Permission.ADMIN)
        provider = await self._providers.chosen(new.provider)
        chosen = _chosen(provider, new.collection_ids)
        _refuse_mistakes(provider, new.config, new.sync_frequency)
        sync_id, now_us = new_id(), self._clock.now_us()
        async with self._revisions.changing("syncs") as connection:
            credential = await _credential(connection, caller, new.credential_id, provider)
            external_id = _tenant(caller, new.external_id, credential)
            await connection.execute(
                insert(schema.syncs).values(
                    id=sync_id,
                    provider=provider.name,
                    name=new.name or provider.title,
                    credential_id=new.credential_id,
                    rate_share=new.rate_share,
                    status=new.status,
                    health=to_json({"status": "ok", "notes": [], "since": iso(from_us(now_us))}),
                    max_age_days=new.max_age_days,
                    sync_frequency=new.sync_frequency,
                    config=to_json(new.config),
                    external_id=external_id,
                    metadata=to_json(new.metadata),
                    created_us=now_us,
                    updated_us=now_us,
                )
            )
            await self._select(connection, sync_id, external_id, chosen)
            row = await visible(connection, caller, sync_id)
        return (await self._views.of([row]))[0]

    async def page(self, caller: Caller, wanted: Wanted) -> Page[SyncView]:
        """Return a page of syncs."""
        caller.require(Permission.READ)
        query = listing.narrowed(select(schema.syncs), schema.syncs, caller, wanted, self._database.dialect)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return listing.page_of(wanted, await self._views.of(rows), lambda view: view.sync.id)

    async def get(self, caller: Caller, sync_id: str) -> SyncView:
        """Return one sync. Raises: NotFound."""
        caller.require(Permission.READ)
        async with self._database.read() as connection:
            row = await visible(connection, caller, sync_id)
        return (await self._views.of([row]))[0]

    async def change(self, caller: Caller, sync_id: str, change: SyncChange) -> SyncView:
        """Change a sync.

        A collection that is added starts its backfill; one that is left out keeps its records.

        Raises: NotFound, Invalid, Forbidden.
        """
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            before = await visible(connection, caller, sync_id)
        provider = await self._providers.get(before.provider)
        chosen = None if change.collection_ids is None else _chosen(provider, change.collection_ids)
        config = json.loads(before.config) if change.config is None else change.config
        _refuse_mistakes(provider, config, change.sync_frequency or CONTINUOUS)
        async with self._revisions.changing("syncs") as connection:
            before = await visible(connection, caller, sync_id)
            values = _values(change) | {"updated_us": max(self._clock.now_us(), before.updated_us + 1)}
            external_id = before.external_id
            if change.external_id != UNSET:
                credential = await _credential(connection, caller, before.credential_id, provider)
                external_id = values["external_id"] = _tenant(caller, change.external_id, credential)
                await connection.execute(
                    update(schema.slots)
                    .where(schema.slots.c.sync_id == sync_id)
                    .values(external_id=external_id)
                )
            await connection.execute(update(schema.syncs).where(schema.syncs.c.id == sync_id).values(values))
            if chosen is not None:
                await self._select(connection, sync_id, external_id, chosen)
            row = await visible(connection, caller, sync_id)
        return (await self._views.of([row]))[0]

    async def check(self, caller: Caller, sync_id: str) -> SyncView:
        """Ask for a look for changes now. Raises: NotFound, InUse while it is paused."""
        caller.require(Permission.ADMIN)
        table = schema.syncs
        async with self._revisions.changing("syncs") as connection:
            await active(connection, caller, sync_id)
            await connection.execute(
                update(table).where(table.c.id == sync_id).values(checks=table.c.checks + 1)
            )
            row = await visible(connection, caller, sync_id)
        return (await self._views.of([row]))[0]

    async def _select(
        self,
        connection: AsyncConnection,
        sync_id: str,
        external_id: str | None,
        collection_ids: Sequence[str],
    ) -> None:
        """Make exactly these collections the selected ones; start a backfill of each that was not selected
        before.
        """
        chosen = schema.sync_collections
        rows = await connection.execute(select(chosen).where(chosen.c.sync_id == sync_id))
        known = {row.collection_id: row for row in rows}
        dropped = [row.slot for id, row in known.items() if row.selected and id not in collection_ids]
        added = [id for id in collection_ids if id not in known or not known[id].selected]
        again = [known[id].slot for id in added if id in known]
        if dropped:
            await connection.execute(update(chosen).where(chosen.c.slot.in_(dropped)).values(selected=False))
            await orders.stop_backfills(connection, dropped, self._clock.now_us())
        if again:
            await connection.execute(update(chosen).where(chosen.c.slot.in_(again)).values(selected=True))
        first = [id for id in added if id not in known]
        numbers = await self._allot(connection, sync_id, external_id, first)
        if numbers:
            await connection.execute(
                insert(chosen),
                [
                    {
                        "slot": number,
                        "sync_id": sync_id,
                        "collection_id": collection_id,
                        "selected": True,
                        "state": CollectionState.PENDING,
                    }
                    for collection_id, number in numbers.items()
                ],
            )
        await orders.start_backfills(connection, [*again, *numbers.values()], self._clock.now_us())

    async def _allot(
        self,
        connection: AsyncConnection,
        sync_id: str,
        external_id: str | None,
        collection_ids: Sequence[str],
    ) -> dict[str, int]:
        """Give collections their slots; return the numbers."""
        if not collection_ids:
            return {}
        slots = schema.slots
        partition = partition_of(sync_id, self._partitions)
        await connection.execute(
            insert(slots),
            [
                {
                    "partition": partition,
                    "sync_id": sync_id,
                    "collection_id": collection_id,
                    "external_id": external_id,
                }
                for collection_id in collection_ids
            ],
        )
        query = select(slots.c.collection_id, slots.c.slot).where(
            slots.c.sync_id == sync_id, slots.c.collection_id.in_(collection_ids)
        )
        return {row.collection_id: row.slot for row in await connection.execute(query)}


def _chosen(provider: Provider, wanted: Sequence[str] | None) -> list[str]:
    """Return ids of collections in the provider's order.

    Raises: Invalid for an unknown one or a missing parent.
    """
    known = {f"{provider.name}:{one.name}": one for one in provider.collections}
    if wanted is None:
        return [id for id, one in known.items() if one.by_default]
    errors: list[tuple[str, str]] = []
    for number, id in enumerate(wanted):
        if id not in known:
            errors.append(
                (f"collection_ids.{number}", schemas.unknown(id, known).replace("field", "collection"))
            )
            continue
        parent = known[id].parent
        if parent is not None and f"{provider.name}:{parent}" not in wanted:
            errors.append(
                (f"collection_ids.{number}", f"Is read below each {parent}; add {provider.name}:{parent}.")
            )
    if not wanted:
        errors.append(("collection_ids", "Must name at least one collection."))
    if errors:
        raise Invalid(
            "The collections are not as the provider has them.",
            errors=errors,
            fix=f"Choose among the collections that GET /v1/providers/{provider.name} lists.",
        )
    return [id for id in known if id in wanted]


def _refuse_mistakes(provider: Provider, config: Mapping[str, Any], frequency: str) -> None:
    """Refuse a config that is not as the provider declares it, or that it cannot be opened with."""
    errors = schemas.mistakes(dict(config), {**schemas.OBJECT, **provider.config_schema}, "config")
    if frequency != CONTINUOUS and not _is_frequency(frequency):
        errors.append(("sync_frequency", 'Must be "continuous" or a duration such as "30s", "15m" or "4h".'))
    if errors:
        raise Invalid(
            "The sync cannot be run as it is described.",
            errors=errors,
            fix="Correct the fields that `errors` names.",
        )
    provider.configured(config)


def _is_frequency(text: str) -> bool:
    try:
        return _SHORTEST <= durations.parse(text) <= _LONGEST
    except (ValueError, Invalid):
        return False


async def _credential(
    connection: AsyncConnection, caller: Caller, credential_id: str, provider: Provider
) -> Row[Any]:
    """Return the credential of a sync if the caller may use it and it is of the same provider."""
    try:
        row = await credentials.visible(connection, caller, credential_id)
    except NotFound as error:
        raise Invalid(
            "The sync's credential does not exist.",
            errors=[("credential_id", "There is no such credential.")],
            fix=error.fix,
        ) from error
    if row.provider != provider.name:
        raise Invalid(
            "The sync's credential is another provider's.",
            errors=[("credential_id", f"Is a credential of {row.provider}, not of {provider.name}.")],
            fix=f"Choose one that GET /v1/credentials?provider={provider.name} lists.",
        )
    return row


def _tenant(caller: Caller, wanted: str | None, credential: Row[Any]) -> str | None:
    """Return the tenant of a sync: a credential that belongs to one serves no other (P12)."""
    external_id = own_external_id(caller, wanted) or credential.external_id
    if credential.external_id and external_id != credential.external_id:
        raise Invalid(
            "The sync and its credential belong to different tenants.",
            errors=[("external_id", "Is not the external_id of the credential.")],
            fix="Leave external_id out: the sync takes the credential's.",
        )
    return external_id or None


def _values(change: SyncChange) -> dict[str, Any]:
    """Return the columns of a change that are what the user gave."""
    values: dict[str, Any] = {}
    for name in ("name", "rate_share", "status", "sync_frequency"):
        if (value := getattr(change, name)) is not None:
            values[name] = value
    if change.max_age_days != UNSET:
        values["max_age_days"] = change.max_age_days
    if change.config is not None:
        values["config"] = to_json(change.config)
    if change.metadata is not None:
        values["metadata"] = to_json(change.metadata)
    return values
