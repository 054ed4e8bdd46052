"""P9: killed (-9) at random moments, again and again, Headwater loses nothing, doubles nothing, and goes on.

During backfill and changes, on both engines, before an API that limits, fails, cuts answers short, shows
changes late and puts many on one instant. Five times in the short form, fifty in the long one.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest
from tests.journeys.client import Client, Follower
from tests.journeys.ends import all_faults, followed, settled, told, whole_truth
from tests.journeys.processes import FakeApi, Server

from headwater.testing.fake_api import document
from headwater.testing.fake_api.document import Style
from headwater.testing.fake_api.serve import KEY

STYLES = {
    "contact": Style(paging="cursor", deletes="tombstones", page=40, shortest="300ms", longest="2s"),
    "deal": Style(paging="link", deletes="list", page=40, shortest="300ms", longest="2s", sweep_every="20s"),
    "note": Style(paging="offset", deletes="none", page=50, shortest="300ms", longest="2s", sweep_every="5s"),
}
SETTINGS = {"lease_time": "2s"}
LIMIT, BUDGET = 60, 40
"""What the API allows a second, and what we take."""
NASTY = {
    "limit": LIMIT,
    "errors": 0.03,
    "half": 0.02,
    "cut": 0.02,
    "broken": 0.01,
    "short": 0.1,
    "repeat": 0.01,
    "late": 0.2,
    "late_ms": 700,
    "resolution_ms": 1000,
}


@pytest.mark.timeout(3600)
async def test_p9_kill_at_any_moment(
    engine: str,
    database_url: str | None,
    seed: int,
    long: bool,
    tmp_path: Path,
    report: Callable[..., None],
) -> None:
    """P9, P6, P11: after the last kill both streams equal the API, and a reader by cursor has everything."""
    kills = 50 if long else 5
    dice = Random(seed)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(
            FakeApi(seed=seed, collections=[*STYLES], objects=4000 if long else 1500, **NASTY)
        )
        server = stack.enter_context(Server(home=tmp_path, database_url=database_url, settings=SETTINGS))
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        client = await stack.enter_async_context(Client(server))
        followers = (
            stack.enter_context(Follower(client, "records")),
            stack.enter_context(Follower(client, "events")),
        )
        described = document(fake.url, STYLES, requests_per_second=BUDGET)
        await client.sync(described, [[*STYLES]], KEY)
        fake.control("run", changes_per_second=25, seed=seed)
        for number in range(kills):
            await asyncio.sleep(dice.uniform(0.05, 1.0) if dice.random() < 0.4 else dice.uniform(1.0, 5.0))
            if dice.random() < 0.3:
                fake.control("burst", collection=dice.choice([*STYLES]), count=120, seed=seed + number)
            server.kill()
            server.start()
            await asyncio.to_thread(server.wait_until_ready)
        await asyncio.sleep(3)
        truth = await whole_truth(fake)
        records = await settled(client, truth, 180)
        events = await client.whole("events")
        faults = all_faults(truth, records, events) + await followed(followers, records, events)
        assert not faults, told(faults, f"seed {seed}", server.tail(20))
        assert server.stop() == 0
        report(
            engine=engine,
            seed=seed,
            kills=kills,
            records=len(records),
            events=len(events),
            changes=sum(truth.made.values()),
            answers=fake.requests()["answers"],
            seconds=round(time.monotonic() - began),
        )
