"""An API in the benchmark's own process: its objects are made one by one, and it knows when each was shown.

It answers `GET /things` with everything or, with `since`, with what changed at or after that. Not here:
speed; the fast API is for that.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

_PADDING = "x" * 800


class ChangingApi:
    """What it holds."""

    def __init__(self) -> None:
        """Begin empty."""
        self.url = ""
        self.shown: dict[str, float] = {}
        """When the request arrived whose answer first had an object, by `perf_counter`."""
        self._objects: list[tuple[datetime, dict[str, Any]]] = []

    def create(self) -> str:
        """Make an object; return its id."""
        now = datetime.now(UTC)
        id, at = f"obj_{len(self._objects):09d}", now.isoformat()
        self._objects.append((now, {"id": id, "created_at": at, "updated_at": at, "padding": _PADDING}))
        return id

    async def things(self, request: web.Request) -> web.Response:
        """Answer the list."""
        arrived = time.perf_counter()
        since = request.query.get("since")
        begin = datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)
        found = [one for at, one in self._objects if at >= begin]
        for one in found:
            self.shown.setdefault(one["id"], arrived)
        return web.json_response({"data": found, "next": None})


@asynccontextmanager
async def changing_api() -> AsyncGenerator[ChangingApi]:
    """Give the API while it listens."""
    api, app = ChangingApi(), web.Application()
    app.router.add_get("/things", api.things)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        api.url = f"http://{host}:{port}"
        yield api
    finally:
        await runner.cleanup()
