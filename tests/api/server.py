"""The HTTP API in this process, on a real database, with an engine in memory, as tests call it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from tests.management.office import ADMIN, Office

from headwater.api.app import create
from headwater.api.parts import Parts
from headwater.management.caller import Permission
from headwater.streams.cursor import Cursors

ALL = ("read", "write", "admin")


@dataclass
class Server:
    """An application, what is behind it, and a client with an admin key."""

    office: Office
    parts: Parts
    app: FastAPI
    client: httpx.AsyncClient
    not_ready: list[str] = field(default_factory=list[str])

    async def key(self, *scopes: str, external_id: str | None = None) -> dict[str, str]:
        """Return the headers of a new key."""
        wanted = {Permission(scope) for scope in scopes}
        _, text = await self.office.services.keys.create(
            ADMIN, name="test", scopes=wanted, external_id=external_id
        )
        return {"Authorization": f"Bearer {text}"}

    async def get(self, path: str, expect: int = 200, **more: Any) -> Any:
        """Return the JSON of a GET."""
        return await self.call("GET", path, expect, **more)

    async def call(self, method: str, path: str, expect: int = 200, **more: Any) -> Any:
        """Return the JSON of a call, or None where its answer has no body."""
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, status: int, code: str, **more: Any) -> Any:
        """Make a call that is refused; return its problem."""
        answer = await self.client.request(method, path, **more)
        problem = answer.json()
        assert (answer.status_code, problem.get("code")) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["status"] == status
        assert problem["fix"]
        return problem


@asynccontextmanager
async def serve(office: Office, **settings: Any) -> AsyncGenerator[Server]:
    """Put a server together."""
    not_ready: list[str] = []

    async def ready() -> list[str]:
        return not_ready

    parts = Parts(
        services=office.services,
        engine=office.engine,
        cursors=Cursors(office.vault),
        clock=office.clock,
        metrics=lambda: b"up 1\n",
        ready=ready,
        stopping=asyncio.Event(),
        **settings,
    )
    app = create(parts)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://headwater") as client:
        made = Server(office=office, parts=parts, app=app, client=client, not_ready=not_ready)
        client.headers.update(await made.key(*ALL))
        yield made


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncGenerator[str]:
    """Serve an application on a free port of loopback, with the real server; give its address."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined] - signals are pytest's
        running = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
