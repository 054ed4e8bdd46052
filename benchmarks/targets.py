"""Every kind of target beside the floor of its own driver. Not here: how each is measured (`at_target_…`)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import NamedTuple

from benchmarks import (
    at_target_kafka,
    at_target_nats,
    at_target_postgres,
    at_target_redis,
    at_target_webhook,
)
from benchmarks.results import Result

QUICK_RECORDS = 2_000
ROUNDS = 3


class _Measurement(NamedTuple):
    name: str
    absent: Callable[[], str | None]
    run: Callable[[int, int], Awaitable[Sequence[Result]]]
    records: int


_ALL = [
    _Measurement(name, module.absent, module.run, module.RECORDS)
    for name, module in (
        ("postgres", at_target_postgres),
        ("kafka", at_target_kafka),
        ("redis", at_target_redis),
        ("webhook", at_target_webhook),
        ("nats", at_target_nats),
    )
]


async def targets(records: int | None, *, quick: bool) -> AsyncGenerator[Sequence[Result]]:
    """Measure each, with so many records, by default as many as its figure needs; say what is left out."""
    for measurement in _ALL:
        missing = measurement.absent()
        if missing is not None:
            print(f"target {measurement.name} is left out: {missing}", flush=True)
            continue
        count = records or (QUICK_RECORDS if quick else measurement.records)
        yield await measurement.run(count, 1 if quick else ROUNDS)
