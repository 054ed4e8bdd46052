"""How long our own answers take, told for each route. Not here: what is done with it (`telemetry`)."""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Answered = Callable[[str, str, int, float], None]
_NO_ROUTE = "(none)"


class Timing:
    """Times requests from their head to the end of their answer. A tail counts when its reader has left."""

    def __init__(self, app: ASGIApp, answered: Answered) -> None:
        """Tell `answered` of each: method, the route as it is published, status, seconds."""
        self._app, self._answered = app, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", _NO_ROUTE)
            self._answered(scope["method"], route, status, time.monotonic() - began)
