"""Which repositories a sync is of, and how they are found.

Named ones are asked for one by one, an organization's are listed; without either it is all that the
credential is for. A repository is always read whole by its id, since each of its lists shows it in another
shape; and it stays the same repository when it is renamed or moved.

Source: https://docs.github.com/rest/repos/repos (`/orgs/{org}/repos`, `/user/repos`),
https://docs.github.com/rest/apps/installations (`/installation/repositories`). Read 2026-11-24.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from headwater.errors import Halt, Reject
from headwater.kit.http import Answer, Http
from headwater.model.record import Observed
from headwater.providers import paging
from headwater.providers.fetch import ISO, Fields, Instant
from headwater.providers.github.singles import GONE, gone, one
from headwater.providers.github.walk import Listing, Place, asked
from headwater.providers.provider import JSON, Page, Scope, Since

FIELDS = Fields(
    created_at=Instant(path="created_at"),
    updated_at=Instant(path="updated_at"),
    volatile=frozenset({"temp_clone_token", "permissions"}),
)
_OK, _NOT_MODIFIED, _HIDDEN = frozenset({200}), frozenset({304}), frozenset({451})
_NAMED = 20
"""Named repositories that are read for one page."""

CONFIG_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "repositories": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$"},
            "title": "Repositories",
            "description": "Such as octo/hello. They are followed when they are renamed or moved.",
            "option": "repo",
        },
        "organizations": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"},
            "title": "Organizations",
            "description": "All of their repositories that the credential may see, new ones too.",
            "option": "org",
        },
    },
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The repositories of a sync. `own`: where all that the credential is for are listed; empty for one that
    is nobody's.
    """

    names: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    own: str = "/user/repos"

    @property
    def count(self) -> int:
        """How many repositories there are, where they are all named; else 0: only GitHub knows."""
        return 0 if self.organizations else len(self.names)

    async def read_all(self, http: Http, scope: Scope | None, resume: JSON | None) -> AsyncIterator[Page]:
        """Read every repository."""
        async for page in self._read(http, Since(), resume):
            yield page

    async def read_since(
        self, http: Http, scope: Scope | None, since: Since, resume: JSON | None
    ) -> AsyncIterator[Page]:
        """Read those that have changed: named ones conditionally, listed ones by the times in the list."""
        async for page in self._read(http, since, resume):
            yield page

    async def read_one(self, http: Http, scope: Scope | None, upstream_id: str) -> Page:
        """Read a repository by its id; one that is not selected is gone, as far as this sync goes."""
        answer = await http.get(f"/repositories/{upstream_id}", accept=_OK | GONE | _HIDDEN)
        if answer.status in _HIDDEN:
            return Page(observed=(), asked_us=answer.asked_us)
        if answer.status != 200 or not await self._holds(http, answer):
            return Page(observed=[gone(upstream_id)], asked_us=answer.asked_us)
        return one(answer.body, FIELDS, upstream_id, answer.asked_us, drop=frozenset())

    async def _holds(self, http: Http, answer: Answer) -> bool:
        """Say whether a repository is selected, also one that has another name by now."""
        if not self.names and not self.organizations:
            return True
        named = _Named.of(answer)
        owner = named.full_name.partition("/")[0].lower()
        if named.full_name.lower() in _lowered(self.names) or owner in _lowered(self.organizations):
            return True
        for name in self.names:
            found = await http.get(f"/repos/{name}", accept=_OK | GONE | _HIDDEN)
            if found.status == 200 and _Named.of(found).id == named.id:
                return True
        return False

    @property
    def _lists(self) -> list[str]:
        if self.names or self.organizations:
            return [f"/orgs/{quote(one, safe='')}/repos" for one in self.organizations]
        if not self.own:
            raise Halt(
                "Without a credential there are no repositories of one's own to sync.",
                code="provider.credential_refused",
                fix="Name some in the sync's config (repositories or organizations), or enter a token.",
            )
        return [self.own]

    async def _read(self, http: Http, since: Since, resume: JSON | None) -> AsyncIterator[Page]:
        etags = {} if resume is not None else dict(since.validators or {})
        turn = _Turn(since_us=since.updated_us) if resume is None else msgspec.convert(resume, _Turn)
        lists = self._lists
        while True:
            if turn.named < len(self.names):
                page, turn = await self._some_named(http, turn, etags)
            else:
                page, turn = await self._some_listed(http, turn, lists)
            end = turn.named >= len(self.names) and turn.list >= len(lists)
            silent = end and turn.unchanged and not page.rejected
            yield Page(
                observed=page.observed,
                asked_us=page.asked_us,
                resume=None if end else msgspec.to_builtins(turn),
                rejected=page.rejected,
                unchanged=silent,
                validators=turn.etags if end else None,
            )
            if end:
                return

    async def _some_named(self, http: Http, turn: "_Turn", etags: Mapping[str, str]) -> tuple[Page, "_Turn"]:
        """Read a few named repositories."""
        observed, rejected, asked_us = list[Observed](), list[Reject](), 0
        now, unchanged = dict(turn.etags), turn.unchanged
        names = self.names[turn.named : turn.named + _NAMED]
        for name in names:
            condition = {"If-None-Match": etags[name]} if name in etags else {}
            try:
                answer = await http.get(
                    f"/repos/{name}", headers=condition, accept=_OK | GONE | _HIDDEN | _NOT_MODIFIED
                )
            except Halt as error:
                if error.error_code != "provider.forbidden" or (name == names[-1] and not asked_us):
                    raise
                rejected.append(_missing(name, 403))
                continue
            asked_us = asked_us or answer.asked_us
            if answer.status == 304:
                now[name] = etags[name]
                continue
            unchanged = False
            if answer.status != 200:
                rejected.append(_missing(name, answer.status))
                continue
            if etag := answer.headers.get("etag"):
                now[name] = etag
            id = str(_Named.of(answer).id)
            found = one(answer.body, FIELDS, id, answer.asked_us, drop=frozenset())
            observed += found.observed
            rejected += found.rejected
        onward = msgspec.structs.replace(turn, named=turn.named + len(names), etags=now, unchanged=unchanged)
        return Page(observed=observed, asked_us=asked_us, rejected=rejected), onward

    async def _some_listed(self, http: Http, turn: "_Turn", lists: Sequence[str]) -> tuple[Page, "_Turn"]:
        """Read those repositories of a page of a list that may have changed."""
        path = lists[turn.list]
        where = Listing(path=lambda _scope: path, fields=FIELDS)
        answer, place = await asked(http, None, where, Place(page=turn.page, size=turn.size), {})
        observed, rejected = list[Observed](), list[Reject]()
        for named in _Named.all_of(answer):
            if turn.since_us is not None and not named.changed_since(turn.since_us):
                continue
            page = await self.read_one(http, None, str(named.id))
            observed += [each for each in page.observed if not each.deleted]
            rejected += page.rejected
        more = "next" in paging.links(answer.headers.get("link", ""))
        onward = msgspec.structs.replace(
            turn,
            list=turn.list if more else turn.list + 1,
            page=place.page + 1 if more else 1,
            size=place.size,
            unchanged=False,
        )
        return Page(observed=observed, asked_us=answer.asked_us, rejected=rejected), onward


