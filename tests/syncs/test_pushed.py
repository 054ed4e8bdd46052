"""Pushes: checked, stored before they are answered, taken in once, and never lost."""

import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from tests.syncs.feed_shelf import FeedShelf
from tests.syncs.house import House, housed, provider, until

from headwater.errors import NotFound, Refused, Reject, Retry, Unauthorized
from headwater.model.sync import CollectionState
from headwater.providers.provider import News, Push, Received, Webhook
from headwater.store import schema

SECRET = "shelf-secret"


def verify(received: Received, secrets: Sequence[str]) -> None:
    """Check the shelf's signature."""
    for secret in secrets:
        made = hmac.new(secret.encode(), received.body, hashlib.sha256).hexdigest()
        if hmac.compare_digest(made, received.headers.get("signature", "")):
            return
    raise Unauthorized("The signature is wrong.", code="webhook.signature")


def read(received: Received) -> Push:
    """Read the shelf's push: `{"delivery": "1", "id": "a"}`, a hint."""
    try:
        body = json.loads(received.body)
    except ValueError:
        raise Reject("No JSON.") from None
    return Push(delivery_id=body["delivery"], topic="changed", news=[News(collection="thing", id=body["id"])])


def request(delivery: str, id: str, secret: str = SECRET, body: bytes | None = None) -> Received:
    """Return a signed request."""
    body = json.dumps({"delivery": delivery, "id": id}).encode() if body is None else body
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Received(method="POST", url="/", headers={"signature": signature}, body=body, received_us=1)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    """Return a house whose API pushes hints, and has a feed that no test here feeds."""
    shelf = FeedShelf()
    pushing = provider(shelf, shelf.fed(), shelf.feed(), Webhook(verify=verify, read=read))
    async with housed(tmp_path, shelf, pushing) as house:
        yield house


async def pushed_to(house: House) -> str:
    """Make a sync that expects pushes."""
    sync_id = await house.sync()
    row = {"sync_id": sync_id, "created_us": 1, "updated_us": 1}
    sealed = house.vault.seal(json.dumps(["newer", SECRET]).encode())
    async with house.database.write() as connection:
        await connection.execute(insert(schema.webhooks).values(secrets=sealed, **row))
    return sync_id


async def stored(house: House) -> list[tuple[str, bytes, bool]]:
    """Return what is in the inbox: delivery, body, whether it is settled."""
    table = schema.pushes
    async with house.database.read() as connection:
        rows = await connection.execute(select(table).order_by(table.c.id))
        return [(row.delivery_id, row.body, row.done_us is not None) for row in rows]


async def test_a_push_is_in_the_streams_at_once(house: House) -> None:
    """The object that it speaks of is fetched, long before anything else would find it."""
    async with house.running():
        sync_id = await pushed_to(house)
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        house.shelf.put("a", n=1)
        await house.services.webhooks.receive(sync_id, "shelf", request("1", "a"))
        await until(house.equal)
        house.shelf.vanish("a")
        await house.services.webhooks.receive(sync_id, "shelf", request("2", "a"))
        await until(house.equal)

        async def settled() -> bool:
            return await stored(house) == [("1", b"", True), ("2", b"", True)]

        await until(settled)


async def test_p9_a_push_that_came_while_nobody_ran_is_taken_in_later(house: House) -> None:
    """It was answered, so it is not lost: neither by a stop nor by an API that fails just then."""
    async with house.running():
        sync_id = await pushed_to(house)
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
    house.shelf.put("a", n=1)
    await house.services.webhooks.receive(sync_id, "shelf", request("1", "a"))
    house.shelf.refusals = [Retry()] * 2
    async with house.running():
        await until(house.equal)


async def test_the_same_delivery_is_stored_once(house: House) -> None:
    """A second one is answered like the first."""
    sync_id = await pushed_to(house)
    for _ in range(2):
        await house.services.webhooks.receive(sync_id, "shelf", request("1", "a"))
    assert len(await stored(house)) == 1


async def test_what_is_not_signed_leaves_no_trace(house: House) -> None:
    """A wrong secret, a changed body, another sync, a sync without webhook, another provider's address."""
    sync_id = await pushed_to(house)
    good = request("1", "a")
    changed = Received(method="POST", url="/", headers=good.headers, body=good.body + b" ", received_us=1)
    receive = house.services.webhooks.receive
    for bad in (request("1", "a", "wrong"), changed):
        with pytest.raises(Unauthorized):
            await receive(sync_id, "shelf", bad)
    for address in (("nobody", "shelf"), (sync_id, "other")):
        with pytest.raises(NotFound):
            await receive(*address, good)
    with pytest.raises(Refused) as refused:
        await receive(sync_id, "shelf", request("1", "a", body=b"no json"))
    assert refused.value.error_code == "webhook.unreadable"
    assert await stored(house) == []
