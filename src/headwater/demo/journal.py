"""The file in which the made-up CRM outlives its process: a line for each row shown, the last one counts."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from headwater.demo.tables import Row


class Journal:
    """Rows in a file. A line that a kill cut off is as if it had not been written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> list[Row]:
        """Return the last state of each object in the file; none where there is no file."""
        if not self._path.exists():
            return []
        found: dict[str, Row] = {}
        for line in self._path.read_bytes().splitlines():
            try:
                row = msgspec.json.decode(line, type=Row)
            except msgspec.DecodeError:
                continue
            found[row.id] = row
        return list(found.values())

    def append(self, rows: Iterable[Row]) -> None:
        """Add rows. They are with the operating system when this returns, so a kill loses none of them."""
        with self._path.open("ab") as file:
            file.write(lines(rows))

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Replace the file by these rows, whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(lines(rows))
        fresh.replace(self._path)


def lines(rows: Iterable[Row]) -> bytes:
    """Return rows as lines of JSON."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
