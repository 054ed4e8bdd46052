"""Lists that grow at one end and cannot be asked for changes: stars, and runs of workflows.

Source: https://docs.github.com/rest/activity/starring#list-stargazers (`application/vnd.github.star+json`
for the time of a star; oldest first), https://docs.github.com/rest/actions/workflow-runs (`created`; newest
first; at most 1,000 results of a filtered list), https://docs.github.com/actions/reference/limits (a job runs
for at most 6 hours on GitHub's own runners). Read 2026-11-24.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec

from headwater.kit.http import Answer, Http
from headwater.providers import paging
from headwater.providers.fetch import ISO_S, SCOPED, cutter, reader
from headwater.providers.github.walk import PER_PAGE, Listing, Place, asked, seen, whole
from headwater.providers.provider import JSON, Page, ReadSince, Scope, Since

_LASTS_US = timedelta(hours=6) // timedelta(microseconds=1)
"""Runs that began so long before the last look are read again: they may have ended since."""
_RESULTS = 1_000
"""A filtered list gives no more than this."""


def newest_at_the_end(listing: Listing) -> ReadSince:
    """Return what reads a list that is oldest first from its last page back to what is known."""

    async def read(http: Http, scope: Scope | None, since: Since, resume: JSON | None) -> AsyncIterator[Page]:
        if resume is not None:
            place = msgspec.convert(resume, Place)
            answer, _ = await asked(http, scope, listing, place, {}, halves=False)
        else:
            place = Place(since_us=since.updated_us)
            answer, _ = await asked(http, scope, listing, place, {}, halves=False)
            if (last := _last(answer)) > 1:
                place = Place(since_us=since.updated_us, page=last)
                answer, _ = await asked(http, scope, listing, place, {}, halves=False)
        while True:
            sighted = reader(listing.fields)(cutter(listing.items)(answer.body), _prefix(scope))
            times = [one.updated_us for one in sighted.observed if one.updated_us is not None]
            known = place.since_us is not None and bool(times) and min(times) < place.since_us
            end = known or place.page <= 1
            place = Place(since_us=place.since_us, page=place.page - 1)
            yield Page(
                observed=sighted.observed,
                asked_us=answer.asked_us,
                resume=None if end else msgspec.to_builtins(place),
                rejected=sighted.rejected,
            )
            if end:
                return
            answer, _ = await asked(http, scope, listing, place, {}, halves=False)

    return read


class _Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a reading of runs stands: a page of those that began between two instants."""

    since_us: int
    until_us: int | None = None
    page: int = 1

    @property
    def created(self) -> str:
        """The filter."""
        first = ISO_S.write(max(self.since_us - _LASTS_US, 0))
        return f">={first}" if self.until_us is None else f"{first}..{ISO_S.write(self.until_us)}"


def begun_lately(listing: Listing) -> ReadSince:
    """Return what reads the runs that began since, and those before that may have ended since."""

    async def read(http: Http, scope: Scope | None, since: Since, resume: JSON | None) -> AsyncIterator[Page]:
        if since.updated_us is None:
            async for page in whole(http, scope, listing, resume):
                yield page
            return
        window = _Window(since_us=since.updated_us) if resume is None else msgspec.convert(resume, _Window)
        guard = paging.Guard(str(window))
        while True:
            filtered = replace(listing, params={**listing.params, "created": window.created})
            answer, _ = await asked(http, scope, filtered, Place(page=window.page), {}, halves=False)
            cut = cutter(listing.items)(answer.body)
            sighted = reader(listing.fields)(cut, _prefix(scope))
            begun = [one.created_us for one in sighted.observed if one.created_us is not None]
            following = _onward(window, answer, min(begun, default=None))
            if following is not None:
                guard.check(seen(answer, cut), str(following))
            yield Page(
                observed=sighted.observed,
                asked_us=answer.asked_us,
                resume=None if following is None else msgspec.to_builtins(following),
                rejected=sighted.rejected,
            )
            if following is None:
                return
            window = following

    return read


def _onward(window: _Window, answer: Answer, oldest_us: int | None) -> _Window | None:
    """Return the next page or, behind the last that a filtered list gives, the runs that began before it."""
    if "next" in paging.links(answer.headers.get("link", "")):
        return msgspec.structs.replace(window, page=window.page + 1)
    if window.page * PER_PAGE < _RESULTS or oldest_us is None:
        return None
    return msgspec.structs.replace(window, page=1, until_us=oldest_us)


def _prefix(scope: Scope | None) -> str:
    return "" if scope is None else scope.id + SCOPED


def _last(answer: Answer) -> int:
    """Return the number of the last page."""
    link = paging.links(answer.headers.get("link", "")).get("last", "")
    number = parse_qs(urlsplit(link).query).get("page", ["1"])[0]
    return int(number) if number.isascii() and number.isdigit() else 1
