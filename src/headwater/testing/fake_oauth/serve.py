"""The fake on a port of this machine, inside a test or as a process of its own."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn

from headwater.testing.fake_oauth.answers import Answers
from headwater.testing.fake_oauth.authority import Authority

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A fake that answers at `url`. Its memory may be looked at and turned directly."""

    url: str
    authority: Authority


@asynccontextmanager
async def serving(authority: Authority | None = None, *, port: int = 0) -> AsyncGenerator[Running]:
    """Serve an authority while the block runs. Port 0 takes a free one."""
    authority = authority or Authority()
    listener = socket.create_server((HOST, port))
    config = uvicorn.Config(
        Answers(authority).app(),
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=0,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield Running(url=f"http://{HOST}:{listener.getsockname()[1]}", authority=authority)
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Catch none."""
        yield
