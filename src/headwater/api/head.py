"""HEAD wherever there is GET: the same status and headers, and no body. Routes know nothing of it, but one.

Source: RFC 9110, 9.3.2 (read 2026-11-24).
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headwater.kit.tasks import ended

ASKED_BY_HEAD = "headwater.asked_by_head"
"""In the scope of a GET that was a HEAD: for the route whose GET does something."""


class Head:
    """Answers HEAD with the head of what GET answers."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as GET where it is HEAD."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        told = asyncio.Event()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not told.is_set():
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                told.set()

        async def answer() -> None:
            await self._app({**scope, "method": "GET", ASKED_BY_HEAD: True}, receive, sending)

        async def wait() -> None:
            await told.wait()

        answering, telling = asyncio.create_task(answer()), asyncio.create_task(wait())
        try:
            await asyncio.wait({answering, telling}, return_when=asyncio.FIRST_COMPLETED)
            over = answering.done()
        finally:  # what would have followed, a tail without end say, nobody reads
            await ended(answering, telling)
        if over:
            answering.result()
