"""Webhooks of syncs: their address, their secrets, the API that is told; pushes for a whole OAuth app."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.api.server import Server, serve
from tests.management.crm import CRM
from tests.management.office import Hands, office
from tests.providers.linked import declared

from headwater.errors import Halt, Reject, Unauthorized
from headwater.kit.http import Registrar, open_session
from headwater.model.secret import MASK
from headwater.providers.oauth import KIND, SECRET
from headwater.providers.provider import (
    CredentialKind,
    News,
    Provider,
    Push,
    Received,
    Registered,
    Webhook,
)
from headwater.store import reseal
from headwater.store.database import Database
from headwater.store.vault import Vault, new_key
from headwater.streams.memory import MemoryStreams

PUBLIC = "https://headwater.example/base"


@dataclass
class Hookable:
    """An API that can be told where to push."""

    refuses: bool = False
    own_secrets: bool = False
    """It makes secrets up itself."""
    registered: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    """Address and secret, by number."""
    made: int = 0
    urls: list[str] = field(default_factory=list[str])
    """Of the requests that were verified."""

    async def register(self, _http: Registrar, url: str, secret: str) -> Registered:
        """Take a place to push to."""
        if self.refuses:
            raise Halt("The API refused.", code="provider.forbidden", fix="Grant the right.")
        self.made += 1
        given = f"own-secret-{self.made}" if self.own_secrets else secret
        self.registered[self.made] = (url, given)
        return Registered(kept={"id": self.made}, secret=given if self.own_secrets else None)

    async def unregister(self, _http: Registrar, kept: Any) -> None:
        """Forget it."""
        if self.refuses:
            raise Halt("The API refused.", code="provider.forbidden", fix="Grant the right.")
        self.registered.pop(kept["id"], None)

    def verify(self, received: Received, secrets: Sequence[str]) -> None:
        """Check a signature."""
        self.urls.append(received.url)
        if received.headers.get("signature") not in [sign(secret, received.body) for secret in secrets]:
            raise Unauthorized("The signature is wrong.", code="webhook.signature")

    def webhook(self, *, by_hand: bool = False) -> Webhook:
        """Return how it pushes."""
        return Webhook(
            verify=self.verify,
            read=read,
            register=None if by_hand else self.register,
            unregister=None if by_hand else self.unregister,
            instructions="Paste `{url}` and `{secret}`.",
        )


def sign(secret: str, body: bytes) -> str:
    """Return a signature."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def read(received: Received) -> Push:
    """Read a push."""
    try:
        body = json.loads(received.body)
    except ValueError:
        raise Reject("No JSON.") from None
    return Push(
        delivery_id=body["id"],
        topic="changed",
        news=[News(collection="contact", id="1")],
        account=body.get("account"),
    )


class Place:
    """A server with a sync whose API can be told."""

    def __init__(self, server: Server, api: Hookable, sync_id: str) -> None:
        self.server, self.api, self.sync_id = server, api, sync_id
        self.path = f"/v1/syncs/{sync_id}/webhook"

    async def put(self, expect: int = 200, **body: Any) -> Any:
        """Have a webhook."""
        return await self.server.call("POST", self.path, expect, json=body)

    async def push(self, secret: str, id: str = "1", path: str | None = None, **more: Any) -> int:
        """Push something; return the status."""
        body = json.dumps({"id": id} | more).encode()
        headers = {"signature": sign(secret, body), "authorization": ""}
        path = path or f"/webhooks/{self.sync_id}/crm"
        return (await self.server.client.post(path, content=body, headers=headers)).status_code

    async def stored(self) -> list[tuple[str, str]]:
        """Return what is in the inbox."""
        return [(row.sync_id, row.delivery_id) for row in await self.server.office.rows("pushes")]


async def placed(tmp_path: Path, provider: Provider, api: Hookable, **more: Any) -> AsyncGenerator[Place]:
    """Put a place together."""
    clock, session = Hands(), open_session()
    database = await Database.open(f"sqlite:///{tmp_path}/headwater.db", clock=clock)
    engine = MemoryStreams(partitions=4, clock=clock)
    made = office(database, engine, clock, (provider,), session=session, **more)
    async with serve(made, largest_body=10_000) as server:
        sync_id = (await made.sync(external_id="org_42")).sync.id
        yield Place(server, api, sync_id)
    await session.close()
    await database.close()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    """A place whose API can be told by us."""
    api = Hookable()
    async for made in placed(tmp_path, replace(CRM, webhook=api.webhook()), api, public_url=PUBLIC):
        yield made


@pytest.fixture
async def by_hand(tmp_path: Path) -> AsyncGenerator[Place]:
    """A place whose API is told by a person."""
    api = Hookable()
    crm = replace(CRM, webhook=api.webhook(by_hand=True))
    async for made in placed(tmp_path, crm, api, public_url=PUBLIC):
        yield made


