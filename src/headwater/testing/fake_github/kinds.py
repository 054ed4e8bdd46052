"""What can be in a repository: its key, what is made up of it, how it is shown, which events tell of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from headwater.testing.fake_github import shapes
from headwater.testing.fake_github.repo import Repo
from headwater.testing.fake_github.shapes import At, Facts, Shape

Event = tuple[str, str | None, dict[str, Any]]
"""Event, action, members of the payload."""


class World(Protocol):
    """As much of the world as it takes to make something up."""

    def next_id(self) -> int:
        """Return an id that nothing has yet."""
        ...

    def user(self, login: str) -> dict[str, Any]:
        """Return an account, made when it is first named."""
        ...

    @property
    def users(self) -> dict[str, dict[str, Any]]:
        """All accounts, by login."""
        ...


Maker = Callable[[World, Repo], dict[str, Any]]
Teller = Callable[[At, Facts, str], Iterator[Event]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One class of objects. `key` is the fact that names one (`user`: the user's id)."""

    key: str
    shape: Callable[[At, Facts], Shape]
    defaults: Maker
    told: Teller
    """`(where, facts, made | changed | deleted)`."""

    def place(self, repo_id: int, key: Any, facts: Facts) -> str:
        """Return the ids on the way to an object, joined by slashes; a name may hold one, and is encoded."""
        if self.shape is shapes.review:
            return f"{repo_id}/{facts['of']}/{key}"
        return f"{repo_id}/{quote(str(key), safe='') if self.key == 'name' else key}"


def _tells(event: str, member: str, shape: Callable[[At, Facts], Shape], **actions: str) -> Teller:
    """Return what tells of an object by one event, whose actions are named after what happened."""
    named = {"made": "created", "changed": "edited", "deleted": "deleted"} | actions

    def told(at: At, facts: Facts, what: str) -> Iterator[Event]:
        yield event, named[what], {member: shape(at, facts)}

    return told


def _silent(_at: At, _facts: Facts, _what: str) -> Iterator[Event]:
    return iter(())


def _issue_told(at: At, facts: Facts, what: str) -> Iterator[Event]:
    """A pull request is told of as one; it is an issue all the same."""
    action = {"made": "opened", "changed": "edited", "deleted": "deleted"}[what]
    if facts["pull"] is None:
        yield "issues", action, {"issue": shapes.issue(at, facts)}
    else:
        members = {"number": facts["number"], "pull_request": shapes.pull_request_alone(at, facts)}
        yield "pull_request", action, members


def _issue_comment_told(at: At, facts: Facts, what: str) -> Iterator[Event]:
    action = {"made": "created", "changed": "edited", "deleted": "deleted"}[what]
    yield (
        "issue_comment",
        action,
        {
            "comment": shapes.issue_comment(at, facts),
            "issue": {"number": facts["of"]},
        },
    )


def _review_told(at: At, facts: Facts, what: str) -> Iterator[Event]:
    action = {"made": "submitted", "changed": "edited", "deleted": "dismissed"}[what]
    yield (
        "pull_request_review",
        action,
        {
            "review": shapes.review(at, facts),
            "pull_request": {"number": facts["of"]},
        },
    )


def _review_comment_told(at: At, facts: Facts, what: str) -> Iterator[Event]:
    action = {"made": "created", "changed": "edited", "deleted": "deleted"}[what]
    members = {"comment": shapes.review_comment(at, facts), "pull_request": {"number": facts["of"]}}
    yield "pull_request_review_comment", action, members


def _star_told(at: At, facts: Facts, what: str) -> Iterator[Event]:
    sender = {"sender": shapes.user(at.base, facts["user"])}
    deleted = what == "deleted"
    starred_at = None if deleted else shapes.instant(facts["created_at"])
    yield "star", "deleted" if deleted else "created", {"starred_at": starred_at, **sender}


def _tag_told(_at: At, facts: Facts, what: str) -> Iterator[Event]:
    event = "delete" if what == "deleted" else "create"
    yield event, None, {"ref": facts["name"], "ref_type": "tag"}


def _member_told(at: At, facts: Facts, what: str) -> Iterator[Event]:
    action = {"made": "added", "changed": "edited", "deleted": "removed"}[what]
    yield "member", action, {"member": shapes.user(at.base, facts["user"])}


def _team_told(at: At, facts: Facts, what: str) -> Iterator[Event]:
    action = {"made": "added_to_repository", "changed": "edited", "deleted": "removed_from_repository"}[what]
    yield "team", action, {"team": shapes.team(at, facts)}


