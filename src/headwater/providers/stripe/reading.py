"""One class of objects read: a page of its list, the whole list, what is new in it, one object.

All in the shape that the list gives, with nested lists completed. Not here: reading a list in parts at once
(`parts`), what has lists (`kinds`).

Source: https://docs.stripe.com/api/pagination (newest first, `limit` up to 100, `starting_after`,
`has_more`), https://docs.stripe.com/api/errors (`resource_missing`). Read 2026-11-24.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headwater.errors import Halt, Reject, Retry
from headwater.kit import jsonbytes
from headwater.kit.http import Http
from headwater.model.record import Observed
from headwater.providers import fetch, paging
from headwater.providers.provider import JSON, Page, Scope, Since
from headwater.providers.stripe.access import endpoint, error_code
from headwater.providers.stripe.kinds import Kind
from headwater.providers.stripe.nested import completed

PAGE = 100
_CREATED = fetch.Instant(path="created", format=fetch.FORMATS["s"])
_DELETED = fetch.Mark(path="deleted", equals=True)
_OK = frozenset({200})
_OK_OR_PLACE_LOST = frozenset({200, 400, 404})
"""How a cursor is refused whose object has been deleted since."""
_RESTARTS = 100
"""So often a list is begun again because its place was deleted, before that is called a fault."""
_MICROSECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page of a list. `last` and `oldest` are id and creation (in seconds) of its last object."""

    observed: Sequence[Observed]
    rejected: Sequence[Reject]
    asked_us: int
    has_more: bool
    last: str | None
    oldest: int | None

    def page(self, resume: JSON | None) -> Page:
        """Return it as a page of a reading that goes on with `resume`."""
        return Page(observed=self.observed, rejected=self.rejected, asked_us=self.asked_us, resume=resume)


class PlaceLost(Exception):
    """The object behind which a list should go on is not there any more."""


class _Last(msgspec.Struct):
    id: str
    created: int | None = None


