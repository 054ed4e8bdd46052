"""A database with everything that runs syncs, for tests of the runner. The API is a shelf in memory."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.syncs.conftest import records
from tests.syncs.shelf import Shelf

from headwater.kit.budget import Bucket, Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Http, open_session
from headwater.kit.tasks import ended
from headwater.management.caller import Caller, Permission
from headwater.management.credentials import NewCredential
from headwater.management.doors import Doors
from headwater.management.services import Services, services
from headwater.management.syncs import NewSync
from headwater.model.sync import CollectionState
from headwater.providers.catalogue import Catalogue
from headwater.providers.provider import Collection, CredentialKind, Feed, Provider, Webhook
from headwater.providers.tokens import TokenKeeper
from headwater.store.database import Database
from headwater.store.leases import Leases
from headwater.store.vault import Vault, new_key
from headwater.store.worker import Worker
from headwater.streams.sqlite import SqliteStreams
from headwater.syncs.inbox import Inbox
from headwater.syncs.ledger import Ledger
from headwater.syncs.plan import Plan, Plans
from headwater.syncs.run import Parts
from headwater.syncs.runner import Runner

ADMIN = Caller(key_id="k", permissions=frozenset({Permission.ADMIN}))


def provider(
    shelf: Shelf,
    collection: Collection | None = None,
    feed: Feed | None = None,
    webhook: Webhook | None = None,
) -> Provider:
    """Return the shelf as an API."""
    return Provider(
        name="shelf",
        title="Shelf",
        base_url="http://127.0.0.1:1",
        authorize=lambda _kind, _properties: None,
        credential_kinds=(
            CredentialKind(
                name="token",
                schema={"type": "object", "properties": {"token": {"type": "string"}}},
                secret=frozenset({"token"}),
            ),
        ),
        budget=(Bucket(allowed=100, per=timedelta(seconds=1)),),
        collections=(collection or shelf.collection(one=True),),
        feed=feed,
        webhook=webhook,
    )


class Shelves(Catalogue):
    """A catalogue whose one provider can be replaced, as when a document is stored anew."""

    def __init__(self, only: Provider) -> None:
        super().__init__((only,))
        self.only = only

    def replace(self, other: Provider) -> None:
        """Have another version from now on."""
        self.only = other

    def get(self, name: str) -> Provider | None:
        """Return it."""
        return self.only


@dataclass
class House:
    """A database with everything that runs syncs."""

    shelf: Shelf
    database: Database
    engine: SqliteStreams
    vault: Vault
    services: Services
    catalogue: Shelves
    inbox: Inbox

    async def sync(self) -> str:
        """Make a sync of the shelf; return its id."""
        new = NewCredential(
            provider="shelf", kind="token", name=None, properties={"token": "t"}, rate_limit=None,
            external_id=None, metadata={},
        )  # fmt: skip
        credential, _ = await self.services.credentials.put(ADMIN, new)
        made = NewSync(provider="shelf", credential_id=credential.id, config={}, metadata={})
        return (await self.services.syncs.create(ADMIN, made)).sync.id

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Runner]:
        """Run a process's share of the syncs."""
        clock = SystemClock()

        def open(_plan: Plan, _provider: Provider) -> Callable[[Urgency], Http]:
            return lambda _urgency: None  # type: ignore[return-value] - the shelf needs none

        async def reload() -> None:
            """Nothing is stored."""

        parts = Parts(
            engine=self.engine,
            plans=Plans(self.database, self.vault),
            ledger=Ledger(self.database, clock),
            inbox=self.inbox,
            open=open,
            catalogue=self.catalogue,
            clock=clock,
            reload=reload,
        )
        lease_time = timedelta(seconds=5)
        leases = Leases(self.database, clock=clock, lease_time=lease_time)
        worker = Worker(leases, clock=clock, lease_time=lease_time)
        runner = Runner(parts, worker)
        beating, working = asyncio.create_task(worker.run()), asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            await ended(working)
            await ended(beating)

    async def equal(self) -> bool:
        """Whether the record stream is as the shelf."""
        return await records(self.engine) == self.shelf.alive()

    async def is_in(self, sync_id: str, state: CollectionState) -> bool:
        """Whether the sync's collection is in a state."""
        return (await self.state(sync_id)).state == state

    async def state(self, sync_id: str) -> Any:
        """Return what the API would show of the sync's collection."""
        return (await self.services.syncs.get(ADMIN, sync_id)).collections[0]


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; give up after a while."""
    async with asyncio.timeout(20):
        while not await true():  # noqa: ASYNC110 - what is waited for is in a database
            await asyncio.sleep(0.02)


@asynccontextmanager
async def housed(folder: Path, shelf: Shelf, only: Provider, **more: Any) -> AsyncGenerator[House]:
    """Open a house in a folder, whose catalogue has one provider."""
    clock = SystemClock()
    database = await Database.open(f"sqlite:///{folder}/h.db", clock=clock)
    engine = await SqliteStreams.open(database, clock=clock)
    vault = Vault.with_keys([new_key()])

    async def check(_provider: Provider, _kind: str, _properties: Mapping[str, Any]) -> str | None:
        return "account"

    catalogue = Shelves(only)
    keeper, session = TokenKeeper(database, vault, clock), open_session()
    inbox = Inbox(database, clock)
    made = services(
        database=database, engine=engine, vault=vault, catalogue=catalogue, check=check, clock=clock,
        pushed=inbox.told, doors=Doors(session=session, keeper=keeper, clock=clock), **more,
    )  # fmt: skip
    shelf.now_us = clock.now_us()
    yield House(shelf, database, engine, vault, made, catalogue, inbox)
    await session.close()
    await inbox.close()
    await engine.close()
    await database.close()
