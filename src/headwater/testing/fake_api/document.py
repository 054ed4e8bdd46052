"""The `rest` document of the fake API: how Headwater is told of it."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How a collection is read. See `lists` for the ways there are.

    `since`: it is asked for what has changed, else it is listed whole each time. `single`: its objects can be
    read one by one. Durations are texts, as the document has them; None leaves the product's default.
    """

    paging: Literal["cursor", "link", "offset"] = "cursor"
    deletes: Literal["tombstones", "list", "none"] = "tombstones"
    since: bool = True
    single: bool = True
    page: int = 100
    sweep_every: str | None = None
    overlap: str | None = None
    shortest: str | None = None
    longest: str | None = None


def document(
    base_url: str,
    styles: Mapping[str, Style] | None = None,
    *,
    name: str = "fake",
    oauth: bool = False,
    requests_per_second: int | None = None,
    in_order: bool = True,
) -> dict[str, Any]:
    """Return the document of a fake API at `base_url`; its collections by name, as the world has them.

    `in_order` False where lists are shuffled. `requests_per_second` None leaves the default budget.
    """
    styles = styles or {"contact": Style()}
    auth = (
        {"kind": "oauth2_client_credentials", "token_url": f"{base_url}/oauth/token"}
        if oauth
        else {"kind": "bearer"}
    )
    found: dict[str, Any] = {
        "version": 1,
        "name": name,
        "title": "Fake API",
        "base_url": base_url,
        "auth": auth,
        "check": {"path": "/v1/me", "account": "account"},
        "defaults": {
            "items": "items",
            "id": "id",
            "created_at": "created_at",
            "updated_at": "updated_at",
            "times": "iso_ms",
        },
        "collections": {
            collection: _collection(collection, style, in_order) for collection, style in styles.items()
        },
    }
    if requests_per_second is not None:
        found["rate_limit"] = {"requests": requests_per_second, "seconds": 1, "concurrent": 4}
    return found


def _collection(name: str, style: Style, in_order: bool) -> dict[str, Any]:
    path = f"/v1/{style.paging}/{name}"
    poll = {"shortest": style.shortest, "longest": style.longest}
    chosen = {
        "poll": {name: wait for name, wait in poll.items() if wait is not None} or None,
        "sweep_every": style.sweep_every,
        "overlap": style.overlap,
    }
    found: dict[str, Any] = {"path": path, "paging": _paging(style)}
    found |= {name: value for name, value in chosen.items() if value is not None}
    order = "ascending" if in_order and style.paging != "offset" else "unknown"
    if style.single:
        found["one"] = {"path": f"{path}/{{id}}"}
    if style.since:
        found["since"] = {"send": "updated_since", "order": order}
    if style.deletes == "tombstones":
        found["deleted"] = {"field": "deleted", "equals": True}
        found["params"] = {"tombstones": "true"}
    if style.deletes == "list":
        since = {"send": "since", "order": order}
        deleted = {"path": f"{path}/deleted", "items": "items", "deleted_at": "deleted_at", "since": since}
        if style.paging == "offset":  # the list of deletes has cursors whatever the objects have
            deleted["paging"] = _paging(Style(page=style.page))
        found["deleted"] = {"list": deleted}
    if not style.since:
        found["conditional"] = "collection"
    return found


def _paging(style: Style) -> dict[str, Any]:
    size = {"send": "limit", "count": style.page}
    if style.paging == "cursor":
        return {"kind": "cursor", "take": "next_cursor", "send": "cursor", "size": size}
    if style.paging == "link":
        return {"kind": "link_header", "size": size}
    return {"kind": "offset", "send": "offset", "more": "has_more", "size": size}
