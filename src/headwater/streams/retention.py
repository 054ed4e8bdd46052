"""Retention: lets events leave the event stream once they are old enough, in small steps.

The record stream keeps what it has. Retention waits for no reader: one that has fallen behind is told so by
the engine. Each step takes a small share of the database's time, so that commits hardly notice.
"""

from datetime import timedelta

from headwater.errors import Retry
from headwater.kit.clock import Clock
from headwater.streams.engine import StreamEngine

STEP_SECONDS = 0.05
"""How long a step should take: nobody waits longer than this for it."""

REST = 3.0
"""Times of a step that are left to others before the next one."""

FEWEST, MOST = 50, 5_000
"""Rows of a step."""

SHORTEST_IDLE, LONGEST_IDLE = 1.0, 60.0
"""Seconds between two looks when nothing was left to do; in between, a hundredth of the retention."""


async def keep(engine: StreamEngine, retention: timedelta, clock: Clock) -> None:
    """Keep the events of `retention` and no older ones, until cancelled.

    Raises: Halt as the engine does.
    """
    idle = min(max(retention.total_seconds() / 100, SHORTEST_IDLE), LONGEST_IDLE)
    retention_us = retention // timedelta(microseconds=1)
    limit = FEWEST
    while True:
        began = clock.monotonic()
        try:
            more = await engine.trim(clock.now_us() - retention_us, limit)
        except Retry:  # busy, or away for a while: old events can wait
            await clock.sleep(idle)
            continue
        took = clock.monotonic() - began
        if more:
            limit = next_limit(limit, took)
        await clock.sleep(REST * took if more else idle)


def next_limit(limit: int, took: float) -> int:
    """Return the rows of the next step, after one of `limit` rows took so many seconds: at most twice as
    many."""
    fitting = int(limit * STEP_SECONDS / took) if took > 0 else MOST
    return max(FEWEST, min(fitting, 2 * limit, MOST))
