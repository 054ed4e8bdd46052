"""Single objects of GitHub in the shape that their lists have.

A single read often shows more than the list does; what the list leaves out is left out, so that no object
seems to change by the way in which it was read.

Source: https://docs.github.com/rest/issues/issues#get-an-issue (301 for a transferred issue, 404 and 410 for
a deleted one), read 2026-11-24.
"""

from collections.abc import Callable

from headwater.errors import Reject
from headwater.kit import jsonbytes
from headwater.kit.http import Http
from headwater.model.record import Observed
from headwater.providers import paging
from headwater.providers.fetch import SCOPED, Cut, Fields, reader
from headwater.providers.github.walk import Listing, whole
from headwater.providers.provider import Page, ReadOne, Scope

MOVED, GONE = frozenset({301}), frozenset({404, 410})
"""Below a repository's id an object moves only out of it: a transferred issue is another issue elsewhere."""

OnePath = Callable[[Scope | None, str], str]
"""Returns the path of one object, by its own id."""


def single(path: OnePath, fields: Fields, *, drop: frozenset[str] = frozenset()) -> ReadOne:
    """Return what reads one object at a path of its own; members in `drop` are not in the list."""

    async def read(http: Http, scope: Scope | None, upstream_id: str) -> Page:
        own = own_id(upstream_id) if fields.scoped else upstream_id
        answer = await http.get(path(scope, own), accept=frozenset({200}) | MOVED | GONE)
        if answer.status != 200:
            return Page(observed=[gone(upstream_id)], asked_us=answer.asked_us)
        return one(answer.body, fields, upstream_id, answer.asked_us, drop=drop)

    return read


def from_list(listing: Listing) -> ReadOne:
    """Return what reads one object out of its list, for short lists without a path by id."""

    async def read(http: Http, scope: Scope | None, upstream_id: str) -> Page:
        asked_us = 0
        async for page in whole(http, scope, listing, None):
            asked_us = asked_us or page.asked_us
            found = [one for one in page.observed if one.id == upstream_id]
            if found:
                return Page(observed=found, asked_us=page.asked_us)
        return Page(observed=[gone(upstream_id)], asked_us=asked_us)

    return read


def one(
    raw: bytes,
    fields: Fields,
    upstream_id: str,
    asked_us: int,
    *,
    drop: frozenset[str],
    parent: str | None = None,
) -> Page:
    """Return an object as a page, without the members in `drop`. Raises: Retry where it is no object.

    `parent` is the id of its parent, where its own may hold a slash.
    """
    if drop:
        try:
            raw = jsonbytes.lasting(raw, drop)
        except (ValueError, RecursionError) as error:
            raise paging.broken("is no object") from error
    above = upstream_id.rpartition(SCOPED)[0] if parent is None else parent
    found = reader(fields)(Cut([raw], {}, doubtful=True), above + SCOPED if fields.scoped else "")
    if any(each.id != upstream_id for each in found.observed):
        reject = Reject(
            "Its address answers with an object of another id.",
            code="item.unreadable",
            context={"id": upstream_id},
        )
        return Page(observed=(), asked_us=asked_us, rejected=[reject])
    return Page(observed=found.observed, asked_us=asked_us, rejected=found.rejected)


def gone(upstream_id: str) -> Observed:
    """Return what is seen of an object that is not there."""
    return Observed(upstream_id, b"", b"", deleted=True)


def own_id(upstream_id: str) -> str:
    """Return the object's own id, without those of its parents."""
    return upstream_id.rpartition(SCOPED)[2]
