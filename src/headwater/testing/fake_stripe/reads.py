"""What the fake Stripe answers to reads: lists and single objects, with `expand`. No limits and no faults.

Source: https://docs.stripe.com/api/pagination, https://docs.stripe.com/expand (depth of four, not inside
events), https://docs.stripe.com/api/events/list. Read 2026-11-24.
"""

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, cast

import orjson

from headwater.testing.fake_stripe.books import Books, Object, Row, Shelf
from headwater.testing.fake_stripe.problems import Problem, missing
from headwater.testing.fake_stripe.resources import EXAMPLES, Nested, Resource

_LIMIT, _MOST = 10, 100
_DEPTH = 4
_TYPES = 20
_PAGING = frozenset({"limit", "starting_after", "ending_before", "expand"})

Params = dict[str, Any]
Passes = Callable[[Row], bool]


def listed(books: Books, resource: Resource, params: Params, parent: str | None) -> Object:
    """Answer a list."""
    passes = _filter(books, resource, params, parent)
    path = resource.path.replace("{parent}", parent or "")
    return _page(books, books.shelves[resource.object], params, path, passes, resource.object)


def single(books: Books, resource: Resource, id: str, params: Params, parent: str | None) -> Object:
    """Answer a read of one object. Raises: Problem."""
    row = books.shelves[resource.object].rows.get(id)
    if row is None:
        if resource.ghost and id in books.ghosts[resource.object]:
            return {"id": id, "object": resource.object, "deleted": True}
        raise missing(resource.object, id)
    found: Object = orjson.loads(row.shown)
    if parent is not None and resource.owner is not None and found.get(resource.owner) != parent:
        raise missing(resource.object, id)
    return expanded(books, found, _expand(params), 0)


def nested(books: Books, resource: Resource, part: Nested, owner_id: str, params: Params) -> Object:
    """Answer the list that stands inside an object."""
    owner = books.get(resource.object, owner_id)
    if owner is None:
        raise missing(resource.object, owner_id)
    shelf = Shelf()
    items: Sequence[Object] = owner[part.member]["data"]
    for number, item in enumerate(items):  # in the order in which the owner shows them
        raw = orjson.dumps(item)
        shelf.put(Row(item["id"], (0, len(items) - number), raw, raw))
    path = part.path.replace("{id}", owner_id)
    return _page(books, shelf, params, path, lambda _: True, part.object)


def events(books: Books, params: Params) -> Object:
    """Answer the list of events. Raises: Problem."""
    if any(path.startswith("data.data.") for path in _expand(params)):
        raise Problem(400, "This property cannot be expanded (data).", param="expand")
    types: list[str] | None = params.get("types") or ([params["type"]] if "type" in params else None)
    if types is not None and len(types) > _TYPES:
        raise Problem(400, "At most 20 types.", param="types")
    delivered = params.get("delivery_success")

    def passes(row: Row) -> bool:
        told = books.told[row.id]
        if delivered is not None and (not told.pending and not told.failed) is not (delivered == "true"):
            return False
        return types is None or any(fnmatchcase(orjson.loads(row.shown)["type"], type) for type in types)

    books.reveal()
    return _page(books, books.events, params, "/v1/events", _created(params, passes), "event")


def event(books: Books, id: str) -> Object:
    """Answer a read of one event."""
    books.reveal()
    row = books.events.rows.get(id)
    if row is None:
        raise missing("event", id)
    return told_of(books, row)


def told_of(books: Books, row: Row) -> Object:
    """Return an event with the number of deliveries that are pending."""
    return {**orjson.loads(row.shown), "pending_webhooks": books.told[row.id].pending}


def expanded(books: Books, object: Object, paths: Sequence[str], depth: int) -> Object:
    """Return an object with other objects written out where their ids stand. Raises: Problem."""
    for path in paths:
        first, _, rest = path.partition(".")
        if depth >= _DEPTH:
            raise Problem(400, "You cannot expand more than 4 levels of a property.", param="expand")
        value = object.get(first)
        if first not in object:
            raise Problem(400, f"This property cannot be expanded ({first}).", param="expand[0]")
        if isinstance(value, str):
            found = next((row for shelf in books.shelves.values() if (row := shelf.rows.get(value))), None)
            if found is None:
                continue
            value = orjson.loads(found.shown)
        if isinstance(value, dict):
            inner = cast("Object", value)
            object = {**object, first: expanded(books, inner, [rest], depth + 1) if rest else inner}
        elif isinstance(value, list) and rest:
            items = cast("list[Object]", value)
            object = {**object, first: [expanded(books, item, [rest], depth) for item in items]}
    return object