async def test_the_api_is_told_where_to_push(place: Place) -> None:
    """With a secret that nobody sees; a second time nothing happens; what it pushes is stored."""
    assert (await place.server.get(place.path))["state"] == "off"
    made = await place.put()
    assert (made["state"], made["secret"], made["instructions"]) == ("registered", None, None)
    assert made["url"] == f"{PUBLIC}/webhooks/{place.sync_id}/crm"
    assert made["secrets"] == [{"secret": MASK, "until": None}]
    ((url, secret),) = place.api.registered.values()
    assert url == made["url"]
    assert await place.put() == made
    assert place.api.made == 1
    assert await place.push(secret) == 200
    assert await place.push("wrong", "2") == 401
    assert await place.stored() == [(place.sync_id, "1")]
    assert (await place.server.get(place.path))["last_received_at"] is not None
    assert place.api.urls[0] == made["url"], "as the API signed it, whatever proxies made of it"
    (row,) = await place.server.office.rows("webhooks")
    assert secret not in str(row)


async def test_an_older_secret_counts_for_a_day_more(place: Place) -> None:
    """The API is told the new one, and forgets the old place."""
    await place.put()
    ((_, older),) = place.api.registered.values()
    rolled = await place.put(rotate=True)
    assert len(rolled["secrets"]) == 2
    assert rolled["secrets"][1]["until"] is not None
    ((_, newer),) = place.api.registered.values()
    assert newer != older
    assert [await place.push(one, str(n)) for n, one in enumerate((newer, older))] == [200, 200]
    place.server.office.clock.move(24 * 3600 + 1)
    assert [await place.push(one, str(n)) for n, one in enumerate((newer, older))] == [200, 401]
    assert len((await place.server.get(place.path))["secrets"]) == 1


async def test_an_api_that_makes_up_its_own_secret(place: Place) -> None:
    """Its secret is what counts."""
    place.api.own_secrets = True
    await place.put()
    assert await place.push("own-secret-1") == 200
    await place.put(rotate=True)
    assert [await place.push(f"own-secret-{n}", f"d{n}") for n in (1, 2)] == [200, 200]
    assert list(place.api.registered) == [2]


async def test_an_api_that_refuses_changes_nothing(place: Place) -> None:
    """It is said why; the webhook is as before, or there is none. By hand it still works."""
    place.api.refuses = True
    problem = await place.server.refused("POST", place.path, 502, "provider.forbidden", json={})
    assert problem["fix"] == "Grant the right."
    assert (await place.server.get(place.path))["state"] == "off"
    place.api.refuses = False
    await place.put()
    ((_, secret),) = place.api.registered.values()
    place.api.refuses = True
    await place.server.refused("POST", place.path, 502, "provider.forbidden", json={"rotate": True})
    assert await place.push(secret) == 200
    assert len((await place.server.get(place.path))["secrets"]) == 1
    await place.server.call("DELETE", place.path, 204)
    shown = await place.put(register=False)
    assert shown["state"] == "by_hand"
    assert await place.push(shown["secret"], "9") == 200


async def test_a_person_tells_the_api(by_hand: Place) -> None:
    """Address and secret to paste are shown once; later the secret is masked."""
    made = await by_hand.put()
    assert made["state"] == "by_hand"
    assert made["instructions"] == f"Paste `{made['url']}` and `{made['secret']}`."
    assert await by_hand.push(made["secret"]) == 200
    again = await by_hand.server.get(by_hand.path)
    assert again["secret"] is None
    assert made["secret"] not in json.dumps(again)
    assert MASK in again["instructions"]
    pasted = await by_hand.put(secret="whsec_given-by-the-api")
    assert pasted["secret"] is None
    assert await by_hand.push("whsec_given-by-the-api", "2") == 200
    assert await by_hand.push(made["secret"], "3") == 200


async def test_a_webhook_ends(place: Place) -> None:
    """By itself, and with its sync: the API is told, and what it still pushes is not known."""
    await place.put()
    ((_, secret),) = place.api.registered.values()
    await place.server.call("DELETE", place.path, 204)
    await place.server.call("DELETE", place.path, 204)
    assert place.api.registered == {}
    assert await place.push(secret) == 404
    await place.put()
    await place.server.call("DELETE", f"/v1/syncs/{place.sync_id}", 204)
    assert place.api.registered == {}
    assert await place.server.office.rows("webhooks") == []
    assert await place.server.office.rows("pushes") == []


async def test_a_sync_goes_even_where_its_api_refuses(place: Place) -> None:
    """Nobody can be kept from removing a sync by an API."""
    await place.put()
    place.api.refuses = True
    await place.server.call("DELETE", f"/v1/syncs/{place.sync_id}", 204)
    await place.server.refused("GET", place.path, 404, "sync.not_found")


async def test_p12_webhooks_are_their_tenants(place: Place) -> None:
    """Another tenant's key sees none, a reader changes none."""
    other = await place.server.key("read", "admin", external_id="other")
    reader = await place.server.key("read", external_id="org_42")
    await place.server.refused("GET", place.path, 404, "sync.not_found", headers=other)
    await place.server.refused("POST", place.path, 404, "sync.not_found", headers=other, json={})
    await place.server.refused("DELETE", place.path, 404, "sync.not_found", headers=other)
    assert (await place.server.get(place.path, headers=reader))["state"] == "off"
    await place.server.refused("POST", place.path, 403, "key.scope", headers=reader, json={})


