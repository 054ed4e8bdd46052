"""Workloads below HTTP: pages that are in memory already go through `ingest`, and through `commit` alone.

The floor is the database's bulk insert of the same rows, taken anew before every repetition.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from benchmarks import pages
from benchmarks.bulk_floor import bulk_floor
from benchmarks.databases import SLOT, Place
from benchmarks.objects import Ids, World
from benchmarks.pages import SHAPE
from benchmarks.results import Result, Run, median
from headwater.model.position import Stream, start
from headwater.model.record import Change, Origin
from headwater.providers.provider import Page
from headwater.streams.engine import Checkpoint, Commit, StreamEngine
from headwater.syncs.ingest import ingest

PAGE = 1_000
"""Entries of one read."""


async def backfill_and_looks(place: Place, records: int, repetitions: int) -> list[Result]:
    """Measure a backfill, a second pass without a change, and one with 1 % changed; then both streams."""
    world = World(objects=records, page_size=1000, ids="random")
    same = pages.groups(world, 0, records)
    changed = pages.groups(world, 0, records, changed=True)
    rows = [pages.changes(group) for group in same]
    runs: dict[str, list[Run]] = {}
    for _ in range(repetitions):
        floor = await _floor(place, rows)
        async with place.streams() as engine:
            runs.setdefault("backfill, ingest", []).append(await _ingest(engine, same, floor))
            runs.setdefault("unchanged, ingest", []).append(await _ingest(engine, same))
            for stream in Stream:
                runs.setdefault(f"page {stream}, engine", []).append(await _page(engine, stream))
            runs.setdefault("1 % changed, ingest", []).append(await _ingest(engine, changed))
        runs.setdefault("floor: bulk insert", []).append(Run(records=records, rate=floor))
        if place.engine == "postgres":
            floor = await _floor(place, rows)
            async with place.streams() as engine:
                runs.setdefault("backfill, commit alone", []).append(await _commit(engine, rows, floor))
    return [median(place.engine, workload, those) for workload, those in sorted(runs.items())]


async def growth(place: Place, ids: Ids, records: int) -> list[Result]:
    """Measure the first and the last tenth of a long backfill; the last one's ratio is to the first."""
    world = World(objects=records, page_size=1000, ids=ids)
    tenth = records // 10
    rates: list[float] = []
    async with place.streams() as engine:
        for begin in range(0, records, tenth):
            rates.append((await _ingest(engine, pages.groups(world, begin, begin + tenth))).rate)
    shown = f"{tenth // 1000:,} k of {records // 1000:,} k, {ids} ids, ingest"
    first = Run(records=tenth, rate=rates[0])
    last = Run(records=tenth, rate=rates[-1], floor=rates[0])
    return [
        median(place.engine, f"backfill, first {shown}", [first]),
        median(place.engine, f"backfill, last {shown}", [last]),
    ]


async def _floor(place: Place, rows: Sequence[Sequence[Change]]) -> float:
    async with place.database() as database:
        return bulk_floor(database, rows)


@asynccontextmanager
async def _measured(records: int, runs: list[Run], floor: float | None) -> AsyncGenerator[None]:
    cpu, started = time.process_time(), time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    used = time.process_time() - cpu
    runs.append(Run(records=records, rate=records / seconds, floor=floor, cpu_seconds=used))


async def _ingest(engine: StreamEngine, groups: Sequence[Sequence[Page]], floor: float | None = None) -> Run:
    runs: list[Run] = []
    count = sum(len(page.observed) for group in groups for page in group)
    async with _measured(count, runs, floor):
        for number, group in enumerate(groups):
            checkpoint = Checkpoint(SLOT.number, "backfill", b'{"page":%d}' % number)
            await ingest(engine, SLOT, SHAPE, group, origin=Origin.BACKFILL, checkpoints=[checkpoint])
    return runs[0]


async def _commit(engine: StreamEngine, rows: Sequence[Sequence[Change]], floor: float) -> Run:
    runs: list[Run] = []
    async with _measured(sum(map(len, rows)), runs, floor):
        for changes in rows:
            await engine.commit(Commit(partition=SLOT.partition, changes=changes))
    return runs[0]


async def _page(engine: StreamEngine, stream: Stream) -> Run:
    """Read a stream from its beginning to its end."""
    runs: list[Run] = []
    (count,) = [one.records for one in (await engine.count([SLOT])).values()]
    async with _measured(count, runs, None):
        position, has_more, found = start(engine.partitions), True, 0
        while has_more:
            read = await engine.read(stream, position, limit=PAGE)
            position, has_more = read.position, read.has_more
            found += len(read.entries)
    assert found == count
    return runs[0]
