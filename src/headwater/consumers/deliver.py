"""One consumer under its lease: read, filter, write, move on.

P4: what was not surely stored is written again. P5: messages of a record go in order; one that the target
holds up holds back its record alone. P7: the position moves only after the target has stored. A target that
keeps our position itself is asked where to go on, at each start. Not here: what becomes of refused messages
(`settling`), what waits behind them (`holding`), what is done about errors (`run`).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import msgspec
from msgspec.structs import replace

from headwater.consumers import redelivery
from headwater.consumers.ahead import Ahead, Chunk
from headwater.consumers.burial import Dead
from headwater.consumers.holding import admit
from headwater.consumers.ledger import Held, Ledger, Settlement
from headwater.consumers.meter import Meter
from headwater.consumers.outstanding import Key, Outstanding, Place
from headwater.consumers.plan import Plan
from headwater.consumers.progress import Progress
from headwater.consumers.settling import Patience, key_of, known_before, of_due, of_fresh
from headwater.consumers.source import Source
from headwater.consumers.standing import Standing
from headwater.errors import Conflict, Halt, HeadwaterError, Retry
from headwater.kit.clock import Clock
from headwater.kit.tasks import backoff, heed_cancellation
from headwater.model.consumer import UNLIMITED
from headwater.model.lease import Fence
from headwater.model.position import Vector, covers
from headwater.store.worker import Worker
from headwater.streams.reading import advanced
from headwater.targets.target import Item, Mark, Target, TransactionalTarget, Written

_MOST_ROWS = 10_000
"""Records with a message outstanding at most: beyond, the consumer waits for these before it reads on."""
_WRITE = timedelta(minutes=5)
"""A write that takes longer is given up, and made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the forwarding of every consumer uses."""

    ledger: Ledger
    progress: Progress
    worker: Worker
    clock: Clock
    event_retention: timedelta
    wait: Callable[[int], float] = backoff
    """Seconds that a message waits which the target could not store, after so many deliveries."""


class _Stretch(msgspec.Struct):
    """A chunk that is being delivered: the first `done` entries of it are settled or outstanding.

    `buried` are those beyond that are in the dead letters already.
    """

    chunk: Chunk
    done: int = 0
    buried: set[Place] = msgspec.field(default_factory=set[Place])

    def position(self, done: int) -> Vector:
        """Return where a consumer stands that has dealt with so many entries."""
        if done == len(self.chunk.entries):
            return self.chunk.position
        return advanced(self.chunk.after, self.chunk.entries[:done])


class _Next(msgspec.Struct, frozen=True):
    """What of a stretch goes on next: entries by their number in it, those held back as rows, and its end."""

    fresh: Sequence[int]
    put: list[Outstanding]
    end: int


class Forwarding:
    """The forwarding of one consumer, from one start to the next trouble.

    It knows where the consumer stands as database and target said at its `begin`, and what it did since;
    after an error a new one is made.
    """

    def __init__(
        self, tools: Tools, plan: Plan, source: Source, target: Target, meter: Meter, told: Callable[[], None]
    ) -> None:
        """Deliver what `source` has to `target`. `told` is called when there may be other news of it."""
        self._tools, self._plan, self._source, self._target = tools, plan, source, target
        self._meter, self._told = meter, told
        self._patience = Patience(
            stream=plan.stream,
            max_deliver=plan.max_deliver,
            keep_us=tools.event_retention // timedelta(microseconds=1) // 2,
            wait=lambda deliveries: timedelta(seconds=tools.wait(deliveries)),
        )
        self._stir = asyncio.Event()
        self._stopping = self._refused = False
        self._ahead = Ahead(source, plan.batch, tools.clock, filled=self._stir.set)
        self._stretch: _Stretch | None = None
        self._rows: dict[Key, Outstanding] = {}
        self._called_back, self._more_called_back = plan.called_back, False
        self._offset_us = 0
        self.held = Held(plan.consumer_id, Fence(plan.lease, -1), -1)
        self.position: Vector = ()
        """Everything up to here is settled or outstanding."""
        self.lost = 0
        """How many entries were never seen, as was written down."""
        self.stored = False
        """Whether the target has stored something."""
        self.caught_up = False
        """Whether there was nothing left to do at some time."""

    async def begin(self, fence: Fence) -> None:
        """Find where to go on, under a lease. Raises: LeaseLost, Halt, Retry."""
        standing, self._rows = await self._tools.ledger.load(fence, self._plan.consumer_id)
        self.held = Held(self._plan.consumer_id, fence, standing.generation)
        await self._tools.progress.forget(self.held)
        self._tools.progress.begin(self.held, self._refuse)
        self._offset_us = standing.now_us - self._tools.clock.now_us()
        self.lost = standing.lost
        self.position = standing.position
        if self._target.transactional:
            self.position = await self._position_of_target(standing)
            self._tools.progress.moved(self.held, self.position, pressing=False)
        self._ahead.start(self.position)

    async def run(self) -> None:
        """Deliver until `stop`. Raises: Retry, Halt, Gone, Conflict (it was reset), LeaseLost."""
        while not self._stopping:
            self._stir.clear()
            if self._refused:
                raise Conflict("The consumer has changed hands, or was begun anew.", code="consumer.reset")
            if not await self._turn():
                await self._wait()

    def stop(self) -> None:
        """Let a write under way end, and then stop."""
        self._stopping = True
        self._stir.set()

    def call_back(self) -> None:
        """Look for dead letters that are to be delivered once more."""
        self._called_back = True
        self._stir.set()

    async def close(self) -> None:
        """Stop reading, and write down how far it came."""
        await self._ahead.close()
        if self.held.generation < 0:
            return
        with suppress(HeadwaterError):
            self._tools.progress.moved(self.held, self.position, pressing=True)
            await self._tools.progress.flush()
        self._tools.progress.end(self.held)

    @property
    def waiting_since_us(self) -> int | None:
        """When the oldest message that waits was committed; None where none does."""
        if self._stretch is None:
            return None
        entries, done = self._stretch.chunk.entries, self._stretch.done
        return entries[done].inserted_us if done < len(entries) else None

    @property
    def stuck(self) -> Sequence[Outstanding]:
        """What the target could not store while others went on."""
        return [row for row in self._rows.values() if row.error is not None]

    async def _position_of_target(self, standing: Standing) -> Vector:
        mark = await cast("TransactionalTarget", self._target).position()
        if mark is None:
            place = standing.begin
        elif mark.generation != standing.generation:  # it was reset since
            return standing.position
        else:
            place = mark.position
        if not covers(await self._source.heads(), place):
            raise Halt(
                "The target has more than our stream: our database was put back to an earlier state.",
                code="consumer.ahead",
                fix="Reset the consumer to `beginning`, or to the time of the backup.",
            )
        # Between the two lies only what nobody wanted; where that is old, retention may have taken it.
        if covers(standing.position, place) and await self._source.lost(place):
            return standing.position
        return place

    def _refuse(self) -> None:
        self._refused = True
        self._stir.set()

    # --- turns ----------------------------------------------------------------------------------------------

    async def _turn(self) -> bool:
        """Do what there is to do now; say whether anything was."""
        done = False
        if self._called_back:
            done |= await self._revive()
        if due := self._due():
            await self._redeliver(due)
            done = True
        if self._stretch is None and (chunk := self._ahead.take()) is not None:
            self._stretch = _Stretch(chunk)
        if self._stretch is not None and len(self._rows) < _MOST_ROWS:
            done |= await self._forward(self._stretch)
        return done

    async def _wait(self) -> None:
        """Wait for the stream, for a message that is to be tried again, or for somebody who calls."""
        if self._ahead.at_end and self._stretch is None and not self.caught_up:
            self.caught_up = True
            self._told()
        seconds = None
        if due_us := [row.due_us for row in self._rows.values() if self._passed(row)]:
            seconds = max(min(due_us) - self._now_us(), 0) / 1e6
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stir.wait()

    def _due(self) -> list[Outstanding]:
        if not self._rows:
            return []
        now_us = self._now_us()
        due = [row for row in self._rows.values() if row.due_us <= now_us and self._passed(row)]
        return sorted(due, key=lambda row: (row.due_us, row.position))[: self._plan.batch.max_messages]

    def _passed(self, row: Outstanding) -> bool:
        """Whether the stream has been read beyond a message: if not, it is about to be met there as well."""
        return row.position <= self.position[row.partition]

    async def _revive(self) -> bool:
        """Make dead letters that were called back outstanding, as far as nothing of their records is (P5)."""
        self._called_back = False
        room = _MOST_ROWS - len(self._rows)
        rows, self._more_called_back = await self._tools.ledger.revive(
            self.held, self.position, self._now_us(), room
        )
        new = len(rows) - len(self._rows)
        self._rows = {row.key: row for row in rows}
        return new > 0

    async def _redeliver(self, due: Sequence[Outstanding]) -> None:
        """Deliver messages again that the target could not store before, or that were called back."""
        turn = await redelivery.turn(self._source, due, UNLIMITED, self._now_us())
        await self._settle(Settlement(position=self.position, put=turn.stay, gone=turn.gone, dead=turn.dead))
        if not turn.out:
            return
        items = await self._source.items([entry for _, entry in turn.out])
        batch = items[: self._fitting(items)]
        written = await self._write(batch, self.position)
        rows = [(row, item) for (row, _), item in zip(turn.out, batch, strict=False)]
        aside = of_due(rows, written, self._patience, self._now_us())
        await self._settle(
            Settlement(position=self.position, put=aside.put, gone=aside.gone, dead=aside.dead)
        )

    async def _forward(self, stretch: _Stretch) -> bool:
        """Deliver the next batch of a stretch; say whether that was possible."""
        following = self._admit(stretch)
        if not following.fresh:
            moved = following.end > stretch.done
            await self._reached(stretch, following.end, following.put)
            return moved or self._stretch is None
        items = stretch.chunk.items
        batch = [items[number] for number in following.fresh]
        fitting = self._fitting(batch)
        end = following.end if fitting == len(batch) else following.fresh[fitting]
        batch, put = batch[:fitting], following.put
        if self._target.transactional:  # P7: its mark may not be ahead of what we hold back
            await self._settle(Settlement(position=self.position, put=put))
            put = []
        written = await self._write(batch, stretch.position(end))
        aside = of_fresh(batch, written, self._patience, self._now_us())
        if self._target.transactional and (written.rejected or written.held):
            # Nothing of the batch is there yet: it is written without these, which are put aside first.
            await self._settle(Settlement(position=self.position, put=aside.put, dead=aside.dead))
            stretch.buried.update(one.row.place for one in aside.dead)
            return True
        if written.count < len(batch):
            end = following.fresh[written.count]
        await self._reached(stretch, end, [*put, *aside.put], aside.dead)
        return True

    def _admit(self, stretch: _Stretch) -> _Next:
        """Say what goes on next: nothing of records that have a message outstanding (P5)."""
        entries, total = stretch.chunk.entries, len(stretch.chunk.entries)
        if not self._rows and not stretch.buried:
            return _Next(range(stretch.done, total), [], total)
        left = [
            number
            for number in range(stretch.done, total)
            if not known_before(entries[number], self._rows)
            and (entries[number].partition, entries[number].position) not in stretch.buried
        ]
        wanted = [entries[number] for number in left]
        rows = {key: self._rows[key] for key in map(key_of, wanted) if key in self._rows}
        admitted = admit(self._plan.stream, wanted, rows, one_of_each=False)
        end = total if admitted.count == len(left) else left[admitted.count]
        numbers = {id(entry): number for entry, number in zip(wanted, left, strict=True)}
        return _Next(
            [numbers[id(entry)] for entry in admitted.fresh],
            [replace(rows[key], held=held) for key, held in admitted.held.items()],
            end,
        )

    async def _reached(
        self,
        stretch: _Stretch,
        end: int,
        put: Sequence[Outstanding] = (),
        dead: Sequence[Dead] = (),
    ) -> None:
        """Move on to after the first `end` entries of a stretch (P7)."""
        settled = Settlement(position=stretch.position(end), put=put, dead=dead)
        if settled.plain:
            self.position = settled.position
            pressing = end > stretch.done and not self._target.transactional
            self._tools.progress.moved(self.held, self.position, pressing=pressing)
        else:
            await self._settle(settled)
        stretch.done = end
        if end == len(stretch.chunk.entries):
            self._stretch = None

    # --- parts of these -------------------------------------------------------------------------------------

    async def _write(self, batch: Sequence[Item], position: Vector) -> Written:
        """Write a batch; what the target says beyond what it has dealt with is left out."""
        await self._tools.worker.certain()  # fencing ends at our database
        started = self._tools.clock.monotonic()
        try:
            async with asyncio.timeout(_WRITE.total_seconds()):
                written = await self._target.write(batch, Mark(self.held.generation, position))
        except TimeoutError as error:
            raise Retry(
                f"The target did not answer within {_WRITE.seconds} seconds.",
                code="target.timeout",
                fix="Check that it runs, and that nothing between here and there swallows packets.",
            ) from error
        finally:
            heed_cancellation()
        if not self._target.transactional:
            written = Written(
                written.count,
                [one for one in written.rejected if one.index < written.count],
                [one for one in written.held if one.index < written.count],
            )
        if not written.count and not written.rejected and not written.held:
            raise Retry("The target stores nothing just now.", code="target.stalled")
        aside = 0 if self._target.transactional else len(written.rejected) + len(written.held)
        self._meter.written(written.count - aside, self._tools.clock.monotonic() - started)
        if not self.stored:
            self.stored = True
            self._told()
        return written

    async def _settle(self, settled: Settlement) -> None:
        """Write down what is more than a position."""
        if settled.plain:
            return
        await self._tools.progress.forget(self.held)
        await self._tools.ledger.settle(self.held, settled)
        self.position = settled.position
        self._rows.update((row.key, row) for row in settled.put)
        for key in settled.gone:
            self._rows.pop(key, None)
        self._called_back |= self._more_called_back and bool(settled.gone)
        self._meter.buried(len(settled.dead))
        self._told()

    def _fitting(self, items: Sequence[Item]) -> int:
        """Return how many of these make one batch; at least one."""
        total = 0
        for count, item in enumerate(items[: self._plan.batch.max_messages]):
            total += len(item.json)
            if total > self._plan.batch.max_bytes and count:
                return count
        return min(len(items), self._plan.batch.max_messages)

    def _now_us(self) -> int:
        """Return the time by the database's clock."""
        return self._tools.clock.now_us() + self._offset_us
