"""The rows of the made-up CRM in the orders that its lists have. No HTTP, no clock, no dice."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Fields = Mapping[str, Any]
Key = tuple[int, str]
"""Where a row stands in a list: its update time in milliseconds (0 in lists in order of ids), then its id."""


def iso(ms: int) -> str:
    """Return milliseconds since 1970 UTC as ISO 8601 with milliseconds and `Z`."""
    instant = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One state of one object. `fields` are what the API shows; empty once it is deleted."""

    kind: str
    id: str
    updated_ms: int
    fields: Fields
    deleted: bool = False


class Table:
    """The objects of one kind, in order of their update time, or of their id where they show none."""

    def __init__(self, *, timed: bool) -> None:
        self._timed = timed
        self._rows: dict[str, Row] = {}
        self._order: list[Key] = []
        self._deleted: list[Key] = []
        self.revision = 0

    def __len__(self) -> int:
        """Count the objects that exist."""
        return len(self._rows) - len(self._deleted)

    def key(self, row: Row) -> Key:
        """Return where a row stands in the list."""
        return (row.updated_ms if self._timed else 0, row.id)

    def put(self, row: Row) -> None:
        """Show a row: from now on the lists have this state of the object."""
        self.revision += 1
        before = self._rows.get(row.id)
        if before is not None:
            del self._order[bisect_left(self._order, self.key(before))]
        self._rows[row.id] = row
        insort(self._order, self.key(row))
        if row.deleted and not (before and before.deleted):
            insort(self._deleted, (row.updated_ms, row.id))

    def get(self, row_id: str) -> Row | None:
        """Return an object's state, deleted or not; None if there never was one."""
        return self._rows.get(row_id)

    def live(self) -> Iterator[Row]:
        """Give the objects that exist, in the order of the list."""
        return (row for _, row_id in self._order if not (row := self._rows[row_id]).deleted)

    def everything(self) -> Iterator[Row]:
        """Give all states, those of deleted objects too."""
        return iter(self._rows.values())

    def at(self, place: float) -> Row:
        """Return the row at a place between 0 (the first of the list) and 1 (behind the last)."""
        return self._rows[self._order[int(place * len(self._order))][1]]

    def after(self, key: Key | None, *, since_ms: int | None = None, gone: bool = False) -> Iterator[Row]:
        """Give the rows behind a key, from `since_ms` (inclusive) on; deleted ones too where `gone`."""
        yield from self._walk(self._order, key, since_ms, gone=gone, live=True)

    def removed_after(self, key: Key | None, *, since_ms: int | None = None) -> Iterator[Row]:
        """Give the deleted rows behind a key, oldest delete first."""
        yield from self._walk(self._deleted, key, since_ms, gone=True, live=False)

    def _walk(
        self, order: list[Key], key: Key | None, since_ms: int | None, *, gone: bool, live: bool
    ) -> Iterator[Row]:
        start = bisect_right(order, key) if key is not None else 0
        if since_ms is not None:
            start = max(start, bisect_left(order, (since_ms, "")))
        for place in range(start, len(order)):
            row = self._rows[order[place][1]]
            if gone if row.deleted else live:
                yield row
