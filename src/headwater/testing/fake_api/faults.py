"""What goes wrong on the way to an answer and from it: limits, tokens, errors, half bodies. An ASGI layer.

`/_control/` is exempt from everything, `/oauth/` from the limit and the token.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Mapping
from email.utils import formatdate
from random import Random
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headwater.testing.fake_api.requests import Requests
from headwater.testing.fake_api.world import World

_ERRORS = (500, 502, 503)


class Tokens:
    """Who is let in: one key that lasts, and access tokens that expire."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._until: dict[str, float] = {}

    def issue(self, seconds: float) -> str:
        """Return a new access token."""
        token = secrets.token_hex(8)
        self._until[token] = time.monotonic() + seconds
        return token

    def expire(self) -> None:
        """End all access tokens now."""
        self._until.clear()

    def good(self, authorization: str) -> bool:
        """Say whether an `Authorization` header lets in."""
        token = authorization.removeprefix("Bearer ")
        return token == self.key or self._until.get(token, 0.0) > time.monotonic()


class Faulty:
    """An ASGI app before another one, which lets through what it likes."""

    def __init__(self, app: ASGIApp, world: World, requests: Requests, tokens: Tokens) -> None:
        self._app = app
        self._world = world
        self._requests = requests
        self._tokens = tokens
        self._dice = Random(world.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        path: str = scope["path"]
        if path.startswith("/_control/"):
            await self._app(scope, receive, send)
            return
        send = self._dated(send)
        if path.startswith("/oauth/"):
            await self._app(scope, receive, send)
            return
        query: bytes = scope["query_string"]
        self._requests.arrive(time.monotonic(), f"{scope['method']} {path}?{query.decode('latin-1')}")
        refusal = self._refusal(Headers(scope=scope))
        if refusal is not None:
            await refuse(send, *refusal)
            return
        fault = self._fault()
        if fault is None:
            await self._app(scope, receive, send)
            return
        self._requests.answers[fault] += 1
        await self._fail(fault, scope, receive, send)

    def _refusal(self, headers: Headers) -> tuple[int, str, Mapping[str, str]] | None:
        """Return status, code and headers of a refusal; None to let in."""
        switches = self._world.switches
        if switches.refuse_next > 0:
            self._world.switches = switches.turned({"refuse_next": switches.refuse_next - 1})
            return 401, "token_expired", {}
        if not self._tokens.good(headers.get("authorization", "")):
            return 401, "bad_token", {}
        wait = self._requests.admit(time.monotonic(), switches.limit, switches.window_ms / 1000)
        if wait is None:
            return None
        seconds = math.ceil(wait)
        after = {
            "seconds": {"Retry-After": str(seconds)},
            "date": {"Retry-After": formatdate(self._date() + seconds + 1, usegmt=True)},
            "none": {},
        }
        return 429, "too_fast", after[switches.retry_after]

    def _fault(self) -> str | None:
        """Throw the dice: which fault this answer has."""
        switches = self._world.switches
        roll = self._dice.random()
        for name in ("errors", "hang", "half", "cut", "broken"):
            roll -= getattr(switches, name)
            if roll < 0:
                return name
        return None

    async def _fail(self, fault: str, scope: Scope, receive: Receive, send: Send) -> None:
        if fault == "errors":
            await refuse(send, self._dice.choice(_ERRORS), "oops", {})
            return
        if fault == "hang":
            await asyncio.sleep(self._world.switches.hang_ms / 1000)
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, spoiled(fault, send))

    def _date(self) -> float:
        return (self._world.now_ms() + self._world.switches.date_ms) / 1000

    def _dated(self, send: Send) -> Send:
        """Return a `send` that adds `Date` by the API's clock and counts the answer."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.answers[str(message["status"])] += 1
                date = formatdate(self._date(), usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
            await send(message)

        return sending


def spoiled(fault: str, send: Send) -> Send:
    """Return a `send` that lets half of the body out; where more was promised, the server hangs up."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            if fault == "cut":  # without a length the server sends chunks
                headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
            message = {**message, "headers": headers}
        else:
            body: bytes = message.get("body", b"")
            half = body[: len(body) // 2]
            if fault == "broken":
                message = {**message, "body": half + b"\x00" * (len(body) - len(half))}
            else:
                message = {**message, "body": half, "more_body": True}
        await send(message)

    return sending


async def refuse(send: Send, status: int, code: str, headers: Mapping[str, str]) -> None:
    """Send an error in the API's own words."""
    body: Any = orjson.dumps({"error": {"code": code}})
    lines = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    lines += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
