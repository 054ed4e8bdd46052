"""Where the changes of a commit go: what each replaces, which are the records, how counts move. Pure.

Shared by the engines on databases. Not here: any SQL.
"""

from collections.abc import Iterable, Sequence

import msgspec

from headwater.model.record import CHAINED, Change, EventKind


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A change with its position.

    `replaces` is the position of the version before it. `expects` is the position that the state must have;
    only the last change of a record in a commit is `latest`, and only that one moves the state.
    """

    change: Change
    position: int
    replaces: int | None
    expects: int | None
    latest: bool = True


def place(changes: Sequence[Change], first: int) -> list[Placed]:
    """Give changes the positions from `first` on, in their order.

    Changes of one record in one commit form a chain: its first `expects` guards the state, its last is
    latest.
    """
    placed = [
        Placed(change, position, change.expects, change.expects)
        for position, change in enumerate(changes, first)
    ]
    if any(change.expects == CHAINED for change in changes):
        _chain(placed)
    return placed


def _chain(placed: list[Placed]) -> None:
    """Tie the changes of each record together."""
    last: dict[tuple[int, str], int] = {}
    for index, one in enumerate(placed):
        key = (one.change.slot, one.change.upstream_id)
        if one.change.expects == CHAINED:
            before = placed[last[key]]
            placed[last[key]] = msgspec.structs.replace(before, latest=False)
            placed[index] = msgspec.structs.replace(one, replaces=before.position, expects=before.expects)
        last[key] = index


def counted(changes: Iterable[Change]) -> dict[int, tuple[int, int]]:
    """Return by slot number how many more records there are now, and how many more deleted ones."""
    counts: dict[int, tuple[int, int]] = {}
    for change in changes:
        if change.event is EventKind.UPDATED:
            continue
        records, deleted = counts.get(change.slot, (0, 0))
        if change.event is EventKind.DELETED:
            counts[change.slot] = (records - 1, deleted + 1)
        else:  # created; one that replaces something was deleted before
            counts[change.slot] = (records + 1, deleted - (change.expects is not None))
    return counts
