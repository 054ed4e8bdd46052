"""What there is at the fake GitHub: accounts, repositories, and what is in them. No HTTP.

Times are whole seconds, as GitHub's are, so that many changes share one. Everything that happens is told to
`told`, which sends it to webhooks. Not here: how it is shown (`shapes`), who may see it (`visitors`).
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from headwater.testing.fake_github import shapes
from headwater.testing.fake_github.kinds import KINDS
from headwater.testing.fake_github.repo import Facts, Repo
from headwater.testing.fake_github.shapes import At
from headwater.testing.fake_github.switches import Switches

Told = Callable[[str, str | None, Repo, Facts], None]
"""`(event, action, repository, members of the payload)`."""

FIRST_SHA = "0" * 40


class World:
    """All accounts and repositories."""

    def __init__(self, seed: int = 1, switches: Switches | None = None) -> None:
        self.seed, self.dice = seed, Random(seed)
        self.switches = switches or Switches()
        self.base = ""
        """Where it is served: stands in the URLs of objects."""
        self.users: dict[str, Facts] = {}
        self.repos: dict[int, Repo] = {}
        self.former: dict[str, int] = {}
        """Names that repositories had, lower case."""
        self.told: list[Told] = []
        self.changes: dict[str, int] = {}
        """How often something was made, changed or deleted, by `kind.action`."""
        self._last_id = 1_000
        self.me = self.user("octocat")

    def now(self) -> int:
        """Return the time in whole seconds."""
        return int(time.time())

    def next_id(self) -> int:
        """Return an id that nothing has yet; every second one, since a pull request is an issue, too."""
        self._last_id += 2
        return self._last_id

    def user(self, login: str, type: str = "User") -> Facts:
        """Return an account, made when it is first named."""
        if login not in self.users:
            self.users[login] = {"login": login, "id": self.next_id(), "type": type}
        return self.users[login]

    def at(self, repo: Repo) -> At:
        """Return the place of a repository, for its shapes."""
        return At(self.base, repo.facts, repo.owner)

    def shown(self, repo: Repo, kind: str, facts: Mapping[str, Any]) -> shapes.Shape:
        """Return an object as its list shows it."""
        return KINDS[kind].shape(self.at(repo), facts)

    # --- repositories --------------------------------------------------------------------------------------

    def make_repo(self, full_name: str, *, private: bool = False, empty: bool = False, **given: Any) -> Repo:
        """Make a repository, with one commit and one label unless it is to be empty."""
        login, _, name = full_name.partition("/")
        owner = self.users.get(login) or self.user(login, "Organization")
        now = self.now()
        facts: Facts = {
            "id": self.next_id(), "name": name, "private": private, "description": None, "archived": False,
            "default_branch": "main", "has_issues": True, "stars": 0, "watchers": 0, "open_issues": 0,
            "size": 0, "created_at": now, "updated_at": now, "pushed_at": now, **given,
        }  # fmt: skip
        repo = self.repos[facts["id"]] = Repo(facts, owner)
        self._count("repository", "created")
        if not empty:
            self.push(repo, 1)
            self.make(repo, "label", name="bug")
        self._tell("repository", "created", repo, {})
        return repo

    def repo_named(self, full_name: str) -> Repo | None:
        """Return the repository of this name."""
        lowered = full_name.lower()
        return next((repo for repo in self.repos.values() if repo.full_name.lower() == lowered), None)

    def formerly(self, full_name: str) -> Repo | None:
        """Return the repository that had this name once."""
        return self.repos.get(self.former.get(full_name.lower(), 0))

    def change_repo(self, repo: Repo, **given: Any) -> None:
        """Change a repository; by `name` or `owner` it is renamed or moved; its old name leads to it."""
        before, owner = repo.full_name, given.pop("owner", None)
        repo.facts |= {**given, "updated_at": self.now()}
        if owner is not None:
            repo.owner = self.users.get(owner) or self.user(owner, "Organization")
        if repo.full_name != before:
            self.former[before.lower()] = repo.id
        action = "transferred" if owner is not None else "renamed" if repo.full_name != before else "edited"
        self._count("repository", action)
        self._tell("repository", action, repo, {})

    def delete_repo(self, repo: Repo) -> None:
        """Delete a repository with all that is in it."""
        del self.repos[repo.id]
        self._count("repository", "deleted")
        self._tell("repository", "deleted", repo, {})

    # --- what is in them -----------------------------------------------------------------------------------

    def make(self, repo: Repo, kind: str, **given: Any) -> Facts:
        """Make an object; what is not given is made up."""
        now = self.now()
        facts: Facts = {"id": self.next_id(), "created_at": now, "updated_at": now, "user": self.me}
        facts |= KINDS[kind].defaults(self, repo) | given
        key = facts[KINDS[kind].key] if KINDS[kind].key != "user" else facts["user"]["id"]
        repo.tables[kind][key] = facts
        self._follow(repo, kind, facts, 1)
        self._happened(repo, kind, "made", facts)
        return facts

    def change(self, repo: Repo, kind: str, key: Any, **given: Any) -> Facts:
        """Change an object."""
        facts = repo.tables[kind][key]
        if "state" in given and given["state"] != facts.get("state") and "closed_at" in facts:
            given["closed_at"] = self.now() if given["state"] == "closed" else None
        facts |= {"updated_at": self.now(), **given}
        self._happened(repo, kind, "changed", facts)
        return facts

    def delete(self, repo: Repo, kind: str, key: Any) -> Facts:
        """Delete an object."""
        facts = repo.tables[kind].pop(key)
        if kind == "issue":
            repo.gone[facts["number"]] = ""
            for below in ("issue_comment", "review", "review_comment"):
                for one in [key for key, each in repo.tables[below].items() if each["of"] == facts["number"]]:
                    del repo.tables[below][one]
        self._follow(repo, kind, facts, -1)
        self._happened(repo, kind, "deleted", facts)
        return facts

    def transfer(self, repo: Repo, number: int, to: Repo) -> Facts:
        """Move an issue to another repository, where it is another issue."""
        facts = repo.tables["issue"].pop(number)
        for key in [key for key, each in repo.tables["issue_comment"].items() if each["of"] == number]:
            del repo.tables["issue_comment"][key]
        to.numbers += 1
        moved = {**facts, "id": self.next_id(), "number": to.numbers, "updated_at": self.now(), "comments": 0}
        to.tables["issue"][to.numbers] = moved
        repo.gone[number] = f"/repositories/{to.id}/issues/{to.numbers}"
        self._count("issue", "transferred")
        told = {
            "new_issue": shapes.issue(self.at(to), moved),
            "new_repository": shapes.minimal_repository(self.at(to)),
        }
        shown = {"issue": shapes.issue(self.at(repo), facts), "changes": told}
        self._tell("issues", "transferred", repo, shown)
        return moved

    def _follow(self, repo: Repo, kind: str, facts: Facts, by: int) -> None:
        """Change what counts or holds an object that came or went."""
        if kind in ("issue_comment", "review", "review_comment"):
            above = repo.tables["issue"].get(facts["of"])
            if above is not None:
                above["updated_at"] = self.now()
                above["comments"] += by if kind == "issue_comment" else 0
        elif kind in ("stargazer", "watcher"):
            repo.facts["stars" if kind == "stargazer" else "watchers"] += by
            repo.facts["updated_at"] = self.now()
        elif kind == "issue":
            repo.facts["open_issues"] += by

    # --- git -----------------------------------------------------------------------------------------------

    def push(self, repo: Repo, count: int, *, branch: str | None = None, drop: int = 0) -> list[str]:
        """Push new commits, in place of `drop` old ones by force. Returns the new hashes, oldest first."""
        name = branch or repo.facts["default_branch"]
        before = repo.resolve(name)
        line = repo.reached(before)[drop:]
        parent = line[0] if line else None
        made: list[str] = []
        for _ in range(count):
            sha = hashlib.sha1(f"{self.seed}/{self.next_id()}".encode(), usedforsecurity=False).hexdigest()
            parents = [] if parent is None else [parent]
            repo.commits[sha] = {
                "sha": sha, "parents": parents, "created_at": self.now(), "user": self.me,
                "message": f"Change {len(repo.commits)}",
            }  # fmt: skip
            made.append(sha)
            parent = sha
        self.point(repo, name, parent, forced=drop > 0, commits=made)
        return made

    def point(
        self,
        repo: Repo,
        name: str,
        sha: str | None,
        *,
        forced: bool = False,
        commits: list[str] | None = None,
    ) -> None:
        """Let a branch be at a commit; None deletes it."""
        branches = repo.tables["branch"]
        before = branches[name]["sha"] if name in branches else None
        if sha is None:
            branches.pop(name, None)
        else:
            branches[name] = {"protected": False, **branches.get(name, {}), "name": name, "sha": sha}
        repo.facts |= {"pushed_at": self.now(), "updated_at": self.now()}
        for pull in repo.tables["issue"].values():
            if pull["pull"] is not None and pull["pull"]["head"] == name and sha is not None:
                pull["pull"]["sha"], pull["updated_at"] = sha, self.now()
        self._count("branch", "made" if before is None else "deleted" if sha is None else "changed")
        if before is None or sha is None:
            event = "create" if before is None else "delete"
            self._tell(event, None, repo, {"ref": name, "ref_type": "branch"})
        self._tell(
            "push", None, repo, self._pushed(repo, f"refs/heads/{name}", before, sha, forced, commits or [])
        )

    def _pushed(
        self, repo: Repo, ref: str, before: str | None, after: str | None, forced: bool, commits: list[str]
    ) -> Facts:
        told = [{"id": sha, "message": repo.commits[sha]["message"], "distinct": True} for sha in commits]
        return {
            "ref": ref,
            "before": before or FIRST_SHA,
            "after": after or FIRST_SHA,
            "created": before is None,
            "deleted": after is None,
            "forced": forced,
            "base_ref": None,
            "compare": f"{repo.full_name}/compare",
            "commits": told,
            "head_commit": told[-1] if told else None,
            "pusher": {"name": self.me["login"]},
        }

    # --- telling -------------------------------------------------------------------------------------------

    def _happened(self, repo: Repo, kind: str, what: str, facts: Facts) -> None:
        self._count(kind, what)
        for event, action, members in KINDS[kind].told(self.at(repo), facts, what):
            self._tell(event, action, repo, members)

    def _count(self, kind: str, what: str) -> None:
        name = f"{kind}.{what}"
        self.changes[name] = self.changes.get(name, 0) + 1

    def _tell(self, event: str, action: str | None, repo: Repo, members: Facts) -> None:
        for told in self.told:
            told(event, action, repo, members)

    def dump(self) -> dict[str, dict[str, shapes.Shape]]:
        """Return all that there is, by collection, and by the ids on the way to it, joined by slashes."""
        found: dict[str, dict[str, shapes.Shape]] = {kind: {} for kind in (*KINDS, "repository", "commit")}
        found["pull_request"] = {}
        for repo in self.repos.values():
            at = self.at(repo)
            found["repository"][str(repo.id)] = shapes.repository(at)
            for sha in repo.reached(repo.resolve(repo.facts["default_branch"])):
                found["commit"][f"{repo.id}/{sha}"] = shapes.commit(at, repo.commits[sha])
            for kind, table in repo.tables.items():
                for key, facts in table.items():
                    found[kind][KINDS[kind].place(repo.id, key, facts)] = KINDS[kind].shape(at, facts)
            for number, facts in repo.tables["issue"].items():
                if facts["pull"] is not None:
                    found["pull_request"][f"{repo.id}/{number}"] = shapes.pull_request(at, facts)
        return found
