"""Workloads from end to end: the fast API, the real server process, its database on disk, all over HTTP.

The floor of what a sync does is the fetch floor, taken anew before every backfill. A backfill's time is its
own `started_at` to `completed_at`. Every world has a fresh server and database, every repetition a new sync.
"""

import aiohttp
from tests.journeys.processes import Server

from benchmarks.account import Account, account
from benchmarks.databases import Place
from benchmarks.objects import World
from benchmarks.programs import cpu_seconds, fast_api, fetch_floor, headwater, memory_mb, pid, quiet
from benchmarks.reading import read_stream
from benchmarks.results import Result, Run, median

Runs = dict[str, list[Run]]


async def syncing(place: Place, world: World, repetitions: int) -> list[Result]:
    """Measure a backfill, a second one of unchanged objects, and one with 1 % changed; each time by a new
    sync."""
    runs: Runs = {}
    with fast_api(world) as url, place.empty() as database_url:
        async with headwater(database_url) as server, account(server, url) as api:
            for _ in range(repetitions):
                await _once(world, url, server, api, runs)
    about = f"{world.page_size:,} a page, {world.ids} ids"
    return [median(place.engine, f"{workload}, {about}", those) for workload, those in runs.items()]


async def _once(world: World, url: str, server: Server, api: Account, runs: Runs) -> None:
    count = world.objects

    def add(workload: str, run: Run) -> None:
        runs.setdefault(workload, []).append(run)

    await _turn(url, changed=False)
    add("floor: fetch, cut", await fetch_floor(url, "cut"))
    sync_id = ""
    for number, workload in enumerate(("backfill", "unchanged", "1 % changed"), 1):
        await quiet(pid(server))
        floor = await fetch_floor(url)
        add("floor: fetch, decoded", floor)
        await _turn(url, changed=workload == "1 % changed")
        cpu = cpu_seconds(pid(server))
        if sync_id:
            await api.again(sync_id)
        else:
            sync_id = await api.sync()
        seconds = await api.seconds(sync_id, number)
        used = cpu_seconds(pid(server)) - cpu
        run = Run(records=count, rate=count / seconds, floor=floor.rate, cpu_seconds=used)
        add(f"{workload}, HTTP", run)


async def reading(place: Place, records: int, repetitions: int) -> list[Result]:
    """Measure reading both streams of a server, in both forms."""
    runs: Runs = {}
    world = World(objects=records, page_size=1000, ids="random")
    with fast_api(world) as url, place.empty() as database_url:
        async with headwater(database_url) as server, account(server, url) as api:
            await api.seconds(await api.sync(), 1)
            await quiet(pid(server))
            for _ in range(repetitions):
                for stream in ("records", "events"):
                    for ndjson in (True, False):
                        run = await read_stream(server, stream, records, ndjson=ndjson)
                        form = "NDJSON" if ndjson else "pages of 1,000"
                        runs.setdefault(f"read {stream}, HTTP, {form}", []).append(run)
    return [median(place.engine, workload, those) for workload, those in runs.items()]


async def memory(place: Place, records: int) -> list[Result]:
    """Measure the server's memory after a backfill of so many records; now, and at its highest."""
    world = World(objects=records, page_size=1000, ids="random")
    with fast_api(world) as url, place.empty() as database_url:
        async with headwater(database_url) as server, account(server, url) as api:
            floor = await fetch_floor(url)
            cpu = cpu_seconds(pid(server))
            seconds = await api.seconds(await api.sync(), 1)
            used = cpu_seconds(pid(server)) - cpu
            await quiet(pid(server))
            return _memory_results(
                place,
                server,
                records,
                Run(records=records, rate=records / seconds, floor=floor.rate, cpu_seconds=used),
            )


def _memory_results(place: Place, server: Server, records: int, run: Run) -> list[Result]:
    about = f"{records // 1000:,} k records"
    return [
        median(place.engine, f"backfill, HTTP, {about}", [run]),
        *(
            Result(
                engine=place.engine,
                workload=f"memory {word}, {about}",
                records=records,
                rss_mb=memory_mb(pid(server), name),
            )
            for word, name in (("now", "VmRSS"), ("at its highest", "VmHWM"))
        ),
    ]


async def _turn(url: str, *, changed: bool) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/turn?changed={int(changed)}") as answer,
    ):
        answer.raise_for_status()
