"""How soon a change at an API is a row in a PostgreSQL target, through the real server process.

Polled every second, where the time until a request showed the change is the interval's and told apart; and
pushed, by the fake Stripe, while no look at it is due. Each change is a new object, at a random moment.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.journeys.client import Client
from tests.journeys.fake_stripe import FakeStripe
from tests.plugins.postgres import MISSING, running_server, server_binaries

from benchmarks.account import document
from benchmarks.changing_api import changing_api
from benchmarks.databases import Place
from benchmarks.landing import Landing, landing
from benchmarks.programs import headwater

INTERVAL, NEVER = "1s", "24h"
PAUSE_SECONDS = 0.4
"""The longest time between two changes; half of it on average."""
FIRST = 10
"""Objects that are there before: the server has seen some when the clock starts."""


async def latency(place: Place, changes: int) -> None:
    """Measure both ways, with the engine of `place` below the server, and print them."""
    if place.server is None and server_binaries() is None:
        print(f"latency is left out: {MISSING}", flush=True)
        return
    with _postgres(place) as postgres:
        print(await _polled(place, postgres, changes), flush=True)
        print(await _pushed(place, postgres, changes), flush=True)


@dataclass(frozen=True, slots=True)
class _Way:
    """A server that forwards its records to the database of `landing`."""

    client: Client
    landing: Landing

    async def sync(self, provider: str, properties: dict[str, Any], **more: str | list[str]) -> str:
        """Make a credential and a sync; return the sync's id."""
        body = {"provider": provider, "properties": properties}
        credential = await self.client.call("POST", "/v1/credentials", body)
        body = {"provider": provider, "credential_id": credential["id"]}
        return (await self.client.call("POST", "/v1/syncs", body | more))["id"]


async def _polled(place: Place, postgres: str, changes: int) -> str:
    """Poll an API every second; tell the whole time, and what comes after the request that showed it."""
    dice = Random(1)
    async with changing_api() as api, _way(place, postgres) as way:
        await way.client.call("PUT", "/v1/providers/fast", document(api.url))
        first = {api.create() for _ in range(FIRST)}
        await way.sync("fast", {}, sync_frequency=INTERVAL)
        await way.landing.until(first)
        made: dict[str, float] = {}
        for _ in range(changes):
            await asyncio.sleep(dice.uniform(0, PAUSE_SECONDS))
            begun = time.perf_counter()
            made[api.create()] = begun
        await way.landing.until(made.keys())
        whole = [way.landing.at[id] - begun for id, begun in made.items()]
        beyond = [way.landing.at[id] - api.shown[id] for id in made]
    return (
        f"{place.engine}: from a change to its row, polled every second: {_told(whole)}; "
        f"beyond the interval: {_told(beyond)} ({changes} changes)"
    )


async def _pushed(place: Place, postgres: str, changes: int) -> str:
    """Have Stripe push; its feed is not looked at meanwhile."""
    dice = Random(1)
    with FakeStripe(seed=1, key="sk_live_bench") as stripe:
        async with _way(place, postgres) as way:
            properties = {"api_key": stripe.key, "base_url": stripe.url}
            wanted = {"collection_ids": ["stripe:customer"], "sync_frequency": NEVER}
            sync_id = await way.sync("stripe", properties, **wanted)
            webhook = await way.client.call("POST", f"/v1/syncs/{sync_id}/webhook", {})
            assert webhook["state"] == "registered"
            for _ in range(FIRST):
                await _created(stripe)
            await way.landing.until(stripe.truth()["objects"]["customer"].keys())
            made: dict[str, float] = {}
            for _ in range(changes):
                await asyncio.sleep(dice.uniform(0, PAUSE_SECONDS))
                begun = time.perf_counter()
                made[await _created(stripe)] = begun
            await way.landing.until(made.keys())
            whole = [way.landing.at[id] - begun for id, begun in made.items()]
    return f"{place.engine}: from a change to its row, pushed: {_told(whole)} ({changes} changes)"


async def _created(stripe: FakeStripe) -> str:
    return (await asyncio.to_thread(stripe.control, "create", object="customer"))["id"]


def _told(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = (1e3 * ordered[int(share * len(ordered))] for share in (0.5, 0.99))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms"


@contextmanager
def _postgres(place: Place) -> Generator[str]:
    """Give a PostgreSQL server for the target: the engine's, or one of its own."""
    if place.server is not None:
        yield place.server
        return
    binaries = server_binaries()
    assert binaries is not None
    with running_server(binaries) as server:
        yield server


@asynccontextmanager
async def _way(place: Place, postgres: str) -> AsyncGenerator[_Way]:
    """Give a server with a consumer of all records; its target is an empty database."""
    with place.empty() as url:
        async with landing(postgres) as found, headwater(url) as server, Client(server) as client:
            body = {"kind": "postgres", "name": "rows", "settings": {"url": found.url}}
            target = await client.call("POST", "/v1/targets", body)
            body = {"name": "rows", "stream": "records", "target_id": target["id"]}
            await client.call("POST", "/v1/consumers", body)
            yield _Way(client, found)
