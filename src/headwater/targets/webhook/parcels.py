"""What goes into one request, and in which order requests may go. No I/O.

A parcel waits for those before it that hold a message of one of its records; else as many are under way as
there is room for, begun in the order of the batch (P5).
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256

import msgspec

from headwater.kit.tasks import ended
from headwater.model.position import Stream
from headwater.targets.target import Item

_AROUND_BYTES = 20
"""Of a body, besides its messages and their commas."""


class Parcel(msgspec.Struct, frozen=True):
    """Messages of one request, by index in the batch, in order."""

    indexes: tuple[int, ...]

    def halves(self) -> tuple["Parcel", "Parcel"]:
        """Return its two halves, the earlier messages first."""
        middle = len(self.indexes) // 2
        return Parcel(self.indexes[:middle]), Parcel(self.indexes[middle:])


def cut(batch: Sequence[Item], most_messages: int, most_bytes: int) -> list[Parcel]:
    """Return a batch as parcels, each as large as it may be; a message larger than that goes alone."""
    parcels: list[Parcel] = []
    indexes: list[int] = []
    size = _AROUND_BYTES
    for index, item in enumerate(batch):
        if indexes and (len(indexes) >= most_messages or size + len(item.json) > most_bytes):
            parcels.append(Parcel(tuple(indexes)))
            indexes, size = [], _AROUND_BYTES
        indexes.append(index)
        size += len(item.json) + 1
    return [*parcels, Parcel(tuple(indexes))] if indexes else parcels


def single(item: Item) -> tuple[str, bytes]:
    """Return id and body of a request with one message: the Record or Event itself."""
    return item.message_id, item.json


def together(stream: Stream, items: Sequence[Item]) -> tuple[str, bytes]:
    """Return id and body of a request with many messages. The same messages have the same id, no others."""
    ids = "\n".join(item.message_id for item in items)
    body = b'{"%b":[%b]}' % (stream.value.encode(), b",".join(item.json for item in items))
    return f"batch_{sha256(ids.encode()).hexdigest()[:32]}", body


async def each_in_order(
    batch: Sequence[Item],
    parcels: Sequence[Parcel],
    work: Callable[[Parcel], Awaitable[None]],
    *,
    most: int,
    stopped: Callable[[], bool],
) -> None:
    """Do `work` for every parcel, up to `most` at once, those of a record one after another.

    No further one is begun once `stopped()`; those under way come to their end.
    """
    waits, follow = _order(batch, parcels)
    ready = [number for number, count in enumerate(waits) if count == 0]  # in order, so it is a heap
    running: dict[asyncio.Task[None], int] = {}
    try:
        while True:
            while ready and len(running) < most and not stopped():
                number = heapq.heappop(ready)
                running[asyncio.create_task(_done(work, parcels[number]))] = number
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                number = running.pop(task)
                task.result()
                for later in follow[number]:
                    waits[later] -= 1
                    if waits[later] == 0:
                        heapq.heappush(ready, later)
    finally:
        await ended(*running)


async def _done(work: Callable[[Parcel], Awaitable[None]], parcel: Parcel) -> None:
    await work(parcel)


def _order(batch: Sequence[Item], parcels: Sequence[Parcel]) -> tuple[list[int], list[list[int]]]:
    """Return for how many parcels each one waits, and which ones wait for it."""
    waits, follow = [0] * len(parcels), [list[int]() for _ in parcels]
    last: dict[str, int] = {}
    for number, parcel in enumerate(parcels):
        records = {batch[index].record_id for index in parcel.indexes}
        for before in {last[record] for record in records if record in last}:
            follow[before].append(number)
            waits[number] += 1
        last.update(dict.fromkeys(records, number))
    return waits, follow
