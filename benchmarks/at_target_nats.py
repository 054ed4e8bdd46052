"""What a NATS target costs: batches that it publishes, beside the driver's own pipelined publishes of them.

`python -m benchmarks.at_target_nats [--records N] [--rounds N]`

The floor is `publish_async` of the driver's JetStream: messages that were made before the clock starts, with
the same ids against repeats, as many under way as the target has; all of a batch are awaited. It does not
look which record a message is of. The server is as durable as in the tests: each message is on disk before
its acknowledgement.
Loads: `new`, the stream of records is empty; `newer`, it has an older message on each subject; `events`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import nats
from nats.aio.client import Client
from nats.js.api import StreamConfig
from tests.plugins.nats import nats_in

from benchmarks.at_target_postgres import Batches, batches
from benchmarks.results import Result, Run, alone, median
from headwater.model.position import Stream
from headwater.targets.nats import NATS, NatsSettings
from headwater.targets.nats.layout import Layout, Message
from headwater.targets.target import Delivery, Item, Mark

RECORDS = 10_000
PREFIX = "bench"
WINDOW = 512

Each = TypeVar("Each", Item, Message)
Rates = list[tuple[float, float]]


def absent() -> str | None:
    """Nothing is missing: the server comes with a package."""
    return None


async def _timed(
    loads: Sequence[Sequence[Sequence[Each]]], write: Callable[[Sequence[Each]], Awaitable[object]]
) -> Rates:
    """Return messages a second of each load, and the CPU seconds that this process took for it."""
    rates: Rates = []
    for load in loads:
        cpu, began = time.process_time(), time.perf_counter()
        for batch in load:
            await write(batch)
        seconds = time.perf_counter() - began
        rates.append((sum(map(len, load)) / seconds, time.process_time() - cpu))
    return rates


async def floor(client: Client, stream: Stream, loads: Sequence[Batches]) -> list[float]:
    """Return what the driver alone does."""
    layout = Layout(PREFIX, stream)
    ready = [[[layout.message(item) for item in batch] for batch in load] for load in loads]
    js = client.jetstream(publish_async_max_pending=WINDOW)

    async def write(batch: Sequence[Message]) -> None:
        sent = [
            await js.publish_async(subject, payload, headers=headers) for subject, headers, payload in batch
        ]
        await asyncio.gather(*sent)

    return [rate for rate, _ in await _timed(ready, write)]


async def target(url: str, stream: Stream, loads: Sequence[Batches]) -> Rates:
    """Return what the target does."""
    settings = NatsSettings(servers=url, subject_prefix=PREFIX, window=WINDOW)
    opened = NATS.make(settings, Delivery(consumer_id="c", name="bench", stream=stream, epoch=1))

    async def write(batch: Sequence[Item]) -> None:
        written = await opened.write(batch, Mark(1, (batch[-1].updated_idx,)))
        assert written.count == len(batch)
        assert not written.rejected
        assert not written.held

    try:
        return await _timed(loads, write)
    finally:
        await opened.close()


async def _empty(client: Client, stream: Stream) -> None:
    """Make the stream anew, as the target itself would make it."""
    js = client.jetstream()
    for known in await js.streams_info():
        await js.delete_stream(known.config.name or "")
    per_subject = 1 if stream is Stream.RECORDS else -1
    await js.add_stream(
        StreamConfig(
            name="BENCH",
            subjects=[f"{PREFIX}.{stream.value}.>"],
            duplicate_window=600,
            max_msgs_per_subject=per_subject,
        )
    )


async def measure(url: str, records: int, rounds: int) -> Sequence[Result]:
    """Measure both streams, each round beside its floor, in an empty stream of the server."""
    versions = [
        batches(Stream.RECORDS, records, 1),
        batches(Stream.RECORDS, records, records + 1, changed=True),
    ]
    events = [batches(Stream.EVENTS, records, 1)]
    runs: dict[str, list[Run]] = {}
    client = await nats.connect(url, allow_reconnect=False)
    try:
        for _ in range(rounds):
            for stream, loads, names in (
                (Stream.RECORDS, versions, ("new", "newer")),
                (Stream.EVENTS, events, ("events",)),
            ):
                await _empty(client, stream)
                bare = await floor(client, stream, loads)
                await _empty(client, stream)
                measured = await target(url, stream, loads)
                for name, (rate, cpu), bottom in zip(names, measured, bare, strict=True):
                    run = Run(records=records, rate=rate, floor=bottom, cpu_seconds=cpu)
                    runs.setdefault(name, []).append(run)
                    bottom_run = Run(records=records, rate=bottom)
                    runs.setdefault(f"{name}, floor: pipelined publishes", []).append(bottom_run)
    finally:
        await client.close()
    return [median("nats", f"target: {name}", those) for name, those in sorted(runs.items())]


async def run(records: int, rounds: int) -> Sequence[Result]:
    """Start a server and measure."""
    with TemporaryDirectory(prefix="headwater-bench-") as folder, nats_in(Path(folder)).running() as server:
        return await measure(server.url, records, rounds)


if __name__ == "__main__":
    alone("at_target_nats", __doc__, run, RECORDS)
