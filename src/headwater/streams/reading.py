"""Reading a stream for somebody: their filters, their tenant, their cursor.

Filters on sync, provider and collection, and the tenant, become a set of slots that the engine reads; the
other filters look at the entries. Not here: HTTP, and what an entry looks like (`render`).
"""

from collections.abc import Sequence

from headwater.errors import Gone, NotFound
from headwater.model.position import Stream, Vector, covers, start
from headwater.model.record import Entry
from headwater.streams.cursor import Cursors, check_not_ahead
from headwater.streams.engine import Read, StreamEngine
from headwater.streams.filters import Filters
from headwater.streams.render import Renderer
from headwater.streams.slots import Slots, SlotTable

_SCAN = 20_000
"""Entries looked at for one page at most, so that a filter that finds nothing costs little."""
_AT_LEAST = 1_000
"""Entries asked for at once where most may be left out."""
_LOOKUPS = 200
"""Records looked up one by one for a page at most; reading so many costs what scanning a page does."""
_KNOWN_CHOICES = 1_000


class Streams:
    """The two streams as readers are served them."""

    def __init__(
        self, *, engine: StreamEngine, slots: SlotTable, cursors: Cursors, created_event_name: str
    ) -> None:
        """Read from `engine`."""
        self.engine = engine
        self.slots = slots
        self.cursors = cursors
        self.renderer = Renderer(created_event_name)
        self._choices: dict[tuple[Filters, str | None], frozenset[int] | None] = {}
        self._chosen_of: Slots | None = None
        self._heads: Vector = start(engine.partitions)

    def reader(self, stream: Stream, filters: Filters, tenant: str | None) -> "Reader":
        """Return a reader of a stream; of a tenant's own entries only, if one is named."""
        return Reader(self, stream, filters, tenant)

    async def record(self, tenant: str | None, key: tuple[str, str, str]) -> bytes:
        """Return one record as JSON, by sync, collection and upstream id.

        Raises: NotFound, also for others' (P12).
        """
        sync_id, collection_id, upstream_id = key
        slots = await self.slots.recent()
        owned = slots.by_key.get((sync_id, collection_id))
        if owned is None:
            slots = await self.slots.now()
            owned = slots.by_key.get((sync_id, collection_id))
        if owned is not None and (tenant is None or owned.external_id == tenant):  # P12
            entry = await self.engine.record(owned.slot, upstream_id)
            if entry is not None:
                return self.renderer.each(Stream.RECORDS, [entry], slots)[0]
        raise NotFound(
            "There is no such record.",
            code="record.not_found",
            fix="Check sync, collection and upstream id; a record is there once the sync has read it.",
        )

    async def render(self, stream: Stream, entries: Sequence[Entry]) -> list[bytes]:
        """Return one JSON object for each entry."""
        slots = await self.slots.recent()
        if any(entry.slot not in slots.by_number for entry in entries):
            slots = await self.slots.now()
        return self.renderer.each(stream, entries, slots)

    def choice(self, filters: Filters, tenant: str | None, slots: Slots) -> frozenset[int] | None:
        """Return the slots that filters and tenant leave."""
        if slots is not self._chosen_of or len(self._choices) >= _KNOWN_CHOICES:
            self._choices, self._chosen_of = {}, slots
        key = (filters, tenant)
        if key not in self._choices:
            self._choices[key] = filters.choose(slots, tenant)
        return self._choices[key]

    async def refuse_ahead(self, position: Vector) -> None:
        """Refuse a position that the stream has not reached. Raises: InUse, Refused, as `check_not_ahead`."""
        if len(position) == len(self._heads) and covers(self._heads, position):
            return
        self._heads = await self.engine.heads()
        check_not_ahead(position, self._heads)


