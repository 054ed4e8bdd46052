"""What a Redis target costs: batches that it writes, beside the driver's own bulk write of the same texts.

`python -m benchmarks.at_target_redis [--records N] [--rounds N]`

The floor is one `MSET` (records) or `HSET` (the hash) for each batch, or a pipeline of `XADD` with trimming,
for which Redis has no bulk form. It compares no version. The server is as durable as in the tests: each write
is on disk before its answer.
Loads: `new`, nothing is there; `newer`, each record is there in an older version; `repeat`, everything is
there already; `events`.
"""

import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from redis.asyncio import Redis
from tests.plugins.redis import MISSING, redis_in, redis_program

from benchmarks.at_target_postgres import Batches, batches
from benchmarks.results import Result, Run, alone, median
from headwater.model.position import Stream
from headwater.targets.redis import REDIS, RedisSettings
from headwater.targets.redis.keys import Keys, text
from headwater.targets.target import Delivery, Item, Mark

RECORDS = 50_000

Write = Callable[[Sequence[Item]], Awaitable[object]]


async def _timed(loads: Sequence[Batches], write: Write) -> list[tuple[float, float]]:
    """Return messages a second of each load, and the CPU seconds that this process took for it."""
    rates: list[tuple[float, float]] = []
    for load in loads:
        cpu, began = time.process_time(), time.perf_counter()
        for batch in load:
            await write(batch)
        seconds = time.perf_counter() - began
        rates.append((sum(map(len, load)) / seconds, time.process_time() - cpu))
    return rates


async def floor(url: str, stream: Stream, layout: str, loads: Sequence[Batches]) -> list[float]:
    """Return what the driver alone does."""
    keys = Keys("floor")
    async with Redis.from_url(url, protocol=2) as redis:

        async def write(batch: Sequence[Item]) -> None:
            if stream is Stream.EVENTS:
                async with redis.pipeline(transaction=False) as pipe:
                    for item in batch:
                        fields = {b"event_id": item.message_id, b"json": item.json}
                        pipe.xadd(keys.events(item), fields, maxlen=100_000)
                    await pipe.execute()
            elif layout == "hash":
                fields = {text(item.entry.upstream_id): item.json for item in batch}
                await redis.hset(keys.collection(batch[0]), mapping=fields)
            else:
                await redis.mset({keys.record(item): item.json for item in batch})

        return [rate for rate, _ in await _timed(loads, write)]


async def target(
    url: str, stream: Stream, layout: str, loads: Sequence[Batches]
) -> list[tuple[float, float]]:
    """Return what the target does."""
    settings = RedisSettings.model_validate({"url": url, "layout": layout})
    opened = REDIS.make(settings, Delivery(consumer_id="c", name="bench", stream=stream, epoch=1))
    try:
        return await _timed(loads, lambda batch: opened.write(batch, Mark(1, (batch[-1].updated_idx,))))
    finally:
        await opened.close()


async def measure(url: str, records: int, rounds: int) -> list[Result]:
    """Measure every layout, each round beside its floor, in an empty database."""
    old = batches(Stream.RECORDS, records, 1)
    new = batches(Stream.RECORDS, records, records + 1, changed=True)
    events = batches(Stream.EVENTS, records, 1)
    shapes = (
        (Stream.RECORDS, "key", (old, new, new), ("new, key", "newer, key", "repeat, key")),
        (Stream.RECORDS, "hash", (old, new, new), ("new, hash", "newer, hash", "repeat, hash")),
        (Stream.EVENTS, "key", (events, events), ("events", "repeat, events")),
    )
    runs: dict[str, list[Run]] = {}
    async with Redis.from_url(url) as redis:
        for _ in range(rounds):
            for stream, layout, loads, names in shapes:
                await redis.flushall()
                bare = await floor(url, stream, layout, loads)
                await redis.flushall()
                measured = await target(url, stream, layout, loads)
                for name, (rate, cpu), bottom in zip(names, measured, bare, strict=True):
                    run = Run(records=records, rate=rate, floor=bottom, cpu_seconds=cpu)
                    runs.setdefault(name, []).append(run)
                    runs.setdefault(f"{name}, floor", []).append(Run(records=records, rate=bottom))
    return [median("redis", f"target: {name}", those) for name, those in sorted(runs.items())]


def absent() -> str | None:
    """Say what is missing on this machine."""
    return None if shutil.which("redis-server") else MISSING


async def run(records: int, rounds: int) -> list[Result]:
    """Start a server and measure."""
    with (
        TemporaryDirectory(prefix="headwater-bench-") as folder,
        redis_in(Path(folder), redis_program()).running() as server,
    ):
        return await measure(server.url, records, rounds)


if __name__ == "__main__":
    alone("at_target_redis", __doc__, run, RECORDS)