def _run_told(at: At, facts: Facts, _what: str) -> Iterator[Event]:
    action = "completed" if facts["status"] == "completed" else "requested"
    yield "workflow_run", action, {"workflow_run": shapes.workflow_run(at, facts)}


def _head(repo: Repo) -> str:
    return repo.resolve("HEAD") or "0" * 40


def _number(repo: Repo) -> int:
    repo.numbers += 1
    return repo.numbers


def _milestone(repo: Repo) -> int:
    repo.facts["milestones"] = repo.facts.get("milestones", 0) + 1
    return repo.facts["milestones"]


def _issue(world: World, repo: Repo) -> dict[str, Any]:
    number = _number(repo)
    return {
        "number": number,
        "title": f"Issue {number}",
        "body": "It does not work.",
        "state": "open",
        "labels": [],
        "comments": 0,
        "closed_at": None,
        "pull": None,
    }


def pull(repo: Repo, head: str) -> dict[str, Any]:
    """Return what makes an issue a pull request."""
    return {
        "head": head,
        "sha": repo.resolve(head) or _head(repo),
        "base_sha": _head(repo),
        "merged_at": None,
    }


def _new_user(world: World) -> dict[str, Any]:
    return {"user": world.user(f"user-{len(world.users)}")}


def _text(text: str) -> Maker:
    return lambda _world, _repo: {"body": text, "of": 0}


KINDS: dict[str, Kind] = {
    "issue": Kind("number", shapes.issue, _issue, _issue_told),
    "issue_comment": Kind("id", shapes.issue_comment, _text("I see."), _issue_comment_told),
    "review": Kind(
        "id",
        shapes.review,
        lambda _world, repo: {"body": "Fine.", "of": 0, "state": "APPROVED", "sha": _head(repo)},
        _review_told,
    ),
    "review_comment": Kind(
        "id",
        shapes.review_comment,
        lambda _world, repo: {"body": "Here.", "of": 0, "sha": _head(repo)},
        _review_comment_told,
    ),
    "commit_comment": Kind(
        "id",
        shapes.commit_comment,
        lambda _world, repo: {"body": "Well done.", "of": _head(repo)},
        _tells("commit_comment", "comment", shapes.commit_comment),
    ),
    "release": Kind(
        "id",
        shapes.release,
        lambda world, _repo: {
            "tag_name": f"v{world.next_id()}", "name": "A release", "body": "", "draft": False,
            "prerelease": False,
        },
        _tells("release", "release", shapes.release),
    ),
    "tag": Kind(
        "name",
        shapes.tag,
        lambda world, repo: {"name": f"v{world.next_id()}", "sha": _head(repo)},
        _tag_told,
    ),
    "branch": Kind(
        "name",
        shapes.branch,
        lambda world, repo: {"name": f"topic/{world.next_id()}", "sha": _head(repo), "protected": False},
        _silent,  # `point` tells
    ),
    "label": Kind(
        "id",
        shapes.label,
        lambda world, _repo: {"name": f"label {world.next_id()}", "color": "d73a4a", "description": None},
        _tells("label", "label", shapes.label),
    ),
    "milestone": Kind(
        "number",
        shapes.milestone,
        lambda _world, repo: {
            "number": _milestone(repo), "title": "Next", "description": None,
            "state": "open", "closed_at": None,
        },
        _tells("milestone", "milestone", shapes.milestone),
    ),
    "deployment": Kind(
        "id",
        shapes.deployment,
        lambda _world, repo: {
            "environment": "production", "description": None, "sha": _head(repo), "ref": "main",
        },
        _tells("deployment", "deployment", shapes.deployment),
    ),
    "workflow": Kind(
        "id",
        shapes.workflow,
        lambda _world, _repo: {"name": "CI", "path": ".github/workflows/ci.yml", "state": "active"},
        _silent,
    ),
    "workflow_run": Kind(
        "id",
        shapes.workflow_run,
        lambda _world, repo: {
            "sha": _head(repo), "title": "Change", "number": len(repo.tables["workflow_run"]) + 1,
            "status": "queued", "conclusion": None,
            "workflow": next(iter(repo.tables["workflow"]), 1),
        },
        _run_told,
    ),
    "stargazer": Kind("user", shapes.stargazer, lambda world, _repo: _new_user(world), _star_told),
    "watcher": Kind("user", shapes.watcher, lambda world, _repo: _new_user(world), _silent),
    "member": Kind(
        "user",
        shapes.member,
        lambda world, _repo: _new_user(world) | {"role": "write"},
        _member_told,
    ),
    "team": Kind(
        "id",
        shapes.team,
        lambda world, _repo: {"name": f"team-{world.next_id()}", "description": None},
        _team_told,
    ),
}  # fmt: skip
"""By name."""
