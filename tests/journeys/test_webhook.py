"""A webhook's whole life with real processes: registered at the API by us, pushed to, rolled, ended."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.client import Client
from tests.journeys.fake_stripe import FakeStripe
from tests.journeys.processes import Server
from tests.plugins.postgres import free_port

SECONDS = 60


async def origin_of(client: Client, id: str) -> str | None:
    """Return what noticed the last event of an object, once it is there."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        events = (await client.call("GET", "/v1/events", limit="1000"))["events"]
        if found := [event for event in events if event["upstream_id"] == id]:
            return found[-1]["origin"]
        await asyncio.sleep(0.1)
    return None


def endpoints(fake: FakeStripe) -> list[Any]:
    """Return the webhook endpoints that the API has."""
    headers = {"Authorization": f"Bearer {fake.key}"}
    return httpx.get(f"{fake.url}/v1/webhook_endpoints", headers=headers).raise_for_status().json()["data"]


def customer(fake: FakeStripe, name: str) -> str:
    """Make a customer at the API; return its id."""
    headers = {"Authorization": f"Bearer {fake.key}"}
    made = httpx.post(f"{fake.url}/v1/customers", data={"name": name}, headers=headers)
    return made.raise_for_status().json()["id"]


@pytest.mark.timeout(300)
async def test_the_life_of_a_webhook(seed: int, tmp_path: Path) -> None:
    """The API is told, what it pushes is in the streams as such; rolled, nothing is missed; then it ends."""
    port = free_port()
    settings = {"public_url": f"http://127.0.0.1:{port}"}
    with (
        FakeStripe(seed=seed, key="sk_live_journey") as fake,
        Server(home=tmp_path / "home", port=port, settings=settings) as server,
    ):
        server.start()
        server.wait_until_ready()
        async with Client(server) as client:
            credential = await client.call(
                "POST",
                "/v1/credentials",
                {"provider": "stripe", "properties": {"api_key": fake.key, "base_url": fake.url}},
            )
            sync = await client.call(
                "POST",
                "/v1/syncs",
                {  # so seldom that nothing but a push can be meant
                    "provider": "stripe",
                    "credential_id": credential["id"],
                    "collection_ids": ["stripe:customer"],
                    "sync_frequency": "1h",
                },
            )
            path = f"/v1/syncs/{sync['id']}/webhook"
            made = await client.call("POST", path, {})
            assert made["state"] == "registered"
            assert [one["url"] for one in endpoints(fake)] == [made["url"]]
            await until_live(client, sync["id"])
            assert await origin_of(client, customer(fake, "first")) == "webhook"
            rolled = await client.call("POST", path, {"rotate": True})
            assert len(rolled["secrets"]) == 2
            assert len(endpoints(fake)) == 1
            assert await origin_of(client, customer(fake, "second")) == "webhook"
            server.kill()
            server.start()
            server.wait_until_ready()
            assert await origin_of(client, customer(fake, "third")) in ("webhook", "feed"), "it looks at once"
            assert await origin_of(client, customer(fake, "fourth")) == "webhook"
            await client.call("DELETE", path)
            assert endpoints(fake) == []
            assert (await client.call("GET", path))["state"] == "off"
        assert server.stop() == 0


async def until_live(client: Client, sync_id: str) -> None:
    """Wait until the sync's backfill is over."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        sync = await client.call("GET", f"/v1/syncs/{sync_id}")
        if all(one["state"] == "live" for one in sync["collections"]):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the backfill did not end")
