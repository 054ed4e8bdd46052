"""What is written down of a batch once a target has answered for it. Pure: no I/O, no clock.

Stored messages leave nothing behind; refused ones go to the dead letters; those held up stay outstanding, and
with them whatever comes of their records (P5). Not here: what was not reached (`holding`), the rows
(`outstanding`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from headwater.consumers.burial import Dead
from headwater.consumers.holding import following
from headwater.consumers.outstanding import Key, Outstanding, packed
from headwater.model.consumer import UNLIMITED
from headwater.model.position import Stream
from headwater.model.record import Entry
from headwater.targets.target import Item, Refusal, Written


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How a consumer treats what a target does not store.

    `wait` says how long a message waits after so many deliveries. Of events older than `keep_us` a copy is
    kept, since retention might come for them.
    """

    stream: Stream
    max_deliver: int
    keep_us: int
    wait: Callable[[int], timedelta]


class Aside(msgspec.Struct, frozen=True):
    """What stands aside of a batch: messages to bury, rows to write, records of which nothing is out."""

    dead: list[Dead]
    put: list[Outstanding]
    gone: list[Key]


def key_of(entry: Entry) -> Key:
    """Return the record of an entry."""
    return entry.slot, entry.upstream_id


def of_fresh(items: Sequence[Item], written: Written, patience: Patience, now_us: int) -> Aside:
    """Return what stands aside of messages that came from the stream, of whose records nothing was out."""
    dead = [
        _dead(_row(items[one.index].entry), items[one.index].entry, one)
        for one in written.rejected
        if one.index < len(items)
    ]
    rows: dict[Key, Outstanding] = {}
    aside = Aside(dead, [], [])
    for one in sorted(written.held, key=lambda one: one.index):
        entry = items[one.index].entry
        known = rows.get(key_of(entry))
        if known is None:
            rows[key_of(entry)] = _waiting(_row(entry), entry, one, patience, now_us)
        else:  # P5: behind the one that is held already
            more = (entry.position,) if patience.stream is Stream.RECORDS else (*known.held, entry.position)
            rows[key_of(entry)] = replace(known, held=more)
    refusals = {key_of(items[one.index].entry): one for one in reversed(written.held)}
    entries = {(item.entry.partition, item.entry.position): item.entry for item in items}
    for key, row in rows.items():
        _keep_or_bury(aside, row, entries[row.place], refusals[key], patience, now_us)
    aside.gone.clear()  # nothing of these was written down before
    return aside


def of_due(
    rows: Sequence[tuple[Outstanding, Item]], written: Written, patience: Patience, now_us: int
) -> Aside:
    """Return what becomes of outstanding messages that were delivered again, each of another record.

    Only those that the target has dealt with: the others stay as they are.
    """
    aside = Aside([], [], [])
    rejected = {one.index: one for one in written.rejected}
    held = {one.index: one for one in written.held}
    for index, (row, item) in enumerate(rows):
        if index in rejected:
            tried = replace(row, deliveries=row.deliveries + 1)
            aside.dead.append(_dead(tried, item.entry, rejected[index]))
            _follow(aside, row, now_us)
        elif index in held:
            again = _waiting(row, item.entry, held[index], patience, now_us)
            _keep_or_bury(aside, again, item.entry, held[index], patience, now_us)
        elif index < written.count:
            _follow(aside, row, now_us)
    return aside


def known_before(entry: Entry, rows: Mapping[Key, Outstanding]) -> bool:
    """Say whether an entry was written down as outstanding before: it is read once more after a crash."""
    row = rows.get(key_of(entry))
    return row is not None and entry.position <= max((row.position, *row.held[-1:]))


def _row(entry: Entry) -> Outstanding:
    return Outstanding(
        slot=entry.slot,
        upstream_id=entry.upstream_id,
        partition=entry.partition,
        position=entry.position,
    )


def _waiting(
    row: Outstanding, entry: Entry, refusal: Refusal, patience: Patience, now_us: int
) -> Outstanding:
    """Return a row that has been delivered once more and waits."""
    deliveries = row.deliveries + 1
    wait = refusal.after or patience.wait(deliveries)
    old = patience.stream is Stream.EVENTS and entry.inserted_us < now_us - patience.keep_us
    return replace(
        row,
        deliveries=deliveries,
        due_us=now_us + wait // timedelta(microseconds=1),
        error=refusal.reason,
        payload=row.payload or (packed(entry) if old else None),
    )


def _keep_or_bury(
    aside: Aside, row: Outstanding, entry: Entry, refusal: Refusal, patience: Patience, now_us: int
) -> None:
    """Let a row wait, or give its message up after `max_deliver`."""
    if patience.max_deliver == UNLIMITED or row.deliveries < patience.max_deliver:
        aside.put.append(row)
        return
    aside.dead.append(_dead(row, entry, refusal))
    _follow(aside, row, now_us)


def _follow(aside: Aside, row: Outstanding, now_us: int) -> None:
    after = following(row, now_us)
    if after is None:
        aside.gone.append(row.key)
    else:
        aside.put.append(after)


def _dead(row: Outstanding, entry: Entry, refusal: Refusal) -> Dead:
    return Dead(
        row=replace(row, deliveries=max(row.deliveries, 1)),
        code=refusal.code,
        error=refusal.reason,
        payload=packed(entry),
    )
