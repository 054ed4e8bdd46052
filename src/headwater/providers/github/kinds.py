"""What GitHub has to list, where, and how changes and deletes of it show.

A collection is one line or a few of declaration; what a declaration cannot say is a function elsewhere:
`commits`, `growing`, `reviews`, `selection`. Below a repository everything is asked for by the repository's
id, so that a rename or a move changes nothing.

Source: https://docs.github.com/rest (issues, pulls, commits, releases, branches, deployments, actions,
activity, collaborators, teams), read 2026-11-24.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from headwater.kit.http import Http
from headwater.providers.fetch import SCOPED, Fields, Instant
from headwater.providers.github import commits, schemas
from headwater.providers.github.growing import begun_lately, newest_at_the_end
from headwater.providers.github.names import BRANCH, NAMED, by_name, one_branch, one_tag
from headwater.providers.github.reviews import where_changed
from headwater.providers.github.selection import FIELDS as REPOSITORY_FIELDS
from headwater.providers.github.selection import Selection
from headwater.providers.github.singles import (
    OnePath,
    from_list,
    single,
)
from headwater.providers.github.walk import Listing, Order, Path, changed, whole
from headwater.providers.provider import JSON, Collection, Page, ReadAll, ReadOne, ReadSince, Scope, Since

REPOSITORY = "repository"
_CREATED, _UPDATED = Instant(path="created_at"), Instant(path="updated_at")
_DATED = Fields(created_at=_CREATED, updated_at=_UPDATED, scoped=True)
_NUMBERED = replace(_DATED, id="number")
_BARE = Fields(scoped=True)
_STARRED = Fields(
    id="user.id", created_at=Instant(path="starred_at"), updated_at=Instant(path="starred_at"), scoped=True
)

_SECONDS = (timedelta(seconds=15), timedelta(minutes=5))
_MINUTES = (timedelta(minutes=1), timedelta(minutes=30))
_HOURLY, _SOMETIMES, _DAILY = timedelta(hours=1), timedelta(hours=6), timedelta(days=1)

PULL_ONLY = frozenset(
    {
        "additions", "changed_files", "comments", "commits", "deletions", "maintainer_can_modify",
        "mergeable", "mergeable_state", "merged", "merged_by", "rebaseable", "review_comments",
    }
)  # fmt: skip
"""Members of a pull request that is read alone."""
_CLOSED_BY = frozenset({"closed_by"})
"""Some answers about an issue have it and some do not."""
_ENDS = frozenset({"head", "base"})
"""They hold their repositories whole, down to the number of stars. A push moves `updated_at`, too."""


def _in(path: str) -> Path:
    """Return the path of a list below a repository."""
    return lambda scope: f"/repositories/{'' if scope is None else scope.id}{path}"


def _at(path: str) -> OnePath:
    """Return the path of one object below a repository."""
    return partial(_one_path, path)


def _one_path(path: str, scope: Scope | None, own: str) -> str:
    return f"/repositories/{'' if scope is None else scope.id}{path}/{own}"


def _reviews(scope: Scope | None) -> str:
    """Return the path of a pull request's reviews. Its id is `<repository>/<number>`."""
    repository, _, number = ("" if scope is None else scope.id).partition(SCOPED)
    return f"/repositories/{repository}/pulls/{number}/reviews"


def _review(scope: Scope | None, own: str) -> str:
    return f"{_reviews(scope)}/{own}"


def _all(listing: Listing) -> ReadAll:
    def read(http: Http, scope: Scope | None, resume: JSON | None) -> AsyncIterator[Page]:
        return whole(http, scope, listing, resume)

    return read


def _since(listing: Listing) -> ReadSince:
    def read(http: Http, scope: Scope | None, since: Since, resume: JSON | None) -> AsyncIterator[Page]:
        return changed(http, scope, listing, since, resume)

    return read


