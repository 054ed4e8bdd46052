"""What is in a repository, over HTTP: lists, single reads, and changes where GitHub has them.

A handler takes the repository, the request and what its path names. The order of `ROUTES` counts.
"""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import unquote

from starlette.responses import Response

from headwater.testing.fake_github import shapes
from headwater.testing.fake_github.answers import Ask, answer, listed, moved, not_found, refused, seconds
from headwater.testing.fake_github.kinds import KINDS, pull
from headwater.testing.fake_github.repo import Facts, Repo
from headwater.testing.fake_github.world import World

STAR = "application/vnd.github.star+json"
_FILTERED = 1_000
"""What a filtered list of runs gives at most."""

Handler = Callable[[World, Repo, Ask, Sequence[str]], Response]


def _sorted(ask: Ask, found: list[Facts], *, usual: str = "created", direction: str = "desc") -> list[Facts]:
    """Return objects in the order that was asked for; of one second, by id."""
    by = ask.query.get("sort", usual)
    down = ask.query.get("direction", direction) == "desc"
    return sorted(found, key=itemgetter(f"{by}_at", "id"), reverse=down)


def _state(ask: Ask, found: list[Facts]) -> list[Facts]:
    state = ask.query.get("state", "open")
    return [one for one in found if state in ("all", one["state"])]


def _since(ask: Ask, found: list[Facts]) -> list[Facts]:
    since = ask.query.get("since")
    return found if since is None else [one for one in found if one["updated_at"] >= seconds(since)]


# --- issues and pull requests ------------------------------------------------------------------------------


