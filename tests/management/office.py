"""The services of management on a real database, with a clock that tests move and an engine in memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from tests.management.crm import CRM, OTHER, Api
from tests.management.depot import Depots

from headwater.kit.http import Session
from headwater.management.caller import Caller, Permission
from headwater.management.consumer_views import ConsumerView
from headwater.management.consumers import NewConsumer
from headwater.management.credentials import Credential, NewCredential
from headwater.management.doors import Doors
from headwater.management.services import Services, services
from headwater.management.sync_views import SyncView
from headwater.management.syncs import NewSync
from headwater.management.targets import NewTarget, TargetView
from headwater.model.record import Change, EventKind, Origin, Slot
from headwater.providers.catalogue import Catalogue
from headwater.providers.provider import Provider
from headwater.providers.tokens import TokenKeeper
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault, new_key
from headwater.streams.engine import Commit, StreamEngine
from headwater.testing.clock import ManualClock

ADMIN = Caller(key_id="k", permissions=frozenset({Permission.ADMIN}))
START_US = 1_732_000_000_000_000


def tenant(external_id: str) -> Caller:
    """Return an admin key that is bound to a tenant."""
    return Caller(key_id="t", permissions=frozenset({Permission.ADMIN}), external_id=external_id)


class Hands(ManualClock):
    """A clock that stands until it is moved, from 19 November 2024 on."""

    def __init__(self) -> None:
        """Begin."""
        super().__init__(START_US)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.us += round(seconds * 1e6)


@dataclass
class Office:
    """Everything of management, put together."""

    database: Database
    engine: StreamEngine
    clock: Hands
    vault: Vault
    api: Api
    services: Services
    depots: Depots
    doors: Doors
    changed: int = field(default=0)

    async def credential(self, caller: Caller = ADMIN, token: str = "secret", **more: Any) -> Credential:
        """Make a credential of the made-up CRM."""
        given: dict[str, Any] = {
            "kind": None,
            "name": None,
            "rate_limit": None,
            "external_id": None,
            "metadata": {},
        }
        new = NewCredential(provider="crm", properties={"token": token}, **(given | more))
        made, _ = await self.services.credentials.put(caller, new)
        return made

    async def sync(self, caller: Caller = ADMIN, **more: Any) -> SyncView:
        """Make a sync of the made-up CRM, with a credential unless one is given."""
        if "credential_id" not in more:
            tenant_id = more.get("external_id") or caller.external_id
            credential = await self.credential(caller, token=f"of {tenant_id}", external_id=tenant_id)
            more["credential_id"] = credential.id
        given: dict[str, Any] = {"config": {}, "metadata": {}}
        return await self.services.syncs.create(caller, NewSync(provider="crm", **(given | more)))

    async def target(self, caller: Caller = ADMIN, **more: Any) -> TargetView:
        """Make a target of a made-up kind."""
        given: dict[str, Any] = {"settings": {"url": "depot://host/place"}, "metadata": {}}
        kind = {} if "url" in more else {"kind": "depot"}
        made, _ = await self.services.targets.create(caller, NewTarget(**(given | kind | more)))
        return made

    async def consumer(self, caller: Caller = ADMIN, **more: Any) -> ConsumerView:
        """Make a managed consumer, with a target unless one is given."""
        if "target_id" not in more:
            tenant_id = more.get("external_id") or caller.external_id
            more["target_id"] = (await self.target(caller, external_id=tenant_id)).id
        given: dict[str, Any] = {"filters": {}, "metadata": {}}
        return await self.services.consumers.create(caller, NewConsumer(**(given | more)))

    async def slot(self, sync_id: str, collection_id: str = "crm:contact") -> Slot:
        """Return the slot of a collection of a sync."""
        return (await self.services.slots.now()).by_key[sync_id, collection_id].slot

    async def write(self, slot: Slot, id: str, data: Mapping[str, Any] | None, /, **more: Any) -> int:
        """Commit a change of one record: its new data, or None for its deletion. Return its position."""
        held = (await self.engine.held(slot, [id])).get(id)
        kind = EventKind.CREATED if held is None or held.deleted else EventKind.UPDATED
        body = b"" if data is None else json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
        if data is None and held is not None:
            kind, body = EventKind.DELETED, (await self.engine.data(slot, [held.position]))[held.position]
        self.changed += 1
        given: dict[str, Any] = {
            "origin": Origin.SINCE,
            "created_us": None,
            "updated_us": self.clock.now_us(),
            "previous_data": b"{}" if kind is EventKind.UPDATED else None,
        }
        change = Change(
            slot=slot.number,
            upstream_id=id,
            event=kind,
            expects=None if held is None else held.position,
            fingerprint=self.changed.to_bytes(16),
            version=self.changed,
            asked_us=self.clock.now_us(),
            **({"data": body} | given | more),
        )
        done = await self.engine.commit(Commit(partition=slot.partition, changes=[change]))
        return done.first

    async def rows(self, name: str) -> list[Any]:
        """Return all rows of a table."""
        async with self.database.read() as connection:
            return list(await connection.execute(select(schema.metadata.tables[name])))

    async def revision(self, topic: str) -> int:
        """Return a revision as another process would see it."""
        return {row.name: row.number for row in await self.rows("revisions")}.get(topic, 0)


def office(
    database: Database,
    engine: StreamEngine,
    clock: Hands,
    providers: Sequence[Provider] = (CRM, OTHER),
    *,
    session: Session | None = None,
    **more: Any,
) -> Office:
    """Put an office together. Its doors lead somewhere where there is a `session`."""
    vault, api, depots = Vault.with_keys([new_key()]), Api(), Depots()
    keeper = TokenKeeper(database, vault, clock)
    doors = Doors(session=session, keeper=keeper, clock=clock)  # type: ignore[arg-type] - as said above
    made = services(
        **{
            "database": database,
            "engine": engine,
            "vault": vault,
            "catalogue": Catalogue(providers),
            "check": api.check,
            "doors": doors,
            "clock": clock,
            "kinds": depots.kinds,
        }
        | more
    )
    return Office(
        database=database,
        engine=engine,
        clock=clock,
        vault=vault,
        api=api,
        services=made,
        depots=depots,
        doors=doors,
    )
