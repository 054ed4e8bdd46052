"""A page cut into raw objects, and the values of its envelope that paging needs. Decodes nothing else.

The fast way is the JSON decoder's own. It gives up on a whole page for one thing that it does not take (a
lone surrogate, text that is not UTF-8); then `kit.jsonbytes` cuts, so that one bad object never costs its
neighbours.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from headwater.kit import jsonbytes
from headwater.providers import paging
from headwater.providers.fetch.structs import struct_of


class Cut(msgspec.Struct, frozen=True):
    """A page: its objects as they came, the envelope's values by path, and whether each object must be looked
    at closely.

    `doubtful`: some object may hold what only the careful reader sees (text that is not UTF-8, `\\u0000` in
    an id).
    """

    items: Sequence[msgspec.Raw | bytes]
    values: Mapping[str, Any]
    doubtful: bool


Cutter = Callable[[bytes], Cut]
"""Raises: Retry (`provider.broken_answer`) for half a page, for what is no JSON, and where there are no
items.
"""


@lru_cache(maxsize=1024)
def cutter(items: str, paths: tuple[str, ...] = (), *, null_is_empty: bool = False) -> Cutter:
    """Return what cuts pages whose objects are at the path `items` (empty: the body is their array).

    Raises: ValueError when the paths contradict each other.
    """
    fast = _fast_bare() if not items else _fast_enveloped(items, paths, null_is_empty=null_is_empty)
    if not items and paths:
        raise ValueError(f"the items are the whole body, so there is nothing at {paths[0]}")

    def cut(body: bytes) -> Cut:
        doubtful = b"\\u0000" in body
        try:
            if not body.isascii():
                body.decode("utf-8")  # the decoder does not look into what it skips
            found, values = fast(body)
        except _REFUSED:
            return _slow(body, items, paths)
        if found is None:
            raise paging.broken(f"has null instead of a list at {items or 'its top'}")
        return Cut(found, values, doubtful)

    return cut


_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_Fast = Callable[[bytes], tuple[list[msgspec.Raw] | None, Mapping[str, Any]]]


def _fast_bare() -> _Fast:
    decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
    return lambda body: (decode(body), {})


def _fast_enveloped(items: str, paths: tuple[str, ...], *, null_is_empty: bool) -> _Fast:
    struct, attributes = struct_of(
        {items: list[msgspec.Raw] | None, **dict.fromkeys(paths, Any)}, required=items
    )
    decode = msgspec.json.Decoder(struct).decode
    pick = attrgetter(attributes[items])
    envelope = [(path, attrgetter(attributes[path])) for path in paths]

    def fast(body: bytes) -> tuple[list[msgspec.Raw] | None, Mapping[str, Any]]:
        page = decode(body)
        found: list[msgspec.Raw] | None = pick(page)
        if found is None and null_is_empty:
            found = []
        return found, {path: get(page) for path, get in envelope}

    return fast


def _slow(body: bytes, items: str, paths: tuple[str, ...]) -> Cut:
    try:
        found = jsonbytes.cut(body, paging.steps(items))
        values = {path: jsonbytes.get(body, paging.steps(path)) for path in paths}
    except (ValueError, RecursionError) as error:
        raise paging.broken(f"is broken, or has no list at {items or 'its top'}") from error
    return Cut(found, values, doubtful=True)
