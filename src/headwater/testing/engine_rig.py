"""What an engine's author supplies to the engine suite, and small builders that its tests share."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from headwater.model.position import Stream, Vector, start
from headwater.model.record import Change, Entry, EventKind, Held, Origin, Slot
from headwater.streams.engine import Commit, StreamEngine
from headwater.testing.clock import ManualClock


class Rig(Protocol):
    """A fresh, empty engine under test, with the few things around it that other modules write."""

    engine: StreamEngine
    clock: ManualClock
    """The engine's clock."""

    async def slot(self, partition: int = 0) -> Slot:
        """Register one more slot, with a sync of its own, in a partition of the engine's (taken modulo)."""
        ...

    async def lease(self, name: str, epoch: int) -> None:
        """Set the epoch of a lease."""
        ...

    async def rejected(self, slot: Slot) -> dict[str, str]:
        """Return the reasons in a slot's list of rejected objects, by upstream id."""
        ...


class Crash(Protocol):
    """A crash that waits for its step. `reached` says whether it has happened."""

    reached: bool


class DurableRig(Rig, Protocol):
    """A rig whose data outlives the engine."""

    def crash_at(self, step: int) -> AbstractContextManager[Crash]:
        """While open, whatever the engine writes breaks off just before its `step`-th step (from 0) for good.

        A step is what the engine's author can cut at: a statement, a message. After the crash the engine
        can write nothing more, as if its process had been killed.
        """
        ...

    async def reopen(self) -> StreamEngine:
        """Open the same data with a new engine, which becomes `engine`; the old one is given up."""
        ...


Make = Callable[[], AbstractAsyncContextManager[Rig]]
MakeDurable = Callable[[], AbstractAsyncContextManager[DurableRig]]


def change(
    event: EventKind,
    slot: Slot,
    upstream_id: str,
    *,
    expects: int | None = None,
    data: bytes = b'{"n":1}',
    previous_data: bytes | None = None,
    asked_us: int = 1,
) -> Change:
    """Make a change whose other fields are different from one another, so that mixing them up shows."""
    return Change(
        slot=slot.number,
        upstream_id=upstream_id,
        event=event,
        origin=Origin.WEBHOOK,
        expects=expects,
        fingerprint=(b"print of " + data)[:24].ljust(24, b"\0"),
        version=7_000 + asked_us,
        asked_us=asked_us,
        created_us=3_000,
        updated_us=None if asked_us % 2 else 4_000,
        data=data,
        previous_data=previous_data,
        mutation_id="0190f0c0-0000-7000-8000-000000000001" if event is EventKind.UPDATED else None,
    )


def created(slot: Slot, upstream_id: str, data: bytes = b'{"n":1}', after: Held | None = None) -> Change:
    """Make a record, or make it again after a delete."""
    expects = None if after is None else after.position
    return change(EventKind.CREATED, slot, upstream_id, expects=expects, data=data)


def updated(slot: Slot, upstream_id: str, expects: int, data: bytes = b'{"n":2}') -> Change:
    """Change a record."""
    return change(
        EventKind.UPDATED, slot, upstream_id, expects=expects, data=data, previous_data=b'{"n":1}', asked_us=2
    )


def deleted(slot: Slot, upstream_id: str, expects: int, data: bytes = b'{"n":2}') -> Change:
    """Delete a record."""
    return change(EventKind.DELETED, slot, upstream_id, expects=expects, data=data, asked_us=3)


async def commit(engine: StreamEngine, slot: Slot, *changes: Change) -> int:
    """Commit changes of one slot; return the position of the first."""
    return (await engine.commit(Commit(partition=slot.partition, changes=changes))).first


def brief(entries: list[Entry]) -> list[tuple[str, int, int]]:
    """Return what matters of entries at a glance: id, kind of event, position."""
    return [(entry.upstream_id, entry.event, entry.position) for entry in entries]


async def pages(
    engine: StreamEngine,
    stream: Stream,
    after: Vector | None = None,
    *,
    slots: set[int] | None = None,
    limit: int = 100,
    scan: int = 20_000,
) -> AsyncIterator[list[Entry]]:
    """Follow a stream to its end, page by page, as a reader would."""
    if after is None:
        after = start(engine.partitions) if stream is Stream.RECORDS else await engine.trimmed()
    more = True
    while more:
        page = await engine.read(stream, after, slots=slots, limit=limit, scan=scan)
        assert len(page.entries) <= limit
        assert page.position != after or not page.has_more, "a page that moves nothing would never end"
        after, more = page.position, page.has_more
        yield page.entries
    assert after == await engine.heads()


async def walk(
    engine: StreamEngine,
    stream: Stream,
    after: Vector | None = None,
    *,
    slots: set[int] | None = None,
    limit: int = 100,
    scan: int = 20_000,
) -> list[Entry]:
    """Return all entries of a stream after a position, read page by page."""
    found: list[Entry] = []
    async for page in pages(engine, stream, after, slots=slots, limit=limit, scan=scan):
        found += page
    return found
