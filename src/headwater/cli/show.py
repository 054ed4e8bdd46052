"""What commands print: tables and colours on a terminal, lines with tabs elsewhere, JSON where asked for.

Whatever is printed is taken literally: other people's data holds brackets, colons, escape sequences and code
points that no encoding writes.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headwater.cli.failures import Failure

STYLES = {
    "ok": "green",
    "live": "green",
    "active": "green",
    "created": "green",
    "warn": "yellow",
    "backfilling": "yellow",
    "pending": "yellow",
    "updated": "yellow",
    "error": "red",
    "failed": "red",
    "deleted": "red",
    "paused": "blue",
}
"""Colours of words that say how something is doing."""
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which would move a terminal's cursor or worse, and lone surrogates."""


def out() -> Console:
    """Return the console of results. Made anew each time, so that it follows a redirected stdout."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False)


def err() -> Console:
    """Return the console of notes and errors, which are not results."""
    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def document(value: Any) -> None:
    """Print one JSON document."""
    print(_json(value, indent=2))


def line(value: Any) -> None:
    """Print one line of JSON, at once: somebody may be reading along."""
    print(_json(value, separators=(",", ":")), flush=True)


def _json(value: Any, **form: Any) -> str:
    """Return JSON that people can read where stdout takes it; else with every odd character as its escape."""
    text = json.dumps(value, ensure_ascii=False, **form)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, **form)
    return text


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows: a table on a terminal, lines with tabs and without a head elsewhere."""
    console = out()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(plain(cell) for cell in row))
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(styled(cell) for cell in row))
    console.print(drawn)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print what is known of one thing, a line for each fact; facts without a value are left out."""
    known = [(name, value) for name, value in pairs if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in known), default=0)
    console = out()
    for name, value in known:
        if console.is_terminal:
            console.print(Text(name.ljust(width + 2), style="dim"), styled(value), sep="")
        else:
            print(f"{name}\t{plain(value)}")


def say(sentence: str) -> None:
    """Print a sentence about what was done."""
    print(literal(sentence))


def note(sentence: str) -> None:
    """Print a sentence beside the results."""
    err().print(literal(sentence), style="dim")


def failure(failed: Failure) -> None:
    """Print why a command cannot go on, and what to do about it."""
    console = err()
    console.print(Text.assemble(("Error:", "bold red"), " ", literal(failed.detail)))
    for field, detail in failed.errors:
        console.print(Text.assemble("  ", (literal(field), "bold"), ": ", literal(detail)))
    if failed.fix:
        console.print(Text.assemble(("Fix:", "bold"), " ", literal(failed.fix)))


def literal(text: str, but: str = "\n") -> str:
    r"""Return a text with every character that cannot be shown as its escape, such as `\x1b` or `\ud800`."""
    return _UNPRINTABLE.sub(
        lambda found: found[0] if found[0] in but else ascii(found[0])[1:-1],
        text,
    )


def plain(value: Any) -> str:
    """Return a value as the text of a cell, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(one) for one in value)  # pyright: ignore[reportUnknownVariableType]  JSON
    if isinstance(value, Mapping):
        return literal(json.dumps(value, ensure_ascii=False))
    return literal(" ".join(str(value).split()))


def styled(value: Any) -> Text:
    """Return a value as a cell on a terminal."""
    text = plain(value)
    return Text(text, style=STYLES.get(text, ""))


def ago(instant: str | None, now: datetime | None = None) -> str:
    """Return how long ago an ISO time was, as people say it: `12 s ago`."""
    if not instant:
        return "never"
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(instant)).total_seconds()
    return f"{lasting(seconds)} ago" if seconds >= 1 else "now"


def lasting(seconds: float | None) -> str:
    """Return a duration as people say it, in its largest unit: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def count(number: int | None) -> str:
    """Return a number with its thousands apart."""
    return "" if number is None else f"{number:,}"


def number_of(count: int, noun: str) -> str:
    """Return how many of something there are: `1 sync`, `2 syncs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def on_terminal() -> bool:
    """Say whether a person is looking at the results."""
    return out().is_terminal
