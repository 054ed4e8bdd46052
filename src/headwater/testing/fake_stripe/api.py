"""The fake Stripe over HTTP: who asks, how often, and what is answered. An ASGI app.

`/_control/` is exempt from everything. Source: https://docs.stripe.com/api (authentication, versioning),
https://docs.stripe.com/rate-limits. Read 2026-11-24.
"""

import re
import time
from base64 import b64decode
from binascii import Error as NoBase64
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from headwater.testing.fake_api.faults import spoiled
from headwater.testing.fake_stripe import endpoints, reads, writes
from headwater.testing.fake_stripe.books import Books, Object
from headwater.testing.fake_stripe.form import decoded, nested
from headwater.testing.fake_stripe.places import Place, place_of
from headwater.testing.fake_stripe.problems import Problem, unknown
from headwater.testing.fake_stripe.resources import EXAMPLES
from headwater.testing.fake_stripe.world import World
from headwater.testing.fake_stripe.writing import text

_VERSION = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(\.[a-z]+)?")
_SECOND = 1.0


class Api:
    """Answers requests. `control` takes those below `/_control/`; after each, what happened is pushed."""

    def __init__(self, world: World, control: ASGIApp, pushing: endpoints.Pushing) -> None:
        self._world, self._control, self._pushing = world, control, pushing
        self._dice = Random(world.seed)
        self._replies = writes.Replies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["path"].startswith("/_control/"):
            await self._control(scope, receive, send)
            self._pushing.push()
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        self._world.used.answers[str(response.status_code)] += 1
        if response.status_code == 200 and self._dice.random() < self._world.switches.cut:
            self._world.used.answers["cut"] += 1
            send = spoiled("half", send)
        await response(scope, receive, send)
        self._pushing.push()

    async def _answer(self, request: Request) -> Response:
        indent = self._world.switches.indent
        version = request.headers.get("stripe-version", self._world.switches.account_version)
        headers = {"Stripe-Version": version, "Request-Id": f"req_{self._dice.getrandbits(64):x}"}
        try:
            body = await self._found(request, version)
        except Problem as problem:
            problem.headers |= headers
            return problem.response(indent=indent)
        except ValueError:
            return Problem(400, "Invalid request.", headers=headers).response(indent=indent)
        return Response(text(body, indent=indent), 200, headers, "application/json")

    async def _found(self, request: Request, version: str) -> Any:
        """Return the body of an answer. Raises: Problem."""
        path, method = request.url.path, request.method
        at = place_of(path)
        self._count(request, at[0] if at else None)
        key = self._world.keys.check(_key(request.headers.get("authorization")))
        if not _VERSION.fullmatch(version):
            raise Problem(400, f"Invalid Stripe API version: {version}")
        if at is None:
            raise unknown(method, path)
        self._fail()
        place, ids = at
        self._permit(key, place)
        books = self._world.books(request.headers.get("stripe-account"))
        if method == "GET":
            return self._read(books, place, ids, nested(request.query_params.multi_items()))
        body = (await request.body()).decode()
        idempotency = request.headers.get("idempotency-key") if method == "POST" else None
        asked = (method, path, sorted(parse_qsl(body, keep_blank_values=True)))
        known = self._replies.known(idempotency, asked)
        if known is None:
            known = self._write(books, place, ids, method, decoded(body))
            self._replies.keep(idempotency, asked, known)
        return known

    def _count(self, request: Request, place: Place | None) -> None:
        """Take note of a request, and keep the limits. Raises: Problem."""
        now, used = time.monotonic(), self._world.used
        query = request.url.query
        shown = f"{request.method} {request.url.path}{'?' if query else ''}{query}"
        used.last.append(shown)
        used.all.arrive(now, shown)
        operation = used.operation(f"{request.method} {place.template if place else 'unknown'}")
        operation.arrive(now, shown)
        reason = None
        if used.all.admit(now, self._world.limit, _SECOND) is not None:
            reason = "global-rate"
        elif operation.admit(now, self._world.switches.endpoint_limit, _SECOND) is not None:
            reason = "endpoint-rate"
        if reason is not None:
            used.limited[reason] += 1
            headers = {"Stripe-Rate-Limited-Reason": reason}
            message = "Request rate limit exceeded."
            raise Problem(429, message, code="rate_limit", headers=headers)

    def _fail(self) -> None:
        if self._dice.random() < self._world.switches.errors:
            status = self._dice.choice((500, 503))
            raise Problem(status, "Something went wrong on Stripe's end.", type="api_error")

    def _permit(self, key: str, place: Place) -> None:
        """Refuse what a restricted key may not read. Raises: Problem."""
        allowed = self._world.keys.restricted.get(key)
        name = place.resource.object if place.resource else place.what.removesuffix("s")
        if allowed is not None and name not in allowed:
            message = f"The provided key does not have the required permissions for this: {name}."
            raise Problem(403, message, code="more_permissions_required_for_application")

    def _read(self, books: Books, place: Place, ids: dict[str, str], params: Object) -> Any:
        resource, parent = place.resource, ids.get("parent")
        if resource is not None and place.nested is not None:
            owner = ids.get("id") or str(params.pop(str(place.nested.owner), ""))
            return reads.nested(books, resource, place.nested, owner, params)
        if resource is not None and place.what == "list":
            return reads.listed(books, resource, params, parent)
        if resource is not None:
            return reads.single(books, resource, ids["id"], params, parent)
        if place.what == "account":
            made = {"id": books.account, "created": books.created}
            return EXAMPLES["account"] | made
        if place.what == "events":
            return reads.events(books, params)
        if place.what == "event":
            return reads.event(books, ids["id"])
        return endpoints.read(self._world, ids.get("id"))

    def _write(self, books: Books, place: Place, ids: dict[str, str], method: str, form: Object) -> Any:
        if place.what in {"endpoints", "endpoint"}:
            return endpoints.write(self._world, ids.get("id"), method, form)
        resource = place.resource
        if resource is not None and method == "DELETE" and place.what == "one":
            return writes.delete(books, resource, ids["id"])
        if resource is not None and method == "POST" and place.what == "one":
            return writes.update(books, resource, ids["id"], form)
        if resource is not None and method == "POST" and place.what == "list":
            return writes.create(books, resource, form, ids.get("parent"))
        raise unknown(method, place.template)


def _key(authorization: str | None) -> str | None:
    """Return the key of a bearer, or the user name of basic authentication."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            value = b64decode(value).decode().partition(":")[0]
        except (NoBase64, UnicodeDecodeError):
            return None
    return value or None