def _filter(books: Books, resource: Resource, params: Params, parent: str | None) -> Passes:
    """Return what lets an object into a list. Raises: Problem."""
    known = {*_PAGING, "created"} if resource.created else _PAGING
    wanted = {name: value for name, value in params.items() if name not in known}
    if resource.needs is not None:
        parent = wanted.pop(resource.needs, None)
        if parent is None:
            raise Problem(400, f"Missing required param: {resource.needs}.", param=resource.needs)
    if resource.parent is not None and parent not in books.shelves[resource.parent].rows:
        raise missing(resource.parent, str(parent))
    status = wanted.pop("status", None) if resource.object == "subscription" else None
    for name in wanted:
        if name not in EXAMPLES[resource.object]:
            raise Problem(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)

    def passes(row: Row) -> bool:
        if resource.owner is None and not wanted and resource.object != "subscription":
            return True
        found = orjson.loads(row.shown)
        if resource.owner is not None and found.get(resource.owner) != parent:
            return False
        if resource.object == "subscription" and not _as_wanted(found["status"], status):
            return False
        return all(_same(found.get(name), value) for name, value in wanted.items())

    return _created(params, passes)


def _as_wanted(status: str, wanted: str | None) -> bool:
    """Say whether a subscription is listed: cancelled ones only where they are asked for."""
    return wanted == "all" or (status == wanted if wanted else status != "canceled")


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == wanted
    return str(value) == wanted


def _created(params: Params, passes: Passes) -> Passes:
    """Add the filter by `created`, whose window is cut out by places before this is asked."""
    if "created" not in params or isinstance(params["created"], dict):
        return passes
    second = str(params["created"])
    return lambda row: str(row.key[0]) == second and passes(row)


def _window(shelf: Shelf, params: Params) -> tuple[int, int]:
    """Return the places between which a list lies. Raises: Problem."""
    start, end = 0, len(shelf)
    wanted = params.get("created")
    if not isinstance(wanted, dict):
        return start, end
    for name, value in cast("dict[str, str]", wanted).items():
        if not str(value).isdecimal() or name not in {"gt", "gte", "lt", "lte"}:
            raise Problem(400, "Invalid integer: created.", param=f"created[{name}]")
        place = shelf.first_since(int(value) + (name in {"gt", "lte"}))
        if name in {"gt", "gte"}:
            start = max(start, place)
        else:
            end = min(end, place)
    return start, end


def _page(books: Books, shelf: Shelf, params: Params, url: str, passes: Passes, kind: str) -> Object:
    """Return one page of a shelf, newest first. Raises: Problem."""
    limit = _limit(params)
    start, end = _window(shelf, params)
    before = params.get("ending_before")
    if before is not None:
        place = shelf.place(str(before))
        if place is None:
            raise missing(kind, str(before), "ending_before")
        rows = list(islice(_upwards(shelf, max(start, place + 1), end, passes), limit + 1))
        shown, has_more = rows[:limit][::-1], len(rows) > limit
    else:
        after = params.get("starting_after")
        if after is not None:
            place = shelf.place(str(after))
            if place is None:
                raise missing(kind, str(after), "starting_after")
            end = min(end, place)
        rows = list(islice(_downwards(shelf, start, end, passes), limit + 1))
        shown, has_more = rows[:limit], len(rows) > limit
    data = [told_of(books, row) if kind == "event" else orjson.loads(row.shown) for row in shown]
    answer: Object = {"object": "list", "data": data, "has_more": has_more, "url": url}
    return expanded(books, answer, _expand(params), 0)


def _downwards(shelf: Shelf, start: int, end: int, passes: Passes) -> Iterator[Row]:
    for place, row in zip(range(end - 1, start - 1, -1), shelf.below(end), strict=False):
        if place >= start and passes(row):
            yield row


def _upwards(shelf: Shelf, start: int, end: int, passes: Passes) -> Iterator[Row]:
    for _, row in zip(range(start, end), shelf.above(start), strict=False):
        if passes(row):
            yield row


def _limit(params: Params) -> int:
    text = str(params.get("limit", _LIMIT))
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise Problem(400, "Invalid limit: must be between 1 and 100.", param="limit")
    return int(text)


def _expand(params: Params) -> list[str]:
    wanted: Any = params.get("expand", [])
    return [str(path) for path in cast("list[Any]", wanted)] if isinstance(wanted, list) else [str(wanted)]


def truth(books: Books) -> Object:
    """Return everything: every object whole, by class and id."""
    return {
        object: {row.id: orjson.loads(row.whole) for row in shelf.rows.values()}
        for object, shelf in books.shelves.items()
        if len(shelf)
    }
