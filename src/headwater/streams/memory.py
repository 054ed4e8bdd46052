"""The stream engine in memory: the reference that the others are compared with. See `engine` for promises.

Written to be obviously right: plain dicts, nothing kept twice, counts by counting. Not for production: it is
lost with the process, and slow. Leases are the public dict `leases`; there are no slots to register.
"""

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import msgspec

from headwater.errors import Conflict, Gone, LeaseLost
from headwater.kit.clock import Clock
from headwater.model.position import Stream, Vector
from headwater.model.record import CHAINED, Change, Entry, EventKind, Held, Slot
from headwater.streams.engine import Checkpoint, Commit, Committed, Count, Read

Key = tuple[int, str]
"""Slot number and upstream id."""


@dataclass(slots=True)
class Partition:
    """One partition of the log. `latest` are the positions of rows that are records."""

    head: int = 0
    trimmed: int = 0
    last_us: int = 0
    rows: dict[int, Entry] = field(default_factory=dict[int, Entry])
    latest: set[int] = field(default_factory=set[int])

    def retire(self, position: int) -> None:
        """Let a row be a record no more; it goes at once if its event has been trimmed."""
        self.latest.discard(position)
        if position <= self.trimmed:
            del self.rows[position]


class MemoryStreams:
    """The record stream and the event stream, in dicts."""

    def __init__(self, *, partitions: int, clock: Clock) -> None:
        """Begin empty."""
        self._clock = clock
        self._partitions = [Partition() for _ in range(partitions)]
        self._state: dict[Key, Held] = {}
        self._checkpoints: dict[tuple[int, str, str], Checkpoint] = {}
        self._moved = asyncio.Event()
        self.leases: dict[str, int] = {}
        """Epochs by the name of the lease."""
        self.rejected: dict[Key, str] = {}
        """Reasons."""

    @property
    def partitions(self) -> int:
        """The number of partitions."""
        return len(self._partitions)

    # --- reading ------------------------------------------------------------------------------------------

    async def held(self, slot: Slot, ids: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of these records."""
        return {id: self._state[slot.number, id] for id in ids if (slot.number, id) in self._state}

    async def data(self, slot: Slot, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Return the data of these versions by position."""
        rows = self._partitions[slot.partition].rows
        return {position: rows[position].data for position in positions if position in rows}

    async def keys(self, slot: Slot, after: str, limit: int) -> Sequence[tuple[str, Held]]:
        """Return records of a slot by upstream id."""
        found = [(id, held) for (number, id), held in self._state.items() if number == slot.number]
        return sorted(pair for pair in found if pair[0] > after)[:limit]

    async def read(
        self,
        stream: Stream,
        after: Vector,
        *,
        slots: Set[int] | None = None,
        limit: int = 100,
        scan: int = 20_000,
    ) -> Read:
        """Return the next entries after a position."""
        heads, trimmed = await self.heads(), await self.trimmed()
        if stream is Stream.EVENTS and any(a < t for a, t in zip(after, trimmed, strict=True)):
            raise Gone(fix="Start again from the earliest position that is left.")  # P11: a gap is told
        entries: list[Entry] = []
        position = list(after)
        for number, partition in enumerate(self._partitions):
            for place in range(after[number] + 1, partition.head + 1):
                if len(entries) == limit or scan == 0:
                    break
                position[number] = place
                entry = partition.rows.get(place)
                if entry is None:
                    continue
                scan -= 1
                if stream is Stream.RECORDS and place not in partition.latest:
                    continue
                if slots is None or entry.slot in slots:
                    entries.append(entry)
        return Read(entries, tuple(position), tuple(position) != heads)

    async def at(self, stream: Stream, partition: int, positions: Sequence[int]) -> Mapping[int, Entry]:
        """Return entries of a stream by position."""
        held = self._partitions[partition]
        return {
            position: held.rows[position]
            for position in positions
            if position in held.rows
            and (position > held.trimmed if stream is Stream.EVENTS else position in held.latest)
        }

    async def heads(self) -> Vector:
        """Return the last position of each partition."""
        return tuple(partition.head for partition in self._partitions)

    async def trimmed(self) -> Vector:
        """Return the trim line."""
        return tuple(partition.trimmed for partition in self._partitions)

    async def position_at(self, instant_us: int) -> Vector:
        """Return the vector of the last entries that were committed before an instant."""
        return tuple(
            max((place for place, row in partition.rows.items() if row.inserted_us < instant_us), default=0)
            for partition in self._partitions
        )

    async def record(self, slot: Slot, upstream_id: str) -> Entry | None:
        """Return the record's latest version."""
        held = self._state.get((slot.number, upstream_id))
        return None if held is None else self._partitions[slot.partition].rows[held.position]

    async def history(self, slot: Slot, upstream_id: str, limit: int) -> Sequence[Entry]:
        """Return the record's events that are still in the log, newest first.

        A record that was forgotten begins anew: events of its earlier life are not its own.
        """
        partition = self._partitions[slot.partition]
        entry = await self.record(slot, upstream_id)
        events: list[Entry] = []
        while entry is not None and entry.position > partition.trimmed and len(events) < limit:
            events.append(entry)
            entry = None if entry.replaces is None else partition.rows.get(entry.replaces)
        return events

    async def count(self, slots: Sequence[Slot]) -> Mapping[int, Count]:
        """Return the record counts of these slots."""
        counts: dict[int, Count] = {}
        for slot in slots:
            deleted = [held.deleted for (number, _), held in self._state.items() if number == slot.number]
            counts[slot.number] = Count(deleted.count(False), deleted.count(True))
        return counts

    async def checkpoints(self, slot: Slot) -> Sequence[Checkpoint]:
        """Return all checkpoints of a slot."""
        return [checkpoint for key, checkpoint in self._checkpoints.items() if key[0] == slot.number]

    async def changed(self, heads: Vector, timeout: float) -> Vector:
        """Wait until the heads differ from `heads`."""
        try:
            async with asyncio.timeout(timeout):
                while await self.heads() == heads:
                    await self._moved.wait()
        except TimeoutError:
            pass
        return await self.heads()

    # --- writing ------------------------------------------------------------------------------------------

    async def commit(self, commit: Commit) -> Committed:
        """Write a commit: first all checks, then all writes, with nothing awaited in between (P3, P6)."""
        if commit.fence is not None and self.leases.get(commit.fence.lease) != commit.fence.epoch:
            raise LeaseLost(context={"lease": commit.fence.lease})
        self._check(commit.changes)
        partition = self._partitions[commit.partition]
        now_us = self._clock.now_us()
        if commit.changes:
            now_us = partition.last_us = max(partition.last_us, now_us)
        first = partition.head + 1 if commit.changes else 0
        for change in commit.changes:
            self._write(commit.partition, partition, change)
        for renewal in commit.renewals:
            held = self._state.get((renewal.slot, renewal.upstream_id))
            if held is not None and held.position == renewal.expects:  # else the next look decides again
                self._state[renewal.slot, renewal.upstream_id] = msgspec.structs.replace(
                    held, fingerprint=renewal.fingerprint
                )
        for one in commit.checkpoints:
            self._checkpoints.pop((one.slot, one.detector, one.scope), None)
            if one.value is not None:
                self._checkpoints[one.slot, one.detector, one.scope] = one
        for bad in commit.rejected:
            self.rejected[bad.slot, bad.id] = bad.reason
        self._moved.set()
        self._moved = asyncio.Event()
        return Committed(first, now_us)

    def _check(self, changes: Sequence[Change]) -> None:
        """Raise Conflict unless each change replaces the version that it expects."""
        chained: set[Key] = set()
        for change in changes:
            key = (change.slot, change.upstream_id)
            held = self._state.get(key)
            is_held = CHAINED if key in chained else None if held is None else held.position
            if change.expects != is_held:
                raise Conflict(context={"slot": str(change.slot)})
            chained.add(key)

    def _write(self, number: int, partition: Partition, change: Change) -> None:
        """Append one change to the log: a record and its event are one row (P6)."""
        key = (change.slot, change.upstream_id)
        before = self._state.get(key)
        partition.head += 1
        partition.rows[partition.head] = Entry(
            partition=number,
            position=partition.head,
            slot=change.slot,
            upstream_id=change.upstream_id,
            event=int(change.event),
            origin=int(change.origin),
            inserted_us=partition.last_us,
            created_us=change.created_us,
            updated_us=partition.last_us if change.updated_us is None else change.updated_us,
            mutation_id=change.mutation_id,
            data=change.data,
            previous_data=change.previous_data,
            replaces=None if before is None else before.position,
        )
        partition.latest.add(partition.head)
        if before is not None:
            partition.retire(before.position)
        self._state[key] = Held(
            position=partition.head,
            fingerprint=change.fingerprint,
            version=change.version,
            asked_us=change.asked_us,
            deleted=change.event is EventKind.DELETED,
        )
        self.rejected.pop(key, None)

    async def forget(self, slot: Slot, ids: Sequence[str]) -> int:
        """Take records out of the record stream quietly."""
        forgotten = [held for id in ids if (held := self._state.pop((slot.number, id), None)) is not None]
        for held in forgotten:
            self._partitions[slot.partition].retire(held.position)
        return len(forgotten)

    async def trim(self, before_us: int, limit: int) -> bool:
        """Take one small step of retention."""
        for partition in self._partitions:
            while partition.trimmed < partition.head:
                position = partition.trimmed + 1
                entry = partition.rows[position]
                if entry.inserted_us >= before_us:
                    break
                if limit == 0:
                    return True
                limit -= 1
                partition.trimmed = position
                if position in partition.latest:
                    partition.rows[position] = msgspec.structs.replace(entry, previous_data=None)
                else:
                    del partition.rows[position]
        return False

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""
