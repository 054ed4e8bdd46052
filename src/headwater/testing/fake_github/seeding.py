"""Fills a repository with all kinds of objects, and stirs what is there: for tests of whole syncs."""

from typing import NamedTuple

from headwater.testing.fake_github.kinds import pull
from headwater.testing.fake_github.repo import Facts, Repo
from headwater.testing.fake_github.world import World

_SPREAD = 86_400 * 90
"""Seconds over which what is there at the start has come to be; many share one second."""
_PARTS = {
    "issue": 0.35,
    "issue_comment": 0.35,
    "stargazer": 0.12,
    "commit": 0.1,
    "workflow_run": 0.04,
    "pull": 0.01,
    "review_comment": 0.01,
    "review": 0.01,
    "label": 0.001,
    "milestone": 0.001,
    "release": 0.001,
    "tag": 0.001,
    "branch": 0.001,
    "deployment": 0.002,
    "commit_comment": 0.002,
    "watcher": 0.001,
}
_CHANGED = ("issue", "issue", "issue_comment", "release", "milestone", "label", "workflow_run", "pull")
_DELETED = ("issue", "issue_comment", "issue_comment", "label", "milestone", "release", "stargazer", "tag")


class Stirred(NamedTuple):
    """How much was changed and deleted."""

    changed: int
    deleted: int


def seed(world: World, repo: Repo, objects: int) -> int:
    """Fill a repository with about so many objects, at least one of each kind; return how many they are."""
    start, dice = world.now() - _SPREAD, world.dice
    world.make(repo, "workflow")
    for kind, part in _PARTS.items():
        count = max(1, round(objects * part))
        times = sorted(start + dice.randrange(_SPREAD) for _ in range(count))
        if kind == "commit":
            for commit, at in zip(world.push(repo, count), times, strict=True):
                repo.commits[commit]["created_at"] = at
            continue
        above = _above(world, repo, kind)
        for at in times:
            given: Facts = {"created_at": at, "updated_at": at}
            if kind == "pull":
                world.make(repo, "issue", pull=pull(repo, "main"), **given)
                continue
            if above:
                given["of"] = dice.choice(above)
            if kind == "workflow_run":
                given |= {"status": "completed", "conclusion": "success"}
            world.make(repo, kind, **given)
            if above:  # it came long ago
                repo.tables["issue"][given["of"]]["updated_at"] = at
    return sum(len(table) for table in repo.tables.values()) + len(repo.commits)


def _above(world: World, repo: Repo, kind: str) -> list[int]:
    """Return the numbers of the issues or pull requests of which a kind of object may be."""
    if kind not in ("issue_comment", "review", "review_comment"):
        return []
    of_pulls = kind != "issue_comment"
    issues = repo.tables["issue"].items()
    found = [number for number, each in issues if not of_pulls or each["pull"] is not None]
    return found or [world.make(repo, "issue", pull=pull(repo, "main"))["number"]]


def stir(world: World, changes: int, deletes: int) -> Stirred:
    """Change and delete some of what is there; things are made, too, and commits pushed, some by force."""
    dice, repos = world.dice, list(world.repos.values())
    changed = sum(_change(world, dice.choice(repos)) for _ in range(changes))
    deleted = sum(_delete(world, dice.choice(repos)) for _ in range(deletes))
    return Stirred(changed, deleted)


def _change(world: World, repo: Repo) -> int:
    dice = world.dice
    roll, kind = dice.random(), dice.choice(_CHANGED)
    if roll < 0.05:
        world.push(repo, dice.randrange(1, 3), drop=dice.choice((0, 0, 1)))
    elif roll < 0.15:
        issue = dice.choice(list(repo.tables["issue"]))
        world.make(repo, "issue_comment", of=issue)
    elif roll < 0.2:
        pulls = [number for number, each in repo.tables["issue"].items() if each["pull"] is not None]
        if pulls:
            world.make(repo, "review", of=dice.choice(pulls))
    elif roll < 0.25:
        world.make(repo, dice.choice(("issue", "stargazer", "workflow_run", "label")))
    else:
        table = "issue" if kind == "pull" else kind
        keys = list(repo.tables[table])
        if not keys:
            return 0
        given: Facts = {"title": f"Title {dice.randrange(10**6)}", "body": f"Text {dice.randrange(10**6)}"}
        if table in ("label", "release"):
            given = {"description" if table == "label" else "body": f"Text {dice.randrange(10**6)}"}
        if table == "workflow_run":
            given = {"status": "completed", "conclusion": dice.choice(("success", "failure"))}
            keys = keys[-50:]
        world.change(repo, table, dice.choice(keys), **given)
    return 1


def _delete(world: World, repo: Repo) -> int:
    kind = world.dice.choice(_DELETED)
    keys = [key for key, facts in repo.tables[kind].items() if kind != "issue" or facts["pull"] is None]
    if len(keys) < 2:
        return 0
    world.delete(repo, kind, world.dice.choice(keys))
    return 1