class Reading:
    """A class of objects, ready to be read."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        fields = fetch.Fields(
            id="id", created_at=_CREATED, deleted=_DELETED, volatile=kind.volatile, scoped=kind.scoped
        )
        self._cut = fetch.cutter("data", ("has_more",))
        self._read = fetch.reader(fields)

    # --- lists --------------------------------------------------------------------------------------------

    async def listed(
        self, http: Http, scope: Scope | None, query: Mapping[str, str], after: str | None
    ) -> Listed:
        """Read the page behind an object; None reads the first. Raises: PlaceLost, Retry, Halt."""
        values = fetch.values_of(scope)
        answer = await http.get(
            fetch.fill_path(self.kind.path, values),
            query={
                **fetch.fill_all(self.kind.params, values),
                "limit": str(PAGE),
                **query,
                **({"starting_after": after} if after else {}),
            },
            accept=_OK_OR_PLACE_LOST if after else _OK,
            bucket=endpoint(self.kind.name, "list"),
        )
        if answer.status != 200:
            raise PlaceLost
        cut = self._cut(_short(answer.body))
        has_more = cut.values.get("has_more")
        if not isinstance(has_more, bool):
            raise paging.broken("has neither true nor false at has_more")
        last = _last(cut.items)
        if has_more and last is None:
            raise paging.broken("says that there is more, but holds nothing")
        if last is not None and last.id == after:
            raise Retry("The API gave the same page twice.", code="provider.page_loop")
        items = [await self._completed(http, bytes(item)) for item in cut.items]
        sighted = self._read(fetch.Cut(items, {}, cut.doubtful), self._prefix(scope))
        return Listed(
            observed=sighted.observed,
            rejected=sighted.rejected,
            asked_us=answer.asked_us,
            has_more=has_more,
            last=last and last.id,
            oldest=last and last.created,
        )

    async def all(self, http: Http, scope: Scope | None, resume: JSON | None) -> AsyncIterator[Page]:
        """Read the whole list, page after page."""
        async for page in self._pages(http, scope, {}, resume, {}):
            yield page

    async def created_since(
        self, http: Http, scope: Scope | None, since: Since, resume: JSON | None
    ) -> AsyncIterator[Page]:
        """Read what was created since an instant."""
        since_us = since.updated_us if resume is None else resume["since_us"]
        query = {} if since_us is None else {"created[gte]": str(since_us // _MICROSECOND)}
        async for page in self._pages(http, scope, query, resume, {"since_us": since_us}):
            yield page

    async def _pages(
        self,
        http: Http,
        scope: Scope | None,
        query: Mapping[str, str],
        resume: JSON | None,
        kept: dict[str, Any],
    ) -> AsyncIterator[Page]:
        after: str | None = None if resume is None else resume["after"]
        for _ in range(_RESTARTS):
            try:
                while True:
                    listed = await self.listed(http, scope, query, after)
                    after = listed.last
                    yield listed.page({"after": after, **kept} if listed.has_more else None)
                    if not listed.has_more:
                        return
            except PlaceLost:
                after = None  # what was read is read again, which changes nothing (P1)
        raise paging.broken("refuses every place of this list")

    # --- one object ---------------------------------------------------------------------------------------

    async def one(self, http: Http, scope: Scope | None, upstream_id: str) -> Page:
        """Read one object. One that is gone answers 404, or is there and says `deleted`."""
        if self.kind.one is None:
            raise LookupError(self.kind.name)
        prefix = self._prefix(scope)
        if self.kind.scoped and scope is None:
            return Page(observed=(), asked_us=0)  # its parent was never seen: nothing can be said of it
        values = fetch.values_of(scope, upstream_id.removeprefix(prefix))
        answer = await http.get(
            fetch.fill_path(self.kind.one, values),
            accept=frozenset({200, 404}),
            bucket=endpoint(self.kind.name, "read"),
        )
        if answer.status == 404:
            if error_code(answer.body) != "resource_missing":
                raise Halt(
                    f"Stripe has no address for single objects of {self.kind.name}.",
                    code="provider.not_found",
                    fix="Check the address of the API in the credential.",
                )
            return Page(observed=[Observed(upstream_id, b"", b"", deleted=True)], asked_us=answer.asked_us)
        raw = await self._completed(http, _short(answer.body))
        found = self._read(fetch.Cut([raw], {}, doubtful=True), prefix)
        if any(one.id != upstream_id for one in found.observed):
            raise paging.broken("shows an object of another id")
        return Page(observed=found.observed, rejected=found.rejected, asked_us=answer.asked_us)

    def observed(self, raw: bytes, parent_id: str | None) -> Observed | None:
        """Return an object that came with an event, in the shape of the list; None where it is not whole."""
        prefix = f"{parent_id}{fetch.SCOPED}" if self.kind.scoped else ""
        found = self._read(fetch.Cut([raw], {}, doubtful=True), prefix).observed
        return found[0] if found else None

    async def _completed(self, http: Http, raw: bytes) -> bytes:
        try:
            return await completed(http, raw, endpoint(self.kind.name, "nested"))
        except (ValueError, RecursionError):
            return raw  # no JSON: whoever reads it says so

    def _prefix(self, scope: Scope | None) -> str:
        return f"{scope.id}{fetch.SCOPED}" if self.kind.scoped and scope is not None else ""


def _short(body: bytes) -> bytes:
    """Return an answer without the white space between its tokens, which depends on where an object stands.

    So an object has the same bytes, and the same fingerprint, in a list, alone and in an event.
    """
    try:
        return jsonbytes.compact(body)
    except (ValueError, RecursionError):
        return body  # whoever reads it says what is wrong


def _last(items: Sequence[msgspec.Raw | bytes]) -> _Last | None:
    if not items:
        return None
    try:
        return msgspec.json.decode(items[-1], type=_Last)
    except ValueError as error:
        raise paging.broken("has a last object without an id, and the next page depends on it") from error
