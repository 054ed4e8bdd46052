"""How far this process's consumers are: gathered in memory, written down together.

Not here: what is written with more than a position (`ledger.settle`).
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

from headwater.consumers.ledger import Held, Ledger
from headwater.model.position import Vector


class Progress:
    """Positions of this process's consumers that are to be written down, together and not too often.

    A position that was let go for a moment costs repeats after a crash, never a message (P7): so a lone one
    is written at once, and many at most ten times a second. One without anything delivered waits longer.
    """

    def __init__(self, ledger: Ledger, *, every: float = 0.1, leisure: float = 5.0) -> None:
        """Write into `ledger`, at most once in `every` seconds; what is at leisure once in `leisure`."""
        self._ledger = ledger
        self._every, self._leisure = every, leisure
        self._waiting: dict[str, tuple[Held, Vector]] = {}
        self._writing: Collection[str] = frozenset[str]()
        self._begun: dict[Held, Callable[[], None]] = {}
        self._pressing, self._turn = asyncio.Event(), asyncio.Lock()

    def begin(self, held: Held, refused: Callable[[], None]) -> None:
        """Take a consumer in. `refused` is called when its position is not taken: load it anew."""
        self._begun[held] = refused

    def end(self, held: Held) -> None:
        """Let go of a consumer."""
        self._begun.pop(held, None)

    def moved(self, held: Held, position: Vector, *, pressing: bool) -> None:
        """Take note of a position."""
        self._waiting[held.consumer_id] = held, position
        if pressing:
            self._pressing.set()

    async def forget(self, held: Held) -> None:
        """Forget what was waiting: a later position is about to be written with something else, or was read.

        What is being written just now is over then, so that it does not come after.
        """
        self._waiting.pop(held.consumer_id, None)
        if held.consumer_id in self._writing:
            async with self._turn:
                pass

    async def flush(self) -> None:
        """Write down what is waiting."""
        async with self._turn:
            waiting, self._waiting = self._waiting, {}
            if not waiting:
                return
            self._writing = waiting.keys()
            try:
                written = await self._ledger.move(waiting.values())
            except BaseException:
                self._waiting = waiting | self._waiting
                raise
            finally:
                self._writing = frozenset[str]()
            for held, _ in waiting.values():
                if held.consumer_id not in written and held in self._begun:
                    self._begun[held]()

    async def keep(self) -> None:
        """Write once, when it is time; call it again and again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._leisure):
                await self._pressing.wait()
        self._pressing.clear()
        await self.flush()
        await asyncio.sleep(self._every)
