"""Consumers whose messages are fetched over HTTP and acknowledged: next, ack, nack, extend, peek.

P4: a message is handed out until it is acknowledged. P5: while a record's message is out, nobody is given a
later one. Any number of processes may serve one consumer: its standing is the lock, and within this process
workers take turns, so that they do not wait with a connection in their hands. Not here: what may be set up
(`management`), who waits for what (`waiting`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta

import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import burial, outstanding, redelivery, standing
from headwater.consumers.handout import (
    Backlog,
    Batch,
    Message,
    Settled,
    Token,
    new_delivery,
    tokens_of,
)
from headwater.consumers.holding import Admitted, admit, followed
from headwater.consumers.outstanding import Counts, Key, Outstanding
from headwater.consumers.source import Source
from headwater.consumers.standing import Standing
from headwater.consumers.waiting import Line, Lines
from headwater.errors import Gone, NotFound
from headwater.kit.clock import Clock
from headwater.model.consumer import HttpConsumer, Selection
from headwater.model.position import Stream, Vector
from headwater.model.record import Entry
from headwater.store.database import Database
from headwater.streams.engine import Read
from headwater.streams.reading import Streams, advanced

_MICROSECOND = timedelta(microseconds=1)
_SCAN = 10_000
"""Entries looked at for one batch at most, where most are held back."""
_TRANSACTIONS = 4
"""Hand-outs under way at once in this process: each may need a second connection, and there are fifteen."""


class Worker(msgspec.Struct, frozen=True):
    """Who asks for messages, as far as a wait must know: it ends when the worker has gone or the process is
    about to stop."""

    gone: Callable[[], Awaitable[bool]]
    stopping: asyncio.Event


class _Look(msgspec.Struct, frozen=True):
    """How a consumer was, at a glance that locks nothing."""

    standing: Standing
    counts: Counts
    called_back: bool

    @property
    def due(self) -> bool:
        """Whether something waits to be handed out, besides what the stream has."""
        due_us = self.counts.due_us
        return self.called_back or (due_us is not None and due_us <= self.standing.now_us)


class _Taken(msgspec.Struct, frozen=True):
    """Messages that were taken, in order, and how the consumer is with that."""

    delivery: str
    entries: list[Entry]
    standing: Standing
    position: Vector
    counts: Counts
    at_end: bool | None
    """Whether the stream had nothing more at `position`; None where there was no room to look."""


class Pulls:
    """The messages of all HTTP consumers. One for each process."""

    def __init__(
        self, *, database: Database, streams: Streams, clock: Clock, event_retention: timedelta
    ) -> None:
        """Hand out what `streams` have, and write down in `database` who has it."""
        self._database = database
        self._streams = streams
        self._clock = clock
        self._keep_us = event_retention // _MICROSECOND // 2
        self._lines = Lines(clock, shared=database.dialect != "sqlite")
        self._transactions = asyncio.Semaphore(_TRANSACTIONS)

    def source(self, consumer: HttpConsumer) -> Source:
        """Return the stream as a consumer wants it."""
        return Source(self._streams, consumer.stream, consumer.filters, consumer.external_id)

    def waiting(self, consumer_id: str) -> int:
        """Return how many workers wait for messages of a consumer in this process."""
        return self._lines.of(consumer_id).count

    # --- handing out ----------------------------------------------------------------------------------------

    async def next(self, consumer: HttpConsumer, limit: int, wait: timedelta, worker: Worker) -> Batch:
        """Hand out up to `limit` messages; wait for one if there is none, as long as `wait`.

        Raises: Gone `consumer.gap`, TooMany when many wait already, NotFound.
        """
        line = self._lines.of(consumer.id)
        source = self.source(consumer)
        moved = line.moved
        taken = await self._take(consumer, source, line, limit)
        if not taken.entries and wait:
            deadline = self._clock.monotonic() + wait.total_seconds()
            with line.waiting():
                while not taken.entries and not worker.stopping.is_set() and not await worker.gone():
                    seconds = deadline - self._clock.monotonic()
                    if seconds <= 0:
                        break
                    await self._wait(source, line, moved, taken, seconds, worker.stopping)
                    moved = line.moved
                    taken = await self._take(consumer, source, line, limit)
        rendered = await self._streams.render(source.stream, taken.entries)
        messages = [
            Message(json, Token(taken.delivery, entry.partition, entry.position))
            for entry, json in zip(taken.entries, rendered, strict=True)
        ]
        return Batch(consumer.stream, messages, await self._backlog(consumer, source, taken))

    async def peek(self, consumer: HttpConsumer, limit: int) -> Batch:
        """Return what `next` might hand out, and take nothing. Raises: Gone `consumer.gap`, NotFound."""
        source = self.source(consumer)
        look = await self._look(consumer.id)
        position, now_us = look.standing.position, look.standing.now_us
        async with self._database.read() as connection:
            rows = await outstanding.due(connection, consumer.id, now_us, limit)
        turn = await redelivery.turn(source, rows, consumer.max_deliver, now_us)
        entries = [entry for _, entry in turn.out]
        read = await self._read(consumer, source, position, max(limit - len(entries), 1))
        async with self._database.read() as connection:
            known = await outstanding.find(connection, consumer.id, _keys(read.entries))
        admitted = admit(
            consumer.stream, read.entries, known, one_of_each=True, most=max(limit - len(entries), 0)
        )
        entries += admitted.fresh
        rendered = await self._streams.render(source.stream, entries)
        at_end = not read.entries and not read.has_more
        taken = _Taken("", entries, look.standing, position, look.counts, at_end)
        return Batch(
            consumer.stream,
            [Message(json) for json in rendered],
            await self._backlog(consumer, source, taken),
        )

    async def _take(self, consumer: HttpConsumer, source: Source, line: Line, limit: int) -> _Taken:
        """Take up to `limit` messages; write nothing where there is none."""
        async with line.turn:
            look = await self._look(consumer.id)
            at = line.ahead_of(look.standing, consumer.filters)
            room = min(limit, consumer.max_ack_pending - look.counts.rows)
            read = await self._read(consumer, source, at, room) if room > 0 else None
            if not look.due and (read is None or not read.entries):
                position = at if read is None else read.position
                if line.skipped(look.standing, consumer.filters, position):
                    await self._move(consumer.id, look.standing, position)
                at_end = None if read is None else not read.has_more
                return _Taken("", [], look.standing, position, look.counts, at_end)
            async with self._transactions, self._database.write() as connection:
                now = _there(await standing.lock(connection, consumer.id, self._clock))
                if _place(now) != _place(look.standing):  # another process was faster
                    at, read = now.position, None
                return await self._hand_out(connection, _Hands(consumer, source, now, limit), at, read)

    async def _hand_out(
        self, connection: AsyncConnection, hands: "_Hands", at: Vector, read: Read | None
    ) -> _Taken:
        """Hand out what is due, then what comes next in the stream after `at`, of which `read` was read."""
        consumer, now_us = hands.consumer, hands.standing.now_us
        counts = await outstanding.counts(connection, consumer.id)
        back = await burial.revive(
            connection, consumer.id, now_us, min(hands.left, consumer.max_ack_pending - counts.rows)
        )
        if back or (counts.due_us is not None and counts.due_us <= now_us):
            await self._hand_out_due(connection, hands)
            counts = await outstanding.counts(connection, consumer.id)
        room = consumer.max_ack_pending - counts.rows
        at_end: bool | None = None
        looked = 0
        while (most := min(hands.left, room)) > 0:
            if read is None:
                read = await self._read(consumer, hands.source, at, most)
            known = await outstanding.find(connection, consumer.id, _keys(read.entries))
            admitted = admit(consumer.stream, read.entries, known, one_of_each=True, most=most)
            await outstanding.put(connection, consumer.id, self._admitted(hands, admitted, known))
            count, room = len(admitted.fresh), room - len(admitted.fresh)
            counts = Counts(
                counts.rows + count, counts.delivered + count, counts.held + admitted.more, counts.due_us
            )
            looked += len(read.entries)
            if admitted.count < len(read.entries):
                at, at_end = advanced(at, read.entries[: admitted.count]), False
                break
            at, at_end = read.position, not read.has_more
            if at_end or looked >= _SCAN:
                break
            read = None
        if at != hands.standing.position:
            await standing.move(connection, consumer.id, at, self._clock)
        return _Taken(hands.delivery, hands.entries, hands.standing, at, counts, at_end)

    async def _hand_out_due(self, connection: AsyncConnection, hands: "_Hands") -> None:
        consumer, now_us = hands.consumer, hands.standing.now_us
        while rows := await outstanding.due(connection, consumer.id, now_us, hands.left):
            turn = await redelivery.turn(hands.source, rows, consumer.max_deliver, now_us)
            out = [self._handed(hands, row, entry) for row, entry in turn.out]
            await burial.bury(connection, consumer.id, turn.dead, now_us)
            await outstanding.put(connection, consumer.id, [*out, *turn.stay])
            await outstanding.remove(connection, consumer.id, turn.gone)

    def _admitted(
        self, hands: "_Hands", admitted: Admitted, known: Mapping[Key, Outstanding]
    ) -> list[Outstanding]:
        """Return the rows that are written for entries: those of fresh ones, and those with more behind."""
        rows: list[Outstanding] = []
        for entry in admitted.fresh:
            row = Outstanding(
                slot=entry.slot,
                upstream_id=entry.upstream_id,
                partition=entry.partition,
                position=entry.position,
                held=admitted.held.get((entry.slot, entry.upstream_id), ()),
            )
            rows.append(self._handed(hands, row, entry))
        rows += (replace(known[key], held=held) for key, held in admitted.held.items() if key in known)
        return rows

    def _handed(self, hands: "_Hands", row: Outstanding, entry: Entry) -> Outstanding:
        """Note an entry as handed out; return its row, with the entry where retention may come for it."""
        hands.entries.append(entry)
        old = entry.inserted_us < hands.standing.now_us - self._keep_us
        keep = hands.source.stream is Stream.EVENTS and (old or row.payload is not None)
        return replace(
            row,
            delivery=hands.delivery,
            deliveries=row.deliveries + 1,
            due_us=hands.standing.now_us + hands.consumer.ack_wait // _MICROSECOND,
            payload=(row.payload or outstanding.packed(entry)) if keep else None,
        )

    # --- settling -------------------------------------------------------------------------------------------

    async def ack(self, consumer: HttpConsumer, texts: Sequence[str]) -> Settled:
        """Settle messages: what is held back behind them is due now. Raises: NotFound."""
        tokens, line = tokens_of(texts), self._lines.of(consumer.id)
        async with line.turn, self._database.write() as connection:
            now = _there(await standing.lock(connection, consumer.id, self._clock))
            rows = await _out(connection, consumer.id, tokens.values(), now.now_us)
            stay, gone = followed(rows, now.now_us)
            await outstanding.put(connection, consumer.id, stay)
            await outstanding.remove(connection, consumer.id, gone)
        line.move()
        return _settled(tokens, rows)

    async def nack(self, consumer: HttpConsumer, texts: Sequence[str], delay: timedelta) -> Settled:
        """Give messages back: they are due after the delay. Raises: NotFound."""
        tokens, line = tokens_of(texts), self._lines.of(consumer.id)
        async with line.turn, self._database.write() as connection:
            now = _there(await standing.lock(connection, consumer.id, self._clock))
            rows = await _out(connection, consumer.id, tokens.values(), now.now_us)
            due_us = now.now_us + delay // _MICROSECOND
            back = [replace(row, delivery=None, due_us=due_us) for row in rows]
            await outstanding.put(connection, consumer.id, back)
        line.move()
        return _settled(tokens, rows)

    async def extend(self, consumer: HttpConsumer, texts: Sequence[str]) -> Settled:
        """Let the wait for messages begin anew. Raises: NotFound."""
        tokens, line = tokens_of(texts), self._lines.of(consumer.id)
        async with line.turn, self._database.write() as connection:
            now = _there(await standing.lock(connection, consumer.id, self._clock))
            rows = await _out(connection, consumer.id, tokens.values(), now.now_us)
            due_us = now.now_us + consumer.ack_wait // _MICROSECOND
            longer = [replace(row, due_us=due_us) for row in rows]
            await outstanding.put(connection, consumer.id, longer)
        return _settled(tokens, rows)

    def changed(self, consumer_id: str) -> None:
        """Let whoever waits for a consumer's messages look again: it was reset or has other settings."""
        self._lines.of(consumer_id).move()

    def forget(self, consumer_id: str) -> None:
        """Forget a consumer that was removed."""
        self._lines.forget(consumer_id)

    # --- parts of these -------------------------------------------------------------------------------------

    async def _look(self, consumer_id: str) -> _Look:
        async with self._database.read() as connection:
            return _Look(
                _there(await standing.look(connection, consumer_id, self._clock)),
                await outstanding.counts(connection, consumer_id),
                await burial.called_back(connection, consumer_id),
            )

    async def _read(self, consumer: HttpConsumer, source: Source, after: Vector, limit: int) -> Read:
        """Read on. Raises: Gone `consumer.gap`, with how much was lost (P11)."""
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

    async def _move(self, consumer_id: str, look: Standing, position: Vector) -> None:
        """Write down that nothing up to a position is wanted, unless the consumer has moved meanwhile."""
        async with self._database.write() as connection:
            now = await standing.lock(connection, consumer_id, self._clock)
            if now is not None and _place(now) == _place(look):
                await standing.move(connection, consumer_id, position, self._clock)

    async def _wait(
        self,
        source: Source,
        line: Line,
        moved: asyncio.Event,
        taken: _Taken,
        seconds: float,
        stopping: asyncio.Event,
    ) -> None:
        """Wait until there may be something to hand out."""
        due_us = taken.counts.due_us
        if due_us is not None:
            seconds = min(seconds, max(due_us - taken.standing.now_us, 0) / 1e6)
        if taken.at_end is False:
            seconds = 0.0  # a long stretch that nobody wants: go on through it
        seconds = min(seconds, line.slice(outstanding=taken.counts.rows > 0))
        stream = source.wait(taken.position, seconds) if taken.at_end else None
        await line.wait(moved, stopping, stream, seconds)

    async def _backlog(self, consumer: HttpConsumer, source: Source, taken: _Taken) -> Backlog:
        counts = taken.counts
        ahead, is_estimate = 0, False
        if not taken.at_end:
            heads = await source.heads()
            ahead = sum(max(head - at, 0) for head, at in zip(heads, taken.position, strict=True))
            every_event = consumer.stream is Stream.EVENTS and consumer.filters == Selection()
            is_estimate = ahead > 0 and not (every_event and consumer.external_id is None)
        waiting = counts.rows - counts.delivered + counts.held
        return Backlog(ahead + waiting, counts.delivered, is_estimate)


