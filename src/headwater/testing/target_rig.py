"""What a target's author supplies to the target suite, and the messages that its tests write."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, cast

import msgspec

from headwater.errors import HeadwaterError
from headwater.kit import jsonbytes
from headwater.model.ids import event_id, record_id
from headwater.model.position import Stream
from headwater.model.record import Entry, EventKind, Origin, Slot
from headwater.streams.render import Renderer
from headwater.streams.slots import Owned, Slots
from headwater.targets.target import (
    Delivery,
    Item,
    Kind,
    Mark,
    Target,
    TargetSettings,
    TransactionalTarget,
    Written,
)
from headwater.testing.clock import FIRST_US

PAYLOAD = "a-payload-that-must-not-be-seen"
"""In every object that the suite writes: no error, log or repr may repeat it (P8)."""


class Rig(Protocol):
    """A fresh, empty place to write to, on a server that can be stopped."""

    kind: Kind
    faithful: bool
    """Readers get every Record and Event byte by byte; else they get equal values of what is `kept`."""
    deduplicates: bool
    """A message that is written again shows once; else the reader has to look at its id."""
    compares: bool
    """Of each record it holds one version and never replaces it by an older one; else it is a log."""
    keeps_deleted: bool
    """A deleted record shows with `deleted`; else it is gone."""
    secrets: Sequence[str]
    """What is secret in the settings."""
    refused: bytes | None
    """Data of an object that it can never store; None where it stores every object."""
    held: bytes | None
    """Data of an object that it cannot store until `release`, while others go in; None where that is never
    so."""

    def settings(self) -> TargetSettings:
        """Return settings that work."""
        ...

    def wrong(self) -> Mapping[str, tuple[TargetSettings, type[HeadwaterError]]]:
        """Return settings that cannot work, by what is wrong with them, and what is raised: Halt or Retry.

        Wrong password, nobody listens, no right to write, whatever the server tells apart.
        """
        ...

    def kept(self, value: bytes) -> bytes:
        """Return what it documents to keep of a JSON value (of `data`, or of a member like `upstream_id`)."""
        ...

    async def read_back(self, stream: Stream) -> Sequence[bytes]:
        """Return everything in it as Records or Events in JSON, those of one record in the order of its
        readers."""
        ...

    async def stop(self) -> None:
        """Stop the server, now, whatever it is doing."""
        ...

    async def start(self) -> None:
        """Start it again, with everything that it had acknowledged."""
        ...

    async def release(self) -> None:
        """Let what was held go in from now on."""
        ...


Make = Callable[[], AbstractAsyncContextManager[Rig]]

SLOTS = (
    Owned(
        slot=Slot(
            number=1,
            partition=0,
            sync_id="0190f0c0-0000-7000-8000-000000000001",
            collection_id="acme:contact",
        ),
        external_id="org_42",
    ),
    Owned(
        slot=Slot(
            number=2,
            partition=0,
            sync_id="0190f0c0-0000-7000-8000-000000000002",
            collection_id="acme:contact",
        ),
        external_id=None,
    ),
    Owned(
        slot=Slot(
            number=3,
            partition=0,
            sync_id="0190f0c0-0000-7000-8000-000000000001",
            collection_id="acme:odd__c",
        ),
        external_id="org_42",
    ),
)
"""Two collections of one sync, and one of these of another sync."""

_TABLE = Slots(
    revision=1,
    by_number={owned.slot.number: owned for owned in SLOTS},
    by_key={(owned.slot.sync_id, owned.slot.collection_id): owned for owned in SLOTS},
)


class Author:
    """Makes the messages of one stream as Headwater would: each later one has a higher position."""

    def __init__(self, stream: Stream) -> None:
        """Begin at position 1."""
        self.stream, self.position = stream, 0
        self._renderer = Renderer()

    def created(self, upstream_id: str, data: bytes | None = None, owned: Owned = SLOTS[0]) -> Item:
        """A record is there."""
        return self._item(upstream_id, EventKind.CREATED, data, owned)

    def updated(self, upstream_id: str, data: bytes | None = None, owned: Owned = SLOTS[0]) -> Item:
        """It has changed."""
        return self._item(upstream_id, EventKind.UPDATED, data, owned)

    def deleted(self, upstream_id: str, data: bytes | None = None, owned: Owned = SLOTS[0]) -> Item:
        """It is gone."""
        return self._item(upstream_id, EventKind.DELETED, data, owned)

    def _item(self, upstream_id: str, event: EventKind, data: bytes | None, owned: Owned) -> Item:
        self.position += 1
        position, updated = self.position, event is EventKind.UPDATED
        entry = Entry(
            partition=owned.slot.partition,
            position=position,
            slot=owned.slot.number,
            upstream_id=upstream_id,
            event=event,
            origin=Origin.WEBHOOK,
            inserted_us=FIRST_US + position,
            created_us=None if position % 3 == 0 else FIRST_US - 1_000_000,
            updated_us=FIRST_US - 500_000 + position,
            mutation_id="0190f0c0-0000-7000-8000-0000000000ff" if updated else None,
            data=b'{"n":%d,"text":"%b"}' % (position, PAYLOAD.encode()) if data is None else data,
            previous_data=b'{"n":0,"then":null}' if updated else None,
        )
        record = record_id(owned.slot.sync_id, owned.slot.collection_id, upstream_id)
        [json] = self._renderer.each(self.stream, [entry], _TABLE)
        return Item(
            entry=entry,
            slot=owned.slot,
            external_id=owned.external_id,
            record_id=record,
            message_id=event_id(record, position) if self.stream is Stream.EVENTS else f"{record}:{position}",
            json=json,
        )


class Writer:
    """An open target, written to as a consumer does."""

    def __init__(self, target: Target, delivery: Delivery) -> None:
        """Use `opened`."""
        self.target, self.delivery = target, delivery
        self.mark = Mark(1, (0,))

    async def write(self, *items: Item) -> Written:
        """Write one batch, once."""
        self.mark = Mark(1, (max([self.mark.position[0], *(item.updated_idx for item in items)]),))
        return await self.target.write(items, self.mark)

    async def deliver(self, *items: Item) -> list[Item]:
        """Write until everything is stored or rejected; return what was rejected."""
        left, rejected = list(items), list[Item]()
        while left:
            written = await self.write(*left)
            assert not written.held, "nothing was to be held"
            assert written.count or written.rejected, "a batch of which nothing goes in is a Retry or a Halt"
            bad = {refusal.index for refusal in written.rejected}
            rejected += [left[index] for index in sorted(bad)]
            left = (
                [
                    item
                    for index, item in enumerate(left)
                    if index not in bad and (self.target.transactional or index >= written.count)
                ]
                if written.count < len(left)
                else []
            )
        return rejected


def delivery(
    stream: Stream, epoch: int = 1, consumer: str = "0190f0c0-0000-7000-8000-0000000000c1"
) -> Delivery:
    """Return for whom a target is opened."""
    return Delivery(consumer_id=consumer, name="to acme's", stream=stream, epoch=epoch)


def transactional(target: Target) -> TransactionalTarget:
    """Return a target that says that it keeps our position as one that does."""
    assert target.transactional
    return cast("TransactionalTarget", target)


@asynccontextmanager
async def opened(rig: Rig, of: Delivery, settings: TargetSettings | None = None) -> AsyncGenerator[Writer]:
    """Open a target as a consumer does that has just got its lease."""
    target = rig.kind.make(settings or rig.settings(), of)
    try:
        writer = Writer(target, of)
        if target.transactional:
            writer.mark = await transactional(target).position() or writer.mark
        yield writer
    finally:
        await target.close()


# --- what should be there -----------------------------------------------------------------------------------


async def assert_holds(rig: Rig, stream: Stream, items: Iterable[Item]) -> None:
    """Assert that whoever reads the target finds these messages, all of them and nothing else."""
    found = [Found.of(stream, json) for json in await rig.read_back(stream)]
    expected = list({item.message_id: item for item in items}.values())
    if stream is Stream.RECORDS and rig.compares:
        expected = list(latest(expected).values())
        if not rig.keeps_deleted:
            expected = [item for item in expected if not item.deleted]
        assert len({one.record for one in found}) == len(found), "each record is there once"
    elif rig.deduplicates:
        assert len({one.message_id for one in found}) == len(found), "each message is there once"
    first = {one.message_id: one for one in reversed(found)}
    assert sorted(first) == sorted(item.message_id for item in expected)
    for item in expected:
        _assert_same(rig, item, first[item.message_id].json)


def latest(items: Iterable[Item]) -> Mapping[str, Item]:
    """Return the newest version of each record, by its id."""
    newest: dict[str, Item] = {}
    for item in items:
        if item.record_id not in newest or newest[item.record_id].updated_idx < item.updated_idx:
            newest[item.record_id] = item
    return newest


async def versions(rig: Rig, stream: Stream) -> Mapping[str, Sequence[int]]:
    """Return the versions of each record, by its upstream id, as its readers meet them, repeats left out."""
    seen: dict[str, list[int]] = {}
    for json in await rig.read_back(stream):
        one = Found.of(stream, json)
        order = seen.setdefault(str(jsonbytes.get(json, ["upstream_id"])), [])
        if one.updated_idx not in order:
            order.append(one.updated_idx)
    return seen


class Found(msgspec.Struct, frozen=True):
    """A message in a target: its record, its version, its id, its JSON."""

    record: str
    updated_idx: int
    message_id: str
    json: bytes

    @classmethod
    def of(cls, stream: Stream, json: bytes) -> "Found":
        """Read what is in it."""
        members = jsonbytes.members(json)
        version = int(members["updated_idx"])
        if stream is Stream.EVENTS:
            key = b"/".join(members[name] for name in ("sync_id", "collection_id", "upstream_id"))
            return cls(key.decode(), version, members["event_id"].decode().strip('"'), json)
        record = members["id"].decode().strip('"')
        return cls(record, version, f"{record}:{version}", json)


def _assert_same(rig: Rig, item: Item, found: bytes) -> None:
    if rig.faithful:
        assert found == item.json
        return
    wanted, got = jsonbytes.members(item.json), jsonbytes.members(found)
    assert sorted(got) == sorted(wanted)
    for name, value in wanted.items():
        assert jsonbytes.same(rig.kept(value), got[name]), f"{name} of {item.message_id} differs"
