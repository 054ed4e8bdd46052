"""A repository of the fake GitHub, and what is in it. Who is told when it changes: see `world`."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

Facts = dict[str, Any]
"""What is known of an object; `shapes` makes of it what is shown."""


@dataclass(slots=True, eq=False)
class Repo:
    """A repository: what it is, and what is in it, by kind and key."""

    facts: Facts
    owner: Facts
    tables: defaultdict[str, dict[Any, Facts]] = field(
        default_factory=lambda: defaultdict[str, dict[Any, Facts]](dict)
    )
    commits: dict[str, Facts] = field(default_factory=dict[str, Facts])
    """Every commit that was ever pushed, by hash; branches say which are reached."""
    numbers: int = 0
    """The last number of an issue or a pull request."""
    gone: dict[int, str] = field(default_factory=dict[int, str])
    """Numbers of issues that are no more: empty where deleted, else the path of where it was moved."""

    @property
    def id(self) -> int:
        """It stays, whatever the repository is called."""
        return self.facts["id"]

    @property
    def full_name(self) -> str:
        """Such as `octo/hello`."""
        return f"{self.owner['login']}/{self.facts['name']}"

    def reached(self, sha: str | None) -> list[str]:
        """Return the hashes that a commit reaches, newest first."""
        found: list[str] = []
        while sha is not None and sha in self.commits:
            found.append(sha)
            parents = self.commits[sha]["parents"]
            sha = parents[0] if parents else None
        return found

    def resolve(self, ref: str) -> str | None:
        """Return the hash that a branch, a tag or a hash means."""
        for kind in ("branch", "tag"):
            if ref in self.tables[kind]:
                return self.tables[kind][ref]["sha"]
        if ref == "HEAD":
            return self.resolve(self.facts["default_branch"])
        return ref if ref in self.commits else None
