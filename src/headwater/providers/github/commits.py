"""Commits of a repository's default branch, by the head that was last known.

A commit has no update time, and one with an old date may come in by a merge, so a date tells nothing. What
came since is what the new head reaches and the old one does not; after a force push the rest is gone.

Source: https://docs.github.com/rest/commits/commits#list-commits (409 for an empty repository),
https://docs.github.com/rest/commits/commits#compare-two-commits (`status`, `commits`, `base_commit`; paged
oldest first). Read 2026-11-24.
"""

from collections.abc import AsyncIterator
from typing import Literal
from urllib.parse import quote

import msgspec

from headwater.kit import jsonbytes
from headwater.kit.http import Answer, Http
from headwater.providers import paging
from headwater.providers.fetch import SCOPED, Fields, Instant, Sighted, cutter, reader
from headwater.providers.github.singles import GONE, gone, one, own_id
from headwater.providers.github.walk import PER_PAGE, hidden
from headwater.providers.provider import JSON, Page, Scope, Since

FIELDS = Fields(id="sha", created_at=Instant(path="commit.committer.date"), scoped=True)
SINGLE_ONLY = frozenset({"stats", "files"})
"""Members of a commit that is read alone."""
_OK, _EMPTY, _HIDDEN = frozenset({200}), frozenset({409}), frozenset({451})
_NOT_MODIFIED, _NEVER = frozenset({304}), frozenset[int]()
_REACHED = frozenset({"ahead", "identical"})
"""What a comparison of a commit with the branch says where the branch holds the commit."""


