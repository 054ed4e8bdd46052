"""The fake GitHub on a port of this machine, inside a test or as a process of its own."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn

from headwater.testing.fake_github.accounts import Accounts
from headwater.testing.fake_github.api import Api
from headwater.testing.fake_github.control import Control
from headwater.testing.fake_github.hooks import Hooks
from headwater.testing.fake_github.limits import Limits
from headwater.testing.fake_github.visitors import TOKEN, Visitors
from headwater.testing.fake_github.world import World

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A fake GitHub that answers at `url`. Its parts may be looked at and turned directly."""

    url: str
    world: World
    visitors: Visitors
    limits: Limits
    hooks: Hooks
    token: str = TOKEN
    """Of a person who sees everything."""


@asynccontextmanager
async def serving(world: World | None = None, *, port: int = 0) -> AsyncGenerator[Running]:
    """Serve a world while the block runs. Port 0 takes a free one."""
    world = world or World()
    visitors, limits, hooks = Visitors(world), Limits(world), Hooks(world)
    handlers = Accounts(world=world, visitors=visitors, limits=limits, hooks=hooks)
    app = Api(world, visitors, limits, handlers, Control(world, visitors, limits, hooks))
    listener = socket.create_server((HOST, port))
    world.base = f"http://{HOST}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=0,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield Running(url=world.base, world=world, visitors=visitors, limits=limits, hooks=hooks)
    finally:
        await hooks.close()
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Catch none."""
        yield
