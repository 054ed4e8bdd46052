"""The writing transactions of the PostgreSQL engine, as functions on a connection that is not in autocommit.

The caller commits, or rolls back on an exception. Rows go in by binary COPY; statements that need no answer
of one another travel together. Not here: connections, reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from psycopg import AsyncCursor
from psycopg.errors import LockNotAvailable

from headwater.errors import Conflict, LeaseLost, Reject
from headwater.model.record import Change, EventKind, Renewal, Slot
from headwater.streams.engine import Checkpoint, Commit, Committed, Fence, Rejected
from headwater.streams.placing import Placed, counted, place
from headwater.streams.postgres_pools import Connection
from headwater.streams.postgres_rows import LOG_COLUMNS, STATE_COLUMNS, log_rows, state_rows

Cursor = AsyncCursor[Any]

TRIM_WAITS = "1s"
"""How long a step of retention waits for a partition that writers keep busy."""

_COPY_LOG = f"COPY log ({LOG_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_STATE = f"COPY state ({STATE_COLUMNS}) FROM STDIN (FORMAT BINARY)"

_LOCK = """
UPDATE partitions SET head = head + %s, last_us = greatest(last_us, %s) WHERE partition = %s
RETURNING head, last_us, trimmed"""
_LOCK_ONLY = "SELECT trimmed FROM partitions WHERE partition = %s FOR UPDATE"

# `OFFSET 0` keeps the lookup of each key a lookup: without it, and without statistics, the planner may walk
# the whole slot instead. What is found by its place (`ctid`) cannot have moved: the partition is locked.
_MOVE_STATE = """
UPDATE state SET position = n.position, fingerprint = n.fingerprint, version = n.version,
    asked_us = n.asked_us, deleted = n.deleted
