"""An engine in memory and a shelf of objects, put together as an assignment."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.syncs.shelf import Shelf

from headwater.kit.clock import SystemClock
from headwater.model.lease import Fence
from headwater.model.position import Stream, start
from headwater.model.record import EventKind, Slot
from headwater.providers.provider import Collection
from headwater.streams.engine import StreamEngine
from headwater.streams.memory import MemoryStreams
from headwater.syncs.assignment import Assignment

SLOT = Slot(number=1, partition=0, sync_id="s", collection_id="shelf:thing")


class NoHttp:
    """Stands where the real API would: the shelf needs none."""


@pytest.fixture
def shelf() -> Shelf:
    """Return an empty shelf."""
    return Shelf()


@pytest.fixture
def engine() -> MemoryStreams:
    """Return an engine that knows the slot and the lease of the tests."""
    streams = MemoryStreams(partitions=1, clock=SystemClock())
    streams.leases["sync:s"] = 1
    return streams


class HastyClock(SystemClock):
    """The machine's clock, but nobody waits."""

    async def sleep(self, seconds: float) -> None:
        """Go on at once."""


Assign = Callable[[Collection], Awaitable[Assignment]]


@pytest.fixture
def assign(engine: StreamEngine) -> Assign:
    """Return a function that puts a collection into this process's hands, as after a restart."""

    async def assigned(collection: Collection) -> Assignment:
        work = Assignment(
            slot=SLOT,
            collection=collection,
            engine=engine,
            clock=HastyClock(),
            fence=Fence("sync:s", 1),
            open=lambda _urgency: NoHttp(),  # type: ignore[arg-type,return-value] - never called
        )
        await work.load()
        return work

    return assigned


async def records(engine: StreamEngine) -> dict[str, Any]:
    """Return the live records by upstream id."""
    read = await engine.read(Stream.RECORDS, start(engine.partitions), limit=10_000)
    return {e.upstream_id: json.loads(e.data) for e in read.entries if e.event != EventKind.DELETED}


async def events(engine: StreamEngine) -> list[tuple[str, str]]:
    """Return all events as pairs of upstream id and kind."""
    read = await engine.read(Stream.EVENTS, start(engine.partitions), limit=10_000)
    return [(e.upstream_id, EventKind(e.event).name.lower()) for e in read.entries]
