"""Workers of a consumer over HTTP: each takes a batch, acknowledges it, and asks again, till nothing is left.

The floor is reading the same events over HTTP by cursor, in pages as large as the batches. The workers share
one process, which only counts; beyond a few of them it takes as much of the machine as the server does.
"""

import asyncio
import time

import aiohttp
import msgspec
from tests.journeys.processes import Server

from benchmarks.account import account
from benchmarks.databases import Place
from benchmarks.objects import World
from benchmarks.programs import cpu_seconds, fast_api, headwater, pid, quiet
from benchmarks.reading import read_stream
from benchmarks.results import Result, Run, median

BATCH = 500
WORKERS = (1, 8)


class _Message(msgspec.Struct):
    ack_token: str


class _Batch(msgspec.Struct):
    data: list[_Message]


async def pulling(place: Place, records: int, repetitions: int) -> list[Result]:
    """Measure how fast workers take and acknowledge every event of a stream."""
    runs: dict[str, list[Run]] = {}
    world = World(objects=records, page_size=1000, ids="random")
    with fast_api(world) as url, place.empty() as database_url:
        async with headwater(database_url) as server, account(server, url) as api:
            await api.seconds(await api.sync(), 1)
            await quiet(pid(server))
            for _ in range(repetitions):
                floor = (await read_stream(server, "events", records, ndjson=False, page=BATCH)).rate
                for workers in WORKERS:
                    run = await _pull(server, records, workers, floor)
                    runs.setdefault(f"take and acknowledge events, {workers} workers", []).append(run)
    return [median(place.engine, workload, those) for workload, those in runs.items()]


async def _pull(server: Server, records: int, workers: int, floor: float) -> Run:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(server.url, headers=headers, read_bufsize=2**20) as session:
        body = {"stream": "events", "max_ack_pending": 2 * BATCH * workers}
        async with session.post("/v1/http-consumers", json=body) as answer:
            answer.raise_for_status()
            path = f"/v1/http-consumers/{(await answer.json())['id']}"
        cpu, started = cpu_seconds(pid(server)), time.perf_counter()
        counts = await asyncio.gather(*(_work(session, path) for _ in range(workers)))
        seconds = time.perf_counter() - started
    assert sum(counts) == records, (counts, records)
    used = cpu_seconds(pid(server)) - cpu
    return Run(records=records, rate=records / seconds, floor=floor, cpu_seconds=used)


async def _work(session: aiohttp.ClientSession, path: str) -> int:
    """Return how many messages a worker has acknowledged when there is nothing left for it."""
    decode = msgspec.json.Decoder(_Batch).decode
    done = 0
    while True:
        async with session.post(f"{path}/next", json={"batch_size": BATCH}) as answer:
            answer.raise_for_status()
            tokens = [message.ack_token for message in decode(await answer.read()).data]
        if not tokens:
            return done
        async with session.post(f"{path}/ack", json={"ack_tokens": tokens}) as answer:
            answer.raise_for_status()
            done += (await answer.json())["acked"]
