"""Twenty workers of a consumer over HTTP, for each stream, while records change and servers are killed.

They acknowledge, give back, ask for more time, are slow, forget and are cut off, at random. On PostgreSQL two
processes serve them, and one of them is killed (-9); on SQLite it is the one that there is.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest
from tests.journeys.client import Client
from tests.journeys.ends import settled, told, whole_truth
from tests.journeys.processes import FakeApi, Server
from tests.journeys.workers import Crew, Referee

from headwater.testing.fake_api import document
from headwater.testing.fake_api.document import Style
from headwater.testing.fake_api.serve import KEY

STYLES = {"contact": Style(shortest="200ms", longest="1s", page=100)}
WORKERS = 20
ACK_WAIT = 1.0


@pytest.mark.timeout(3600)
async def test_p4_p5_p9_workers_of_http_consumers(
    engine: str,
    database_url: str | None,
    seed: int,
    long: bool,
    tmp_path: Path,
    report: Callable[..., None],
) -> None:
    """No two have messages of one record; each comes in order, until it is acknowledged; none is lost."""
    began, dice = time.monotonic(), Random(seed)
    kills, pause = (20, 10.0) if long else (1, 3.0)
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(FakeApi(seed=seed, collections=[*STYLES], objects=1000 if long else 200))
        roles = ("all", "api") if engine == "postgres" else ("all",)
        servers = [
            stack.enter_context(Server(home=tmp_path, database_url=database_url, role=role, name=role))
            for role in roles
        ]
        for server in servers:
            server.start()
            await asyncio.to_thread(server.wait_until_ready)
        client = await stack.enter_async_context(Client(servers[0]))
        await client.sync(document(fake.url, STYLES, requests_per_second=100), [[*STYLES]], KEY)
        crews: list[Crew] = []
        for stream in ("events", "records"):
            consumer = await client.call(
                "POST", "/v1/http-consumers", {"stream": stream, "ack_wait_ms": round(ACK_WAIT * 1000)}
            )
            crew = Crew(servers, consumer["id"], Referee(stream, ACK_WAIT), Random(dice.random()))
            stack.push_async_callback(crew.close)
            crew.start(WORKERS)
            crews.append(crew)
        fake.control("run", changes_per_second=50, seed=seed)
        for _ in range(kills):
            await asyncio.sleep(pause * dice.uniform(0.5, 1.0))
            servers[-1].kill()
            await asyncio.sleep(dice.uniform(0, 1))
            servers[-1].start()
            await asyncio.to_thread(servers[-1].wait_until_ready)
        await asyncio.sleep(pause / 2)
        truth = await whole_truth(fake)
        records = await settled(client, truth, 60)
        events = await client.whole("events")
        await asyncio.gather(*(crew.tire() for crew in crews))
        await asyncio.gather(*(crew.drain(60) for crew in crews))
        of_events, of_records = (crew.referee for crew in crews)
        faults = [
            *of_events.faults,
            *of_records.faults,
            *of_events.all_events(events),
            *of_records.final_states(records),
        ]
        assert not faults, told(faults, f"seed {seed}", servers[-1].tail(10))
        assert of_events.repeated, "nothing was ever handed out again"
        assert [server.stop() for server in servers] == [0] * len(servers)
        report(
            engine=engine,
            seed=seed,
            kills=kills,
            workers=2 * WORKERS,
            records=len(records),
            events=len(events),
            handed_out=of_events.handed + of_records.handed,
            again=of_events.repeated + of_records.repeated,
            seconds=round(time.monotonic() - began),
        )
