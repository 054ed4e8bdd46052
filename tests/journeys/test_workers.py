"""Two worker processes on one PostgreSQL share the syncs; one is killed, one is paused, longer than a lease.

In both orders, under changes. Whoever is left takes over; whoever wakes up late writes nothing.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import psycopg
import pytest
from tests.journeys.client import Client, Follower
from tests.journeys.ends import all_faults, eventually, followed, settled, told, whole_truth
from tests.journeys.processes import FakeApi, Server

from headwater.testing.fake_api import document
from headwater.testing.fake_api.document import Style
from headwater.testing.fake_api.serve import KEY

SYNCS = 20
LEASE = 3.0
TAKE_OVER = 4 * LEASE + 20
"""Seconds within which the other one must have everything, on a busy machine."""
COLLECTIONS = [f"kind_{number:02}" for number in range(SYNCS)]
STYLE = Style(shortest="300ms", longest="2s", page=100)


class Desk:
    """Looks at who holds the leases, in the database itself."""

    def __init__(self, url: str) -> None:
        self._url = url

    def holders(self) -> dict[str, int]:
        """Return how many leases each living worker has."""
        found = self._rows(
            "SELECT w.worker_id, count(l.name) FROM workers w LEFT JOIN leases l ON l.worker_id = w.worker_id"
            " WHERE w.expires_us > extract(epoch FROM clock_timestamp()) * 1000000 GROUP BY 1"
        )
        return {str(worker): int(count) for worker, count in found}

    def epochs(self) -> int:
        """Return the sum of all epochs: it grows with each change of hands."""
        return int(self._rows("SELECT sum(epoch) FROM leases")[0][0])

    async def shared(self) -> None:
        """Wait until two workers have about half of the syncs each."""
        await eventually(
            lambda: sorted(self.holders().values()) == [SYNCS // 2] * 2,
            TAKE_OVER,
            lambda: f"the syncs are not shared: {self.holders()}",
        )

    async def alone(self) -> None:
        """Wait until one worker has everything."""
        await eventually(
            lambda: list(self.holders().values()) == [SYNCS],
            TAKE_OVER,
            lambda: f"nobody takes over: {self.holders()}",
        )

    def _rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(query).fetchall()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("order", ["killed first", "paused first"])
async def test_the_other_one_takes_over(
    order: str,
    postgres_database: str,
    seed: int,
    long: bool,
    tmp_path: Path,
    report: Callable[..., None],
) -> None:
    """P9, P5: streams equal the API, no event is doubled, and the paused one's late writes are refused."""
    began, dice = time.monotonic(), Random(seed)
    rounds = 8 if long else 1
    desk = Desk(postgres_database)
    settings = {"lease_time": f"{LEASE}s"}
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(
            FakeApi(seed=seed, collections=COLLECTIONS, objects=100, errors=0.01, half=0.01, late=0.1)
        )
        api, one, other = (
            stack.enter_context(
                Server(home=tmp_path, database_url=postgres_database, role=role, settings=settings, name=name)
            )
            for role, name in (("api", "api"), ("worker", "one"), ("worker", "other"))
        )
        api.start()
        await asyncio.to_thread(api.wait_until_ready)
        client = await stack.enter_async_context(Client(api))
        followers = (
            stack.enter_context(Follower(client, "records")),
            stack.enter_context(Follower(client, "events")),
        )
        one.start()
        other.start()
        described = document(fake.url, dict.fromkeys(COLLECTIONS, STYLE), requests_per_second=200)
        await client.sync(described, [[name] for name in COLLECTIONS], KEY)
        await desk.shared()
        fake.control("run", changes_per_second=40, seed=seed)
        for _ in range(rounds):
            await asyncio.sleep(dice.uniform(0.5, 3.0))
            epochs = desk.epochs()
            if order == "killed first":
                one.kill()
                await desk.alone()
                one.start()
                await desk.shared()
                other.pause()
                await desk.alone()
                await asyncio.sleep(dice.uniform(0.5, 2.0))
                other.resume()
            else:
                other.pause()
                await desk.alone()
                one.kill()
                await asyncio.sleep(dice.uniform(0.5, 2.0))
                other.resume()
                await desk.alone()
                one.start()
            await desk.shared()
            assert desk.epochs() >= epochs + SYNCS  # everything has changed hands
        truth = await whole_truth(fake)
        records = await settled(client, truth, 120)
        events = await client.whole("events")
        faults = all_faults(truth, records, events) + await followed(followers, records, events)
        assert not faults, told(faults, f"seed {seed}", one.tail(10), other.tail(10))
        assert "leases lost" in other.log.read_text()  # it noticed, rather than not having tried
        assert [one.stop(), other.stop(), api.stop()] == [0, 0, 0]
        report(
            engine="postgres",
            seed=seed,
            rounds=rounds,
            syncs=SYNCS,
            records=len(records),
            events=len(events),
            changes=sum(truth.made.values()),
            seconds=round(time.monotonic() - began),
        )
