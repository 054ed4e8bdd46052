"""What handlers work with: a request that has come through, and the answers that they give. No objects."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from headwater.testing.fake_github.visitors import Visitor
from headwater.testing.fake_github.world import World

T = TypeVar("T")

DOCS = "https://docs.github.com/rest"
MOST = 100
"""Objects of a page at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request: who asks for what. `body` is its decoded JSON."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    visitor: Visitor
    body: Any = field(default_factory=dict[str, Any])


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    """Return JSON. Header names have `_` for `-`."""
    body = b"" if value is None else orjson.dumps(value)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if status == 200:
        named["etag"] = f'W/"{hashlib.sha256(body).hexdigest()}"'
    return Response(body, status, headers=named, media_type="application/json; charset=utf-8")


def refused(status: int, message: str, **headers: str) -> Response:
    """Return a refusal."""
    return answer({"message": message, "documentation_url": DOCS, "status": str(status)}, status, **headers)


def not_found() -> Response:
    """Return that there is no such thing, or not for whoever asks."""
    return refused(404, "Not Found")


def moved(world: World, path: str, query: Mapping[str, str]) -> Response:
    """Return that it is elsewhere by now."""
    url = f"{world.base}{path}" + (f"?{urlencode(query)}" if query else "")
    value = {"message": "Moved Permanently", "url": url, "documentation_url": DOCS}
    return answer(value, 301, location=url)


def page(world: World, ask: Ask, shown: Sequence[T], *, most: int | None = None) -> tuple[list[T], str]:
    """Return the part of a list that was asked for, and the `Link` header. `most` caps the whole list."""
    size = min(max(_whole(ask.query.get("per_page"), 30), 1), MOST)
    number = max(_whole(ask.query.get("page"), 1), 1)
    capped = shown if most is None else shown[:most]
    last = max(1, -(-len(capped) // size))
    links = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
    if number >= last:
        del links["next"], links["last"]
    if number == 1:
        del links["prev"], links["first"]
    url = f"{world.base}{ask.path}"
    told = [
        f'<{url}?{urlencode({**ask.query, "page": str(to)})}>; rel="{name}"' for name, to in links.items()
    ]
    return list(capped[(number - 1) * size : number * size]), ", ".join(told)


def listed(
    world: World,
    ask: Ask,
    found: Sequence[T],
    show: Callable[[T], Any],
    *,
    envelope: str = "",
    most: int | None = None,
) -> Response:
    """Return a page of a list; only what is on it is made ready to be shown."""
    switches = world.switches
    if switches.heavy_page and _whole(ask.query.get("per_page"), 30) > switches.heavy_page:
        return refused(502, "Server Error")
    some, link = page(world, ask, found, most=most)
    shown = [show(one) for one in some]
    value: Any = {"total_count": len(found), envelope: shown} if envelope else shown
    return answer(value, link=link) if link else answer(value)


def seconds(text: str) -> int:
    """Return the instant that a parameter names. Raises: ValueError."""
    return int(datetime.fromisoformat(text).timestamp())


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else otherwise
