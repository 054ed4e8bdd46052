"""The manners of the made-up CRM that its clients have to live with: its key, its limit, its bad moments."""

import math
import time
from dataclasses import dataclass
from random import Random

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How the API treats its clients.

    `faults` is the part of all answers that fail: half of them as an error 500, half of them as half a body.
    """

    key: str = "demo-key"
    per_second: int = 25
    faults: float = 0.01
    seed: int = 1


class Window:
    """A limit of requests in each second that begins with the first request after the last one."""

    def __init__(self, per_second: int) -> None:
        self.allowed = per_second
        self._begun = -math.inf
        self._taken = 0

    def take(self, now: float) -> tuple[bool, int, float]:
        """Count a request; return whether it is allowed, how many are left, and the seconds to the end."""
        if now >= self._begun + 1:
            self._begun, self._taken = now, 0
        allowed = self._taken < self.allowed
        self._taken += allowed
        return allowed, self.allowed - self._taken, self._begun + 1 - now


def problem(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error in the CRM's own words."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


class Mannered:
    """An ASGI app that lets requests through to another after key, limit and luck. `/_control` is exempt."""

    def __init__(self, app: ASGIApp, manners: Manners) -> None:
        self._app = app
        self._manners = manners
        self._window = Window(manners.per_second)
        self._dice = Random(manners.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the other app answer."""
        if scope["type"] != "http" or scope["path"].startswith("/_control/"):
            await self._app(scope, receive, send)
            return
        allowed, left, reset = self._window.take(time.monotonic())
        quota = {
            "X-RateLimit-Limit": str(self._window.allowed),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(math.ceil(reset)),
        }
        if Headers(scope=scope).get("authorization") != f"Bearer {self._manners.key}":
            await problem(401, "bad_key", "This API key is not known.")(scope, receive, send)
        elif not allowed:
            quota["Retry-After"] = str(math.ceil(reset))
            await problem(429, "too_fast", "Too many requests; wait a moment.", quota)(scope, receive, send)
        elif self._dice.random() < self._manners.faults:
            if self._dice.random() < 0.5:
                await problem(500, "oops", "Something went wrong on our side.", quota)(scope, receive, send)
            else:
                await self._app(scope, receive, half(send))
        else:
            await self._app(scope, receive, with_headers(send, quota))


def with_headers(send: Send, headers: dict[str, str]) -> Send:
    """Return a `send` that adds headers to the answer."""
    added = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending


def half(send: Send) -> Send:
    """Return a `send` that promises the whole body and gives half of it: the server then hangs up."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            body: bytes = message.get("body", b"")
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return sending
