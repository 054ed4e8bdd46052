"""Who waits for the streams to move where other processes write too: one look at the heads for all of them.

No notification of the database's own is used: inside a commit it would make all partitions wait for one
another. Not here: how to look.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from headwater.errors import HeadwaterError
from headwater.model.position import Vector

LOOK_SECONDS = 0.2
"""How often the heads are looked at while somebody waits. Commits of this process are noticed at once."""


class Watch:
    """The heads as far as they are known, and those who wait for them to change."""

    def __init__(
        self, look: Callable[[], Awaitable[Vector]], heads: Vector, *, every: float = LOOK_SECONDS
    ) -> None:
        """Begin with `heads`; `look` finds them anew."""
        self._look, self._heads, self._every = look, heads, every
        self._moved = asyncio.Event()
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    def saw(self, heads: Vector) -> None:
        """Take note of heads. Late news is none: heads never go back."""
        newest = tuple(map(max, self._heads, heads))
        if newest != self._heads:
            self._heads = newest
            self._moved.set()
            self._moved = asyncio.Event()

    def committed(self, partition: int, head: int) -> None:
        """Take note of a commit of this process."""
        self.saw((*self._heads[:partition], head, *self._heads[partition + 1 :]))

    async def changed(self, heads: Vector, timeout: float) -> Vector:
        """Wait until the heads differ from `heads`, at most `timeout` seconds, and return them."""
        if self._looking is None or self._looking.done():
            self.saw(await self._look())
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout):
                while self._heads == heads:
                    if self._looking is None or self._looking.done():
                        self._looking = asyncio.create_task(self._keep_looking(), name="streams-watch")
                    await self._moved.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1
        return self._heads

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _keep_looking(self) -> None:
        """Look again and again, until nobody waits any more."""
        while self._waiting:
            await asyncio.sleep(self._every)
            with suppress(HeadwaterError):  # whoever reads next is told
                self.saw(await self._look())
