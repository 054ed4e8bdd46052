"""The protocol of a stream engine, and what it promises. Implementations: `memory` (reference), `sqlite`,
`postgres`.

One log and one state table. Every change is one row of the log; the row that holds a record's latest version
*is* the record. The record stream is the latest rows in order; the event stream is all rows above the trim
line. Both are read partition by partition, and positions within a partition are gapless and commit in order,
so a reader that goes on after its last position misses nothing (P11).
"""

from collections.abc import Mapping, Sequence, Set
from typing import Protocol

import msgspec

from headwater.model.lease import Fence
from headwater.model.position import Stream, Vector
from headwater.model.record import Change, Entry, Held, Renewal, Slot


class Checkpoint(msgspec.Struct, frozen=True):
    """How far one detector of one collection has come. `value` is JSON; None removes it.

    `scope` is the upstream id of the parent record where a collection is read per parent, else empty.
    """

    slot: int
    detector: str
    value: bytes | None
    scope: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """An object that could not be read as its collection says. `id` is its upstream id where one could be
    read.

    `reason` is a sentence for a person without the object's content (P8).
    """

    slot: int
    id: str
    reason: str


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one page of observations changes, in one partition."""

    partition: int
    changes: Sequence[Change] = ()
    renewals: Sequence[Renewal] = ()
    checkpoints: Sequence[Checkpoint] = ()
    rejected: Sequence[Rejected] = ()
    fence: Fence | None = None


class Committed(msgspec.Struct, frozen=True):
    """Where a commit's changes went: positions `first`, `first + 1`, … in the order of `Commit.changes`."""

    first: int
    inserted_us: int


class Read(msgspec.Struct, frozen=True):
    """What a read found, where the reader now stands, and whether there was more at the time."""

    entries: list[Entry]
    position: Vector
    has_more: bool


class Count(msgspec.Struct, frozen=True):
    """How many records of a slot are held: those that exist upstream, and those that were deleted there."""

    records: int
    deleted: int


class StreamEngine(Protocol):
    """The record stream and the event stream of one installation.

    All calls may be made at once from many tasks, and for `postgres` from many processes. Driver errors
    surface as `Retry` (busy, connection lost) or `Halt` (disk full, schema missing, permission).
    """

    @property
    def partitions(self) -> int:
        """The number of partitions, fixed when the database was made."""
        ...

    async def held(self, slot: Slot, ids: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of these records; ids that were never seen are left out. Takes no lock."""
        ...

    async def data(self, slot: Slot, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Return the data of these versions by position. A version that has been replaced meanwhile may be
        missing."""
        ...

    async def keys(self, slot: Slot, after: str, limit: int) -> Sequence[tuple[str, Held]]:
        """Return up to `limit` records of a slot with an upstream id above `after`, by id in code-point
        order."""
        ...

    async def commit(self, commit: Commit) -> Committed:
        """Write changes, checkpoints and the rest of `commit` in one transaction, or nothing of it (P3, P6).

        Changes get the next positions of the partition in their order and one time, which is never before the
        partition's last one. With neither changes nor renewals it takes no partition lock.
        Raises: Conflict when a record no longer has the version that a change expects; LeaseLost when the
        fence's epoch has passed. Either way nothing was written.
        """
        ...

    async def read(
        self,
        stream: Stream,
        after: Vector,
        *,
        slots: Set[int] | None = None,
        limit: int = 100,
        scan: int = 20_000,
    ) -> Read:
        """Return the next entries after a position, by partition and then in order; only of `slots` if given.

        Looks at most at about `scan` rows, so a page may be empty with `has_more`. Deleted records are in
        the record stream. Positions never skip an entry that is committed later (P11). Raises: Gone for
        events when `after` lies below the trim line of a partition.
        """
        ...

    async def at(self, stream: Stream, partition: int, positions: Sequence[int]) -> Mapping[int, Entry]:
        """Return entries of a stream by position; those that are not in it (any more) are left out."""
        ...

    async def heads(self) -> Vector:
        """Return the last position of each partition."""
        ...

    async def trimmed(self) -> Vector:
        """Return the trim line: per partition the highest position whose event may have left the event
        stream."""
        ...

    async def position_at(self, instant_us: int) -> Vector:
        """Return the vector of the last entries that were committed before an instant."""
        ...

    async def record(self, slot: Slot, upstream_id: str) -> Entry | None:
        """Return the record's latest version, deleted or not; None if it was never seen."""
        ...

    async def history(self, slot: Slot, upstream_id: str, limit: int) -> Sequence[Entry]:
        """Return the record's events that are still in the log, newest first."""
        ...

    async def count(self, slots: Sequence[Slot]) -> Mapping[int, Count]:
        """Return the record counts of these slots by slot number, without counting rows."""
        ...

    async def checkpoints(self, slot: Slot) -> Sequence[Checkpoint]:
        """Return all checkpoints of a slot."""
        ...

    async def forget(self, slot: Slot, ids: Sequence[str]) -> int:
        """Take records out of the record stream quietly, without an event: they are held no more. Return how
        many.

        Their events stay until they are trimmed.
        """
        ...

    async def trim(self, before_us: int, limit: int) -> bool:
        """Take one small step of retention: at most `limit` rows from before an instant leave the event
        stream.

        Rows of records stay (without `previous_data`). Return whether there is more to do. Never blocks
        commits for longer than the step.
        """
        ...

    async def changed(self, heads: Vector, timeout: float) -> Vector:
        """Wait until the heads differ from `heads`, at most `timeout` seconds, and return them."""
        ...

    async def close(self) -> None:
        """Finish running calls and close. Calling it twice is fine."""
        ...
