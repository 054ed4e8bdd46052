"""The stream as one consumer wants it: filtered, its tenant's only, as messages. Remembers no position."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from headwater.consumers.selection import filters_of
from headwater.model.consumer import Selection
from headwater.model.ids import RecordIds, event_id
from headwater.model.position import Stream, Vector, covers
from headwater.model.record import Entry
from headwater.streams.engine import Read
from headwater.streams.reading import Streams
from headwater.targets.target import Item


class Source:
    """What there is for one consumer."""

    def __init__(self, streams: Streams, stream: Stream, selection: Selection, tenant: str | None) -> None:
        """Read `stream`, only what `selection` wants, and of `tenant` only if one is named (P12)."""
        self.stream = stream
        self._streams = streams
        self._engine = streams.engine
        self._tenant = tenant
        self._reader = streams.reader(stream, filters_of(selection), tenant)
        self._ids: dict[int, RecordIds] = {}

    async def beginning(self) -> Vector:
        """Return the position before the first entry there is."""
        return await self._reader.earliest()

    async def at_instant(self, instant_us: int) -> Vector:
        """Return the position before the first entry committed at an instant or later."""
        return await self._engine.position_at(instant_us)

    async def heads(self) -> Vector:
        """Return the position of the newest entries."""
        return await self._engine.heads()

    async def lost(self, position: Vector) -> int:
        """Return how many entries after a position have passed out of retention (P11)."""
        if self.stream is Stream.RECORDS:
            return 0
        trimmed = await self._engine.trimmed()
        return sum(max(gone - at, 0) for at, gone in zip(position, trimmed, strict=True))

    async def read(self, after: Vector, limit: int) -> Read:
        """Return the next wanted entries after a position. Raises: Gone when some were lost (P11)."""
        return await self._reader.fill(after, limit)

    async def again(self, partition: int, positions: Sequence[int]) -> Mapping[int, Entry]:
        """Return entries by position. Left out: events out of retention, versions that were replaced."""
        return await self._engine.at(self.stream, partition, positions)

    async def own(self, slots: Iterable[int]) -> frozenset[int]:
        """Return those of these slots that are (still) the tenant's, filters or not (P12)."""
        wanted = frozenset(slots)
        if self._tenant is None or not wanted:
            return wanted
        known = (await self._streams.slots.now()).by_number
        return frozenset(slot for slot in wanted if known[slot].external_id == self._tenant)

    async def wait(self, position: Vector, seconds: float) -> None:
        """Wait until the stream goes on after a position at its end, at most so long.

        News of heads that were passed already is none: another process's commit may have been read before.
        """
        heads = position
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while covers(position, heads):
                    heads = await self._engine.changed(heads, seconds)

    async def items(self, entries: Sequence[Entry]) -> list[Item]:
        """Return entries as messages."""
        rendered = await self._streams.render(self.stream, entries)
        slots = await self._streams.slots.recent()
        if any(entry.slot not in slots.by_number for entry in entries):
            slots = await self._streams.slots.now()
        of_events = self.stream is Stream.EVENTS
        made: list[Item] = []
        for entry, json in zip(entries, rendered, strict=True):
            owned = slots.by_number[entry.slot]
            ids = self._ids.get(entry.slot)
            if ids is None:
                ids = self._ids[entry.slot] = RecordIds(owned.slot.sync_id, owned.slot.collection_id)
            record = ids.record(entry.upstream_id)
            message = event_id(record, entry.position) if of_events else f"{record}:{entry.position}"
            made.append(Item(entry, owned.slot, owned.external_id, record, message, json))
        return made