async def test_without_a_public_address_the_pull_side_does_it(tmp_path: Path) -> None:
    """That is said where the user looks, and is no error there."""
    api = Hookable()
    async for place in placed(tmp_path, replace(CRM, webhook=api.webhook()), api):
        shown = await place.server.get(place.path)
        assert (shown["state"], shown["url"]) == ("off", None)
        assert "found by asking" in shown["note"]
        await place.server.refused("POST", place.path, 409, "server.public_url", json={})


async def test_an_api_that_does_not_push(tmp_path: Path) -> None:
    """There is nothing to be had."""
    async for place in placed(tmp_path, CRM, Hookable(), public_url=PUBLIC):
        shown = await place.server.get(place.path)
        assert (shown["state"], shown["url"]) == ("unsupported", None)
        await place.server.refused("POST", place.path, 409, "webhook.unsupported", json={})


async def test_a_push_may_be_larger_than_other_bodies(place: Place) -> None:
    """GitHub's may have 25 MB; elsewhere the setting counts."""
    await place.put()
    ((_, secret),) = place.api.registered.values()
    assert await place.push(secret, more="x" * 20_000) == 200
    assert await place.push(secret, "2", more="x" * 26_000_000) == 413
    await place.server.refused(
        "POST", place.path, 413, "request.too_large", content=b"x" * 20_000,
        headers={"content-type": "application/json"},
    )  # fmt: skip


@pytest.fixture
async def for_app(tmp_path: Path) -> AsyncGenerator[Place]:
    """A place whose accounts are linked by an OAuth app, for which the API pushes."""
    api, oauth = Hookable(), declared(config_schema={})
    oauth = replace(oauth, authorize_url="https://crm.example/a", token_url="https://crm.example/t")
    kind = CredentialKind(name=KIND, schema=oauth.credential_schema(), secret=SECRET)
    crm = replace(CRM, webhook=api.webhook(), oauth=oauth, credential_kinds=(*CRM.credential_kinds, kind))
    async for made in placed(tmp_path, crm, api, public_url=PUBLIC):
        yield made


async def test_pushes_for_an_app_find_the_syncs_of_their_account(for_app: Place) -> None:
    """All of them, of those that the app has linked, and of no other account; each delivery once."""
    server = for_app.server
    server.office.api.accounts |= {"acme-token": "acme", "globex-token": "globex"}

    async def check(_provider: Provider, _kind: str, properties: Any) -> str | None:
        return server.office.api.accounts.get(properties.get("access_token", properties.get("token")))

    server.office.services.credentials._check = check
    app = await server.call(
        "POST", "/v1/oauth-apps", 201,
        json={"provider": "crm", "client_id": "c", "client_secret": "s", "webhook_secret": "app-secret"},
    )  # fmt: skip
    assert app["webhook_url"] == f"{PUBLIC}/webhooks/app/{app['id']}"
    assert app["webhook_secret"] == MASK
    syncs: dict[str, list[str]] = {"acme": [], "globex": []}
    for account, tenant in (("acme", "a"), ("acme", "b"), ("globex", "c")):
        credential = await server.call(
            "POST", "/v1/credentials", 201,
            json={"provider": "crm", "kind": "oauth2", "properties": {"access_token": f"{account}-token"},
                  "external_id": tenant, "oauth_app_id": app["id"]},
        )  # fmt: skip
        body = {"provider": "crm", "credential_id": credential["id"]}
        syncs[account].append((await server.call("POST", "/v1/syncs", 201, json=body))["id"])
    path = f"/webhooks/app/{app['id']}"
    for _ in range(2):
        assert await for_app.push("app-secret", "1", path, account="acme") == 200
    assert sorted(await for_app.stored()) == sorted((id, "1") for id in syncs["acme"])
    assert await for_app.push("app-secret", "2", path, account="nobody") == 200
    assert await for_app.push("app-secret", "3", path) == 200
    assert await for_app.push("wrong", "4", path, account="acme") == 401
    assert await for_app.push("app-secret", "5", "/webhooks/app/none", account="acme") == 404
    assert len(await for_app.stored()) == 2
    assert (await server.get(f"/v1/oauth-apps/{app['id']}"))["last_received_at"] is not None


async def test_an_app_without_a_webhook_secret_expects_no_pushes(for_app: Place) -> None:
    """What cannot be verified is not taken."""
    body = {"provider": "crm", "client_id": "c", "client_secret": "s"}
    app = await for_app.server.call("POST", "/v1/oauth-apps", 201, json=body)
    assert await for_app.push("", "1", f"/webhooks/app/{app['id']}", account="acme") == 404


async def test_secrets_of_webhooks_are_sealed_anew(place: Place) -> None:
    """When the vault has a new key, so that the old one may go."""
    await place.put()
    office = place.server.office
    key, old = new_key(), urlsafe_b64encode(office.vault._keys[0]).decode()
    newer = Vault.with_keys([key, old])
    assert await reseal.reseal(newer, office.database) >= 1
    (row,) = await office.rows("webhooks")
    assert json.loads(Vault.with_keys([key]).open(row.secrets))