def _listed(
    name: str, description: str, listing: Listing, one: ReadOne | None = None, **more: Any
) -> Collection:
    """Return a collection that is listed below a repository; by the order of its list changes are found."""
    fields = listing.fields
    in_time = listing.order is not Order.PLAIN
    settings: dict[str, Any] = {
        "read_all": _all(listing),
        "read_since": _since(listing),
        "poll_every": _SECONDS if in_time else _MINUTES,
        "sweep_every": _SOMETIMES if in_time else _HOURLY,
        "parent": REPOSITORY,
        **more,
    }
    return Collection(
        name=name,
        description=description,
        read_one=one,
        since_in_order=listing.order is Order.UPDATED,
        updated_at_source="observed" if fields.updated_at is None else "upstream",
        volatile=fields.volatile,
        fields=schemas.fields(name),
        **settings,
    )


_BY_UPDATE = {"sort": "updated", "direction": "asc"}
_ISSUES = Listing(
    path=_in("/issues"),
    fields=replace(_NUMBERED, volatile=_CLOSED_BY),
    order=Order.UPDATED,
    params={"state": "all", **_BY_UPDATE},
)
_PULLS = Listing(
    path=_in("/pulls"),
    fields=replace(_NUMBERED, volatile=_ENDS),
    order=Order.NEWEST,
    params={"state": "all", "sort": "updated", "direction": "desc"},
)
_PULLS_MADE = replace(
    _PULLS, order=Order.PLAIN, params={"state": "all", "sort": "created", "direction": "asc"}
)
_REVIEWS = Listing(path=_reviews, fields=replace(_BARE, created_at=Instant(path="submitted_at")))
_RUNS = Listing(path=_in("/actions/runs"), fields=_DATED, items="workflow_runs")
_STARS = Listing(
    path=_in("/stargazers"), fields=_STARRED, headers={"Accept": "application/vnd.github.star+json"}
)
_LABELS = Listing(path=_in("/labels"), fields=_BARE)
_TAGS = Listing(path=_in("/tags"), fields=NAMED)
_BRANCHES = Listing(path=_in("/branches"), fields=BRANCH)
_MEMBERS = Listing(path=_in("/collaborators"), fields=_BARE, optional=True)
_TEAMS = Listing(path=_in("/teams"), fields=_BARE, optional=True)
_WATCHERS = Listing(path=_in("/subscribers"), fields=_BARE)


def _comments(path: str) -> tuple[Listing, ReadOne]:
    """Return the list of all comments of a repository in the order of their changes, and one of them."""
    listing = Listing(path=_in(path), fields=_DATED, order=Order.UPDATED, params=_BY_UPDATE)
    return listing, single(_at(path), _DATED)


def _plain(path: str, fields: Fields, *, items: str = "", **params: str) -> tuple[Listing, ReadOne]:
    """Return a list in GitHub's own order, and one of its objects."""
    return Listing(path=_in(path), fields=fields, items=items, params=params), single(_at(path), fields)


