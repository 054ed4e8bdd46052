"""One collection of the fake API: its rows in order of id and of update time. Not here: what changes them."""

import time
from bisect import bisect_left, insort
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[int, str]
"""Update time in milliseconds, and id."""

_TRICKY = (
    '"big":123456789012345678901234567890,"price":1.10,"zero":-0.0,"tiny":1E-7',
    '"text":"a\\u0000b \\u00e9 \\/ \\ud83d\\ude00","price":0.1000000000000000055',
    '"name":"Zoë 😀 \\"quoted\\"","flags":[true,false,null],"nested":{"z":1,"a":{"deep":[]}}',
    '"count":9007199254740993,"empty":{},"list":[1,1.0,1e0],"":"no name"',
)
"""Members whose spelling a careless reader loses."""


class Row(msgspec.Struct, frozen=True):
    """One state of one object. `text` is its JSON without white space; of a deleted one, its tombstone's."""

    id: str
    number: int
    revision: int
    created_ms: int
    updated_ms: int
    deleted: bool
    text: str

    @property
    def key(self) -> Key:
        """Its place in the order of update times."""
        return self.updated_ms, self.id


def iso(instant_ms: int) -> str:
    """Return an instant as the API writes it."""
    return (
        (EPOCH + timedelta(milliseconds=instant_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def state(id: str, number: int, revision: int, created_ms: int, updated_ms: int, size: int) -> Row:
    """Return a live state of about `size` bytes; no two states of an object are alike."""
    dice = Random(number * 1_000_003 + revision)
    stage = dice.choice(("new", "open", "won", "lost"))
    amount = f"{dice.randrange(10**6)}.{dice.randrange(100):02}"
    head = (
        f'{{"id":"{id}","created_at":"{iso(created_ms)}","updated_at":"{iso(updated_ms)}","deleted":false,'
        f'"revision":{revision},"title":"object {number}","stage":"{stage}","amount":{amount},'
        f'{_TRICKY[number % len(_TRICKY)]},"notes":"'
    )
    notes = f"{dice.getrandbits(4 * max(size, 64)):x}"[: max(size - len(head) - 2, 0)]
    return Row(id, number, revision, created_ms, updated_ms, False, f'{head}{notes}"}}')


def tombstone(row: Row, updated_ms: int) -> Row:
    """Return the deleted state of a row."""
    text = f'{{"id":"{row.id}","deleted":true,"updated_at":"{iso(updated_ms)}"}}'
    return Row(row.id, row.number, row.revision, row.created_ms, updated_ms, True, text)


class Rows:
    """The rows of a collection as the API shows them now, and every state that each ever showed."""

    def __init__(self) -> None:
        self.revision = 0
        """Counted up by each change that became visible."""
        self.states: dict[str, list[str | None]] = {}
        """Of each id: the texts that it showed, in order; None for deleted."""
        self.shown_ms: dict[str, list[int]] = {}
        """When each of these states became visible, by our own clock."""
        self._rows: dict[str, Row] = {}
        self._ids: list[str] = []
        self._keys: list[Key] = []

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, id: str) -> Row | None:
        """Return a row, deleted or not."""
        return self._rows.get(id)

    def at(self, index: int) -> Row:
        """Return the row at a place in the order of ids."""
        return self._rows[self._ids[index]]

    def show(self, row: Row) -> None:
        """Make a state visible."""
        self.revision += 1
        before = self._rows.get(row.id)
        if before is None:
            insort(self._ids, row.id)
        else:
            del self._keys[bisect_left(self._keys, before.key)]
        self._rows[row.id] = row
        insort(self._keys, row.key)
        self.states.setdefault(row.id, []).append(None if row.deleted else row.text)
        self.shown_ms.setdefault(row.id, []).append(time.time_ns() // 1_000_000)

    def by_id(self, after: str) -> Iterator[Row]:
        """Return the rows that exist, by id."""
        for place in range(bisect_left(self._ids, after + "\0") if after else 0, len(self._ids)):
            row = self._rows[self._ids[place]]
            if not row.deleted:
                yield row

    def by_time(self, after: Key) -> Iterator[Row]:
        """Return all rows, deleted ones too, by update time and id, above a key."""
        for place in range(bisect_left(self._keys, (after[0], after[1] + "\0")), len(self._keys)):
            yield self._rows[self._keys[place][1]]

    def newest_first(self) -> Iterator[Row]:
        """Return all rows, deleted ones too, the last updated first."""
        for _, id in reversed(self._keys):
            yield self._rows[id]

    def truth(self) -> dict[str, str]:
        """Return the text of every object that exists."""
        return {id: row.text for id, row in self._rows.items() if not row.deleted}
