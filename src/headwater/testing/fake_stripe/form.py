"""Forms as Stripe takes them, and the parameters of its lists: `items[0][price]=…`, `created[gte]=…`.

Source: https://docs.stripe.com/api (forms), https://docs.stripe.com/api/pagination. Read 2026-11-24.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast
from urllib.parse import parse_qsl

_PART = re.compile(r"\[([^\]]*)\]")


def decoded(text: str) -> dict[str, Any]:
    """Return a form as nested objects and lists of texts."""
    return nested(parse_qsl(text, keep_blank_values=True))


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return pairs whose names have brackets as nested objects and lists."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        first = name.partition("[")[0]
        steps: list[str] = [first, *_PART.findall(name)]
        node: dict[str, Any] = found
        for step, _ in pairwise(steps):
            inner: Any = node.setdefault(step, {})
            if not isinstance(inner, dict):
                raise ValueError(name)
            node = cast("dict[str, Any]", inner)
        last = steps[-1] or str(len(node))
        node[last] = value
    return cast("dict[str, Any]", _listed(found))


def _listed(value: Any) -> Any:
    """Return objects whose names are counted as lists."""
    if not isinstance(value, dict):
        return value
    members = {name: _listed(inner) for name, inner in cast("dict[str, Any]", value).items()}
    if members and all(name.isdecimal() for name in members):
        return [members[name] for name in sorted(members, key=int)]
    return members


def like(example: Any, value: Any) -> Any:
    """Return a text as the kind of value that an example is; an empty one takes the member's value away.

    Raises: ValueError where it is no such value.
    """
    if isinstance(value, str):
        if isinstance(example, bool):
            if value not in {"true", "false"}:
                raise ValueError(value)
            return value == "true"
        if isinstance(example, int):
            return int(value)
        if isinstance(example, float):
            return float(value)
        return value or None
    if isinstance(value, dict) and isinstance(example, dict):
        known, given = cast("dict[str, Any]", example), cast("dict[str, Any]", value)
        return {name: like(known.get(name), inner) for name, inner in given.items()}
    return cast("Any", value)
