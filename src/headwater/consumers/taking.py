"""One hand-out, in the transaction that has locked its consumer: what is due first, then what is next.

Not here: whether there is anything to hand out, and who waits for it (`pull`).
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import burial, outstanding, redelivery, standing
from headwater.consumers.handout import new_delivery
from headwater.consumers.holding import Admitted, admit
from headwater.consumers.outstanding import Counts, Key, Outstanding
from headwater.consumers.source import Source
from headwater.consumers.standing import Standing
from headwater.errors import Gone
from headwater.kit.clock import Clock
from headwater.model.consumer import HttpConsumer
from headwater.model.position import Stream, Vector
from headwater.model.record import Entry
from headwater.streams.engine import Read
from headwater.streams.reading import advanced

_MICROSECOND = timedelta(microseconds=1)
_SCAN = 10_000
"""Entries looked at for one batch at most, where most are held back."""


class Taken(msgspec.Struct, frozen=True):
    """Messages that were taken, in order, and how the consumer is with that."""

    delivery: str
    entries: list[Entry]
    standing: Standing
    position: Vector
    counts: Counts
    at_end: bool | None
    """Whether the stream had nothing more at `position`; None where there was no room to look."""


class HandOut:
    """A hand-out that fills up, up to `limit` messages.

    Events that are older than `keep_us` are kept beside the log, which may lose them before they are settled.
    """

    def __init__(
        self, consumer: HttpConsumer, source: Source, now: Standing, *, limit: int, keep_us: int
    ) -> None:
        """Begin with nothing."""
        self._consumer, self._source, self._standing = consumer, source, now
        self._delivery = new_delivery()
        self._entries: list[Entry] = []
        self._limit = limit
        self._old_us = now.now_us - keep_us if consumer.stream is Stream.EVENTS else 0
        self._until_us = now.now_us + consumer.ack_wait // _MICROSECOND

    @property
    def _left(self) -> int:
        """How many messages still fit."""
        return self._limit - len(self._entries)

    async def fill(self, connection: AsyncConnection, clock: Clock, at: Vector, seen: Read | None) -> Taken:
        """Take what is due, then what comes in the stream after `at`, of which `seen` was read already.

        Raises: Gone `consumer.gap`.
        """
        consumer, now_us = self._consumer, self._standing.now_us
        counts = await outstanding.counts(connection, consumer.id)
        if counts.called_back:
            room = min(self._left, consumer.max_ack_pending - counts.rows)
            await burial.revive(connection, consumer.id, now_us, room)
        if counts.called_back or is_due(counts, now_us):
            await self._take_due(connection)
            counts = await outstanding.counts(connection, consumer.id)
        at_end: bool | None = None
        looked = 0
        while (most := min(self._left, consumer.max_ack_pending - counts.rows)) > 0:
            read = seen or await read_on(self._source, consumer, at, most)
            known: Mapping[Key, Outstanding] = {}
            if counts.rows:
                known = await outstanding.find(connection, consumer.id, keys_of(read.entries))
            admitted = admit(consumer.stream, read.entries, known, one_of_each=True, most=most)
            await outstanding.put(connection, consumer.id, self._take(admitted, known))
            counts = _with(counts, admitted)
            looked += len(read.entries)
            if admitted.count < len(read.entries):
                at, at_end = advanced(at, read.entries[: admitted.count]), False
                break
            at, at_end, seen = read.position, not read.has_more, None
            if at_end or looked >= _SCAN:
                break
        if at != self._standing.position:
            await standing.move(connection, consumer.id, at, clock)
        return Taken(self._delivery, self._entries, self._standing, at, counts, at_end)

    async def _take_due(self, connection: AsyncConnection) -> None:
        consumer, now_us = self._consumer, self._standing.now_us
        while rows := await outstanding.due(connection, consumer.id, now_us, self._left):
            turn = await redelivery.turn(self._source, rows, consumer.max_deliver, now_us)
            out = [self._handed(row, entry) for row, entry in turn.out]
            await burial.bury(connection, consumer.id, turn.dead, now_us)
            await outstanding.put(connection, consumer.id, [*out, *turn.stay])
            await outstanding.remove(connection, consumer.id, turn.gone)

    def _take(self, admitted: Admitted, known: Mapping[Key, Outstanding]) -> list[Outstanding]:
        """Return the rows that are written for entries: those of fresh ones, and those with more behind."""
        held = admitted.held
        rows = [
            Outstanding(
                slot=entry.slot,
                upstream_id=entry.upstream_id,
                partition=entry.partition,
                position=entry.position,
                delivery=self._delivery,
                deliveries=1,
                due_us=self._until_us,
                held=held.get((entry.slot, entry.upstream_id), ()) if held else (),
                payload=outstanding.packed(entry) if entry.inserted_us < self._old_us else None,
            )
            for entry in admitted.fresh
        ]
        self._entries += admitted.fresh
        return [*rows, *(replace(known[key], held=behind) for key, behind in held.items() if key in known)]

    def _handed(self, row: Outstanding, entry: Entry) -> Outstanding:
        """Take an entry; return its row, with the entry where retention may come for it."""
        self._entries.append(entry)
        payload = row.payload
        if payload is None and entry.inserted_us < self._old_us:
            payload = outstanding.packed(entry)
        return replace(
            row,
            delivery=self._delivery,
            deliveries=row.deliveries + 1,
            due_us=self._until_us,
            payload=payload,
        )


async def read_on(source: Source, consumer: HttpConsumer, after: Vector, limit: int) -> Read:
    """Return what comes next. Raises: Gone `consumer.gap`, with how much was lost (P11)."""
    try:
        return await source.read(after, limit)
    except Gone as error:
        lost = await source.lost(after)
        raise Gone(
            f"The consumer has stopped: up to {lost} events passed out of retention before it read them.",
            code="consumer.gap",
            fix=f"Go on with POST /v1/http-consumers/{consumer.id}/reset, and read the records anew if"
            " every change counts.",
        ) from error


def is_due(counts: Counts, now_us: int) -> bool:
    """Say whether something waits to be handed out, besides what the stream has."""
    return counts.called_back or (counts.due_us is not None and counts.due_us <= now_us)


def keys_of(entries: Iterable[Entry]) -> list[Key]:
    """Return the records of entries."""
    return [(entry.slot, entry.upstream_id) for entry in entries]


def _with(counts: Counts, admitted: Admitted) -> Counts:
    count = len(admitted.fresh)
    return replace(
        counts,
        rows=counts.rows + count,
        delivered=counts.delivered + count,
        held=counts.held + admitted.more,
    )
