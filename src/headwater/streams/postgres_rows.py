"""Rows of `log` and `state` as the bytes of PostgreSQL's binary COPY. No connection, no SQL but column lists.

Packed by hand: that is a few microseconds a row, several times less than a generic writer takes.
Source: https://www.postgresql.org/docs/15/sql-copy.html, Binary Format (read 2026-11-24).
"""

from collections.abc import Iterable
from struct import Struct

from headwater.model.record import EventKind
from headwater.streams.placing import Placed

LOG_COLUMNS = (
    "partition, position, slot, event, origin, inserted_us, updated_us, latest, created_us, replaces,"
    " upstream_id, mutation_id, data, previous_data"
)
STATE_COLUMNS = "partition, slot, position, asked_us, deleted, version, upstream_id, fingerprint"

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"

# Each field is its length in bytes and its value; a row begins with the number of its fields.
_LOG = Struct(">h ii iq ii ih ih iq iq i?").pack
_STATE = Struct(">h ii ii iq iq i?").pack
_LENGTH = Struct(">i").pack
_BIGINT = Struct(">iq").pack


def log_rows(partition: int, placed: Iterable[Placed], inserted_us: int) -> bytes:
    """Return the rows of the log for changes that were committed at `inserted_us`."""
    parts = [_SIGNATURE]
    for one in placed:
        change = one.change
        upstream_id = change.upstream_id.encode()
        parts += (
            _LOG(
                *(14, 4, partition, 8, one.position, 4, change.slot, 2, change.event, 2, change.origin),
                *(8, inserted_us, 8, inserted_us if change.updated_us is None else change.updated_us),
                *(1, one.latest),
            ),
            _NULL if change.created_us is None else _BIGINT(8, change.created_us),
            _NULL if one.replaces is None else _BIGINT(8, one.replaces),
            _LENGTH(len(upstream_id)),
            upstream_id,
        )
        if change.mutation_id is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH(len(change.mutation_id)), change.mutation_id.encode())
        parts += (_LENGTH(len(change.data)), change.data)
        if change.previous_data is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH(len(change.previous_data)), change.previous_data)
    parts.append(_END)
    return b"".join(parts)


def state_rows(partition: int, placed: Iterable[Placed]) -> bytes:
    """Return the rows of the state for records that are new."""
    parts = [_SIGNATURE]
    for one in placed:
        change = one.change
        upstream_id = change.upstream_id.encode()
        parts += (
            _STATE(
                *(8, 4, partition, 4, change.slot, 8, one.position, 8, change.asked_us),
                *(1, change.event is EventKind.DELETED),
            ),
            _NULL if change.version is None else _BIGINT(8, change.version),
            _LENGTH(len(upstream_id)),
            upstream_id,
            _LENGTH(len(change.fingerprint)),
            change.fingerprint,
        )
    parts.append(_END)
    return b"".join(parts)
