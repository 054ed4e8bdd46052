"""What a Kafka target costs: batches that it writes, beside a bare producer of the same messages.

`python -m benchmarks.at_target_kafka [--records N] [--rounds N]`

The floor is the driver alone with what a careful program asks of it (idempotent, `acks=all`, lz4) and nothing
else: messages that were made before the clock starts, a flush, or a transaction, for each batch. It has as
many requests under way as the driver likes, where the target has one (docs/targets/kafka.md says why), keeps
no position, and asks nothing about topics. `not waiting` flushes once, at the end: no program that must know
what is stored before it moves on can do that. The first batch is not counted: with it come the connection,
the topic and its leader. One broker, on this machine.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from confluent_kafka import KafkaError, Producer
from tests.plugins.kafka import MISSING, have_kafka, kafka_in
from tests.plugins.servers import Server

from benchmarks.at_target_postgres import BATCH, Batches, batches
from benchmarks.results import Result, Run, alone, median
from headwater.model.position import Stream
from headwater.targets.kafka import KAFKA, KafkaSettings
from headwater.targets.kafka.layout import Layout
from headwater.targets.target import Delivery, Mark

RECORDS = 50_000
WAIT_SECONDS = 60


def absent() -> str | None:
    """Say what is missing on this machine."""
    return None if have_kafka() else MISSING


def floor(url: str, topic: str, load: Batches, *, transactional: bool = False, waiting: bool = True) -> float:
    """Return messages a second that the driver alone writes."""
    options: dict[str, Any] = {"bootstrap.servers": url, "acks": "all", "enable.idempotence": True}
    options |= {"compression.type": "lz4", "linger.ms": 5, "delivery.report.only.error": True, "log_level": 0}
    failed: list[KafkaError] = []
    options |= {
        "queue.buffering.max.messages": 1_000_000,
        "on_delivery": lambda error, _: failed.append(error),
    }
    if transactional:
        options["transactional.id"] = topic
    layout = Layout(topic, Stream.EVENTS, tombstones=False)
    ready = [layout.messages(batch) for batch in load]
    producer = Producer(options)
    if transactional:
        producer.init_transactions(WAIT_SECONDS)
    began = 0.0
    for number, messages in enumerate(ready):
        if number == 1:
            began = time.perf_counter()
        if transactional:
            producer.begin_transaction()
        for message in messages:
            producer.produce(message.topic, message.value, message.key, headers=message.headers)
        if waiting or number in (0, len(ready) - 1):
            left = producer.flush(WAIT_SECONDS)
            assert left == 0
            assert not failed
        if transactional:
            producer.commit_transaction(WAIT_SECONDS)
    return sum(map(len, load[1:])) / (time.perf_counter() - began)


async def target(url: str, topic: str, load: Batches, *, transactional: bool) -> tuple[float, float]:
    """Return messages a second that the target writes, and the CPU seconds that this process took for it."""
    settings = KafkaSettings(
        bootstrap_servers=url,
        topic=topic,
        create_topics=True,
        transactional=transactional,
        positions_topic=f"{topic}.positions",
        transactional_id_prefix=f"{topic}.",
    )
    opened = KAFKA.make(settings, Delivery(consumer_id="c", name="bench", stream=Stream.EVENTS, epoch=1))
    cpu = began = 0.0
    try:
        for number, batch in enumerate(load):
            if number == 1:
                cpu, began = time.process_time(), time.perf_counter()
            written = await opened.write(batch, Mark(1, (batch[-1].updated_idx,)))
            assert written.count == len(batch)
        seconds = time.perf_counter() - began
        return sum(map(len, load[1:])) / seconds, time.process_time() - cpu
    finally:
        await opened.close()


async def measure(url: str, records: int, rounds: int) -> Sequence[Result]:
    """Measure with and without transactions, each round beside its floor, in topics of their own."""
    load = batches(Stream.EVENTS, records + BATCH, 1)
    runs: dict[str, list[Run]] = {}
    for number in range(rounds):
        for name, transactional in (("at least once", False), ("transactions", True)):
            own = f"{'t' if transactional else 'p'}{number}"
            bottom = floor(url, f"floor.{own}", load, transactional=transactional)
            rate, cpu = await target(url, f"target.{own}", load, transactional=transactional)
            run = Run(records=records, rate=rate, floor=bottom, cpu_seconds=cpu)
            runs.setdefault(name, []).append(run)
            runs.setdefault(f"{name}, floor: bare producer", []).append(Run(records=records, rate=bottom))
        rate = floor(url, f"floor.n{number}", load, waiting=False)
        name = "at least once, floor: producer, not waiting"
        runs.setdefault(name, []).append(Run(records=records, rate=rate))
    return [median("kafka", f"target: {name}", those) for name, those in sorted(runs.items())]


async def run(records: int, rounds: int) -> Sequence[Result]:
    """Start a broker and measure."""
    with TemporaryDirectory(prefix="headwater-bench-") as folder:
        server, about = kafka_in(Path(folder), Server)
        with server.running():
            return await measure(about.url, records, rounds)


if __name__ == "__main__":
    alone("at_target_kafka", __doc__, run, RECORDS)
