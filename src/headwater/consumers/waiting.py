"""Workers that wait for an HTTP consumer's messages: their turns, what wakes them, how many there may be.

What this process remembers of a consumer is only for speed: nothing is lost with it. Not here: messages
(`pull`).
"""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any

from headwater.consumers.standing import Place, Standing
from headwater.errors import TooMany
from headwater.kit.clock import Clock
from headwater.kit.tasks import ended
from headwater.model.consumer import Selection
from headwater.model.position import Vector

MOST_WAITING = 20
"""Long polls that may wait at one consumer in one process."""
_SLICE_SECONDS = 5.0
"""How soon a wait notices that its worker has gone."""
_SHARED_SECONDS = 1.0
"""How soon it notices what another process did: acknowledged a message with others behind it, say."""
_SKIPPED = 10_000
_SKIPPED_SECONDS = 60.0
"""How many entries that nobody wanted, or for how long, are passed before that is written down."""


class Line:
    """The workers of one consumer in this process."""

    def __init__(self, clock: Clock, *, shared: bool) -> None:
        """Nobody waits yet. `shared`: other processes may serve the same consumer."""
        self.turn = asyncio.Lock()
        """Whoever takes or settles messages has it."""
        self.moved = asyncio.Event()
        """Set when a wait should look again; then there is another one."""
        self.count = 0
        """How many wait."""
        self._clock, self._shared = clock, shared
        self.place: Place | None = None
        """Where the consumer stood after the last hand-out of this process, if that was not held up: the next
        one may begin to read there before it has looked."""
        self._ahead: tuple[int, Vector, Selection, Vector] | None = None
        self._written = clock.monotonic()

    def move(self) -> None:
        """Wake everybody who waits."""
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Count one who waits. Raises: TooMany."""
        if self.count >= MOST_WAITING:
            raise TooMany(
                f"{MOST_WAITING} long polls wait at this consumer already.",
                code="consumer.too_many_waiting",
                fix="Let fewer workers ask at once, each for a larger batch, or ask without `wait_for`.",
            )
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    async def wait(
        self,
        moved: asyncio.Event,
        stopping: asyncio.Event,
        stream: Coroutine[Any, Any, None] | None,
        seconds: float,
    ) -> None:
        """Wait until one of these events is set or the stream has moved, at most so long."""
        tasks = [asyncio.create_task(_set(moved)), asyncio.create_task(_set(stopping))]
        if stream is not None:
            tasks.append(asyncio.create_task(stream))
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended(*tasks)

    def slice(self, *, outstanding: bool) -> float:
        """Return for how many seconds a wait may sleep.

        `outstanding`: something is, that another process may settle.
        """
        return _SHARED_SECONDS if self._shared and outstanding else _SLICE_SECONDS

    def ahead_of(self, standing: Standing, filters: Selection) -> Vector:
        """Return up to where nothing was wanted by these filters of what comes after a standing."""
        if self._ahead is None or self._ahead[:3] != (standing.generation, standing.position, filters):
            return standing.position
        return self._ahead[3]

    def skipped(self, standing: Standing, filters: Selection, position: Vector) -> bool:
        """Remember that nothing is wanted up to a position. Return whether to write that down by now."""
        self._ahead = (standing.generation, standing.position, filters, position)
        entries = sum(position) - sum(standing.position)
        late = self._clock.monotonic() - self._written > _SKIPPED_SECONDS
        if entries > _SKIPPED or (entries and late):
            self._written = self._clock.monotonic()
            return True
        return False


class Lines:
    """The lines of all consumers of this process."""

    def __init__(self, clock: Clock, *, shared: bool) -> None:
        """There is none yet."""
        self._clock, self._shared = clock, shared
        self._lines: dict[str, Line] = {}

    def of(self, consumer_id: str) -> Line:
        """Return the line of a consumer."""
        line = self._lines.get(consumer_id)
        if line is None:
            line = self._lines[consumer_id] = Line(self._clock, shared=self._shared)
        return line

    def forget(self, consumer_id: str) -> None:
        """Forget a consumer that was removed; whoever waits for it is told."""
        line = self._lines.pop(consumer_id, None)
        if line is not None:
            line.move()


async def _set(event: asyncio.Event) -> None:
    await event.wait()
