"""Lists inside objects, completed: an invoice with all its lines, not with the first ten.

Source: https://docs.stripe.com/api/pagination and https://docs.stripe.com/expand ("nested lists"): a list
inside an object has at most 10 items, `has_more` and its own `url`. Read 2026-11-24.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from headwater.kit import jsonbytes
from headwater.kit.http import Answer, Http
from headwater.providers import paging

_CUT_OFF = re.compile(rb'"has_more"\s*:\s*true')
_PAGE = "100"
_MOST = 10_000
"""Pages of one nested list: more than any object has, and an end to a reading that goes round in a circle."""
_OK = frozenset({200})
_OK_OR_PLACE_LOST = frozenset({200, 400, 404})
"""How a cursor is refused whose object has been deleted since."""


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool


class _Id(msgspec.Struct):
    id: str


def is_cut_off(raw: bytes) -> bool:
    """Say whether an object holds a list that goes on elsewhere."""
    return _CUT_OFF.search(raw) is not None and any(True for _ in _cut_off(raw))


async def completed(http: Http, raw: bytes, bucket: str) -> bytes:
    """Return an object with its nested lists whole; the same bytes where they are.

    The first items are those that the object came with. Raises: Retry, Halt.
    """
    if _CUT_OFF.search(raw) is None:
        return raw
    whole = jsonbytes.members(raw)
    for name, inner in _cut_off(raw):
        url = msgspec.json.decode(inner["url"], type=str)
        if not url.startswith("/v1/"):
            raise paging.broken(f"names no address of this API for the rest of {name}")
        items = await _whole(http, url, msgspec.json.decode(inner["data"], type=list[msgspec.Raw]), bucket)
        inner |= {"data": b"[" + b",".join(bytes(item) for item in items) + b"]", "has_more": b"false"}
        whole[name] = _joined(inner)
    return _joined(whole)


def _cut_off(raw: bytes) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Return the lists of an object that go on elsewhere, by the member's name."""
    for name, value in jsonbytes.members(raw).items():
        if value[:1] == b"{" and _CUT_OFF.search(value) is not None:
            inner = jsonbytes.members(value)
            if inner.get("object") == b'"list"' and inner.get("has_more") == b"true" and "url" in inner:
                yield name, inner


async def _whole(http: Http, url: str, known: Sequence[msgspec.Raw], bucket: str) -> Sequence[msgspec.Raw]:
    """Return all items of a list of which the first are known."""
    items = list(known)
    for _ in range(_MOST):
        after = _last_id(items)
        answer = await http.get(
            url,
            query={"limit": _PAGE} | ({"starting_after": after} if after else {}),
            accept=_OK_OR_PLACE_LOST if after else _OK,
            bucket=bucket,
        )
        if answer.status != 200:
            items = []  # the last item is gone: from the start
            continue
        page = _page(answer)
        if page.data and after and _last_id(page.data) == after:
            raise paging.broken("has the same place again, where the rest should be")
        items += page.data
        if not page.has_more:
            return items
    raise paging.broken("has a nested list without an end")


def _page(answer: Answer) -> _List:
    try:
        return msgspec.json.decode(answer.body, type=_List)
    except ValueError as error:
        raise paging.broken("is no list") from error


def _last_id(items: Sequence[msgspec.Raw]) -> str | None:
    if not items:
        return None
    try:
        return msgspec.json.decode(items[-1], type=_Id).id
    except ValueError as error:
        raise paging.broken("has a nested item without an id") from error


def _joined(members: dict[str, bytes]) -> bytes:
    """Return an object of these members, each spelled as it is."""
    return msgspec.json.encode({name: msgspec.Raw(value) for name, value in members.items()})
