"""Reading ahead: the next messages of a stream are fetched and rendered while the target writes.

At most one chunk waits, so memory is bounded by two. What goes wrong while reading comes after the chunks
that were read before. Not here: which messages go on (`deliver`).
"""

import asyncio
from collections.abc import Callable

import msgspec

from headwater.consumers.source import Source
from headwater.errors import HeadwaterError
from headwater.kit.clock import Clock
from headwater.kit.tasks import ended
from headwater.model.consumer import Batching
from headwater.model.position import Vector
from headwater.model.record import Entry
from headwater.targets.target import Item

_FIRST = 100
"""Messages read at first: how large they are is not known then."""
_GROWTH = 4
_WAIT_SECONDS = 3_600.0


class Chunk(msgspec.Struct, frozen=True):
    """A stretch of the stream: what is wanted of it, and the positions before and after it.

    `at_end`: there was nothing more when it was read.
    """

    after: Vector
    entries: list[Entry]
    items: list[Item]
    position: Vector
    at_end: bool


class Ahead:
    """A stream as it is read ahead of one consumer. `filled` is called when there is something to take."""

    def __init__(self, source: Source, batch: Batching, clock: Clock, *, filled: Callable[[], None]) -> None:
        """Read `source` in chunks that are about as large as a batch may be."""
        self._source, self._batch, self._clock, self._filled = source, batch, clock, filled
        self._limit = min(_FIRST, batch.max_messages)
        self._chunk: Chunk | None = None
        self._error: HeadwaterError | None = None
        self._taken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.at_end = False
        """Whether the stream has nothing more, and all that it had was taken or is there to take."""

    def start(self, position: Vector) -> None:
        """Begin to read after a position."""
        self._task = asyncio.create_task(self._run(position), name="consumer-ahead")

    def take(self) -> Chunk | None:
        """Return the next chunk; None when there is none yet. Raises: what reading raised."""
        chunk, self._chunk = self._chunk, None
        if chunk is not None:
            self._taken.set()
            return chunk
        if self._error is not None:
            raise self._error
        if self._task is not None and self._task.done():
            self._task.result()  # a bug of ours: it ends the run, and is reported there
        return None

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            await ended(self._task)

    async def _run(self, position: Vector) -> None:
        try:
            while True:
                chunk = await self._read(position)
                if chunk.position != position:
                    position = chunk.position
                    await self._hand_over(chunk)
                if chunk.at_end:
                    self.at_end = True
                    self._filled()
                    await self._source.wait(position, _WAIT_SECONDS)
                    self.at_end = False
        except HeadwaterError as error:
            self._error = error
        finally:
            self._filled()

    async def _read(self, after: Vector) -> Chunk:
        read = await self._source.read(after, self._limit)
        entries, position, at_end = list(read.entries), read.position, not read.has_more
        if entries and at_end and self._batch.max_wait_ms:
            deadline = self._clock.monotonic() + self._batch.max_wait_ms / 1e3
            while len(entries) < self._limit and (left := deadline - self._clock.monotonic()) > 0:
                await self._source.wait(position, left)
                more = await self._source.read(position, self._limit - len(entries))
                entries += more.entries
                position, at_end = more.position, not more.has_more
        items = await self._source.items(entries) if entries else []
        self._learn(items)
        return Chunk(after, entries, items, position, at_end)

    def _learn(self, items: list[Item]) -> None:
        """Read as many next time as make about one batch."""
        if items:
            mean = max(sum(len(item.json) for item in items) // len(items), 1)
            fitting = max(self._batch.max_bytes // mean, 1)
            self._limit = min(self._batch.max_messages, fitting, self._limit * _GROWTH)

    async def _hand_over(self, chunk: Chunk) -> None:
        while self._chunk is not None:
            self._taken.clear()
            await self._taken.wait()
        self._chunk = chunk
        self._filled()
