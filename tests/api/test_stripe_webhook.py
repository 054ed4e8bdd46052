"""Stripe pushes to Headwater: what is signed and fresh is stored, and nothing else leaves a trace."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from tests.api.server import Server, serve
from tests.management.office import ADMIN, Hands, Office, office

from headwater.management.credentials import NewCredential
from headwater.management.services import services
from headwater.management.syncs import NewSync
from headwater.providers.catalogue import Catalogue
from headwater.providers.provider import Provider
from headwater.providers.stripe import STRIPE
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.memory import MemoryStreams
from headwater.testing.fake_stripe.endpoints import sign
from headwater.testing.fake_stripe.resources import EXAMPLES

SECRET, OLDER = "whsec_newer", "whsec_older"
LARGE = 30 * 1024 * 1024
"""Bytes. More than any push has."""


@dataclass
class Pushed:
    """A server with a sync of Stripe that expects pushes."""

    server: Server
    office: Office
    path: str

    @property
    def now(self) -> int:
        """The time in seconds."""
        return self.office.clock.now_us() // 1_000_000

    async def send(self, body: bytes, signature: str) -> int:
        """Push; return the status of the answer."""
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
        return (await self.server.client.post(self.path, content=body, headers=headers)).status_code

    async def stored(self) -> list[str]:
        """Return the deliveries that are stored."""
        return [row.delivery_id for row in await self.office.rows("pushes")]


def event(id: str = "evt_1") -> bytes:
    """Return an event as Stripe writes it."""
    data = {"object": EXAMPLES["customer"]}
    body = {"id": id, "object": "event", "type": "customer.updated", "created": 1_732_000_000, "data": data}
    return json.dumps(body, indent=2).encode()


@pytest.fixture
async def pushed(tmp_path: Path) -> AsyncGenerator[Pushed]:
    """A server with a sync of Stripe that expects pushes."""
    clock = Hands()
    database = await Database.open(f"sqlite:///{tmp_path}/headwater.db", clock=clock)
    made = office(database, MemoryStreams(partitions=1, clock=clock), clock)

    async def check(_provider: Provider, _kind: str, _properties: Mapping[str, Any]) -> str | None:
        return "acct_1"

    made.services = services(
        database=database, engine=made.engine, vault=made.vault, catalogue=Catalogue((STRIPE,)),
        check=check, clock=clock, kinds=made.depots.kinds, doors=made.doors,
    )  # fmt: skip
    new = NewCredential(
        provider="stripe", kind="key", name=None, properties={"api_key": "sk_live_x"}, rate_limit=None,
        external_id=None, metadata={},
    )  # fmt: skip
    credential, _ = await made.services.credentials.put(ADMIN, new)
    wanted = NewSync(provider="stripe", credential_id=credential.id, config={}, metadata={})
    sync_id = (await made.services.syncs.create(ADMIN, wanted)).sync.id
    sealed = made.vault.seal(json.dumps([SECRET, OLDER]).encode())
    async with database.write() as connection:
        row = {"sync_id": sync_id, "secrets": sealed, "created_us": 1, "updated_us": 1}
        await connection.execute(insert(schema.webhooks).values(row))
    async with serve(made) as server:
        del server.client.headers["Authorization"]  # whoever signs needs no key
        yield Pushed(server, made, f"/webhooks/{sync_id}/stripe")
    await database.close()


async def test_a_signed_push_is_stored_once(pushed: Pushed) -> None:
    """With either secret; a replay within the tolerance changes nothing."""
    for id, secret in (("evt_1", SECRET), ("evt_2", OLDER), ("evt_1", SECRET)):
        assert await pushed.send(event(id), sign(event(id), pushed.now, [secret])) == 200
    assert sorted(await pushed.stored()) == ["evt_1", "evt_2"]


async def test_what_is_refused_leaves_no_trace(pushed: Pushed) -> None:
    """Tampered, of another secret, stale, from the future, unsigned, re-encoded, unreadable."""
    body, now = event(), pushed.now
    for sent, signature, status in (
        (body.replace(b"usd", b"eur"), sign(body, now, [SECRET]), 401),
        (body, sign(body, now, ["whsec_unknown"]), 401),
        (body, sign(body, now - 301, [SECRET]), 401),
        (body, sign(body, now + 301, [SECRET]), 401),
        (body, "", 401),
        (json.dumps(json.loads(body)).encode(), sign(body, now, [SECRET]), 401),
        (b"\xff\xfe", sign(b"\xff\xfe", now, [SECRET]), 400),
        (b"{}", sign(b"{}", now, [SECRET]), 400),
    ):
        assert await pushed.send(sent, signature) == status
    assert await pushed.stored() == []


async def test_a_recorded_request_cannot_be_sent_later(pushed: Pushed) -> None:
    """Five minutes after it was signed."""
    body, signature = event(), sign(event(), pushed.now, [SECRET])
    pushed.office.clock.move(301)
    assert await pushed.send(body, signature) == 401
    assert await pushed.stored() == []


async def test_an_oversized_body_is_refused(pushed: Pushed) -> None:
    """Before it is read, though it is signed."""
    body = event() + b" " * LARGE
    assert await pushed.send(body, sign(body, pushed.now, [SECRET])) == 413
    assert await pushed.stored() == []
