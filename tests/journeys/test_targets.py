"""P4, P5, P7, P9: whatever is forwarded is in the target once the dust has settled, in order, and as it is.

Headwater and the target are killed (-9) at random moments, again and again, while an API changes. A target
that keeps our position has every message exactly once; the others show each at least once, under its id.
Three kills of each in the short form, thirty in the long one.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.journeys.client import Client
from tests.journeys.ends import all_faults, settled, told, whole_truth
from tests.journeys.entries import Seen
from tests.journeys.forwarded import faults_of_events, faults_of_records
from tests.journeys.processes import FakeApi, Server
from tests.plugins.redis import redis_in
from tests.targets.kafka_rig import kafka_rig, running_broker
from tests.targets.nats_rig import nats_in, nats_rig
from tests.targets.postgres_rig import own_server, postgres_rig
from tests.targets.redis_rig import redis_rig
from tests.targets.webhook_rig import webhook_rig

from headwater.kit import durations
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.testing.fake_api import document
from headwater.testing.fake_api.document import Style
from headwater.testing.fake_api.serve import KEY
from headwater.testing.target_rig import Rig

STYLES = {
    "contact": Style(paging="cursor", deletes="tombstones", page=100, shortest="300ms", longest="1s"),
    "note": Style(
        paging="offset", deletes="none", page=100, shortest="300ms", longest="1s", sweep_every="3s"
    ),
}
SETTINGS = {"lease_time": "2s"}
BUDGET = 60
SECONDS = 120


@asynccontextmanager
async def _rig(kind: str, folder: Path) -> AsyncGenerator[Rig]:
    """Open a fresh place of a kind, on a server of its own that can be killed."""
    async with AsyncExitStack() as stack:
        if kind in ("postgres", "postgres tables"):
            server = stack.enter_context(own_server())
            style = "single" if kind == "postgres" else "per_collection"
            yield await stack.enter_async_context(postgres_rig(server, style=style))
        elif kind == "redis":
            server = stack.enter_context(
                redis_in(folder, shutil.which("redis-server") or "redis-server").running()
            )
            yield await stack.enter_async_context(redis_rig(server, "headwater"))
        elif kind == "nats":
            server = stack.enter_context(nats_in(folder).running())
            yield await stack.enter_async_context(nats_rig(server))
        elif kind == "webhook":
            yield await stack.enter_async_context(webhook_rig(folder))
        else:
            broker = stack.enter_context(running_broker(folder))
            rig = await stack.enter_async_context(kafka_rig(broker, transactional=True))
            rig.deduplicates = True
            yield rig


@pytest.mark.server
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["postgres", "postgres tables", "kafka", "redis", "webhook", "nats"])
async def test_p9_forwarded_through_kills(
    kind: str, seed: int, long: bool, tmp_path: Path, report: Callable[..., None]
) -> None:
    """P4, P5, P7, P9: both streams are in the target, nothing missing, doubled or out of order."""
    kills = 30 if long else 3
    dice = Random(seed)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(FakeApi(seed=seed, collections=[*STYLES], objects=1000, limit=200))
        (tmp_path / "target").mkdir()
        rig = await stack.enter_async_context(_rig(kind, tmp_path / "target"))
        server = stack.enter_context(Server(home=tmp_path / "home", settings=SETTINGS))
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        client = await stack.enter_async_context(Client(server))
        consumers = await _forward(client, rig)
        described = document(fake.url, STYLES, requests_per_second=BUDGET)
        await client.sync(described, [[*STYLES]], KEY)
        fake.control("run", changes_per_second=40, seed=seed)
        for number in range(2 * kills):
            await asyncio.sleep(dice.uniform(0.2, 2.0))
            if dice.random() < 0.3:
                fake.control("burst", collection=dice.choice([*STYLES]), count=120, seed=seed + number)
            if number % 2:
                await rig.stop()
                await asyncio.sleep(dice.uniform(0.0, 1.0))
                await rig.start()
            else:
                server.kill()
                server.start()
                await asyncio.to_thread(server.wait_until_ready)
        await asyncio.sleep(1)
        truth = await whole_truth(fake)
        records = await settled(client, truth, SECONDS)
        events = await client.whole("events")
        await _caught_up(client, consumers)
        faults = all_faults(truth, records, events) + await _faults(rig, records, events)
        assert not faults, told(faults, f"{kind}, seed {seed}", server.tail(20))
        for consumer in consumers:
            assert (await client.call("GET", f"/v1/consumers/{consumer}"))["dead_letters"] == 0
        assert server.stop() == 0
        report(
            kind=kind,
            seed=seed,
            kills_of_each=kills,
            records=len(records),
            events=len(events),
            seconds=round(time.monotonic() - began),
        )


async def _forward(client: Client, rig: Rig) -> list[str]:
    """Make the target and a consumer of each stream; return their ids."""
    given = rig.settings()
    settings = {name: _revealed(getattr(given, name)) for name in given.model_fields_set}
    target = await client.call(
        "POST", "/v1/targets", {"kind": rig.kind.name, "settings": settings, "name": "place"}
    )
    made: list[str] = []
    for stream in ("records", "events"):
        body = {"name": stream, "stream": stream, "target_id": target["id"]}
        made.append((await client.call("POST", "/v1/consumers", body))["id"])
    return made


def _revealed(value: Any) -> Any:
    """Return a setting as a user gives it."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, timedelta):
        return durations.show(value)
    if isinstance(value, dict):
        return {name: _revealed(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_revealed(one) for one in value]
    return value


async def _caught_up(client: Client, consumers: Sequence[str]) -> None:
    """Wait until the consumers have nothing left to deliver."""
    deadline = time.monotonic() + SECONDS
    left = dict.fromkeys(consumers, -1)
    while any(left.values()):
        assert time.monotonic() < deadline, f"still to deliver: {left}"
        await asyncio.sleep(0.3)
        for id in consumers:
            left[id] = (await client.call("GET", f"/v1/consumers/{id}"))["lag"]["messages"]


async def _faults(rig: Rig, records: Sequence[Seen], events: Sequence[Seen]) -> list[str]:
    """Compare what is in the target with both streams."""
    return [
        *faults_of_events(rig, await rig.read_back(Stream.EVENTS), events),
        *faults_of_records(rig, await rig.read_back(Stream.RECORDS), records),
    ]
