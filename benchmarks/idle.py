"""What syncs cost while nothing changes: the server's CPU, with each looked at as often as by default."""

import asyncio
import time

from benchmarks.account import account
from benchmarks.databases import Place
from benchmarks.objects import World
from benchmarks.programs import cpu_seconds, fast_api, headwater, memory_mb, pid
from benchmarks.results import Result

SETTLING_SECONDS = 45
"""So long until every collection has come down to its longest wait between two looks."""
WINDOW_SECONDS = 45

OBJECTS = 10
"""Of each sync: its look finds that nothing has changed."""


async def idle(
    place: Place,
    syncs: int,
    settling_seconds: float = SETTLING_SECONDS,
    window_seconds: float = WINDOW_SECONDS,
) -> list[Result]:
    """Measure CPU seconds in a minute: they stand in the column for CPU, as the workload's name says."""
    world = World(objects=OBJECTS, page_size=10, ids="sequential")
    with fast_api(world) as url, place.empty() as database_url:
        async with headwater(database_url) as server, account(server, url) as api:
            for _ in range(syncs):
                await api.sync()
            while not await api.live():  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(1)
            await asyncio.sleep(settling_seconds)
            cpu, started = cpu_seconds(pid(server)), time.monotonic()
            await asyncio.sleep(window_seconds)
            used = (cpu_seconds(pid(server)) - cpu) * 60 / (time.monotonic() - started)
            return [
                Result(
                    engine=place.engine,
                    workload=f"idle, {syncs:,} syncs (cpu s: a minute)",
                    records=syncs * OBJECTS,
                    cpu_seconds_per_100k=round(used, 2),
                    rss_mb=memory_mb(pid(server)),
                )
            ]
