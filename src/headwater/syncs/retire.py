"""Let records that have grown too old (`max_age_days`) leave the record stream: nothing was deleted."""

import asyncio
from collections.abc import Sequence

from headwater.model.position import Stream, start
from headwater.syncs.assignment import Assignment

_EVERY = 3_600.0
_PAGE = 500


async def retire(works: Sequence[Assignment]) -> None:
    """Look through the records of these collections every hour, until cancelled."""
    while True:
        for work in works:
            await retire_once(work)
        await asyncio.sleep(_EVERY)


async def retire_once(work: Assignment) -> int:
    """Take the records of a collection that are too old out of the stream; return how many."""
    oldest_us = work.shape.oldest_us
    if oldest_us is None:
        return 0
    position, retired, more = start(work.engine.partitions), 0, True
    while more:
        read = await work.engine.read(Stream.RECORDS, position, slots={work.slot.number}, limit=_PAGE)
        old = [entry.upstream_id for entry in read.entries if entry.updated_us < oldest_us]
        if old:
            retired += await work.engine.forget(work.slot, old)
        position, more = read.position, read.has_more
    return retired