FROM unnest(
    %s::int[], %s::text[], %s::bigint[], %s::bigint[], %s::bytea[], %s::bigint[], %s::bigint[], %s::bool[]
) AS n (slot, upstream_id, expects, position, fingerprint, version, asked_us, deleted), LATERAL (
    SELECT ctid AS place FROM state WHERE partition = %s AND slot = n.slot AND upstream_id = n.upstream_id
        AND position = n.expects OFFSET 0
) AS found
WHERE state.ctid = found.place"""

_RENEW_STATE = """
UPDATE state SET fingerprint = n.fingerprint
FROM unnest(%s::int[], %s::text[], %s::bigint[], %s::bytea[]) AS n (slot, upstream_id, expects, fingerprint),
LATERAL (
    SELECT ctid AS place FROM state WHERE partition = %s AND slot = n.slot AND upstream_id = n.upstream_id
        AND position = n.expects OFFSET 0
) AS found
WHERE state.ctid = found.place"""

_FORGET_STATE = """
DELETE FROM state USING unnest(%s::text[]) AS n (upstream_id), LATERAL (
    SELECT ctid AS place FROM state WHERE partition = %s AND slot = %s AND upstream_id = n.upstream_id
        OFFSET 0
) AS found
WHERE state.ctid = found.place
RETURNING state.position, state.deleted"""

_FOUND = """unnest(%s::bigint[]) AS n (position), LATERAL (
    SELECT ctid AS place FROM log WHERE partition = %s AND position = n.position OFFSET 0
) AS found
WHERE log.ctid = found.place"""
_UNFLAG = f"UPDATE log SET latest = false FROM {_FOUND}"  # noqa: S608 - made of constants
_DROP = f"DELETE FROM log USING {_FOUND}"  # noqa: S608 - made of constants
_COUNT = "UPDATE slots SET records = records + %s, deleted = deleted + %s WHERE slot = %s"

_WITH_REJECTED = """
SELECT slot FROM unnest(%s::int[]) AS n (slot)
WHERE EXISTS (SELECT FROM rejected WHERE rejected.slot = n.slot)"""
_CLEAR_REJECTED = "DELETE FROM rejected WHERE slot = %s AND upstream_id = ANY(%s::text[])"
_PUT_REJECTED = """
INSERT INTO rejected (slot, upstream_id, reason, rejected_us)
SELECT n.slot, n.upstream_id, n.reason, %s
FROM unnest(%s::int[], %s::text[], %s::text[]) AS n (slot, upstream_id, reason)
ON CONFLICT (slot, upstream_id) DO UPDATE SET reason = excluded.reason, rejected_us = excluded.rejected_us"""

_OLD = """
SELECT count(*), max(position) FROM (
    SELECT position, inserted_us FROM log WHERE partition = %s AND position > %s ORDER BY position LIMIT %s
) AS next WHERE inserted_us < %s"""
_TRIM_EVENTS = "DELETE FROM log WHERE partition = %s AND position > %s AND position <= %s AND NOT latest"
_TRIM_RECORDS = """
UPDATE log SET previous_data = NULL
WHERE partition = %s AND position > %s AND position <= %s AND previous_data IS NOT NULL"""

_PUT_CHECKPOINT = """
INSERT INTO checkpoints (slot, detector, scope, value) VALUES (%s, %s, %s, %s)
ON CONFLICT (slot, detector, scope) DO UPDATE SET value = excluded.value"""
_DROP_CHECKPOINT = "DELETE FROM checkpoints WHERE slot = %s AND detector = %s AND scope = %s"


async def commit(connection: Connection, commit: Commit, now_us: int) -> Committed:
    """Write one commit inside the running transaction.

    Raises: Conflict, LeaseLost, Reject; the caller rolls back.
    """
    check_ids(commit.changes)
    async with connection.pipeline():
        fence = await _hold_lease(connection, commit.fence) if commit.fence is not None else None
        lock = await _lock(connection, commit, now_us) if commit.changes or commit.renewals else None
        unreadable = await _with_rejected(connection, commit.changes) if commit.changes else None
    if commit.fence is not None and fence is not None and fence.rowcount != 1:
        raise LeaseLost(context={"lease": commit.fence.lease})
    first, inserted_us, trimmed = 0, now_us, 0
    if commit.changes and lock is not None:
        head, inserted_us, trimmed = await _row(lock)
        first = head - len(commit.changes) + 1
    placed = place(commit.changes, first)
    fresh = [one for one in placed if one.latest and one.expects is None]
    moved = [one for one in placed if one.latest and one.expects is not None]
    if placed:  # P6: the row of the log is the event and the record
        await _copy(connection, _COPY_LOG, log_rows(commit.partition, placed, inserted_us))
    if fresh:
        await _copy(connection, _COPY_STATE, state_rows(commit.partition, fresh))
    slots_to_clear = (
        {slot for (slot,) in await unreadable.fetchall()} if unreadable is not None else set[int]()
    )
    async with connection.pipeline():
        move = await _move(connection, commit.partition, moved) if moved else None
        await _retire(connection, commit.partition, [one.expects for one in moved], trimmed)
        await _count(connection, counted(commit.changes))
        if commit.renewals:
            await _renew(connection, commit.partition, commit.renewals)
        await _clear_rejected(connection, commit.changes, slots_to_clear)
        await _put_checkpoints(connection, commit.checkpoints)  # P3: in the transaction of the records
        await _put_rejected(connection, commit.rejected, now_us)
    if move is not None and move.rowcount != len(moved):  # P2: somebody else's news came first
        raise Conflict
    return Committed(first, inserted_us)


async def forget(connection: Connection, slot: Slot, ids: Sequence[str]) -> int:
    """Take records out of the state and their flag from the log, without an event."""
    lock = await connection.execute(_LOCK_ONLY, (slot.partition,), binary=True)
    (trimmed,) = await _row(lock)
    gone = await connection.execute(_FORGET_STATE, (list(ids), slot.partition, slot.number), binary=True)
    rows = await gone.fetchall()
    deleted = sum(one for _, one in rows)
    await _retire(connection, slot.partition, [position for position, _ in rows], trimmed)
    await _count(connection, {slot.number: (deleted - len(rows), -deleted)})
    return len(rows)


async def trim(connection: Connection, partition: int, before_us: int, limit: int) -> bool | None:
    """Let at most `limit` rows of a partition leave the event stream; return whether there are more.

    None when writers keep the partition for too long.
    """
    await connection.execute("SELECT set_config('lock_timeout', %s, true)", (TRIM_WAITS,))
    try:
        lock = await connection.execute(_LOCK_ONLY, (partition,), binary=True)
    except LockNotAvailable:
        return None
    (trimmed,) = await _row(lock)
    old = await connection.execute(_OLD, (partition, trimmed, limit, before_us), binary=True)
    count, end = await _row(old)
    if count == 0:
        return False
    bounds = (partition, trimmed, end)
    async with connection.pipeline():
        await connection.execute(_TRIM_EVENTS, bounds)
        await connection.execute(_TRIM_RECORDS, bounds)
        await connection.execute("UPDATE partitions SET trimmed = %s WHERE partition = %s", (end, partition))
    return count == limit


def check_ids(changes: Sequence[Change]) -> None:
    """Raise Reject for an upstream id that PostgreSQL cannot hold: with NUL or a lone surrogate."""
    together = "\n".join(change.upstream_id for change in changes)
    if printable(together) == together:
        return
    bad = next(id for change in changes if printable(id := change.upstream_id) != id)
    raise Reject(
        "The upstream id contains a character that PostgreSQL cannot store: NUL or a lone surrogate.",
        fix="Exclude the object at its API, or keep this account in an installation on SQLite.",
        context={"id": printable(bad)},
    )


def storable(ids: Iterable[str]) -> list[str]:
    """Return each id once that PostgreSQL can hold; of the others nothing can be held."""
    return [id for id in dict.fromkeys(ids) if printable(id) == id]


def printable(text: str) -> str:
    """Return text as PostgreSQL can hold it: U+FFFD for NUL, ? for a lone surrogate."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


