"""The writing transactions of the SQLite engine, as functions on its one writing connection. Not here:
threads, reads.

Rows go in many to a statement: one long step in SQLite, during which Python's other threads run, is about
twice as fast as a step for each row.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from headwater.errors import Conflict, LeaseLost
from headwater.model.lease import Fence
from headwater.model.record import CHAINED, Change, EventKind, Renewal, Slot
from headwater.streams.engine import Checkpoint, Commit, Committed, Rejected

_CHUNK = 400
"""Rows of one INSERT. 13 columns each keep it below SQLite's 32,766 parameters."""

_STATE = 7
_LOG = 13

Row = tuple[Any, ...]
T = TypeVar("T")


class Insert:
    """An INSERT of many rows at once: chunks of `_CHUNK`, the rest row by row. `tail` ends the statement."""

    def __init__(self, into: str, columns: int, tail: str = "") -> None:
        """Prepare the text once, so that the connection finds its prepared statement again."""
        row = f"({','.join('?' * columns)})"
        self._one = f"INSERT INTO {into} VALUES {row} {tail}"
        self._many = f"INSERT INTO {into} VALUES {','.join([row] * _CHUNK)} {tail}"

    def __call__(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
        """Insert and return how many rows were written."""
        before = connection.total_changes
        whole = len(rows) - len(rows) % _CHUNK
        for start in range(0, whole, _CHUNK):
            connection.execute(self._many, list(chain.from_iterable(rows[start : start + _CHUNK])))
        if whole < len(rows):
            connection.executemany(self._one, rows[whole:])
        return connection.total_changes - before


_INSERT_STATE = Insert(
    "state (slot, upstream_id, position, fingerprint, version, asked_us, deleted)",
    _STATE,
    "ON CONFLICT DO NOTHING",
)
_INSERT_LOG = Insert(
    "log (position, slot, upstream_id, event, origin, inserted_us, created_us, updated_us, mutation_id,"
    " replaces, latest, data, previous_data)",
    _LOG,
)


def commit_group(
    connection: sqlite3.Connection, commits: Sequence[Commit], now_us: int
) -> list[Committed | Exception]:
    """Write several commits in one transaction, each whole or not at all; return what became of each.

    A commit that fails its checks costs the others nothing but a second try, one by one.
    """
    try:
        return list(
            _in_transaction(connection, lambda: [_apply(connection, commit, now_us) for commit in commits])
        )
    except (Conflict, LeaseLost) as error:
        if len(commits) == 1:
            return [error]
    return [result for commit in commits for result in commit_group(connection, [commit], now_us)]


def _in_transaction(connection: sqlite3.Connection, work: Callable[[], T]) -> T:
    """Run `work` in a transaction of its own."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _apply(connection: sqlite3.Connection, commit: Commit, now_us: int) -> Committed:
    """Write one commit inside the running transaction."""
    if commit.fence is not None:
        _check_fence(connection, commit.fence)
    committed = Committed(0, now_us)
    if commit.changes:
        committed = _write_changes(connection, commit.changes, now_us)
    if commit.renewals:
        _renew(connection, commit.renewals)
    _write_checkpoints(connection, commit.checkpoints)  # P3: in the transaction of the records it covers
    _write_rejected(connection, commit.rejected, now_us)
    return committed


def _check_fence(connection: sqlite3.Connection, fence: Fence) -> None:
    """Raise LeaseLost when the lease has changed hands since the fence was made."""
    row = connection.execute("SELECT epoch FROM leases WHERE name = ?", (fence.lease,)).fetchone()
    if row is None or row[0] != fence.epoch:
        raise LeaseLost(context={"lease": fence.lease})


def _write_changes(connection: sqlite3.Connection, changes: Sequence[Change], now_us: int) -> Committed:
    """Append changes to the log and move the state: a record and its event appear together (P6)."""
    head, trimmed, last_us = connection.execute("SELECT head, trimmed, last_us FROM partitions").fetchone()
    inserted_us = max(last_us, now_us)
    placed = _place(changes, head)
    rows: list[Row] = []
    fresh: list[Row] = []
    moved: list[Row] = []
    retired: list[int] = []
    for position, (change, replaces, expects, latest) in enumerate(placed, head + 1):
        updated_us = inserted_us if change.updated_us is None else change.updated_us
        rows.append(
            (
                position,
                change.slot,
                change.upstream_id,
                int(change.event),  # half the time of `.value`, in a loop that holds the interpreter
                int(change.origin),
                inserted_us,
                change.created_us,
                updated_us,
                change.mutation_id,
                replaces,
                latest,
                change.data,
                change.previous_data,
            )
        )
        if not latest:
            continue
        deleted = change.event is EventKind.DELETED
        held = (position, change.fingerprint, change.version, change.asked_us, deleted)
        if expects is None:
            fresh.append((change.slot, change.upstream_id, *held))
        else:
            moved.append((*held, change.slot, change.upstream_id, expects))
            retired.append(expects)
    fresh.sort(key=itemgetter(1))  # neighbours in the tree are written together: by slot, then by id
    fresh.sort(key=itemgetter(0))
    if fresh and _INSERT_STATE(connection, fresh) != len(fresh):
        raise Conflict
    if moved:
        before = connection.total_changes
        connection.executemany(
            "UPDATE state SET position = ?, fingerprint = ?, version = ?, asked_us = ?, deleted = ?"
            " WHERE slot = ? AND upstream_id = ? AND position = ?",
            moved,
        )
        if connection.total_changes - before != len(moved):
            raise Conflict
        _retire(connection, retired, trimmed)
    _INSERT_LOG(connection, rows)
    connection.execute("UPDATE partitions SET head = ?, last_us = ?", (head + len(rows), inserted_us))
    _count(connection, changes)
    _clear_rejected(connection, changes)
    return Committed(head + 1, inserted_us)


def _place(changes: Sequence[Change], head: int) -> list[tuple[Change, int | None, int | None, bool]]:
    """Return each change with the position it replaces, the state it expects, and whether it is its record's
    last.

    Changes of one record in one commit form a chain: the first one's `expects` guards the state, the last is
    latest.
    """
    if not any(change.expects == CHAINED for change in changes):
        return [(change, change.expects, change.expects, True) for change in changes]
    placed: list[tuple[Change, int | None, int | None, bool]] = []
    last: dict[tuple[int, str], int] = {}
    for index, change in enumerate(changes):
        key = (change.slot, change.upstream_id)
        replaces, expects = change.expects, change.expects
        if change.expects == CHAINED:
            before = last[key]
            earlier, its_replaces, expects, _ = placed[before]
            placed[before] = (earlier, its_replaces, expects, False)
            replaces = head + 1 + before
        last[key] = index
        placed.append((change, replaces, expects, True))
    return placed


def _retire(connection: sqlite3.Connection, positions: Sequence[int], trimmed: int) -> None:
    """Take the flag from rows that are no record any more; those whose event has been trimmed go at once."""
    kept = [(position,) for position in positions if position > trimmed]
    gone = [(position,) for position in positions if position <= trimmed]
    if kept:
        connection.executemany("UPDATE log SET latest = 0 WHERE position = ?", kept)
    if gone:
        connection.executemany("DELETE FROM log WHERE position = ?", gone)


def _count(connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Keep the record counts of the slots."""
    counts: dict[int, list[int]] = {}
    for change in changes:
        records, deleted = 0, 0
        if change.event is EventKind.CREATED:
            records, deleted = 1, 0 if change.expects is None else -1
        elif change.event is EventKind.DELETED:
            records, deleted = -1, 1
        else:
            continue
        count = counts.setdefault(change.slot, [0, 0])
        count[0] += records
        count[1] += deleted
    connection.executemany(
        "UPDATE slots SET records = records + ?, deleted = deleted + ? WHERE slot = ?",
        [(records, deleted, slot) for slot, (records, deleted) in counts.items()],
    )


def _clear_rejected(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Forget that objects were unreadable once they have been read."""
    slots = {change.slot for change in changes}
    for slot in slots:
        bad = connection.execute("SELECT upstream_id FROM rejected WHERE slot = ?", (slot,)).fetchall()
        if not bad:
            continue
        readable = {change.upstream_id for change in changes if change.slot == slot}
        gone = [(slot, id) for (id,) in bad if id in readable]
        connection.executemany("DELETE FROM rejected WHERE slot = ? AND upstream_id = ?", gone)


def _renew(connection: sqlite3.Connection, renewals: Sequence[Renewal]) -> None:
    """Renew fingerprints. One that comes too late is left: the next look decides again."""
    connection.executemany(
        "UPDATE state SET fingerprint = ? WHERE slot = ? AND upstream_id = ? AND position = ?",
        [(r.fingerprint, r.slot, r.upstream_id, r.expects) for r in renewals],
    )


def _write_checkpoints(connection: sqlite3.Connection, checkpoints: Sequence[Checkpoint]) -> None:
    """Write checkpoints, or remove those without a value."""
    for c in checkpoints:
        if c.value is None:
            connection.execute(
                "DELETE FROM checkpoints WHERE slot = ? AND detector = ? AND scope = ?",
                (c.slot, c.detector, c.scope),
            )
        else:
            connection.execute(
                "INSERT INTO checkpoints (slot, detector, scope, value) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                (c.slot, c.detector, c.scope, c.value.decode()),
            )


def _write_rejected(connection: sqlite3.Connection, rejected: Sequence[Rejected], now_us: int) -> None:
    """Note objects that could not be read."""
    connection.executemany(
        "INSERT INTO rejected (slot, upstream_id, reason, rejected_us) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET reason = excluded.reason, rejected_us = excluded.rejected_us",
        [(r.slot, r.id, r.reason, now_us) for r in rejected],
    )


def forget(connection: sqlite3.Connection, slot: Slot, ids: Sequence[str]) -> int:
    """Take records out of the state and their flag from the log, without an event."""

    def work() -> int:
        (trimmed,) = connection.execute("SELECT trimmed FROM partitions").fetchone()
        positions: list[int] = []
        deleted = 0
        for id in ids:
            row = connection.execute(
                "DELETE FROM state WHERE slot = ? AND upstream_id = ? RETURNING position, deleted",
                (slot.number, id),
            ).fetchone()
            if row is not None:
                positions.append(row[0])
                deleted += row[1]
        _retire(connection, positions, trimmed)
        connection.execute(
            "UPDATE slots SET records = records - ?, deleted = deleted - ? WHERE slot = ?",
            (len(positions) - deleted, deleted, slot.number),
        )
        return len(positions)

    return _in_transaction(connection, work)


def trim(connection: sqlite3.Connection, before_us: int, limit: int) -> bool:
    """Let at most `limit` rows from before an instant leave the event stream; return whether there are
    more."""
    (trimmed,) = connection.execute("SELECT trimmed FROM partitions").fetchone()
    rows = connection.execute(
        "SELECT position, inserted_us FROM log WHERE position > ? ORDER BY position LIMIT ?", (trimmed, limit)
    ).fetchall()
    old = [position for position, inserted_us in rows if inserted_us < before_us]
    if not old:
        return False

    def work() -> bool:
        bounds = (trimmed, old[-1])
        connection.execute("DELETE FROM log WHERE position > ? AND position <= ? AND latest = 0", bounds)
        connection.execute(
            "UPDATE log SET previous_data = NULL"
            " WHERE position > ? AND position <= ? AND previous_data IS NOT NULL",
            bounds,
        )
        connection.execute("UPDATE partitions SET trimmed = ?", (old[-1],))
        return len(old) == limit

    return _in_transaction(connection, work)