class _Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a reading stands: how many named ones are read, then the list and its page."""

    named: int = 0
    list: int = 0
    page: int = 1
    size: int = 100
    since_us: int | None = None
    etags: dict[str, str] = {}
    unchanged: bool = True


class _Named(msgspec.Struct, frozen=True):
    """What is read of a repository in order to find it."""

    id: int
    full_name: str
    updated_at: str | None = None
    pushed_at: str | None = None

    def changed_since(self, us: int) -> bool:
        """Say whether it has changed, or was pushed to."""
        times = (ISO.read(time) for time in (self.updated_at, self.pushed_at) if time)
        return any(time >= us for time in times) or not self.updated_at

    @classmethod
    def of(cls, answer: Answer) -> "_Named":
        return _decoded(answer, cls)

    @classmethod
    def all_of(cls, answer: Answer) -> "list[_Named]":
        """Return the repositories of a list, bare or in the envelope of an installation's."""
        if answer.body.lstrip()[:1] == b"{":
            return _decoded(answer, _Envelope).repositories
        return _decoded(answer, list[_Named])


class _Envelope(msgspec.Struct):
    repositories: list[_Named]


def _decoded(answer: Answer, type: Any) -> Any:
    try:
        return msgspec.json.decode(answer.body, type=type)
    except ValueError as error:
        raise paging.broken("holds no repositories") from error


def _missing(name: str, status: int) -> Reject:
    return Reject(
        f"The repository {name} is not there, or the credential may not see it ({status}).",
        code="item.unreadable",
        fix="Correct its name in the sync's config, or give the credential the right to read it.",
        context={"id": name},
    )


def _lowered(names: Sequence[str]) -> set[str]:
    return {name.lower() for name in names}