def collections(selection: Selection) -> tuple[Collection, ...]:
    """Return all collections, for a selection of repositories."""
    return (
        Collection(
            name=REPOSITORY,
            description="Repositories. All other collections are read below them.",
            read_all=selection.read_all,
            read_since=selection.read_since,
            read_one=selection.read_one,
            poll_every=_SECONDS,
            sweep_every=_SOMETIMES,
            volatile=REPOSITORY_FIELDS.volatile,
            fields=schemas.fields(REPOSITORY),
        ),
        _listed(
            "issue",
            "Issues, and pull requests as issues (those have a member `pull_request`). Id: the number.",
            _ISSUES,
            single(_at("/issues"), _ISSUES.fields),
        ),
        _listed("issue_comment", "Comments of issues and pull requests.", *_comments("/issues/comments")),
        _listed(
            "pull_request",
            "Pull requests. Id: the number.",
            _PULLS,
            single(_at("/pulls"), _PULLS.fields, drop=PULL_ONLY),
            read_all=_all(_PULLS_MADE),
            sweep_every=_DAILY,
        ),
        _listed(
            "review",
            "Reviews of pull requests: approvals, requests for changes, comments.",
            _REVIEWS,
            single(_review, _REVIEWS.fields),
            read_since=where_changed(_REVIEWS),
            parent="pull_request",
            poll_every=_SECONDS,
            sweep_every=_DAILY,
        ),
        _listed("review_comment", "Comments on lines of pull requests.", *_comments("/pulls/comments")),
        _listed(
            "commit",
            "Commits that the default branch reaches. Id: the hash.",
            Listing(path=_in("/commits"), fields=commits.FIELDS),
            commits.read_one,
            read_all=commits.read_all,
            read_since=commits.read_since,
            sees_deletes=True,
            poll_every=_SECONDS,
            sweep_every=_DAILY,
        ),
        _listed("commit_comment", "Comments on commits.", *_plain("/comments", _DATED)),
        _listed(
            "release",
            "Releases, with their assets.",
            *_plain("/releases", replace(_BARE, created_at=_CREATED)),
        ),
        _listed(
            "tag",
            "Tags. Id: the name, percent-encoded.",
            _TAGS,
            one_tag(_TAGS),
            **dict(zip(("read_all", "read_since"), by_name(_TAGS), strict=True)),
        ),
        _listed(
            "branch",
            "Branches, with their heads. Id: the name, percent-encoded.",
            _BRANCHES,
            one_branch,
            **dict(zip(("read_all", "read_since"), by_name(_BRANCHES), strict=True)),
        ),
        _listed("label", "Labels.", _LABELS, from_list(_LABELS)),
        _listed("milestone", "Milestones. Id: the number.", *_plain("/milestones", _NUMBERED, state="all")),
        _listed("deployment", "Deployments to environments.", *_plain("/deployments", _DATED)),
        _listed(
            "workflow", "Workflows of Actions.", *_plain("/actions/workflows", _DATED, items="workflows")
        ),
        _listed(
            "workflow_run",
            "Runs of workflows.",
            _RUNS,
            single(_at("/actions/runs"), _DATED),
            read_since=begun_lately(_RUNS),
            poll_every=_SECONDS,
            sweep_every=_DAILY,
        ),
        _listed(
            "stargazer",
            "Who has starred a repository, and when. Id: the user's.",
            _STARS,
            read_since=newest_at_the_end(_STARS),
            sweep_every=_SOMETIMES,
        ),
        _listed("watcher", "Who watches a repository. Id: the user's.", _WATCHERS, sweep_every=_SOMETIMES),
        _listed(
            "member",
            "Who may read or write a repository. Takes the right to push to it.",
            _MEMBERS,
            from_list(_MEMBERS),
            by_default=False,
        ),
        _listed(
            "team",
            "Teams that may read or write a repository. Takes the right to administer it.",
            _TEAMS,
            from_list(_TEAMS),
            by_default=False,
        ),
    )


RIGHTS: Mapping[str, str] = {
    "repository": "Metadata",
    "issue": "Issues",
    "issue_comment": "Issues",
    "pull_request": "Pull requests",
    "review": "Pull requests",
    "review_comment": "Pull requests",
    "commit": "Contents",
    "commit_comment": "Contents",
    "release": "Contents",
    "tag": "Contents",
    "branch": "Contents",
    "label": "Issues",
    "milestone": "Issues",
    "deployment": "Deployments",
    "workflow": "Actions",
    "workflow_run": "Actions",
    "stargazer": "Metadata",
    "watcher": "Metadata",
    "member": "Metadata, and push access",
    "team": "Administration",
}
"""The permission, to read, that a token or an App needs for each collection.

Source: https://docs.github.com/rest/authentication/permissions-required-for-fine-grained-personal-access-tokens
(read 2026-11-24).
"""
_LISTED_ANEW = "listed anew, conditionally"
SEEN: Mapping[str, str] = {
    "repository": "asked for conditionally, or by the times in the list",
    "issue": "`since`",
    "issue_comment": "`since`",
    "pull_request": "newest first, until known",
    "review": "read again where the pull request has changed",
    "review_comment": "`since`",
    "commit": "the new head compared with the old one",
    "workflow_run": "those that began since, or in the 6 hours before",
    "stargazer": "the last pages",
}
"""How changes show without webhooks; of the others, see `seen`."""


def seen(collection: str) -> str:
    """Return how changes of a collection show without webhooks, for its documentation."""
    return SEEN.get(collection, _LISTED_ANEW)
