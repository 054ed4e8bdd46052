"""The REST API: who asks is found out, limits are counted, the path is followed to its handler. An ASGI app.

`/_control/` is exempt from everything.
"""

import re
from random import Random
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headwater.testing.fake_api.faults import spoiled
from headwater.testing.fake_github import accounts, resources
from headwater.testing.fake_github.accounts import Accounts
from headwater.testing.fake_github.answers import Ask, moved, not_found, refused
from headwater.testing.fake_github.control import Control
from headwater.testing.fake_github.limits import Limits, Refusal
from headwater.testing.fake_github.repo import Repo
from headwater.testing.fake_github.visitors import Visitor, Visitors
from headwater.testing.fake_github.world import World

_REPO = re.compile(r"/(?:repos/([^/]+/[^/]+)|repositories/([0-9]+))(/.*)?")
_HOOKS = re.compile(r"/hooks(/.*)?")
_ORG_HOOKS = re.compile(r"/orgs/([^/]+)/hooks(/.*)?")


_SERVER = "/api/v3"
"""Where an Enterprise Server has the API; here it is there, too."""


class Api:
    """The app."""

    def __init__(
        self, world: World, visitors: Visitors, limits: Limits, handlers: Accounts, control: Control
    ) -> None:
        self._world, self._visitors, self._limits = world, visitors, limits
        self._accounts, self._control = handlers, control
        self._dice = Random(world.seed + 2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        path = scope["raw_path"].partition(b"?")[0].decode("ascii").removeprefix(_SERVER)
        body = await request.body()
        if path.startswith("/_control/"):
            answer = await self._control.answer(request.method, path, dict(request.query_params), body)
            await answer(scope, receive, send)
            return
        answer, half = self._answered(request, path, body)
        await answer(scope, receive, spoiled("half", send) if half else send)

    def _answered(self, request: Request, path: str, body: bytes) -> tuple[Response, bool]:
        """Return the answer, and whether it is to end in its middle."""
        if not request.headers.get("user-agent"):
            return refused(403, "Request forbidden by administrative rules. A User-Agent is missing."), False
        visitor = self._visitors.who(request.headers.get("authorization", ""))
        if visitor is None:
            return refused(401, "Bad credentials"), False
        if path == "/rate_limit" or visitor.kind == "app":
            return self._routed(request, path, body, visitor), False
        refusal = self._limits.enter(visitor, request.method)
        if refusal is not None:
            return self._limited(visitor, refusal), False
        self._limits.paths[_pattern(path)] += 1
        answer = self._faulty(request, path, body, visitor)
        self._limits.leave(visitor, answer.status_code)
        answer.headers.update(self._limits.headers(visitor))
        half = answer.status_code == 200 and self._dice.random() < self._world.switches.half
        return answer, half

    def _limited(self, visitor: Visitor, refusal: Refusal) -> Response:
        answer = refused(403, refusal.message)
        answer.headers.update(self._limits.headers(visitor))
        if refusal.retry_after is not None:
            answer.headers["retry-after"] = str(refusal.retry_after)
        return answer

    def _faulty(self, request: Request, path: str, body: bytes, visitor: Visitor) -> Response:
        if self._dice.random() < self._world.switches.bad_gateway:
            return refused(502, "Server Error")
        answer = self._routed(request, path, body, visitor)
        if answer.status_code == 200 and request.headers.get("if-none-match") == answer.headers.get("etag"):
            kept = {name: answer.headers[name] for name in ("etag", "link") if name in answer.headers}
            return Response(status_code=304, headers=kept)
        return answer

    def _routed(self, request: Request, path: str, body: bytes, visitor: Visitor) -> Response:
        ask = Ask(
            method=request.method,
            path=path,
            query=dict(parse_qsl(request.url.query, keep_blank_values=True)),
            headers=request.headers,
            visitor=visitor,
            body=orjson.loads(body) if body.strip() else {},
        )
        try:
            return self._route(ask)
        except (KeyError, ValueError, TypeError):  # of what was sent
            return refused(422, "Validation Failed")

    def _route(self, ask: Ask) -> Response:
        if found := _REPO.fullmatch(ask.path):
            return self._in_repo(ask, found[1], found[2], found[3] or "")
        if found := _ORG_HOOKS.fullmatch(ask.path):
            return self._accounts.hooks_of(f"/orgs/{found[1]}", f"/orgs/{found[1]}", ask, found[2] or "")
        for route in accounts.ROUTES:
            if ask.method in route.methods and (found := route.path.fullmatch(ask.path)):
                return route.handler(self._accounts, ask, found.groups())
        return not_found()

    def _in_repo(self, ask: Ask, name: str | None, id: str | None, rest: str) -> Response:
        repo = self._world.repos.get(int(id)) if id else self._world.repo_named(name or "")
        if repo is None and name is not None:
            former = self._world.formerly(name)
            if former is not None and ask.visitor.sees(former):
                return moved(self._world, f"/repositories/{former.id}{rest}", ask.query)
        if repo is None or not ask.visitor.sees(repo):
            return not_found()
        if not rest:
            return self._accounts.repo(repo, ask)
        if found := _HOOKS.fullmatch(rest):
            path = ask.path.removesuffix(rest)
            return self._accounts.hooks_of(f"/repositories/{repo.id}", path, ask, found[1] or "")
        return self._handled(ask, repo, rest)

    def _handled(self, ask: Ask, repo: Repo, rest: str) -> Response:
        if ask.visitor.kind == "public" and (ask.method != "GET" or rest in ("/collaborators", "/teams")):
            return refused(401, "Requires authentication")
        for route in resources.ROUTES:
            if ask.method in route.methods and (found := route.path.fullmatch(rest)):
                return route.handler(self._world, repo, ask, found.groups())
        return not_found()


def _pattern(path: str) -> str:
    """Return a path without what names one object, for counting."""
    return re.sub(r"/[0-9a-f]{40}|/[0-9]+(?=/|$)", "/N", path)
