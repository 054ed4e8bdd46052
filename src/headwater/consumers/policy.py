"""From where on an HTTP consumer is given its stream: its deliver policy, as a position. Writes nothing.

Not here: what a user may write as one (`management`), the starts of managed consumers.
"""

from datetime import timedelta

from headwater.consumers.source import Source
from headwater.errors import Gone
from headwater.model.consumer import ALL, LAST, NEW
from headwater.model.position import Vector
from headwater.model.record import Entry

_LAST_WITHIN = (1, 100, 10_000, 100_000)
"""How many positions before each partition's head the newest wanted entry is looked for in."""
_PAGE = 1_000
_MICROSECOND = timedelta(microseconds=1)


async def begin(source: Source, policy: str | timedelta, now_us: int) -> Vector:
    """Return the position before the first entry that a consumer is given.

    `policy`: `all` that there is; `new`, what comes from now on; `last`, from the newest wanted entry on,
    which is looked for among the newest 100,000 of each partition; a duration, what is not older.
    """
    if policy == ALL:
        return await source.beginning()
    if policy == NEW:
        return await source.heads()
    if isinstance(policy, timedelta):
        then = await source.at_instant(now_us - policy // _MICROSECOND)
        return _later(then, await source.beginning())
    if policy == LAST:
        return await _before_newest(source)
    raise ValueError(policy)


async def _before_newest(source: Source) -> Vector:
    """Return the position before the newest wanted entry; the heads where none is near them."""
    heads = await source.heads()
    for within in _LAST_WITHIN:
        newest = await _newest(source, tuple(max(head - within, 0) for head in heads), heads)
        if newest is not None:
            return (*heads[: newest.partition], newest.position - 1, *heads[newest.partition + 1 :])
    return heads


async def _newest(source: Source, after: Vector, heads: Vector) -> Entry | None:
    """Return the newest wanted entry between two positions."""
    newest: Entry | None = None
    has_more = True
    after = _later(after, await source.beginning())
    while has_more:
        try:
            read = await source.read(after, _PAGE)
        except Gone:  # retention took a step between two looks
            after = _later(after, await source.beginning())
            continue
        for entry in read.entries:
            within = entry.position <= heads[entry.partition]
            if within and (newest is None or entry.inserted_us >= newest.inserted_us):
                newest = entry
        after, has_more = read.position, read.has_more
    return newest


def _later(one: Vector, other: Vector) -> Vector:
    return tuple(max(pair) for pair in zip(one, other, strict=True))
