"""Lists and single objects read as they are declared: the functions of `provider.Collection`, made from
values.

A failed page raises and is not the end; the end is a page without `resume`. What a reading needs in order to
go on after any of its pages is in that page's `resume`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

from headwater.errors import Reject
from headwater.kit import jsonbytes
from headwater.kit.http import Answer, Http
from headwater.model.record import Observed
from headwater.providers import paging
from headwater.providers.fetch.address import fill_all, fill_path, values_of
from headwater.providers.fetch.cut import Cut, Cutter, cutter
from headwater.providers.fetch.instants import ISO, InstantFormat
from headwater.providers.fetch.objects import SCOPED, Fields, reader
from headwater.providers.provider import JSON, Page, ReadAll, ReadOne, ReadSince, Scope, Since

_OK = frozenset({200})
_OK_OR_NOT_MODIFIED = frozenset({200, 304})
_OK_OR_EXPIRED = frozenset({200, 400, 404, 410, 422})
"""How an API may refuse a cursor that it gave before a restart of ours, and that has expired since."""


class Validity(Enum):
    """What the validators (`ETag`, `Last-Modified`) of a list's first answer vouch for."""

    NOTHING = "nothing"
    """They are not used."""
    ANSWER = "answer"
    """That answer: so they are used only while the list fits into one page."""
    COLLECTION = "collection"
    """The whole collection: they change whenever anything in it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of objects: where it is, how it is paged, where in an answer the objects are.

    `path`, `params` and `headers` may have placeholders (see `address`). `items` is the dotted path of the
    array, empty where it is the whole body. `total` is the dotted path of the number of objects in all,
    `total_header` the header with it. `hidden` names the query parameters that authenticate.
    """

    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    items: str = ""
    null_is_empty: bool = False
    pager: paging.Pager = field(default_factory=paging.Single)
    total: str | None = None
    total_header: str | None = None
    validity: Validity = Validity.NOTHING
    bucket: str = "default"
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SinceParam:
    """The query parameter that asks for changes since an instant.

    `template` is what is sent, with `{value}` where the instant stands. Exclusive: the API gives what is
    *after* the instant, so one unit of the format less is sent. `params` are sent with it (a sort order).
    """

    send: str
    format: InstantFormat = ISO
    template: str = "{value}"
    inclusive: bool = True
    params: Mapping[str, str] = field(default_factory=dict[str, str])

    def query(self, updated_us: int | None) -> dict[str, str]:
        """Return the parameters that ask for everything since an instant; None asks for everything."""
        if updated_us is None:
            return dict(self.params)
        sent_us = updated_us if self.inclusive else updated_us - self.format.unit_us
        return {
            **self.params,
            self.send: self.template.replace("{value}", self.format.write(max(sent_us, 0))),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """The address of one object, and where in the answer it is (`item`, a dotted path; empty: the whole
    body).
    """

    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    item: str = ""
    gone: frozenset[int] = frozenset({404, 410})
    bucket: str = "default"


def check_listing(listing: Listing) -> None:
    """Raise ValueError when the paths of a listing contradict each other."""
    _cutter(listing)


def read_all(listing: Listing, fields: Fields) -> ReadAll:
    """Return what reads every object of a list."""
    reading = _Reading(listing, fields)

    def read(http: Http, scope: Scope | None, resume: JSON | None) -> AsyncIterator[Page]:
        return reading.pages(http, scope, {}, resume)

    return read


def read_ids(listing: Listing, fields: Fields) -> ReadAll:
    """Return what reads the ids of a list's objects."""
    reading = _Reading(listing, fields, bodies=False)

    def read(http: Http, scope: Scope | None, resume: JSON | None) -> AsyncIterator[Page]:
        return reading.pages(http, scope, {}, resume)

    return read


def read_since(
    listing: Listing, fields: Fields, since: SinceParam | None, *, gone: bool = False
) -> ReadSince:
    """Return what reads the objects that have changed since an instant.

    Without a `since` parameter it reads the whole list; with validators, that costs one request while nothing
    changes. `gone`: the list is of deleted objects.
    """
    reading = _Reading(listing, fields, gone=gone)

    def read(http: Http, scope: Scope | None, asked: Since, resume: JSON | None) -> AsyncIterator[Page]:
        # A reading that goes on asks what it asked at first, whatever has become of the checkpoint since.
        since_us = asked.updated_us if resume is None else resume.get("since_us")
        query = since.query(since_us) if since else {}
        return reading.pages(http, scope, query, resume, validators=asked.validators, since_us=since_us)

    return read


def read_one(single: Single, fields: Fields) -> ReadOne:
    """Return what reads one object by its upstream id."""
    read_objects = reader(fields)

    async def read(http: Http, scope: Scope | None, upstream_id: str) -> Page:
        prefix = _prefix(fields, scope)
        values = values_of(scope, upstream_id.removeprefix(prefix))
        answer = await http.get(
            fill_path(single.path, values),
            query=fill_all(single.params, values),
            headers=fill_all(single.headers, values),
            accept=frozenset({200}) | single.gone,
            bucket=single.bucket,
        )
        if answer.status in single.gone:
            gone = Observed(upstream_id, b"", b"", deleted=True)
            return Page(observed=[gone], asked_us=answer.asked_us)
        found = read_objects(_only(answer, single.item), prefix)
        strangers = [observed for observed in found.observed if observed.id != upstream_id]
        if strangers:  # another object under this id's address says nothing about this one
            reject = Reject(
                "Its address answers with an object of another id.",
                code="item.unreadable",
                context={"id": upstream_id},
            )
            return Page(observed=(), asked_us=answer.asked_us, rejected=[reject])
        return Page(observed=found.observed, asked_us=answer.asked_us, rejected=found.rejected)

    return read


def _only(answer: Answer, item: str) -> Cut:
    """Return an answer that holds one object as a page."""
    if not item:
        return Cut([answer.body], {}, doubtful=True)
    value = answer.body
    try:
        for name in paging.steps(item):
            value = jsonbytes.members(value)[name]
    except (ValueError, KeyError, RecursionError) as error:
        raise paging.broken(f"is broken, or has nothing at {item}") from error
    return Cut([value], {}, doubtful=True)


def _prefix(fields: Fields, scope: Scope | None) -> str:
    return f"{scope.id}{SCOPED}" if fields.scoped and scope is not None else ""


class _Reading:
    """A list that is ready to be read: everything that can be made once is made."""

    def __init__(self, listing: Listing, fields: Fields, *, bodies: bool = True, gone: bool = False) -> None:
        self._listing = listing
        self._fields = fields
        self._cut = _cutter(listing)
        self._read = reader(fields, bodies=bodies, gone=gone)

    async def pages(
        self,
        http: Http,
        scope: Scope | None,
        query: Mapping[str, str],
        resume: JSON | None,
        *,
        validators: Mapping[str, str] | None = None,
        since_us: int | None = None,
    ) -> AsyncIterator[Page]:
        """Read page by page, from the start or after the page that gave `resume`."""
        listing = self._listing
        values = values_of(scope)
        path, headers = fill_path(listing.path, values), fill_all(listing.headers, values)
        query = {**fill_all(listing.params, values), **query}
        prefix = _prefix(self._fields, scope)
        token = None if resume is None else _token(resume)
        conditions = (
            _conditions(validators) if token is None and listing.validity is not Validity.NOTHING else {}
        )
        guard, resumed = paging.Guard(token), token is not None
        while True:
            ask = listing.pager.ask(token)
            answer = await http.get(
                ask.url or path,
                query={} if ask.url else {**query, **ask.query},
                headers={**headers, **conditions},
                accept=_OK_OR_NOT_MODIFIED if conditions else _OK_OR_EXPIRED if resumed else _OK,
                bucket=listing.bucket,
            )
            if answer.status == 304:
                yield Page(observed=(), asked_us=answer.asked_us, unchanged=True, validators=validators)
                return
            if answer.status != 200:
                # The API has forgotten the place. What was read already is read again (P1).
                token, resumed, guard = None, False, paging.Guard(None)
                continue
            cut = self._cut(answer.body)
            seen = _seen(answer, cut, listing.hidden)
            following = listing.pager.follow(seen, token)
            if following is not None:
                guard.check(seen, following)
            sighted = self._read(cut, prefix)
            yield Page(
                observed=sighted.observed,
                asked_us=answer.asked_us,
                resume=None if following is None else _resume(following, since_us),
                rejected=sighted.rejected,
                estimated_total=_total(listing, seen),
                validators=_validators(listing, answer, first=token is None, last=following is None),
            )
            if following is None:
                return
            token, conditions, resumed = following, {}, False


def _cutter(listing: Listing) -> Cutter:
    paths = dict.fromkeys([*listing.pager.paths, *([listing.total] if listing.total else [])])
    return cutter(listing.items, tuple(paths), null_is_empty=listing.null_is_empty)


def _resume(token: paging.Token, since_us: int | None) -> dict[str, JSON]:
    return {"token": token} if since_us is None else {"token": token, "since_us": since_us}


def _token(resume: JSON) -> paging.Token:
    return cast("dict[str, Any]", resume)["token"]


def _seen(answer: Answer, cut: Cut, hidden: frozenset[str]) -> paging.Seen:
    items = cut.items
    return paging.Seen(
        url=answer.url,
        headers=answer.headers,
        count=len(items),
        values=cut.values,
        first=bytes(items[0]) if items else b"",
        last=bytes(items[-1]) if items else b"",
        hidden=hidden,
    )


_CONDITIONS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}


def _conditions(validators: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers that ask for an answer only if something has changed.

    Source: RFC 9110, section 13.1.
    """
    return {_CONDITIONS[name.lower()]: value for name, value in (validators or {}).items()}


def _validators(listing: Listing, answer: Answer, *, first: bool, last: bool) -> dict[str, str] | None:
    """Return what a first answer can be asked again with, where it vouches for the whole list."""
    valid = listing.validity is Validity.COLLECTION or (listing.validity is Validity.ANSWER and last)
    if not (first and valid):
        return None
    given = {"ETag": answer.headers.get("etag"), "Last-Modified": answer.headers.get("last-modified")}
    return {name: value for name, value in given.items() if value} or None


def _total(listing: Listing, seen: paging.Seen) -> int | None:
    """Return how many objects the API says there are. What is no number is no total."""
    value = seen.values.get(listing.total) if listing.total else None
    if value is None and listing.total_header:
        value = seen.headers.get(listing.total_header.lower())
    return int(value) if isinstance(value, (int, str)) and str(value).isdecimal() else None
