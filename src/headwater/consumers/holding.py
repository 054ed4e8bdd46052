"""What goes on of a stream and what is held back, so that every record's messages keep their order. Pure.

P5: a record with a message out has later ones held back behind it: of events every one, of records the newest
version only, since it stands for those before. Not here: the rows this is written down in (`outstanding`).
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from headwater.consumers.outstanding import Key, Outstanding
from headwater.model.position import Stream
from headwater.model.record import Entry

MOST_HELD = 1_000
"""Positions held back of one record at most. The scan stops before the next, until the record moves on."""


class Admitted(msgspec.Struct, frozen=True):
    """What becomes of entries that were read: the first `count` are dealt with, the others were not reached.

    `fresh` go on, in order. `held` are by record the positions that are held back, with those from before;
    `more` says how many more that are than before.
    """

    count: int
    fresh: list[Entry]
    held: dict[Key, tuple[int, ...]]
    more: int


def admit(
    stream: Stream,
    entries: Sequence[Entry],
    rows: Mapping[Key, Outstanding],
    *,
    one_of_each: bool,
    most: int | None = None,
) -> Admitted:
    """Say what becomes of the next entries of a stream, when these rows are outstanding of their records.

    `one_of_each`: of several entries of one record only the first goes on, and holds back the others.
    `most`: how many may go on; then it stops.
    """
    fresh: list[Entry] = []
    held: dict[Key, tuple[int, ...]] = {}
    more = 0
    out: dict[Key, tuple[int, ...]] = {key: row.held for key, row in rows.items()}
    for count, entry in enumerate(entries):
        key = (entry.slot, entry.upstream_id)
        behind = out.get(key)
        if behind is None:
            if most is not None and len(fresh) >= most:
                return Admitted(count, fresh, held, more)
            fresh.append(entry)
            if one_of_each:
                out[key] = ()
            continue
        if stream is Stream.EVENTS and len(behind) >= MOST_HELD:
            return Admitted(count, fresh, held, more)
        if stream is Stream.RECORDS:
            behind = ()
        more += 1 + len(behind) - len(out[key])
        out[key] = held[key] = (*behind, entry.position)
    return Admitted(len(entries), fresh, held, more)


def following(row: Outstanding, now_us: int) -> Outstanding | None:
    """Return what is outstanding of a record once its message is settled: the next one held, or nothing."""
    if not row.held:
        return None
    return Outstanding(
        slot=row.slot,
        upstream_id=row.upstream_id,
        partition=row.partition,
        position=row.held[0],
        due_us=now_us,
        held=row.held[1:],
    )


def followed(rows: Iterable[Outstanding], now_us: int) -> tuple[list[Outstanding], list[Key]]:
    """Return what stays of rows whose messages are settled, and the records of which nothing does."""
    stay: list[Outstanding] = []
    gone: list[Key] = []
    for row in rows:
        after = following(row, now_us)
        if after is None:
            gone.append(row.key)
        else:
            stay.append(after)
    return stay, gone
