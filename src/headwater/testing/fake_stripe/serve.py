"""The fake Stripe on a port of this machine, inside a test or as a process of its own."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn

from headwater.testing.fake_stripe.api import Api
from headwater.testing.fake_stripe.control import Control
from headwater.testing.fake_stripe.endpoints import Pushing
from headwater.testing.fake_stripe.world import KEY, World

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A fake Stripe that answers at `url`. Its world may be looked at and turned directly."""

    url: str
    key: str
    world: World
    pushing: Pushing


@asynccontextmanager
async def serving(world: World | None = None, *, key: str = KEY, port: int = 0) -> AsyncGenerator[Running]:
    """Serve a world while the block runs. Port 0 takes a free one."""
    world = world or World(key=key)
    pushing = Pushing(world)
    control = Control(world, pushing)
    listener = socket.create_server((HOST, port))
    config = uvicorn.Config(
        Api(world, control.app(), pushing),
        log_config=None,
        log_level="critical",  # half answers are meant, so what the server thinks of them is not printed
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=0,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    try:
        yield Running(url=url, key=next(iter(world.keys.until)), world=world, pushing=pushing)
    finally:
        await control.close()
        await pushing.close()
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Catch none."""
        yield