class Walk(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a reading stands; as JSON it is a page's `resume`.

    `all` lists what `head` reaches, `added` what it reaches and `base` does not, `removed` the reverse.
    `base` is the head that was known before. `until_us`: commits that are older are not listed.
    """

    head: str = ""
    step: Literal["all", "added", "removed"] = "all"
    base: str = ""
    page: int = 1
    until_us: int | None = None
    etag: str | None = None

    @property
    def known(self) -> dict[str, str] | None:
        """What the next reading begins with: stored as validators."""
        if not self.head:
            return None
        return {"head": self.head} | ({"ETag": self.etag} if self.etag else {})


async def read_all(http: Http, scope: Scope | None, resume: JSON | None) -> AsyncIterator[Page]:
    """Read every commit that the head reaches: it is noted first, so that a push shifts nothing."""
    walk = Walk() if resume is None else msgspec.convert(resume, Walk)
    async for page in _walked(http, _place(scope), walk):
        yield page


async def read_since(
    http: Http, scope: Scope | None, since: Since, resume: JSON | None
) -> AsyncIterator[Page]:
    """Read what has come and what has gone since the head that was last known."""
    where, known = _place(scope), since.validators or {}
    if resume is not None:
        walk = msgspec.convert(resume, Walk)
    else:
        answer = await _list(http, where, where.branch, 1, known.get("ETag"))
        etag = answer.headers.get("etag")
        head = "" if answer.status != 200 else _head(answer)
        if answer.status == 304 or (head and head == known.get("head")):
            yield Page(observed=(), asked_us=answer.asked_us, unchanged=True, validators=known)
            return
        if not head:
            yield Page(observed=(), asked_us=answer.asked_us)
            return
        base = known.get("head", "")
        walk = Walk(head=head, base=base, etag=etag, step="added") if base else Walk(head=head, etag=etag)
        if not base:
            walk = msgspec.structs.replace(walk, until_us=since.updated_us)
    async for page in _walked(http, where, walk):
        yield page


async def read_one(http: Http, scope: Scope | None, upstream_id: str) -> Page:
    """Read a commit by comparing it with the branch: one that is still there, but not in it, is gone."""
    where, sha = _place(scope), own_id(upstream_id)
    answer = await _compare(http, where, sha, where.branch, 1, size=1)
    said = None if answer.status != 200 else _said(answer)
    if said is None or said.status not in _REACHED:
        return Page(observed=[gone(upstream_id)], asked_us=answer.asked_us)
    return one(bytes(said.base_commit), FIELDS, upstream_id, answer.asked_us, drop=SINGLE_ONLY)


class _Place(msgspec.Struct, frozen=True):
    """The repository: the prefix of its commits' ids, its path, its default branch."""

    prefix: str
    path: str
    branch: str


def _place(scope: Scope | None) -> _Place:
    if scope is None:
        raise ValueError("commits are read below a repository")
    branch = jsonbytes.get(scope.data, ["default_branch"])
    return _Place(scope.id + SCOPED, f"/repositories/{scope.id}", str(branch or "HEAD"))


async def _walked(http: Http, where: _Place, walk: Walk) -> AsyncIterator[Page]:
    guard = paging.Guard(str(walk))
    while True:
        answer, sighted, following = await _step(http, where, walk)
        known = following or walk
        if following is not None:
            guard.check(_seen(answer, sighted), str(following))
        yield Page(
            observed=sighted.observed,
            asked_us=answer.asked_us,
            resume=None if following is None else msgspec.to_builtins(following),
            rejected=sighted.rejected,
            validators=None if following is not None else known.known,
        )
        if following is None:
            return
        walk = following


async def _step(http: Http, where: _Place, walk: Walk) -> tuple[Answer, Sighted, Walk | None]:
    """Return one answer, what it shows, and how to go on."""
    if walk.step == "all":
        return await _listed(http, where, walk)
    ends = (walk.base, walk.head) if walk.step == "added" else (walk.head, walk.base)
    answer = await _compare(http, where, *ends, walk.page)
    if answer.status != 200:  # the old head is forgotten: what went with it, a sweep finds out
        onward = msgspec.structs.replace(walk, step="all", base="", page=1)
        return answer, Sighted([], []), onward
    sighted = reader(FIELDS)(cutter("commits", ())(answer.body), where.prefix)
    if walk.step == "removed":
        sighted = Sighted([gone(commit.id) for commit in sighted.observed], [])
    if _has_next(answer):
        return answer, sighted, msgspec.structs.replace(walk, page=walk.page + 1)
    if walk.step == "added" and _said(answer).status in ("diverged", "behind"):
        return answer, sighted, msgspec.structs.replace(walk, step="removed", page=1)
    return answer, sighted, None


async def _listed(http: Http, where: _Place, walk: Walk) -> tuple[Answer, Sighted, Walk | None]:
    answer = await _list(http, where, walk.head or where.branch, walk.page, None)
    if answer.status != 200:
        return answer, Sighted([], []), None
    sighted = reader(FIELDS)(cutter("")(answer.body), where.prefix)
    times = [commit.created_us for commit in sighted.observed if commit.created_us is not None]
    old = walk.until_us is not None and bool(times) and max(times) < walk.until_us
    if old or not _has_next(answer):
        return answer, sighted, None
    head = walk.head or _head(answer)
    return answer, sighted, msgspec.structs.replace(walk, head=head, page=walk.page + 1)


async def _list(http: Http, where: _Place, sha: str, page: int, etag: str | None) -> Answer:
    query = {"sha": sha, "per_page": str(PER_PAGE), "page": str(page)}
    answer = await http.get(
        f"{where.path}/commits",
        query=query,
        headers={} if etag is None else {"If-None-Match": etag},
        accept=_OK | _EMPTY | _HIDDEN | (_NEVER if etag is None else _NOT_MODIFIED),
    )
    if answer.status in _HIDDEN:
        raise hidden(answer.status)
    return answer


async def _compare(
    http: Http, where: _Place, base: str, head: str, page: int, *, size: int = PER_PAGE
) -> Answer:
    path = f"{where.path}/compare/{quote(base, safe='')}...{quote(head, safe='')}"
    return await http.get(path, query={"per_page": str(size), "page": str(page)}, accept=_OK | GONE)


class _Said(msgspec.Struct):
    status: str
    base_commit: msgspec.Raw


def _said(answer: Answer) -> _Said:
    try:
        return msgspec.json.decode(answer.body, type=_Said)
    except ValueError as error:
        raise paging.broken("is no comparison") from error


def _head(answer: Answer) -> str:
    """Return the hash of the first commit of a list."""
    found = reader(FIELDS)(cutter("")(answer.body), "").observed
    return found[0].id if found else ""


def _has_next(answer: Answer) -> bool:
    return "next" in paging.links(answer.headers.get("link", ""))


def _seen(answer: Answer, sighted: Sighted) -> paging.Seen:
    ids = [commit.id.encode() for commit in sighted.observed] or [b""]
    return paging.Seen(
        url=answer.url, headers=answer.headers, count=len(sighted.observed), first=ids[0], last=ids[-1]
    )
