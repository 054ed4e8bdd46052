"""Redaction: what must not be seen is taken out of whatever is about to be shown.

By name (`client_secret`, `Authorization`), by form (passwords and tokens in URLs, bearer tokens, values that
drivers quote in their errors), and by kind (bytes, and names that are said to hold content). It is the last
net, not the first: secrets belong into values that hide themselves.
"""

import re
from collections.abc import Mapping, Sequence, Set
from itertools import pairwise
from typing import Any, cast

MASK = "********"
LONGEST = 4_000
"""Characters of a text that are shown; tracebacks keep their end, where the error is."""

_DEPTH = 5
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET = frozenset(
    {"secret", "secrets", "password", "passwd", "passphrase", "authorization", "cookie", "cookies"}
    | {"token", "tokens", "signature", "apikey"}
)
_SECRET_PAIRS = frozenset({("api", "key"), ("private", "key"), ("access", "key"), ("secret", "key")})
_HARMLESS = frozenset(
    ("id", "ids", "at", "kind", "type", "name", "count", "url", "path", "expires", "length", "field")
)
"""A last word that says: not the thing itself. `token_type` is no token, `secret_count` no secret."""

_USERINFO = re.compile(r"(?<=://)[^/?#\s@\"']*@")
_QUERY = re.compile(r"([?&;]([A-Za-z0-9_.\-\[\]%]{1,64})=)[^&#\s\"'<>]*")
_SCHEME = re.compile(r"\b(bearer|basic|token)\s+[A-Za-z0-9._~+/=\-]{8,}", re.IGNORECASE)
_QUOTED = re.compile(r"(input_value=).*?(?=, input_type=|\]|$)|(?<=DETAIL:  )[^\n]*", re.MULTILINE)


def is_secret(name: str) -> bool:
    """Say whether a field, header or query parameter of this name holds a secret."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _HARMLESS:
        return False
    if words == ["key"]:
        return True
    return not _SECRET.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(pairwise(words))


def text(shown: str) -> str:
    """Return a text with what looks like a secret in it masked."""
    shown = _USERINFO.sub(f"{MASK}@", shown)
    shown = _QUERY.sub(lambda found: found[1] + MASK if is_secret(found[2]) else found[0], shown)
    shown = _SCHEME.sub(rf"\1 {MASK}", shown)
    shown = _QUOTED.sub(rf"\1{MASK}", shown)
    return shown if len(shown) <= LONGEST else f"…{shown[-LONGEST:]}"


def value(shown: object, *, content: Set[str] = frozenset(), depth: int = _DEPTH) -> Any:
    """Return a value that may be shown. `content` are names of fields whose values are never shown."""
    match shown:
        case None | bool() | int() | float():
            return shown
        case str():
            return text(shown)
        case bytes() | bytearray():
            return f"<{len(shown)} bytes>"
        case Mapping():
            if depth == 0:
                return "…"
            members = cast("Mapping[object, object]", shown)
            return {
                str(name): field(str(name), member, content, depth - 1) for name, member in members.items()
            }
        case Sequence() | Set():
            if depth == 0:
                return "…"
            items = cast("Sequence[object]", shown)
            return [value(item, content=content, depth=depth - 1) for item in items]
        case _:
            return text(str(shown))


def field(name: str, shown: object, content: Set[str] = frozenset(), depth: int = _DEPTH) -> Any:
    """Return what may be shown of a named value: as `value`, and nothing where the name tells of a secret."""
    if shown is None or isinstance(shown, bool):
        return shown
    if is_secret(name):
        return MASK
    if name in content and not isinstance(shown, int | float):
        return MASK
    return value(shown, content=content, depth=depth)
