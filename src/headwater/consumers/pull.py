"""Consumers whose messages are fetched over HTTP and acknowledged: next, ack, nack, extend, peek.

P4: a message is handed out until it is acknowledged. P5: while a record's message is out, nobody is given a
later one. Any number of processes may serve one consumer: its standing is the lock, and within this process
workers take turns, so that they do not wait with a connection in their hands. Not here: what may be set up
(`management`), who waits for what (`waiting`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from datetime import timedelta

import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import outstanding, redelivery, standing
from headwater.consumers.handout import (
    Backlog,
    Batch,
    Message,
    Settled,
    Token,
    tokens_of,
)
from headwater.consumers.holding import admit, followed
from headwater.consumers.outstanding import Counts, Out, Outstanding
from headwater.consumers.source import Source
from headwater.consumers.standing import Standing
from headwater.consumers.taking import HandOut, Taken, is_due, keys_of, read_on
from headwater.consumers.waiting import Line, Lines
from headwater.errors import NotFound
from headwater.kit.clock import Clock
from headwater.model.consumer import HttpConsumer, Selection
from headwater.model.position import Stream, Vector, covers, start
from headwater.store.database import Database
from headwater.streams.engine import Read
from headwater.streams.reading import Streams

_MICROSECOND = timedelta(microseconds=1)
_FRESH_SECONDS = 0.2
"""How old the heads may be by which a backlog is counted."""
_TRANSACTIONS = 4
"""Hand-outs under way at once in this process: each may need a second connection, and there are fifteen."""


class Worker(msgspec.Struct, frozen=True):
    """Who asks for messages, as far as a wait must know: it ends when the worker has gone or the process is
    about to stop."""

    gone: Callable[[], Awaitable[bool]]
    stopping: asyncio.Event


class _Ahead(msgspec.Struct, frozen=True):
    """What was read before the consumer was locked: good if it stands at `place` then."""

    place: standing.Place
    at: Vector
    read: Read | None


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
        self._heads: Vector = start(streams.engine.partitions)
        self._looked = float("-inf")
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
        now, counts = await self._look(consumer.id)
        position, now_us = now.position, now.now_us
        async with self._database.read() as connection:
            rows = await outstanding.due(connection, consumer.id, now_us, limit)
        turn = await redelivery.turn(source, rows, consumer.max_deliver, now_us)
        entries = [entry for _, entry in turn.out]
        read = await read_on(source, consumer, position, max(limit - len(entries), 1))
        async with self._database.read() as connection:
            known = await outstanding.find(connection, consumer.id, keys_of(read.entries))
        admitted = admit(
            consumer.stream, read.entries, known, one_of_each=True, most=max(limit - len(entries), 0)
        )
        entries += admitted.fresh
        rendered = await self._streams.render(source.stream, entries)
        at_end = not read.entries and not read.has_more
        taken = Taken("", entries, now, position, counts, at_end)
        return Batch(
            consumer.stream,
            [Message(json) for json in rendered],
            await self._backlog(consumer, source, taken),
        )

    async def _take(self, consumer: HttpConsumer, source: Source, line: Line, limit: int) -> Taken:
        """Take up to `limit` messages; write nothing where there is none."""
        async with line.turn:
            ahead = await self._read_ahead(consumer, source, line, limit)
            if ahead is None:
                now, counts = await self._look(consumer.id)
                at = line.ahead_of(now, consumer.filters)
                room = min(limit, consumer.max_ack_pending - counts.rows)
                read = await read_on(source, consumer, at, room) if room > 0 else None
                if not is_due(counts, now.now_us) and (read is None or not read.entries):
                    return await self._nothing(consumer, line, now, counts, at if read is None else read)
                ahead = _Ahead(now.place, at, read)
            async with self._transactions, self._database.write() as connection:
                now = _there(await standing.lock(connection, consumer.id, self._clock))
                if now.place != ahead.place:  # another process was faster, or it was reset
                    ahead = _Ahead(now.place, now.position, None)
                hands = HandOut(consumer, source, now, limit=limit, keep_us=self._keep_us)
                taken = await hands.fill(connection, self._clock, ahead.at, ahead.read)
            more = taken.entries and taken.at_end is False
            line.place = (now.generation, taken.position) if more else None
            return taken

    async def _read_ahead(
        self, consumer: HttpConsumer, source: Source, line: Line, limit: int
    ) -> _Ahead | None:
        """Return what comes next if this process knows where, and that there is something."""
        if line.place is None:
            return None
        position = line.place[1]
        read = await read_on(source, consumer, position, min(limit, consumer.max_ack_pending))
        return _Ahead(line.place, position, read) if read.entries else None

    async def _nothing(
        self, consumer: HttpConsumer, line: Line, now: Standing, counts: Counts, found: Read | Vector
    ) -> Taken:
        """Return an empty hand-out; remember what was passed that nobody wanted."""
        read = isinstance(found, Read)
        position, at_end = (found.position, not found.has_more) if read else (found, None)
        if line.skipped(now, consumer.filters, position):
            async with self._database.write() as connection:
                locked = await standing.lock(connection, consumer.id, self._clock)
                if locked is not None and locked.place == now.place:
                    await standing.move(connection, consumer.id, position, self._clock)
        return Taken("", [], now, position, counts, at_end)

    # --- settling -------------------------------------------------------------------------------------------

    async def ack(self, consumer: HttpConsumer, texts: Sequence[str]) -> Settled:
        """Settle messages: what is held back behind them is due now. Raises: NotFound."""
        tokens, line = tokens_of(texts), self._lines.of(consumer.id)
        out = _out(tokens)
        async with line.turn, self._database.write() as connection:
            now = _there(await standing.lock(connection, consumer.id, self._clock))
            done = await outstanding.settle(connection, consumer.id, out, now.now_us)
            rows = await _rows(connection, consumer.id, out - done, now.now_us)
            stay, gone = followed(rows, now.now_us)
            await outstanding.put(connection, consumer.id, stay)
            await outstanding.remove(connection, consumer.id, gone)
        line.move()
        return _settled(tokens, done | {row.out for row in rows})

    async def nack(self, consumer: HttpConsumer, texts: Sequence[str], delay: timedelta) -> Settled:
        """Give messages back: they are due after the delay. Raises: NotFound."""
        tokens, line = tokens_of(texts), self._lines.of(consumer.id)
        async with line.turn, self._database.write() as connection:
            now = _there(await standing.lock(connection, consumer.id, self._clock))
            rows = await _rows(connection, consumer.id, _out(tokens), now.now_us)
            due_us = now.now_us + delay // _MICROSECOND
            back = [replace(row, delivery=None, due_us=due_us) for row in rows]
            await outstanding.put(connection, consumer.id, back)
        line.move()
        return _settled(tokens, {row.out for row in rows})

    async def extend(self, consumer: HttpConsumer, texts: Sequence[str]) -> Settled:
        """Let the wait for messages begin anew. Raises: NotFound."""
        tokens, line = tokens_of(texts), self._lines.of(consumer.id)
        async with line.turn, self._database.write() as connection:
            now = _there(await standing.lock(connection, consumer.id, self._clock))
            rows = await _rows(connection, consumer.id, _out(tokens), now.now_us)
            due_us = now.now_us + consumer.ack_wait // _MICROSECOND
            longer = [replace(row, due_us=due_us) for row in rows]
            await outstanding.put(connection, consumer.id, longer)
        return _settled(tokens, {row.out for row in rows})

    def changed(self, consumer_id: str) -> None:
        """Let whoever waits for a consumer's messages look again: it was reset or has other settings."""
        self._lines.of(consumer_id).move()

    def forget(self, consumer_id: str) -> None:
        """Forget a consumer that was removed."""
        self._lines.forget(consumer_id)

    # --- parts of these -------------------------------------------------------------------------------------

    async def _look(self, consumer_id: str) -> tuple[Standing, Counts]:
        """Return how a consumer is, at a glance that locks nothing."""
        async with self._database.read() as connection:
            now = _there(await standing.look(connection, consumer_id, self._clock))
            return now, await outstanding.counts(connection, consumer_id)

    async def _wait(
        self,
        source: Source,
        line: Line,
        moved: asyncio.Event,
        taken: Taken,
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

    async def _backlog(self, consumer: HttpConsumer, source: Source, taken: Taken) -> Backlog:
        counts = taken.counts
        ahead, is_estimate = 0, False
        if not taken.at_end:
            heads = await self._heads_beyond(source, taken.position)
            ahead = sum(max(head - at, 0) for head, at in zip(heads, taken.position, strict=True))
            every_event = consumer.stream is Stream.EVENTS and consumer.filters == Selection()
            is_estimate = ahead > 0 and not (every_event and consumer.external_id is None)
        waiting = counts.rows - counts.delivered + counts.held
        return Backlog(ahead + waiting, counts.delivered, is_estimate)

    async def _heads_beyond(self, source: Source, position: Vector) -> Vector:
        """Return the heads as they were a moment ago, but not before `position`."""
        now = self._clock.monotonic()
        if now - self._looked > _FRESH_SECONDS or not covers(self._heads, position):
            self._heads, self._looked = await source.heads(), now
        return self._heads


def _out(tokens: Mapping[str, Token | None]) -> set[Out]:
    """Return the messages that tokens speak of."""
    return {token.out for token in tokens.values() if token is not None}


async def _rows(
    connection: AsyncConnection, consumer_id: str, out: Set[Out], now_us: int
) -> list[Outstanding]:
    """Return the rows of messages that are out in these hand-outs, in time."""
    rows = await outstanding.at(connection, consumer_id, {(partition, at) for partition, at, _ in out})
    return [row for row in rows.values() if row.out in out and row.due_us > now_us]


def _settled(tokens: Mapping[str, Token | None], done: Set[Out]) -> Settled:
    unknown = [text for text, token in tokens.items() if token is None or token.out not in done]
    return Settled(len(tokens) - len(unknown), unknown)


def _there(found: Standing | None) -> Standing:
    if found is None:
        raise NotFound(
            "There is no such consumer.",
            code="consumer.not_found",
            fix="GET /v1/http-consumers lists those that this key may use.",
        )
    return found