def issues(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
    """List issues, pull requests among them."""
    if not repo.facts["has_issues"]:
        return refused(410, "Issues has been disabled in this repository.")
    found = _since(ask, _state(ask, list(repo.tables["issue"].values())))
    return listed(world, ask, _sorted(ask, found), lambda one: shapes.issue(world.at(repo), one))


def issue(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Read an issue; a deleted one is gone, a transferred one is elsewhere."""
    number = int(named[0])
    if number in repo.gone:
        to = repo.gone[number]
        return moved(world, to, {}) if to else refused(410, "This issue was deleted")
    facts = repo.tables["issue"].get(number)
    return not_found() if facts is None else answer(shapes.issue_alone(world.at(repo), facts))


def make_issue(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
    """Open an issue."""
    made = world.make(repo, "issue", title=ask.body["title"], body=ask.body.get("body"))
    return answer(shapes.issue_alone(world.at(repo), made), 201)


def change_issue(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Change an issue or a pull request."""
    number = int(named[0])
    if number not in repo.tables["issue"]:
        return not_found()
    given = {name: ask.body[name] for name in ("title", "body", "state") if name in ask.body}
    facts = world.change(repo, "issue", number, **given)
    shape = shapes.pull_request_alone if "/pulls/" in ask.path else shapes.issue_alone
    return answer(shape(world.at(repo), facts))


def pulls(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
    """List pull requests. There is no `since`."""
    found = [one for one in _state(ask, list(repo.tables["issue"].values())) if one["pull"] is not None]
    usual = "asc" if ask.query.get("sort", "created") == "created" and "sort" in ask.query else "desc"
    return listed(
        world,
        ask,
        _sorted(ask, found, direction=usual),
        lambda one: shapes.pull_request(world.at(repo), one),
    )


def pull_request(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Read a pull request."""
    facts = repo.tables["issue"].get(int(named[0]))
    if facts is None or facts["pull"] is None:
        return not_found()
    return answer(shapes.pull_request_alone(world.at(repo), facts))


def make_pull(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
    """Open a pull request."""
    body = ask.body
    if repo.resolve(body["head"]) is None:
        return refused(422, "Validation Failed")
    made = world.make(
        repo, "issue", title=body["title"], body=body.get("body"), pull=pull(repo, body["head"])
    )
    return answer(shapes.pull_request_alone(world.at(repo), made), 201)


def merge(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Merge a pull request."""
    facts = repo.tables["issue"].get(int(named[0]))
    if facts is None or facts["pull"] is None:
        return not_found()
    facts["pull"]["merged_at"] = world.now()
    world.change(repo, "issue", facts["number"], state="closed")
    return answer({"sha": facts["pull"]["sha"], "merged": True, "message": "Merged"})


# --- comments and reviews ----------------------------------------------------------------------------------


def of_one(kind: str) -> Handler:
    """Return what lists the objects of one issue, pull request or commit."""

    def read(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
        above: Any = named[0] if kind == "commit_comment" else int(named[0])
        if kind != "commit_comment" and above not in repo.tables["issue"]:
            return not_found()
        found = [one for one in repo.tables[kind].values() if one["of"] == above]
        return listed(world, ask, found, lambda one: world.shown(repo, kind, one))

    return read


def make_of(kind: str) -> Handler:
    """Return what makes an object of one issue, pull request or commit."""

    def make(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
        above: Any = named[0] if kind == "commit_comment" else int(named[0])
        given = {"body": ask.body.get("body") or ""}
        if kind == "review":
            events = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}
            given["state"] = events.get(ask.body.get("event", ""), "COMMENTED")
        made = world.make(repo, kind, of=above, **given)
        return answer(world.shown(repo, kind, made), 200 if kind == "review" else 201)

    return make


def review(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Read a review."""
    facts = repo.tables["review"].get(int(named[1]))
    if facts is None or facts["of"] != int(named[0]):
        return not_found()
    return answer(shapes.review(world.at(repo), facts))


# --- what is alike -----------------------------------------------------------------------------------------


def table(kind: str, *, sorts: bool = False, envelope: str = "") -> Handler:
    """Return what lists a table of a repository, in the order in which it was made, or as asked for."""

    def read(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
        found = list(repo.tables[kind].values())
        if kind == "milestone":
            found = _state(ask, found)
        if sorts:
            found = _since(ask, _sorted(ask, found, direction="asc"))
        return listed(world, ask, found, lambda one: world.shown(repo, kind, one), envelope=envelope)

    return read


def one(kind: str, *, by: str = "") -> Handler:
    """Return what reads one object, by its key or by another of its facts."""

    def read(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
        facts = find(repo, kind, named[0], by)
        return not_found() if facts is None else answer(world.shown(repo, kind, facts))

    return read


def find(repo: Repo, kind: str, named: str, by: str = "") -> Facts | None:
    """Return the facts of an object that a path names."""
    key = KINDS[kind].key
    if by:
        return next((each for each in repo.tables[kind].values() if each[by] == unquote(named)), None)
    return repo.tables[kind].get(unquote(named) if key == "name" else int(named))


_GIVEN = {
    "label": ("name", "color", "description"),
    "milestone": ("title", "description", "state"),
    "release": ("tag_name", "name", "body", "draft", "prerelease"),
    "deployment": ("ref", "environment", "description"),
    "issue_comment": ("body",),
    "review_comment": ("body",),
    "commit_comment": ("body",),
}
"""What may be given of an object."""


def make(kind: str) -> Handler:
    """Return what makes an object."""

    def made(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
        given = {name: ask.body[name] for name in _GIVEN[kind] if name in ask.body}
        if kind == "label" and find(repo, kind, given["name"], "name") is not None:
            return refused(422, "Validation Failed")
        return answer(world.shown(repo, kind, world.make(repo, kind, **given)), 201)

    return made


def change(kind: str, *, by: str = "") -> Handler:
    """Return what changes an object."""

    def changed(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
        facts = find(repo, kind, named[0], by)
        if facts is None:
            return not_found()
        given = {name: ask.body[name] for name in _GIVEN[kind] if name in ask.body}
        if "new_name" in ask.body:
            given["name"] = ask.body["new_name"]
        world.change(repo, kind, facts[KINDS[kind].key], **given)
        return answer(world.shown(repo, kind, facts))

    return changed


def delete(kind: str, *, by: str = "") -> Handler:
    """Return what deletes an object."""

    def deleted(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
        facts = find(repo, kind, named[0], by)
        if facts is None:
            return not_found()
        world.delete(repo, kind, facts[KINDS[kind].key])
        return answer(None, 204)

    return deleted


# --- git ---------------------------------------------------------------------------------------------------


def commits(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
    """List the commits that a branch reaches, newest first."""
    if not repo.commits:
        return refused(409, "Git Repository is empty.")
    head = repo.resolve(ask.query.get("sha", "HEAD"))
    if head is None:
        return not_found()
    found = [repo.commits[sha] for sha in repo.reached(head)]
    if "since" in ask.query:
        found = [one for one in found if one["created_at"] >= seconds(ask.query["since"])]
    return listed(world, ask, found, lambda one: shapes.commit(world.at(repo), one))


def commit(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Read a commit; one that no branch reaches any more is still there."""
    sha = repo.resolve(unquote(named[0]))
    if sha is None:
        return refused(422, f"No commit found for SHA: {named[0]}")
    return answer(shapes.commit_alone(world.at(repo), repo.commits[sha]))


def compare(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Compare two commits: what the second reaches and the first does not, oldest first, in pages."""
    base, head = (repo.resolve(unquote(name)) for name in named)
    if base is None or head is None:
        return not_found()
    ours, theirs = repo.reached(base), repo.reached(head)
    known, reached = set(ours), set(theirs)
    ahead = [repo.commits[sha] for sha in reversed(theirs) if sha not in known]
    behind = sum(sha not in reached for sha in ours)
    common = next((sha for sha in theirs if sha in known), None)
    if common is None:
        return not_found()
    shown: list[Facts] = []
    listing = listed(world, ask, ahead, lambda one: shown.append(one))
    if listing.status_code != 200:
        return listing
    ends = (repo.commits[base], repo.commits[head], repo.commits[common])
    link = listing.headers.get("link")
    value = shapes.comparison(world.at(repo), *ends, ahead, shown, behind)
    return answer(value) if link is None else answer(value, link=link)


def branch(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Read a branch."""
    facts = repo.tables["branch"].get(unquote(named[0]))
    if facts is None:
        return refused(404, "Branch not found")
    return answer(shapes.branch_alone(world.at(repo), facts, repo.commits[facts["sha"]]))


def make_ref(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
    """Make a branch or a tag."""
    full, sha = ask.body["ref"], ask.body["sha"]
    if sha not in repo.commits:
        return refused(422, "Object does not exist")
    _, kind, name = full.split("/", 2)
    if kind == "heads":
        world.point(repo, name, sha)
    else:
        world.make(repo, "tag", name=name, sha=sha)
    return answer(shapes.reference(world.at(repo), full, sha), 201)


def ref(world: World, repo: Repo, ask: Ask, named: Sequence[str]) -> Response:
    """Read, move or delete a branch or a tag."""
    kind, name = named[0], unquote(named[1])
    facts = repo.tables["branch" if kind == "heads" else "tag"].get(name)
    if facts is None:
        return refused(422 if ask.method != "GET" else 404, "Reference does not exist")
    if ask.method == "DELETE":
        if kind == "heads":
            world.point(repo, name, None)
        else:
            world.delete(repo, "tag", name)
        return answer(None, 204)
    if ask.method == "PATCH":
        world.point(repo, name, ask.body["sha"], forced=bool(ask.body.get("force")))
    return answer(shapes.reference(world.at(repo), f"refs/{kind}/{name}", facts["sha"]))


# --- the rest ----------------------------------------------------------------------------------------------


def runs(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
    """List the runs of workflows, newest first; a filtered list ends after a thousand."""
    found = sorted(repo.tables["workflow_run"].values(), key=itemgetter("created_at", "id"), reverse=True)
    created = ask.query.get("created")
    if created is not None:
        first, _, last = created.removeprefix(">=").partition("..")
        found = [
            one
            for one in found
            if seconds(first) <= one["created_at"] and (not last or one["created_at"] <= seconds(last))
        ]
    return listed(
        world,
        ask,
        found,
        lambda one: shapes.workflow_run(world.at(repo), one),
        envelope="workflow_runs",
        most=None if created is None else _FILTERED,
    )


def stargazers(world: World, repo: Repo, ask: Ask, _named: Sequence[str]) -> Response:
    """List stars, oldest first; their times only where they are asked for."""
    timed = STAR in ask.headers.get("accept", "")

    def show(facts: Facts) -> Any:
        shown = shapes.stargazer(world.at(repo), facts)
        return shown if timed else shown["user"]

    return listed(world, ask, list(repo.tables["stargazer"].values()), show)


class Route(NamedTuple):
    """A handler, and for which methods and paths below a repository."""

    methods: tuple[str, ...]
    path: re.Pattern[str]
    handler: Handler


def _route(methods: str, path: str, handler: Handler) -> Route:
    pattern = path.replace("{n}", "([0-9]+)").replace("{name}", "([^/]+)").replace("{rest}", "(.+)")
    return Route(tuple(methods.split()), re.compile(pattern), handler)


def _written(kind: str, path: str, key: str = "{n}", by: str = "") -> list[Route]:
    """Return the routes of objects that are made, changed and listed in one place."""
    return [_route("POST", path, make(kind)), *_changed(kind, path, key, by)]


def _changed(kind: str, path: str, key: str = "{n}", by: str = "", *, sorts: bool = False) -> list[Route]:
    """Return the routes of objects that are listed and changed in one place, and made elsewhere."""
    return [
        _route("GET", path, table(kind, sorts=sorts)),
        _route("GET", f"{path}/{key}", one(kind, by=by)),
        _route("PATCH", f"{path}/{key}", change(kind, by=by)),
        _route("DELETE", f"{path}/{key}", delete(kind, by=by)),
    ]


ROUTES: tuple[Route, ...] = (
    *_changed("issue_comment", "/issues/comments", sorts=True),
    *_changed("review_comment", "/pulls/comments", sorts=True),
    *_changed("commit_comment", "/comments"),
    *_written("release", "/releases"),
    *_written("label", "/labels", "{name}", "name"),
    *_written("milestone", "/milestones"),
    *_written("deployment", "/deployments"),
    _route("GET", "/issues", issues),
    _route("POST", "/issues", make_issue),
    _route("GET", "/issues/{n}", issue),
    _route("PATCH", "/issues/{n}", change_issue),
    _route("GET", "/issues/{n}/comments", of_one("issue_comment")),
    _route("POST", "/issues/{n}/comments", make_of("issue_comment")),
    _route("GET", "/pulls", pulls),
    _route("POST", "/pulls", make_pull),
    _route("GET", "/pulls/{n}", pull_request),
    _route("PATCH", "/pulls/{n}", change_issue),
    _route("PUT", "/pulls/{n}/merge", merge),
    _route("GET", "/pulls/{n}/reviews", of_one("review")),
    _route("POST", "/pulls/{n}/reviews", make_of("review")),
    _route("GET", "/pulls/{n}/reviews/{n}", review),
    _route("GET", "/pulls/{n}/comments", of_one("review_comment")),
    _route("POST", "/pulls/{n}/comments", make_of("review_comment")),
    _route("GET", "/commits", commits),
    _route("GET", "/commits/{name}/comments", of_one("commit_comment")),
    _route("POST", "/commits/{name}/comments", make_of("commit_comment")),
    _route("GET", "/commits/{rest}", commit),
    _route("GET", "/compare/(.+?)\\.\\.\\.(.+)", compare),
    _route("GET", "/branches", table("branch")),
    _route("GET", "/branches/{rest}", branch),
    _route("POST", "/git/refs", make_ref),
    _route("GET PATCH DELETE", "/git/refs?/(heads|tags)/{rest}", ref),
    _route("GET", "/tags", table("tag")),
    _route("GET", "/actions/workflows", table("workflow", envelope="workflows")),
    _route("GET", "/actions/workflows/{n}", one("workflow")),
    _route("GET", "/actions/runs", runs),
    _route("GET", "/actions/runs/{n}", one("workflow_run")),
    _route("DELETE", "/actions/runs/{n}", delete("workflow_run")),
    _route("GET", "/stargazers", stargazers),
    _route("GET", "/subscribers", table("watcher")),
    _route("GET", "/collaborators", table("member")),
    _route("GET", "/teams", table("team")),
)
