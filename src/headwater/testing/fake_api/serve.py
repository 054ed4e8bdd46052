"""The fake API on a port of this machine, inside a test or as a process of its own."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from headwater.testing.fake_api.control import Control, Driver
from headwater.testing.fake_api.faults import Faulty, Tokens
from headwater.testing.fake_api.lists import Lists
from headwater.testing.fake_api.requests import Requests
from headwater.testing.fake_api.world import World

HOST = "127.0.0.1"
KEY = "fake-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A fake API that answers at `url`. Its parts may be looked at and turned directly."""

    url: str
    key: str
    world: World
    requests: Requests
    tokens: Tokens
    driver: Driver


@asynccontextmanager
async def serving(world: World | None = None, *, key: str = KEY, port: int = 0) -> AsyncGenerator[Running]:
    """Serve a world while the block runs. Port 0 takes a free one."""
    world = world or World()
    requests, tokens, driver = Requests(), Tokens(key), Driver(world)
    app = make_app(world, requests, tokens, driver)
    listener = socket.create_server((HOST, port))
    # Half answers are meant, so what the server thinks of them is not printed. `Date` is the world's.
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=0,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    try:
        yield Running(url=url, key=key, world=world, requests=requests, tokens=tokens, driver=driver)
    finally:
        driver.stop()
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Catch none."""
        yield


def make_app(world: World, requests: Requests, tokens: Tokens, driver: Driver) -> ASGIApp:
    """Return the ASGI app of a world."""
    lists, control = Lists(world), Control(world, requests, tokens, driver)
    routes = [
        Route("/v1/me", _me),
        Route("/v1/{paging}/{collection}", lists.listing),
        Route("/v1/{paging}/{collection}/deleted", lists.deleted),
        Route("/v1/{paging}/{collection}/{id}", lists.single),
        Route("/oauth/token", control.token, methods=["POST"]),
        Route("/_control/switches", control.switches, methods=["GET", "PATCH"]),
        Route("/_control/run", control.run, methods=["POST"]),
        Route("/_control/stop", control.stop, methods=["POST"]),
        Route("/_control/change", control.change, methods=["POST"]),
        Route("/_control/burst", control.burst, methods=["POST"]),
        Route("/_control/expire", control.expire, methods=["POST"]),
        Route("/_control/truth", control.truth),
        Route("/_control/requests", control.requests),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refuse})
    return Faulty(app, world, requests, tokens)


async def _me(request: Request) -> Response:
    return JSONResponse({"account": "fake"})


async def _refuse(request: Request, error: Exception) -> Response:
    status, message = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return JSONResponse({"error": {"code": "refused", "message": message}}, status)
