"""Texts and JSON as PostgreSQL can hold them. Not here: rows.

`jsonb` holds neither `\\u0000` nor half of a surrogate pair, `text` no NUL. Each is replaced by U+FFFD, the
character that stands for what cannot be shown.
Source: postgresql.org/docs/15/datatype-json.html (read 2026-11-24).
"""

import re

_ESCAPE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a whole pair
    rb"|\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # what cannot be held
    rb"|(\\.)",  # any other escape, so that what follows a `\\` is not taken for one
    re.DOTALL,
)
_UNHELD = re.compile("[\0\ud800-\udfff]")


def held_json(raw: bytes) -> bytes:
    """Return a JSON text as jsonb can hold it; the same object where nothing had to be replaced."""
    if b"\\u" not in raw:
        return raw
    held = _ESCAPE.sub(lambda found: found[0] if found[1] or found[2] else rb"\ufffd", raw)
    return raw if held == raw else held


def held_text(text: str) -> bytes:
    """Return a text in UTF-8 as a column can hold it."""
    if text.isascii() and "\0" not in text:
        return text.encode()
    return _UNHELD.sub("\ufffd", text).encode()
