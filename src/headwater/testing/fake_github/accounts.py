"""Who there is and whose repositories there are, over HTTP; Apps' tokens; webhooks and their deliveries."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.responses import Response

from headwater.testing.fake_github import shapes
from headwater.testing.fake_github.answers import Ask, answer, listed, not_found, refused
from headwater.testing.fake_github.hooks import Hook, Hooks
from headwater.testing.fake_github.limits import Limits
from headwater.testing.fake_github.repo import Repo
from headwater.testing.fake_github.visitors import Installation, Visitors
from headwater.testing.fake_github.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The handlers that are of no repository's content."""

    world: World
    visitors: Visitors
    limits: Limits
    hooks: Hooks

    # --- accounts ------------------------------------------------------------------------------------------

    def rate_limit(self, ask: Ask, _named: Sequence[str]) -> Response:
        """Say what is left; it costs nothing."""
        told = self.limits.headers(ask.visitor)
        core = {name: int(told[f"x-ratelimit-{name}"]) for name in ("limit", "used", "remaining", "reset")}
        return answer({"resources": {"core": core, "search": core}, "rate": core})

    def me(self, ask: Ask, _named: Sequence[str]) -> Response:
        """Say whose token it is."""
        if ask.visitor.kind != "user":
            return refused(403, "Resource not accessible by integration")
        return answer(shapes.user(self.world.base, self.world.me))

    def user(self, ask: Ask, named: Sequence[str]) -> Response:
        """Read an account."""
        facts = self.world.users.get(named[0])
        return not_found() if facts is None else answer(shapes.user(self.world.base, facts))

    def organization(self, ask: Ask, named: Sequence[str]) -> Response:
        """Read an organization."""
        facts = self.world.users.get(named[0])
        if facts is None or facts["type"] != "Organization":
            return not_found()
        return answer(shapes.organization(self.world.base, facts))

    # --- repositories --------------------------------------------------------------------------------------

    def own_repos(self, ask: Ask, _named: Sequence[str]) -> Response:
        """List all repositories that a token is for."""
        if ask.visitor.kind != "user":
            return refused(401 if ask.visitor.kind == "public" else 403, "Requires authentication")
        return self._repos(ask, list(self.world.repos.values()))

    def organization_repos(self, ask: Ask, named: Sequence[str]) -> Response:
        """List the repositories of an account."""
        found = [repo for repo in self.world.repos.values() if repo.owner["login"] == named[0]]
        if named[0] not in self.world.users:
            return not_found()
        return self._repos(ask, found)

    def installed_repos(self, ask: Ask, _named: Sequence[str]) -> Response:
        """List the repositories of an installation."""
        if ask.visitor.kind != "installation":
            return refused(403, "You must authenticate with an installation access token")
        chosen = ask.visitor.repositories
        found = [repo for repo in self.world.repos.values() if chosen is None or repo.id in chosen]
        return self._repos(ask, found, envelope="repositories")

    def _repos(self, ask: Ask, found: list[Repo], envelope: str = "") -> Response:
        seen = sorted((repo for repo in found if ask.visitor.sees(repo)), key=lambda repo: repo.full_name)
        return listed(
            self.world,
            ask,
            seen,
            lambda repo: shapes.minimal_repository(self.world.at(repo)),
            envelope=envelope,
        )

    def make_repo(self, ask: Ask, named: Sequence[str]) -> Response:
        """Make a repository."""
        owner = named[0] if named else self.world.me["login"]
        repo = self.world.make_repo(
            f"{owner}/{ask.body['name']}",
            private=bool(ask.body.get("private")),
            empty=not ask.body.get("auto_init"),
        )
        return answer(shapes.repository(self.world.at(repo)), 201)

    def repo(self, repo: Repo, ask: Ask) -> Response:
        """Read, change or delete a repository."""
        if ask.method == "DELETE":
            self.world.delete_repo(repo)
            return answer(None, 204)
        if ask.method == "PATCH":
            names = ("name", "description", "archived", "private", "default_branch", "has_issues")
            self.world.change_repo(repo, **{name: ask.body[name] for name in names if name in ask.body})
        return answer(shapes.repository(self.world.at(repo)))

    def star(self, ask: Ask, named: Sequence[str]) -> Response:
        """Star a repository, or take it back."""
        repo, me = self.world.repo_named("/".join(named)), self.world.me
        if repo is None or ask.visitor.kind != "user":
            return not_found()
        starred = me["id"] in repo.tables["stargazer"]
        if ask.method == "GET":
            return answer(None, 204) if starred else not_found()
        if ask.method == "PUT" and not starred:
            self.world.make(repo, "stargazer", user=me)
        if ask.method == "DELETE" and starred:
            self.world.delete(repo, "stargazer", me["id"])
        return answer(None, 204)

    # --- Apps ----------------------------------------------------------------------------------------------

    def token(self, ask: Ask, named: Sequence[str]) -> Response:
        """Give a token of an installation to its App."""
        if ask.visitor.kind != "app":
            return refused(401, "A JSON web token could not be decoded")
        installation = self.visitors.installations.get(int(named[0]))
        if installation is None:
            return not_found()
        if installation.suspended:
            return refused(403, "This installation has been suspended")
        narrowed = self._narrowed(installation, ask.body.get("repositories"))
        if narrowed is not None and not narrowed:
            return refused(422, "There is at least one repository that does not exist or is not accessible")
        token, until = self.visitors.issue(installation, narrowed)
        told: dict[str, Any] = {
            "token": token,
            "expires_at": shapes.instant(until),
            "permissions": ask.body.get("permissions") or {"contents": "read", "issues": "read"},
            "repository_selection": "all" if narrowed is None else "selected",
        }
        return answer(told, 201)

    def _narrowed(self, installation: Installation, names: list[str] | None) -> frozenset[int] | None:
        """Return the repositories to which a token is narrowed; none where one of them is not the App's."""
        if not names:
            return None
        known = installation.repositories or set(self.world.repos)
        found = {repo.facts["name"]: id for id, repo in self.world.repos.items() if id in known}
        return frozenset(found[name] for name in names) if set(names) <= set(found) else frozenset()

    # --- webhooks ------------------------------------------------------------------------------------------

    def hooks_of(self, owner: str, path: str, ask: Ask, rest: str) -> Response:
        """Read, make, change or delete webhooks of a repository or an organization, and their deliveries."""
        if ask.visitor.kind == "public":
            return not_found()
        if not rest:
            mine = [hook for hook in self.hooks.hooks.values() if hook.owner == owner]
            if ask.method == "GET":
                return listed(self.world, ask, mine, lambda hook: hook.shape(self.world.base, path))
            return self._make_hook(owner, path, ask, mine)
        number, *more = rest.strip("/").split("/")
        hook = self.hooks.hooks.get(int(number) if number.isdigit() else 0)
        if hook is None or hook.owner != owner:
            return not_found()
        if more:
            return self._deliveries(hook, ask, more)
        if ask.method == "DELETE":
            del self.hooks.hooks[hook.id]
            return answer(None, 204)
        if ask.method == "PATCH":
            hook.config |= ask.body.get("config", {})
            hook.events = ask.body.get("events", hook.events)
            hook.active = ask.body.get("active", hook.active)
        return answer(hook.shape(self.world.base, path))

    def _make_hook(self, owner: str, path: str, ask: Ask, mine: Sequence[Hook]) -> Response:
        config = ask.body.get("config", {})
        if any(hook.config.get("url") == config.get("url") for hook in mine):
            return refused(422, "Hook already exists on this repository")
        hook = self.hooks.make(owner, dict(config), ask.body.get("events") or ["push"])
        return answer(hook.shape(self.world.base, path), 201)

    def _deliveries(self, hook: Hook, ask: Ask, more: Sequence[str]) -> Response:
        """List deliveries, newest first, by cursor; or make another attempt."""
        if more[-1] == "attempts" and ask.method == "POST":
            found = [one for one in hook.deliveries if str(one.id) == more[1]]
            if not found:
                return not_found()
            self.hooks.again(found[0])
            return answer({}, 202)
        newest = sorted(hook.deliveries, key=lambda one: (one.at, one.id), reverse=True)
        size = min(int(ask.query.get("per_page", "30")), 100)
        start = int(ask.query.get("cursor", "0").removeprefix("v1_"))
        shown = [one.shape() for one in newest[start : start + size]]
        if start + size >= len(newest):
            return answer(shown)
        url = f"{self.world.base}{ask.path}?per_page={size}&cursor=v1_{start + size}"
        return answer(shown, link=f'<{url}>; rel="next"')