# --- pieces of a commit -------------------------------------------------------------------------------------


async def _row(cursor: Cursor) -> Any:
    """Return the one row of an answer."""
    row = await cursor.fetchone()
    if row is None:
        raise ValueError("the partition is missing")
    return row


async def _hold_lease(connection: Connection, fence: Fence) -> Cursor:
    """Keep the lease from changing hands before the transaction ends; no row if it has done so already."""
    return await connection.execute(
        "SELECT FROM leases WHERE name = %s AND epoch = %s FOR SHARE", (fence.lease, fence.epoch)
    )


async def _lock(connection: Connection, commit: Commit, now_us: int) -> Cursor:
    """Lock the partition and take its next positions and its time, which never goes back."""
    arguments = (len(commit.changes), now_us if commit.changes else 0, commit.partition)
    return await connection.execute(_LOCK, arguments, binary=True)


async def _copy(connection: Connection, statement: LiteralString, rows: bytes) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(rows)


async def _move(connection: Connection, partition: int, moved: Sequence[Placed]) -> Cursor:
    """Move the state of records from the version that each change expects."""
    changes = [one.change for one in moved]
    return await connection.execute(
        _MOVE_STATE,
        (
            [change.slot for change in changes],
            [change.upstream_id for change in changes],
            [one.expects for one in moved],
            [one.position for one in moved],
            [change.fingerprint for change in changes],
            [change.version for change in changes],
            [change.asked_us for change in changes],
            [change.event is EventKind.DELETED for change in changes],
            partition,
        ),
    )


async def _renew(connection: Connection, partition: int, renewals: Sequence[Renewal]) -> None:
    """Renew fingerprints. One that comes too late is left: the next look decides again."""
    await connection.execute(
        _RENEW_STATE,
        (
            [renewal.slot for renewal in renewals],
            [renewal.upstream_id for renewal in renewals],
            [renewal.expects for renewal in renewals],
            [renewal.fingerprint for renewal in renewals],
            partition,
        ),
    )


async def _retire(
    connection: Connection, partition: int, positions: Iterable[int | None], trimmed: int
) -> None:
    """Take the flag from rows that are no record any more; those whose event has been trimmed go at once."""
    kept: list[int] = []
    gone: list[int] = []
    for position in positions:
        if position is not None:
            (kept if position > trimmed else gone).append(position)
    if kept:
        await connection.execute(_UNFLAG, (kept, partition))
    if gone:
        await connection.execute(_DROP, (gone, partition))


async def _count(connection: Connection, counts: Mapping[int, tuple[int, int]]) -> None:
    for slot, (records, deleted) in sorted(counts.items()):
        await connection.execute(_COUNT, (records, deleted, slot))


async def _with_rejected(connection: Connection, changes: Sequence[Change]) -> Cursor:
    """Find the slots that have rejected objects at all; few do."""
    slots = list({change.slot for change in changes})
    return await connection.execute(_WITH_REJECTED, (slots,), binary=True)


async def _clear_rejected(connection: Connection, changes: Sequence[Change], slots: Iterable[int]) -> None:
    """Forget that objects were unreadable once they have been read."""
    for slot in slots:
        readable = [change.upstream_id for change in changes if change.slot == slot]
        await connection.execute(_CLEAR_REJECTED, (slot, readable))


async def _put_checkpoints(connection: Connection, checkpoints: Iterable[Checkpoint]) -> None:
    """Write checkpoints, or remove those without a value."""
    for one in checkpoints:
        key = (one.slot, one.detector, one.scope)
        if one.value is None:
            await connection.execute(_DROP_CHECKPOINT, key)
        else:
            await connection.execute(_PUT_CHECKPOINT, (*key, one.value.decode()))


async def _put_rejected(connection: Connection, rejected: Iterable[Rejected], now_us: int) -> None:
    """Note objects that could not be read; ids and reasons as far as PostgreSQL can hold them."""
    reasons = {(one.slot, printable(one.id)): printable(one.reason) for one in rejected}
    if reasons:
        slots, ids = zip(*sorted(reasons), strict=True)
        ordered = [reasons[key] for key in sorted(reasons)]
        await connection.execute(_PUT_REJECTED, (now_us, list(slots), list(ids), ordered))