class Reader:
    """Reads a stream for one caller with one set of filters."""

    def __init__(self, streams: Streams, stream: Stream, filters: Filters, tenant: str | None) -> None:
        """Use `Streams.reader`."""
        self.stream = stream
        self._streams = streams
        self._engine = streams.engine
        self._filters = filters
        self._tenant = tenant
        self._key = filters.key

    def cursor(self, position: Vector) -> str:
        """Return the cursor of a position."""
        return self._streams.cursors.encode(self.stream, self._key, position)

    async def begin(self, cursor: str | None) -> Vector:
        """Return the position of a cursor; without one, that of the first entry there is.

        Raises: Refused when the cursor is not ours or of other filters, InUse when it is ahead of the stream.
        """
        if cursor is None:
            return await self.earliest()
        position = self._streams.cursors.decode(cursor, self.stream, self._key)
        await self._streams.refuse_ahead(position)
        return position

    async def earliest(self) -> Vector:
        """Return the position before the first entry there is."""
        if self.stream is Stream.EVENTS:
            return await self._engine.trimmed()
        return start(self._engine.partitions)

    async def fill(self, after: Vector, limit: int) -> Read:
        """Return up to `limit` wanted entries after a position, having looked at a bounded number.

        Raises: Gone with the earliest cursor in its context when the position has passed out of retention.
        """
        if not self._filters.look_at_entries:
            return await self.read(after, limit)
        if self.stream is Stream.RECORDS and self._filters.upstream_id:
            found = await self._look_up(after, limit)
            if found is not None:
                return found
        wanted: list[Entry] = []
        looked = 0
        while True:
            read = await self.read(after, max(limit, _AT_LEAST))
            for number, entry in enumerate(read.entries):
                if self._filters.want(entry):
                    wanted.append(entry)
                    if len(wanted) == limit and number + 1 < len(read.entries):
                        return Read(wanted, advanced(after, read.entries[: number + 1]), True)
            looked += max(len(read.entries), _AT_LEAST)
            after = read.position
            if not read.has_more or len(wanted) == limit or looked >= _SCAN:
                return Read(wanted, after, read.has_more)

    async def _look_up(self, after: Vector, limit: int) -> Read | None:
        """Return the page of a reader who names the records: by their keys, however long the stream is.

        None when they may be in so many syncs and collections that reading the stream is no worse.
        """
        # P11: heads first, then slots, then records. One that has changed since is beyond the heads: it is
        # left out, and comes after the position that is returned.
        heads = await self._engine.heads()
        slots = await self._streams.slots.now()
        chosen = self._streams.choice(self._filters, self._tenant, slots)
        numbers = slots.by_number.keys() if chosen is None else chosen
        if len(numbers) * len(self._filters.upstream_id) > _LOOKUPS:
            return None
        found: list[Entry] = []
        for number in numbers:
            slot = slots.by_number[number].slot
            for id in self._filters.upstream_id:
                entry = await self._engine.record(slot, id)
                place = slot.partition
                if entry and after[place] < entry.position <= heads[place] and self._filters.want(entry):
                    found.append(entry)
        found.sort(key=lambda entry: (entry.partition, entry.position))
        if len(found) > limit:
            return Read(found[:limit], advanced(after, found[:limit]), True)
        return Read(found, heads, False)

    async def read(self, after: Vector, limit: int) -> Read:
        """Return up to `limit` entries of the wanted slots after a position. Raises: Gone, as `fill`."""
        slots = await self._streams.slots.recent()
        while True:
            chosen = self._streams.choice(self._filters, self._tenant, slots)
            try:
                read = await self._read(after, chosen, limit)
            except Gone as error:
                raise await self._expired(error) from error
            if chosen is None:
                return read
            # P11: a sync made meanwhile may have entries in what was read; then the wanted slots are others.
            slots = await self._streams.slots.now()
            if self._streams.choice(self._filters, self._tenant, slots) == chosen:
                return read

    async def _read(self, after: Vector, chosen: frozenset[int] | None, limit: int) -> Read:
        if chosen is None or chosen:
            return await self._engine.read(self.stream, after, slots=chosen, limit=limit)
        if self.stream is Stream.EVENTS and not covers(after, await self._engine.trimmed()):
            raise Gone
        return Read([], await self._engine.heads(), False)

    async def _expired(self, error: Gone) -> Gone:
        earliest = self.cursor(await self.earliest())
        return Gone(
            "The cursor is older than the events that are kept; some were missed.",
            fix="Go on from `earliest_cursor`, and read the records anew if every change counts.",
            code=error.error_code,
            context={"earliest_cursor": earliest},
        )


def advanced(position: Vector, entries: Sequence[Entry]) -> Vector:
    """Return the position of a reader that stood at `position` and has read these entries since."""
    moved = list(position)
    for entry in entries:
        moved[entry.partition] = entry.position
    return tuple(moved)