class Route(NamedTuple):
    """A handler, and for which methods and paths."""

    methods: tuple[str, ...]
    path: re.Pattern[str]
    handler: Callable[[Accounts, Ask, Sequence[str]], Response]


def _route(methods: str, path: str, handler: Callable[[Accounts, Ask, Sequence[str]], Response]) -> Route:
    return Route(tuple(methods.split()), re.compile(path), handler)


ROUTES = (
    _route("GET", "/rate_limit", Accounts.rate_limit),
    _route("GET", "/user", Accounts.me),
    _route("GET", "/user/repos", Accounts.own_repos),
    _route("POST", "/user/repos", Accounts.make_repo),
    _route("GET PUT DELETE", "/user/starred/([^/]+)/([^/]+)", Accounts.star),
    _route("GET", "/users/([^/]+)", Accounts.user),
    _route("GET", "/users/([^/]+)/repos", Accounts.organization_repos),
    _route("GET", "/orgs/([^/]+)", Accounts.organization),
    _route("GET", "/orgs/([^/]+)/repos", Accounts.organization_repos),
    _route("POST", "/orgs/([^/]+)/repos", Accounts.make_repo),
    _route("GET", "/installation/repositories", Accounts.installed_repos),
    _route("POST", "/app/installations/([0-9]+)/access_tokens", Accounts.token),
)
