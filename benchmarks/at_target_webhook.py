"""What a webhook target costs: batches that it pushes, beside the HTTP client's own posts of the same bodies.

`python -m benchmarks.at_target_webhook [--records N] [--rounds N]`

The floor signs nothing and keeps no order: as many tasks as requests may be under way post bodies that were
made before the clock starts. The receiver is a process of its own on this machine and writes nothing down.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from tests.targets.webhook_rig import SECRET, receiver_in

from benchmarks.at_target_postgres import Batches, batches
from benchmarks.results import Result, Run, alone, median
from headwater.model.position import Stream
from headwater.targets.target import Delivery, Mark
from headwater.targets.webhook import WEBHOOK, WebhookSettings, parcels

RECORDS = 20_000
CONCURRENCY = 8
TOGETHER = 100


async def floor(url: str, load: Batches, most: int) -> float:
    """Return messages a second that the client alone posts."""
    bodies: list[bytes] = []
    for batch in load:
        cut = parcels.cut(batch, most, 10**9)
        together = [[batch[at] for at in parcel.indexes] for parcel in cut]
        bodies += [
            items[0].json if most == 1 else parcels.together(Stream.EVENTS, items)[1] for items in together
        ]
    left = iter(bodies)

    async def post(session: aiohttp.ClientSession) -> None:
        for body in left:
            async with session.post(url, data=body) as response:
                assert response.status == 200
                await response.read()

    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(post(session) for _ in range(CONCURRENCY)))
        return sum(map(len, load)) / (time.perf_counter() - began)


async def target(url: str, load: Batches, most: int) -> tuple[float, float]:
    """Return messages a second that the target pushes, and the CPU seconds that this process took for it."""
    given = {"url": url, "secrets": [SECRET], "allow_private": True, "concurrency": CONCURRENCY}
    settings = WebhookSettings.model_validate(given | {"batch": most > 1, "max_batch_messages": max(most, 1)})
    opened = WEBHOOK.make(settings, Delivery(consumer_id="c", name="bench", stream=Stream.EVENTS, epoch=1))
    try:
        cpu, began = time.process_time(), time.perf_counter()
        for batch in load:
            written = await opened.write(batch, Mark(1, (batch[-1].updated_idx,)))
            assert written.count == len(batch)
            assert not written.held
        seconds = time.perf_counter() - began
        return sum(map(len, load)) / seconds, time.process_time() - cpu
    finally:
        await opened.close()


async def measure(url: str, records: int, rounds: int) -> Sequence[Result]:
    """Measure single and batched requests, each round beside its floor."""
    load = batches(Stream.EVENTS, records, 1)
    runs: dict[str, list[Run]] = {}
    for _ in range(rounds):
        for name, most in (("one a request", 1), (f"{TOGETHER} a request", TOGETHER)):
            bottom = await floor(url, load, most)
            rate, cpu = await target(url, load, most)
            run = Run(records=records, rate=rate, floor=bottom, cpu_seconds=cpu)
            runs.setdefault(name, []).append(run)
            runs.setdefault(f"{name}, floor: bare posts", []).append(Run(records=records, rate=bottom))
    return [median("webhook", f"target: {name}", those) for name, those in sorted(runs.items())]


def absent() -> str | None:
    """Nothing is missing: the receiver is a part of Headwater."""
    return None


async def run(records: int, rounds: int) -> Sequence[Result]:
    """Start a receiver and measure."""
    with (
        TemporaryDirectory(prefix="headwater-bench-") as folder,
        receiver_in(Path(folder), keep=False) as receiver,
    ):
        return await measure(receiver.url, records, rounds)


if __name__ == "__main__":
    alone("at_target_webhook", __doc__, run, RECORDS)
