"""The made-up CRM while it runs: the world, the pace of its changes, and the file that keeps it."""

import asyncio
import time
from random import Random

from headwater.demo.journal import Journal
from headwater.demo.world import World

TICK = 0.02
"""Seconds between two looks at what is due."""


def now_ms() -> int:
    """Return the wall clock in milliseconds."""
    return time.time_ns() // 1_000_000


class Life:
    """A world that changes by itself, about `pace` times a second, until it is stopped."""

    def __init__(self, world: World, *, pace: float, seed: int, journal: Journal | None = None) -> None:
        self.world = world
        self.stopped = pace <= 0
        self._pace = pace
        self._journal = journal
        self._dice = Random(seed)

    async def run(self) -> None:
        """Let the world go on. Ends only by being cancelled."""
        due = time.monotonic()
        while True:
            await asyncio.sleep(TICK)
            if self.stopped:
                due = time.monotonic()
            while not self.stopped and due < time.monotonic():
                self.world.step(now_ms())
                due += self._dice.uniform(0.2, 1.8) / self._pace
            shown = self.world.settle(now_ms())
            if self._journal is not None and shown:
                self._journal.append(shown)


def begin(*, seed: int, objects: int, pace: float, journal: Journal | None = None) -> Life:
    """Return a life: the one that the journal tells of, or a new one."""
    earlier = journal.rows() if journal is not None else []
    seed += len(earlier)  # another life with the same dice would write the same things again
    world = World(seed, objects)
    if earlier:
        world.restore(earlier)
    rows = list(earlier) or world.found(now_ms())
    if journal is not None:
        journal.rewrite(rows)
    return Life(world, pace=pace, seed=seed, journal=journal)
