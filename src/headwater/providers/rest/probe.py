"""Try a document on the real API with a few requests, and tell what was found. Changes nothing, keeps
nothing.

A document says what an API's documentation says; a probe says what the API does: whether the order is the
promised one, whether a cursor is inclusive, whether pages are as long as asked for. It goes through the same
readers as a sync.
"""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.kit.http import Answer, Http
from headwater.model.record import Observed
from headwater.providers import fetch
from headwater.providers.provider import JSON, Page, Scope, Since
from headwater.providers.rest.build import provider
from headwater.providers.rest.collection import CollectionPart
from headwater.providers.rest.declare import Declared
from headwater.providers.rest.document import RestDocument
from headwater.providers.rest.findings import Findings, ProbeReport, instants, warnings
from headwater.providers.rest.settings import settings_of

REQUESTS = 60
PAGES = 3
_PARENTS = 3
_EXAMPLES = 3
_REASONS = 3


async def probe(
    document: RestDocument,
    http: Http,
    *,
    config: Mapping[str, JSON] | None = None,
    requests: int = REQUESTS,
    pages: int = PAGES,
) -> ProbeReport:
    """Read a few pages of each collection and try what is declared of it; at most `requests` requests in all.

    `http` is the API, opened with a credential (`Provider.authorize`) at the base URL for this `config`.
    Raises: Invalid for a config that does not fit. What the API refuses is in the report.
    """
    api = _Counted(http, requests)
    account, error = None, None
    check = provider(document).configured(config or {}).check
    try:
        account = await check(api) if check else None
    except (Retry, Halt) as trouble:
        error = _told(trouble)
    tried: dict[str, tuple[Findings, Sequence[Scope]]] = {}
    for name in () if error else _parents_first(document):
        part = document.collections[name]
        parents = tried[part.parent][1] if part.parent else (None,)
        one = _Probe(name, part, Declared(document, part, settings_of(document, config or {})), api, pages)
        await one.run(parents)
        tried[name] = (one.findings(), one.records)
    found = tuple(tried[name][0] for name in document.collections if name in tried)
    return ProbeReport(
        provider=document.name, account=account, requests=api.made, collections=found, error=error
    )


class _Spent(Exception):
    """The probe has made as many requests as it may."""


@dataclass(slots=True)
class _Counted:
    """An API that is asked only so often."""

    http: Http
    most: int
    made: int = 0

    async def get(self, url: str, **more: Any) -> Answer:
        """Fetch, and count."""
        if self.made >= self.most:
            raise _Spent
        self.made += 1
        return await self.http.get(url, **more)


