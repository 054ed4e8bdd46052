"""What becomes of messages whose turn it is: handed out (again), given up, or left to what has replaced them.

Not here: hand-outs (`pull`), nor managed consumers' targets (`deliver`).
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from headwater.consumers import outstanding
from headwater.consumers.burial import Dead
from headwater.consumers.holding import following
from headwater.consumers.outstanding import Key, Outstanding, Place
from headwater.consumers.source import Source
from headwater.model.consumer import UNLIMITED
from headwater.model.position import Stream
from headwater.model.record import Entry


class Turn(msgspec.Struct, frozen=True):
    """What becomes of rows that are due. `dead` ones are to be buried and then followed by what is behind."""

    out: list[tuple[Outstanding, Entry]]
    dead: list[Dead]
    stay: list[Outstanding]
    """Rows as they are from now on: of dead messages, the next ones of their records."""
    gone: list[Key]
    """Records of which nothing is outstanding any more."""


async def turn(source: Source, rows: Sequence[Outstanding], max_deliver: int, now_us: int) -> Turn:
    """Say what becomes of rows that are due."""
    done = Turn([], [], [], [])
    own = await source.own(row.slot for row in rows)
    ours = [row for row in rows if row.slot in own]
    done.gone.extend(row.key for row in rows if row.slot not in own)  # P12: it has become another tenant's
    found = await _entries(source, ours)
    lost: list[Outstanding] = []
    for row in ours:
        entry = found.get(row.place)
        if entry is None:
            lost.append(row)
        elif max_deliver != UNLIMITED and row.deliveries >= max_deliver:
            _bury(done, _exhausted(row, entry), now_us)
        else:
            done.out.append((row, entry))
    await _replace(source, lost, found, done, now_us)
    return done


async def _entries(source: Source, rows: Iterable[Outstanding]) -> dict[Place, Entry]:
    """Return what there is of these messages; of records also the newer version that is held behind."""
    wanted: dict[int, list[int]] = {}
    found: dict[Place, Entry] = {}
    for row in rows:
        if source.stream is Stream.RECORDS:
            wanted.setdefault(row.partition, []).extend((row.position, *row.held))
        elif row.payload is not None:
            found[row.place] = outstanding.unpacked(row.payload)
        else:
            wanted.setdefault(row.partition, []).append(row.position)
    return found | await _looked_up(source, wanted)


async def _replace(
    source: Source, lost: Sequence[Outstanding], found: Mapping[Place, Entry], done: Turn, now_us: int
) -> None:
    """Go on behind messages that the stream has no more."""
    if source.stream is Stream.RECORDS:
        for row in lost:
            after = following(row, now_us)
            # The old version is never handed out again. If none is behind, the newest is yet to be read.
            if after is None or after.place not in found:
                done.gone.append(row.key)
            else:
                done.out.append((after, found[after.place]))
        return
    wanted: dict[int, list[int]] = {}
    for row in lost:
        wanted.setdefault(row.partition, []).extend(row.held)
    left = await _looked_up(source, wanted)
    for row in lost:
        # P11: what retention took from under the consumer is told, each by its place.
        after: Outstanding | None = row
        while after is not None and after.place not in left:
            done.dead.append(_passed(after))
            after = following(after, now_us)
        if after is None:
            done.gone.append(row.key)
        else:
            done.out.append((after, left[after.place]))


async def _looked_up(source: Source, wanted: Mapping[int, Sequence[int]]) -> dict[Place, Entry]:
    found: dict[Place, Entry] = {}
    for partition, positions in wanted.items():
        if positions:
            entries = await source.again(partition, positions)
            found.update(((partition, position), entry) for position, entry in entries.items())
    return found


def _bury(done: Turn, dead: Dead, now_us: int) -> None:
    done.dead.append(dead)
    after = following(dead.row, now_us)
    if after is None:
        done.gone.append(dead.row.key)
    else:
        done.stay.append(after)


def _passed(row: Outstanding) -> Dead:
    return Dead(
        row=row,
        payload=b"",
        code="consumer.gap",
        error="The event passed out of retention before it was settled; its content is lost.",
    )


def _exhausted(row: Outstanding, entry: Entry) -> Dead:
    times = "once" if row.deliveries == 1 else f"{row.deliveries} times"
    return Dead(
        row=row,
        payload=outstanding.packed(entry),
        code="consumer.max_deliver",
        error=f"Was handed out {times} (max_deliver) and never acknowledged.",
    )