class _Hands:
    """A hand-out that fills up."""

    def __init__(self, consumer: HttpConsumer, source: Source, now: Standing, limit: int) -> None:
        self.consumer, self.source, self.standing = consumer, source, now
        self.delivery = new_delivery()
        self.entries: list[Entry] = []
        self._limit = limit

    @property
    def left(self) -> int:
        """How many messages still fit."""
        return self._limit - len(self.entries)


async def _out(
    connection: AsyncConnection, consumer_id: str, tokens: Iterable[Token | None], now_us: int
) -> list[Outstanding]:
    """Return the rows that tokens speak for: still out in their hand-out, and in time."""
    asked = {token.place: token.delivery for token in tokens if token is not None}
    rows = await outstanding.at(connection, consumer_id, asked)
    return [row for place, row in rows.items() if row.delivery == asked[place] and row.due_us > now_us]


def _settled(tokens: Mapping[str, Token | None], rows: Iterable[Outstanding]) -> Settled:
    done = {row.place for row in rows}
    unknown = [text for text, token in tokens.items() if token is None or token.place not in done]
    return Settled(len(tokens) - len(unknown), unknown)


def _there(found: Standing | None) -> Standing:
    if found is None:
        raise NotFound(
            "There is no such consumer.",
            code="consumer.not_found",
            fix="GET /v1/http-consumers lists those that this key may use.",
        )
    return found


def _place(at: Standing) -> tuple[int, Vector]:
    return at.generation, at.position


def _keys(entries: Iterable[Entry]) -> list[Key]:
    return [(entry.slot, entry.upstream_id) for entry in entries]