@dataclass(slots=True)
class _Probe:
    """The probe of one collection."""

    name: str
    part: CollectionPart
    declared: Declared
    http: Http
    most_pages: int
    seen: list[Page] = field(default_factory=list[Page])
    records: list[Scope] = field(default_factory=list[Scope])
    ascending: bool | None = None
    inclusive: bool | None = None
    not_modified: bool | None = None
    single: str | None = None
    error: str | None = None

    async def run(self, parents: Sequence[Scope | None]) -> None:
        """Ask what there is to find out; what goes wrong is kept as `error`."""
        if not parents:
            self.error = f"No record of {self.part.parent} was seen to read it below."
            return
        try:
            for parent in parents[:_PARENTS]:
                await self._list(parent)
                if self._observed():
                    await self._try_single(parent)
                    await self._try_since(parent)
                    await self._try_validators(parent)
                    return
        except _Spent:
            self.error = "The probe has made all the requests that it may."
        except (Retry, Halt) as trouble:
            self.error = _told(trouble)

    async def _list(self, parent: Scope | None) -> None:
        reading = fetch.read_all(self.declared.listing(), self.declared.fields())(self.http, parent, None)
        self.seen = []
        async for page in _first(reading, self.most_pages):
            self.seen.append(page)
        self.records = [Scope(id=one.id, data=one.raw) for one in self._observed()[:_PARENTS] if one.raw]

    async def _try_single(self, parent: Scope | None) -> None:
        single = self.declared.one()
        listed = next((one for one in self._observed() if one.raw), None)
        if single is None or listed is None:
            return
        page = await fetch.read_one(single, self.declared.fields())(self.http, parent, listed.id)
        alike = [one.fingerprint == listed.fingerprint for one in page.observed if not one.deleted]
        self.single = "none" if not alike else "same" if all(alike) else "different"

    async def _try_since(self, parent: Scope | None) -> None:
        since, times = self.declared.since(), self._times()
        if since is None or not times:
            return
        fields, listing = self.declared.fields(), self.declared.listing()
        everything = fetch.read_since(listing, fields, since)(
            self.http, parent, Since(updated_us=min(times)), None
        )
        order: list[int] = []
        async for page in _first(everything, self.most_pages):
            order += [one.updated_us for one in page.observed if one.updated_us is not None]
        if len(set(order)) > 1:
            self.ascending = order == sorted(order)
        latest = max(times + order)
        bare = replace(since, inclusive=True)  # exactly this instant, whatever is declared
        if latest % since.format.unit_us == 0:  # else the instant that is sent is an earlier one
            reading = fetch.read_since(listing, fields, bare)(
                self.http, parent, Since(updated_us=latest), None
            )
            found = [one async for page in _first(reading, 1) for one in page.observed]
            self.inclusive = any(one.updated_us == latest for one in found)

    async def _try_validators(self, parent: Scope | None) -> None:
        listing = replace(self.declared.listing(), validity=fetch.Validity.COLLECTION)
        read = fetch.read_since(listing, self.declared.fields(), None)
        [first] = [page async for page in _first(read(self.http, parent, Since(), None), 1)]
        if first.validators is None:
            self.not_modified = False
            return
        again = Since(validators=first.validators)
        [second] = [page async for page in _first(read(self.http, parent, again, None), 1)]
        self.not_modified = second.unchanged

    def findings(self) -> Findings:
        """Return what was found, with what follows from it."""
        observed, times = self._observed(), self._times()
        rejected = [reject for page in self.seen for reject in page.rejected]
        earliest, latest = instants(times)
        found = Findings(
            collection=self.name,
            pages=len(self.seen),
            whole=bool(self.seen) and self.seen[-1].resume is None,
            objects=len(observed),
            examples=tuple(one.id for one in observed[:_EXAMPLES]),
            duplicates=len(observed) - len({one.id for one in observed}),
            rejected=len(rejected),
            reasons=tuple(dict.fromkeys(reject.message for reject in rejected))[:_REASONS],
            earliest_at=earliest,
            latest_at=latest,
            largest_tie=max(Counter(times).values(), default=0),
            total=next(
                (page.estimated_total for page in self.seen if page.estimated_total is not None), None
            ),
            page_sizes=tuple(len(page.observed) + len(page.rejected) for page in self.seen),
            ascending=self.ascending,
            inclusive=self.inclusive,
            not_modified=self.not_modified,
            single=self.single,
            error=self.error,
        )
        sentences = warnings(self.part, found, self.declared.updated_at, self.declared.paged)
        return replace(found, warnings=tuple(sentences))

    def _observed(self) -> list[Observed]:
        return [one for page in self.seen for one in page.observed]

    def _times(self) -> list[int]:
        return [one.updated_us for one in self._observed() if one.updated_us is not None]


async def _first(reading: AsyncIterator[Page], count: int) -> AsyncIterator[Page]:
    """Yield the first pages of a reading, and end it."""
    async with aclosing(cast("AsyncGenerator[Page]", reading)) as pages:
        number = 0
        async for page in pages:
            yield page
            number += 1
            if number == count:
                return


def _parents_first(document: RestDocument) -> list[str]:
    ordered: list[str] = []
    while len(ordered) < len(document.collections):  # a checked document has no circles
        ordered += [
            name
            for name, part in document.collections.items()
            if name not in ordered and (part.parent is None or part.parent in ordered)
        ]
    return ordered


def _told(error: HeadwaterError) -> str:
    return f"{error.message} {error.fix or ''}".strip()
