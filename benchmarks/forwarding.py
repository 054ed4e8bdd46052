"""Managed consumers into a target that does nothing: what reading, rendering and moving on cost alone.

The floor is the same stream read and rendered by a bare loop, without a lease, a position or a target. Beside
it: how soon a lone change is at a target.
"""

import statistics
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from tests.consumers.mill import Mill
from tests.consumers.river import flowing, until

from benchmarks import pages
from benchmarks.databases import SLOT, Place
from benchmarks.objects import World
from benchmarks.results import Result, Run, median
from headwater.consumers.source import Source
from headwater.model.consumer import Selection
from headwater.model.position import Stream, start
from headwater.streams.engine import Commit
from headwater.targets.target import Item, Kind, Mark, Written
from headwater.testing.fake_target import FakeSettings


class Nowhere:
    """Stores everything, nowhere."""

    def __init__(self, *, transactional: bool) -> None:
        self.transactional = transactional
        self.count, self.last_at = 0, 0.0
        self.mark: Mark | None = None

    def kind(self) -> Kind:
        """Return the kind of target that this is."""
        return Kind(
            name="nowhere",
            title="Nowhere",
            summary="Does nothing.",
            settings=FakeSettings,
            open=lambda _settings, _delivery: self,
        )

    async def check(self) -> None:
        """All is well."""

    async def position(self) -> Mark | None:
        """Return what was given last."""
        return self.mark

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Count."""
        self.count += len(batch)
        self.last_at, self.mark = time.perf_counter(), mark
        return Written(len(batch))

    async def close(self) -> None:
        """Nothing is open."""


async def forwarding(place: Place, records: int, repetitions: int) -> list[Result]:
    """Measure each stream forwarded from its beginning, to a target of either sort."""
    world = World(objects=records, page_size=1000, ids="random")
    rows = [pages.changes(group) for group in pages.groups(world, 0, records)]
    runs: dict[str, list[Run]] = {}
    async with _mill(place) as mill:
        for changes in rows:
            await mill.river.engine.commit(Commit(partition=SLOT.partition, changes=changes))
        for _ in range(repetitions):
            for stream in Stream:
                floor = await _floor(mill, stream, records)
                for transactional in (False, True):
                    nowhere = Nowhere(transactional=transactional)
                    sort = ", position in it" if transactional else ""
                    run = await _forward(mill, stream, nowhere, records, floor)
                    runs.setdefault(f"forward {stream} to nowhere{sort}", []).append(run)
        print(await _latency(mill), flush=True)
    return [median(place.engine, workload, those) for workload, those in sorted(runs.items())]


@asynccontextmanager
async def _mill(place: Place) -> AsyncGenerator[Mill]:
    async with place.database() as database, flowing(database) as river:
        yield Mill(river, {}, lease_time=timedelta(seconds=15))


async def _floor(mill: Mill, stream: Stream, records: int) -> float:
    source = Source(mill.river.streams, stream, Selection(), None)
    position, found, started = start(mill.river.engine.partitions), 0, time.perf_counter()
    while found < records:
        read = await source.read(position, 1_000)
        found, position = found + len(await source.items(read.entries)), read.position
    return records / (time.perf_counter() - started)


async def _forward(mill: Mill, stream: Stream, nowhere: Nowhere, records: int, floor: float) -> Run:
    mill.kinds["nowhere"] = nowhere.kind()
    consumer = await mill.consumer(stream, kind="nowhere", batch={})
    cpu, started = time.process_time(), time.perf_counter()
    async with mill.running():
        await until(lambda: nowhere.count > 0)
        started = time.perf_counter()
        left = records - nowhere.count
        await until(lambda: nowhere.count == records, 600)
        await mill.change(consumer, status="paused")
    rate = left / (nowhere.last_at - started)
    return Run(records=records, rate=rate, floor=floor, cpu_seconds=time.process_time() - cpu)


async def _latency(mill: Mill, changes: int = 200) -> str:
    """Say how long a lone change takes from its commit to the target's write."""
    nowhere = Nowhere(transactional=False)
    mill.kinds["nowhere"] = nowhere.kind()
    consumer = await mill.consumer(kind="nowhere", batch={}, begin=await mill.river.engine.heads())
    taken: list[float] = []
    async with mill.running():
        for number in range(changes):
            await mill.river.put(SLOT, f"late-{number}")
            committed = time.perf_counter()
            await until(lambda number=number: nowhere.count > number)
            taken.append((nowhere.last_at - committed) * 1e3)
        await mill.change(consumer, status="paused")
    taken.sort()
    p50, p99 = statistics.median(taken), taken[int(0.99 * changes)]
    return f"from a commit to the target's write: p50 {p50:.1f} ms, p99 {p99:.1f} ms ({changes} lone changes)"
