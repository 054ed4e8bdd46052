"""Objects that GitHub knows by name alone: tags and branches. Their name is their id, percent-encoded, since
it may hold the slash that separates a record's id from its parent's.

Source: https://docs.github.com/rest/branches/branches (a branch that is read alone shows its commit whole),
https://docs.github.com/rest/repos/repos#list-repository-tags. Read 2026-11-24.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

from headwater.kit import jsonbytes
from headwater.kit.http import Http
from headwater.model.record import Observed
from headwater.providers import paging
from headwater.providers.fetch import SCOPED, Fields
from headwater.providers.github.singles import GONE, MOVED, gone, one, own_id
from headwater.providers.github.walk import Listing, changed, whole
from headwater.providers.provider import JSON, Page, ReadAll, ReadOne, ReadSince, Scope, Since

NAMED = Fields(id="name", scoped=True)
BRANCH = replace(NAMED, volatile=frozenset({"protection", "protection_url"}))
"""Only who may write sees how a branch is protected."""


def name_id(name: str) -> str:
    """Return the id of a name: `release/1.0` is `release%2F1.0`."""
    return quote(name, safe="")


def _renamed(page: Page, parent: str) -> Page:
    """Return a page whose objects were read with their bare names as ids."""
    start = len(parent) + len(SCOPED)

    def renamed(one: Observed) -> Observed:
        return Observed(
            f"{parent}{SCOPED}{name_id(one.id[start:])}", one.raw, one.fingerprint, deleted=one.deleted
        )

    return Page(
        observed=[renamed(one) for one in page.observed],
        asked_us=page.asked_us,
        resume=page.resume,
        rejected=page.rejected,
        unchanged=page.unchanged,
        validators=page.validators,
    )


def by_name(listing: Listing) -> tuple[ReadAll, ReadSince]:
    """Return what reads a list of objects that have a name and no id."""

    async def read_all(http: Http, scope: Scope | None, resume: JSON | None) -> AsyncIterator[Page]:
        async for page in whole(http, scope, listing, resume):
            yield _renamed(page, "" if scope is None else scope.id)

    async def read_since(
        http: Http, scope: Scope | None, since: Since, resume: JSON | None
    ) -> AsyncIterator[Page]:
        async for page in changed(http, scope, listing, since, resume):
            yield _renamed(page, "" if scope is None else scope.id)

    return read_all, read_since


def one_tag(listing: Listing) -> ReadOne:
    """Return what reads one tag out of the list: no other address shows it in that shape."""
    read_all, _ = by_name(listing)

    async def read(http: Http, scope: Scope | None, upstream_id: str) -> Page:
        asked_us = 0
        async for page in read_all(http, scope, None):
            asked_us = asked_us or page.asked_us
            if found := [one for one in page.observed if one.id == upstream_id]:
                return Page(observed=found, asked_us=page.asked_us)
        return Page(observed=[gone(upstream_id)], asked_us=asked_us)

    return read


async def one_branch(http: Http, scope: Scope | None, upstream_id: str) -> Page:
    """Read one branch, with as much of its commit as the list shows."""
    parent = "" if scope is None else scope.id
    answer = await http.get(
        f"/repositories/{parent}/branches/{own_id(upstream_id)}", accept=frozenset({200}) | MOVED | GONE
    )
    if answer.status != 200:
        return Page(observed=[gone(upstream_id)], asked_us=answer.asked_us)
    try:
        members = jsonbytes.members(answer.body)
        commit = jsonbytes.members(members["commit"])
        shown = b'{"name":%b,"commit":{"sha":%b,"url":%b},"protected":%b}' % (
            members["name"], commit["sha"], commit["url"], members["protected"],
        )  # fmt: skip
    except (ValueError, KeyError) as error:
        raise paging.broken("is no branch") from error
    name = f"{parent}{SCOPED}{jsonbytes.get(members['name'], [])}"
    return _renamed(one(shown, BRANCH, name, answer.asked_us, drop=frozenset(), parent=parent), parent)
