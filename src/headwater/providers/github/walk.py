"""Lists of GitHub, read to their end: page by page, from the last change on, or newest first until known.

A page that GitHub cannot make in time (502, 504) is asked for again in halves, at once. What a list is of,
and where it is, is in `kinds`.

Source: https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api (`per_page`, `page`,
`Link`), https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api (conditional
requests cost nothing when nothing has changed). Read 2026-11-24.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from headwater.errors import Halt, Retry
from headwater.kit.http import Answer, Http
from headwater.model.record import Observed
from headwater.providers import paging
from headwater.providers.fetch import ISO_S, SCOPED, Cut, Fields, Sighted, cutter, reader
from headwater.providers.provider import JSON, Page, Scope, Since

PER_PAGE = 100
_SMALLEST = 25
"""Pages are halved exactly, so that the next one begins where this one ends; below this it would not."""
_EMPTY = frozenset({409})
"""A repository without a commit has no commits to list."""
_HIDDEN = frozenset({451})
"""Taken down: it says nothing of what is in there."""
_ANSWERED, _NOT_MODIFIED = frozenset({200}) | _EMPTY | _HIDDEN, frozenset({304})
_NOT_FOUND = "provider.path_not_found"

Path = Callable[[Scope | None], str]


class Order(Enum):
    """In which order a list comes, and so how a reading of it is sure to miss nothing."""

    PLAIN = "plain"
    """The API's own: page after page, all of them."""
    UPDATED = "updated"
    """By ascending update time, and it can be asked for from a time on: every page is asked for anew from the
    last update time of the one before, since what changes meanwhile moves to the end and shifts pages."""
    NEWEST = "newest"
    """By descending update time: read until it is older than what is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list: where it is, what stands in it, in which order. `items` is the array's path in the body."""

    path: Path
    fields: Fields
    order: Order = Order.PLAIN
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    items: str = ""
    optional: bool = False
    """Many repositories refuse it (403): then what is below them is unknown, which stops nobody."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a reading stands; as JSON it is a page's `resume`."""

    page: int = 1
    size: int = PER_PAGE
    since_us: int | None = None
    """From where changes were asked for at first."""
    from_us: int | None = None
    """From where this page is asked for, in the order `UPDATED`."""
    known: list[str] = []
    """Ids at `from_us` that the page before had: they come again."""
    etag: str | None = None
    """Of the first page."""

    def halved(self) -> "Place":
        """Return the first half of this page. (Page 3 of 100 is the pages 5 and 6 of 50.)"""
        return msgspec.structs.replace(self, page=2 * self.page - 1, size=self.size // 2)


def placed(resume: JSON | None) -> Place | None:
    """Return the place that a page's `resume` names."""
    return None if resume is None else msgspec.convert(resume, Place)


async def whole(
    http: Http, scope: Scope | None, listing: Listing, resume: JSON | None
) -> AsyncIterator[Page]:
    """Read everything."""
    async for page in _read(http, scope, listing, placed(resume) or Place(), validators=None):
        yield page


async def changed(
    http: Http, scope: Scope | None, listing: Listing, since: Since, resume: JSON | None
) -> AsyncIterator[Page]:
    """Read what has changed since, as well as the list's order lets it be asked for."""
    place = placed(resume)
    validators = since.validators if place is None else None
    if place is None:
        place = Place(since_us=since.updated_us, from_us=since.updated_us)
    async for page in _read(http, scope, listing, place, validators=validators):
        yield page


async def _read(
    http: Http, scope: Scope | None, listing: Listing, place: Place, *, validators: Mapping[str, str] | None
) -> AsyncIterator[Page]:
    cut, read = cutter(listing.items), reader(listing.fields)
    prefix = f"{scope.id}{SCOPED}" if listing.fields.scoped and scope is not None else ""
    guard = paging.Guard(msgspec.json.encode(place).decode())
    conditions = {"If-None-Match": validators["ETag"]} if validators and "ETag" in validators else {}
    while True:
        answer, place = await asked(http, scope, listing, place, conditions)
        if answer.status == 304:
            yield Page(observed=(), asked_us=answer.asked_us, unchanged=True, validators=validators)
            return
        if answer.status in _EMPTY:
            yield Page(observed=(), asked_us=answer.asked_us)
            return
        page = cut(answer.body)
        sighted = read(page, prefix)
        etag = answer.headers.get("etag") if place.page == 1 and not place.known else place.etag
        following = _following(listing, place, answer, sighted)
        if following is not None:
            following = msgspec.structs.replace(following, etag=etag)
            guard.check(seen(answer, page), msgspec.json.encode(following).decode())
        vouched = listing.order is Order.NEWEST or (place.page == 1 and not place.known)
        yield Page(
            observed=_fresh(sighted, place),
            asked_us=answer.asked_us,
            resume=None if following is None else msgspec.to_builtins(following),
            rejected=sighted.rejected,
            validators={"ETag": etag} if following is None and etag and vouched else None,
        )
        if following is None:
            return
        place, conditions = following, {}


async def asked(
    http: Http,
    scope: Scope | None,
    listing: Listing,
    place: Place,
    conditions: Mapping[str, str],
    *,
    halves: bool = True,
) -> tuple[Answer, Place]:
    """Return the answer at a place, and the place that it answers: its first half, where it was too much.

    Raises: Retry, Halt (`provider.path_not_found`: what is above it is not there, or hides this).
    """
    query = {**listing.params, "per_page": str(place.size), "page": str(place.page)}
    if place.from_us is not None and listing.order is Order.UPDATED:
        query["since"] = ISO_S.write(max(place.from_us, 0))
    accept = _ANSWERED | _NOT_MODIFIED if conditions else _ANSWERED
    try:
        answer = await http.get(
            listing.path(scope), query=query, headers={**listing.headers, **conditions}, accept=accept
        )
    except Retry as error:
        if not halves or place.size // 2 < _SMALLEST or not _too_much(error):
            raise
        return await asked(http, scope, listing, place.halved(), conditions)
    except Halt as error:
        if listing.optional and error.error_code == "provider.forbidden":
            raise hidden(403) from error
        raise
    if answer.status in _HIDDEN:
        raise hidden(answer.status)
    return answer, place


def hidden(status: int) -> Halt:
    """Return the error that says: not there for us. Below a record it concerns only that one."""
    return Halt(
        f"GitHub does not show this ({status}).",
        code=_NOT_FOUND,
        fix="Give the credential the right to read it, or leave the collection out.",
        context={"status": str(status)},
    )


def _too_much(error: Retry) -> bool:
    """Say whether the page could not be made in time."""
    return error.error_code == "provider.timeout" or error.context.get("status") in ("502", "504")


def _following(listing: Listing, place: Place, answer: Answer, sighted: Sighted) -> Place | None:
    """Return where the next page is; None behind the last."""
    if "next" not in paging.links(answer.headers.get("link", "")):
        return None
    onward = msgspec.structs.replace(place, page=place.page + 1)
    times = [one.updated_us for one in sighted.observed if one.updated_us is not None]
    if not times or listing.order is Order.PLAIN:
        return onward
    if listing.order is Order.NEWEST:
        return None if place.since_us is not None and times[-1] < place.since_us else onward
    last = max(times)
    if last == place.from_us:  # a whole page of one second
        return onward
    ties = [one.id for one in sighted.observed if one.updated_us == last]
    return msgspec.structs.replace(place, page=1, from_us=last, known=ties)


def _fresh(sighted: Sighted, place: Place) -> list[Observed]:
    """Return the objects that the page before did not show just so."""
    if not place.known:
        return sighted.observed
    known = set(place.known)
    return [one for one in sighted.observed if one.updated_us != place.from_us or one.id not in known]


def seen(answer: Answer, page: Cut) -> paging.Seen:
    """Return what notices that a reading goes round in a circle."""
    items = page.items
    ends: tuple[Any, Any] = (items[0], items[-1]) if items else (b"", b"")
    return paging.Seen(
        url=answer.url, headers=answer.headers, count=len(items), first=bytes(ends[0]), last=bytes(ends[1])
    )
