"""A whole stream as lines of JSON, from a cursor up to where its head was at the start, and then the cursor.

No trailer line means incomplete. Each read is a short transaction of its own.
"""

from collections.abc import AsyncGenerator

from headwater.api.parts import Parts
from headwater.errors import Gone, HeadwaterError
from headwater.model.position import Vector, covers
from headwater.model.record import Entry
from headwater.streams.reading import Reader

_FIRST_READ, _SMALLEST_READ, _LARGEST_READ = 500, 10, 4_000
_READ_BYTES = 4 * 1024 * 1024
"""What one read should bring: enough that its cost does not show, little enough to hold for many clients."""
_CHUNK = 250
"""Entries in one piece of the answer: a few hundred kilobytes of usual ones."""


async def lines(parts: Parts, reader: Reader, cursor: str | None) -> AsyncGenerator[bytes]:
    """Return the pieces of the answer. Raises, before the first: what `Reader.begin` raises, and Gone."""
    end = await parts.engine.heads()
    while True:
        begin = await reader.begin(cursor)
        try:
            await reader.read(begin, 1)  # so that an expired cursor is still a proper answer
            break
        except Gone:
            if cursor is not None:
                raise
    return _lines(parts, reader, begin, end)


async def _lines(parts: Parts, reader: Reader, position: Vector, end: Vector) -> AsyncGenerator[bytes]:
    limit = _FIRST_READ
    while not covers(position, end) and not parts.stopping.is_set():
        try:
            read = await reader.fill(position, limit)
        except HeadwaterError:
            return  # P11: without a trailer, the reader knows that it has not everything
        entries = _up_to(read.entries, end)
        size = 0
        for start in range(0, len(entries), _CHUNK):
            rendered = await parts.streams.render(reader.stream, entries[start : start + _CHUNK])
            rendered.append(b"")
            chunk = b"\n".join(rendered)
            size += len(chunk)
            yield chunk
        position = tuple(map(min, read.position, end))
        if not read.has_more:
            break
        if entries:
            limit = max(_SMALLEST_READ, min(_LARGEST_READ, _READ_BYTES * len(entries) // size))
    if not parts.stopping.is_set():
        yield b'{"cursor":"%b"}\n' % reader.cursor(position).encode()


def _up_to(entries: list[Entry], end: Vector) -> list[Entry]:
    """Leave out what was committed after the answer had begun."""
    if len(end) == 1 and entries and entries[-1].position <= end[0]:
        return entries
    return [entry for entry in entries if entry.position <= end[entry.partition]]
