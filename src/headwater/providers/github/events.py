"""What GitHub's webhooks speak of: which records of which collections, by event.

Nearly all news are hints, whose objects are fetched in their lists' shape: payloads show them in others.
Taken as they come are deletes of what has an id of its own, which is never given again, and stars, of which
the payload has all.

Source: https://docs.github.com/webhooks/webhook-events-and-payloads, read 2026-11-24.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import msgspec
import xxhash

from headwater.model.record import Observed
from headwater.providers.fetch import ISO, SCOPED
from headwater.providers.github.names import name_id
from headwater.providers.github.singles import gone
from headwater.providers.provider import JSON, News

Payload = Mapping[str, Any]
Teller = Callable[[Payload], Iterator[News]]

_SECOND_US = 1_000_000
_BRANCH, _TAG = "refs/heads/", "refs/tags/"


def news_of(event: str, payload: Payload) -> list[News]:
    """Return what a delivery says; nothing where no collection has what it speaks of.

    Raises: KeyError, TypeError, ValueError where it lacks what its event must have.
    """
    teller = TELLERS.get(event)
    return [] if teller is None else list(teller(payload))


def _below(payload: Payload, collection: str, id: JSON, *, deleted: bool = False) -> News:
    """Return news of an object below the payload's repository."""
    return below(payload["repository"]["id"], collection, id, deleted=deleted)


def below(repository: JSON, collection: str, id: JSON, *, deleted: bool = False) -> News:
    """Return news of an object below a repository: a hint, or that it is deleted."""
    parent = str(_whole(repository))
    upstream_id = f"{parent}{SCOPED}{id}"
    return News(
        collection=collection,
        id=upstream_id,
        parent_id=parent,
        observed=gone(upstream_id) if deleted else None,
    )


def _object(collection: str, member: str, key: str = "id") -> Teller:
    """Return what tells of the object in a member; the action `deleted` deletes it for ever."""

    def tell(payload: Payload) -> Iterator[News]:
        id = _whole(payload[member][key])
        yield _below(payload, collection, id, deleted=payload.get("action") == "deleted")

    return tell


def _issues(payload: Payload) -> Iterator[News]:
    number, action = _whole(payload["issue"]["number"]), payload.get("action")
    yield _below(payload, "issue", number, deleted=action == "deleted")
    if action == "transferred":  # the old one answers with a redirect, the new one is another issue
        there = payload["changes"]
        yield below(there["new_repository"]["id"], "issue", _whole(there["new_issue"]["number"]))


def _pull_request(payload: Payload) -> Iterator[News]:
    """A pull request is an issue, too, and no other event tells that."""
    number = _whole(payload["pull_request"]["number"])
    yield _below(payload, "pull_request", number)
    yield _below(payload, "issue", number)


def _review(payload: Payload) -> Iterator[News]:
    repository, number = _whole(payload["repository"]["id"]), _whole(payload["pull_request"]["number"])
    parent = f"{repository}{SCOPED}{number}"
    id = _whole(payload["review"]["id"])
    yield News(collection="review", id=f"{parent}{SCOPED}{id}", parent_id=parent)


def _thread(payload: Payload) -> Iterator[News]:
    for comment in payload["thread"]["comments"]:
        yield _below(payload, "review_comment", _whole(comment["id"]))


def _push(payload: Payload) -> Iterator[News]:
    """A branch or a tag has moved, and there are commits, if it is the default branch."""
    ref = _text(payload["ref"])
    if ref.startswith(_TAG):
        yield _below(payload, "tag", name_id(ref.removeprefix(_TAG)))
        return
    branch = ref.removeprefix(_BRANCH)
    yield _below(payload, "branch", name_id(branch))
    if branch == payload["repository"]["default_branch"]:
        for commit in payload["commits"]:
            yield _below(payload, "commit", _text(commit["id"]))


def _ref(payload: Payload) -> Iterator[News]:
    """A branch or a tag was made or deleted; its name may be given again, so it is looked at."""
    if payload["ref_type"] in ("branch", "tag"):
        yield _below(payload, payload["ref_type"], name_id(_text(payload["ref"])))


def _star(payload: Payload) -> Iterator[News]:
    """A star is all in the payload: when, and whose. One that was taken back has no time."""
    id, starred_at = _whole(payload["sender"]["id"]), payload.get("starred_at")
    if payload.get("action") == "deleted":
        yield _below(payload, "stargazer", id, deleted=True)
        return
    hint = _below(payload, "stargazer", id)
    if starred_at is None:
        yield hint
        return
    raw = msgspec.json.encode({"starred_at": starred_at, "user": payload["sender"]})
    at_us = ISO.read(starred_at)
    observed = Observed(hint.id, raw, xxhash.xxh3_128_digest(raw), at_us, at_us, at_us)
    yield _carrying(hint, observed, at_us)


def _carrying(hint: News, observed: Observed, at_us: int) -> News:
    """Return a hint as news that carry their object, which was so within a second."""
    return News(
        collection=hint.collection,
        id=hint.id,
        parent_id=hint.parent_id,
        observed=observed,
        at_us=at_us,
        exact_us=_SECOND_US,
    )


def _team(payload: Payload) -> Iterator[News]:
    """Teams are read below repositories; what concerns no repository is found when they are listed."""
    if "repository" in payload:
        yield _below(payload, "team", _whole(payload["team"]["id"]))


def _repository(payload: Payload) -> Iterator[News]:
    id = str(_whole(payload["repository"]["id"]))
    deleted = payload.get("action") == "deleted"
    yield News(collection="repository", id=id, observed=gone(id) if deleted else None)


def _installation(payload: Payload) -> Iterator[News]:
    """Repositories that the App has been given, or has lost: those answer no more."""
    for member in ("repositories", "repositories_added", "repositories_removed"):
        for repository in cast("list[Any]", payload.get(member) or []):
            yield News(collection="repository", id=str(_whole(repository["id"])))


def _run_of(member: str, key: str) -> Teller:
    def tell(payload: Payload) -> Iterator[News]:
        yield _below(payload, "workflow_run", _whole(payload[member][key]))

    return tell


def _workflow_run(payload: Payload) -> Iterator[News]:
    yield _below(payload, "workflow_run", _whole(payload["workflow_run"]["id"]))
    yield _below(payload, "workflow", _whole(payload["workflow_run"]["workflow_id"]))


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError("not a whole number")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("not text")


TELLERS: Mapping[str, Teller] = {
    "commit_comment": _object("commit_comment", "comment"),
    "create": _ref,
    "delete": _ref,
    "deployment": _object("deployment", "deployment"),
    "deployment_review": _run_of("workflow_run", "id"),
    "deployment_status": _object("deployment", "deployment"),
    "fork": _repository,
    "installation": _installation,
    "installation_repositories": _installation,
    "issue_comment": _object("issue_comment", "comment"),
    "issues": _issues,
    "label": _object("label", "label"),
    "member": _object("member", "member"),
    "milestone": _object("milestone", "milestone", "number"),
    "public": _repository,
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "pull_request_review_comment": _object("review_comment", "comment"),
    "pull_request_review_thread": _thread,
    "push": _push,
    "release": _object("release", "release"),
    "repository": _repository,
    "repository_import": _repository,
    "star": _star,
    "team": _team,
    "team_add": _team,
    "watch": _star,
    "workflow_job": _run_of("workflow_job", "run_id"),
    "workflow_run": _workflow_run,
}
"""Every event that speaks of an object of some collection. (`watch` is GitHub's old word for a star.)"""
