"""GitHub pushes to Headwater: what is signed is stored once, and nothing else leaves a trace."""

import gzip
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
from headwater.management.syncs import NewSync
from headwater.providers.github import GITHUB
from headwater.store import schema
from headwater.store.database import Database
from headwater.streams.memory import MemoryStreams
from headwater.testing.fake_github.hooks import signature

EXAMPLES = Path(__file__).parents[1] / "providers" / "github" / "webhooks-examples.json.gz"
SECRET, OLDER = "newer", "older"
LARGE = 30 * 1024 * 1024
"""Bytes. More than GitHub ever sends."""


@dataclass
class Pushed:
    """A server with a sync of GitHub that expects pushes."""

    server: Server
    office: Office
    path: str

    async def send(
        self, body: bytes, signed: str, event: str = "issues", delivery: str = "d1", **more: str
    ) -> int:
        """Push; return the status of the answer."""
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": signed,
        }
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        return (await self.server.client.post(self.path, content=body, headers=headers)).status_code

    async def stored(self) -> list[str]:
        """Return the deliveries that are stored."""
        return sorted(row.delivery_id for row in await self.office.rows("pushes"))


def examples() -> list[tuple[str, bytes]]:
    found = json.loads(gzip.decompress(EXAMPLES.read_bytes()))
    return [(one["name"], json.dumps(payload).encode()) for one in found for payload in one["examples"]]


@pytest.fixture
async def pushed(tmp_path: Path) -> AsyncGenerator[Pushed]:
    """A server with a sync of a public repository."""
    clock = Hands()
    database = await Database.open(f"sqlite:///{tmp_path}/headwater.db", clock=clock)
    made = office(database, MemoryStreams(partitions=1, clock=clock), clock, (GITHUB,))
    new = NewCredential(
        provider="github", kind="public", name=None, properties={}, rate_limit=None, external_id=None,
        metadata={},
    )  # fmt: skip
    credential, _ = await made.services.credentials.put(ADMIN, new)
    config = {"repositories": ["octo/hello"]}
    wanted = NewSync(provider="github", credential_id=credential.id, config=config, metadata={})
    sync_id = (await made.services.syncs.create(ADMIN, wanted)).sync.id
    sealed = made.vault.seal(json.dumps([SECRET, OLDER]).encode())
    async with database.write() as connection:
        row = {"sync_id": sync_id, "secrets": sealed, "created_us": 1, "updated_us": 1}
        await connection.execute(insert(schema.webhooks).values(row))
    async with serve(made) as server:
        del server.client.headers["Authorization"]  # whoever signs needs no key
        yield Pushed(server, made, f"/webhooks/{sync_id}/github")
    await database.close()


async def test_every_example_is_accepted(pushed: Pushed) -> None:
    """Each of the payloads that GitHub publishes, stored under its delivery."""
    found = examples()
    for number, (event, body) in enumerate(found):
        assert await pushed.send(body, signature(SECRET, body), event, f"d{number}") == 200
    assert len(await pushed.stored()) == len(found)


async def test_a_delivery_is_stored_once(pushed: Pushed) -> None:
    """With either secret; one that is sent again, or replayed, changes nothing."""
    event, body = examples()[0]
    for delivery, secret in (("d1", SECRET), ("d2", OLDER), ("d1", SECRET)):
        assert await pushed.send(body, signature(secret, body), event, delivery) == 200
    assert await pushed.stored() == ["d1", "d2"]


async def test_what_is_refused_leaves_no_trace(pushed: Pushed) -> None:
    """Tampered with, of another secret, unsigned, re-encoded, unreadable, as a form."""
    event, body = next(one for one in examples() if one[0] == "issues")
    good = signature(SECRET, body)
    form = b"payload=%7B%7D"
    attempts: list[tuple[bytes, str, Mapping[str, Any], int]] = [
        (body.replace(b"open", b"shut"), good, {}, 401),
        (body, signature("unknown", body), {}, 401),
        (body, "", {}, 401),
        (body, good.replace("sha256", "sha1"), {}, 401),
        (json.dumps(json.loads(body), indent=1).encode(), good, {}, 401),
        (b"\xff\xfe", signature(SECRET, b"\xff\xfe"), {}, 400),
        (b"{}", signature(SECRET, b"{}"), {}, 400),
        (form, signature(SECRET, form), {"Content_Type": "application/x-www-form-urlencoded"}, 400),
        (body, good, {"X_GitHub_Delivery": ""}, 400),
    ]
    for sent, signed, more, status in attempts:
        assert await pushed.send(sent, signed, event, **more) == status, sent[:20]
    assert await pushed.stored() == []


async def test_an_oversized_body_is_refused(pushed: Pushed) -> None:
    """Before it is read, though it is signed."""
    body = examples()[0][1] + b" " * LARGE
    assert await pushed.send(body, signature(SECRET, body)) == 413
    assert await pushed.stored() == []
