"""With the default budget and polling alone, news is less than a minute old (p99) when it can be read."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.journeys import compare
from tests.journeys.client import Client, Follower
from tests.journeys.ends import all_faults, settled, told, whole_truth
from tests.journeys.processes import FakeApi, Server

from headwater.testing.fake_api import document
from headwater.testing.fake_api.document import Style
from headwater.testing.fake_api.serve import KEY

MINUTE_MS = 60_000
STYLES = {
    "contact": Style(paging="cursor", deletes="tombstones"),
    "deal": Style(paging="link", deletes="list"),
    "note": Style(paging="cursor", deletes="tombstones"),
}
"""Everything else as the product has it by default: the budget, the pace, the overlap."""
ALLOWED = 5
"""Requests a second in the default budget: the API refuses more."""


@pytest.mark.timeout(3600)
async def test_news_is_young(
    engine: str,
    database_url: str | None,
    seed: int,
    long: bool,
    tmp_path: Path,
    report: Callable[..., None],
) -> None:
    """P10 too: the API never got more requests in a window than the budget allows."""
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(
            FakeApi(seed=seed, collections=[*STYLES], objects=200, limit=ALLOWED, late=0.1, errors=0.005)
        )
        server = stack.enter_context(Server(home=tmp_path, database_url=database_url))
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        client = await stack.enter_async_context(Client(server))
        follower = stack.enter_context(Follower(client, "events"))
        await client.sync(document(fake.url, STYLES), [[*STYLES]], KEY)
        await settled(client, fake.truth(), 60)
        since_ms = time.time_ns() // 1_000_000
        fake.control("run", changes_per_second=2, seed=seed)
        await asyncio.sleep(600 if long else 60)
        truth = await whole_truth(fake)
        records = await settled(client, truth, 90)
        events = await follower.catch_up()
        faults = all_faults(truth, records, events)
        assert not faults, told(faults, f"seed {seed}", server.tail(20))
        lags = sorted(compare.lags_ms(truth.states, truth.shown_ms, events, since_ms))
        assert len(lags) > 60
        p50, p99 = lags[len(lags) // 2], lags[len(lags) * 99 // 100]
        assert p99 < MINUTE_MS
        requests = fake.requests()
        assert requests["highest"] <= ALLOWED, requests["highest"]
        assert "429" not in requests["answers"]
        report(
            engine=engine,
            seed=seed,
            changes=len(lags),
            lag_p50_seconds=p50 / 1000,
            lag_p99_seconds=p99 / 1000,
            lag_max_seconds=lags[-1] / 1000,
            requests=requests["count"],
            most_requests_in_a_second=requests["highest"],
        )
