"""What the API is made of: everything that a route may use. Put together by `headwater.app`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from headwater.kit.clock import Clock
from headwater.management.services import Services
from headwater.streams.cursor import Cursors
from headwater.streams.engine import StreamEngine
from headwater.streams.reading import Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one process's API."""

    services: Services
    engine: StreamEngine
    cursors: Cursors
    clock: Clock
    metrics: Callable[[], bytes]
    """The metrics as Prometheus text."""
    ready: Callable[[], Awaitable[Sequence[str]]]
    """Why this process cannot serve now, as sentences; empty when it can."""
    stopping: asyncio.Event
    """Set when the process is about to stop: long polls answer and tails end, so that it can."""
    answered: Callable[[str, str, int, float], None] = lambda _method, _route, _status, _seconds: None
    """Is told of each answer: method, route, status and seconds. For metrics."""
    created_event_name: str = "created"
    largest_body: int = 10_000_000
    """Bytes of a request's body at most."""
    metrics_open: bool = False
    """`/metrics` needs no key."""
    version: str = "0"
    streams: Streams = field(init=False)

    def __post_init__(self) -> None:
        """Make what readers of the streams share."""
        streams = Streams(
            engine=self.engine,
            slots=self.services.slots,
            cursors=self.cursors,
            created_event_name=self.created_event_name,
        )
        object.__setattr__(self, "streams", streams)

    async def moved(self, heads: tuple[int, ...], seconds: float) -> None:
        """Wait until the streams' heads differ from `heads`, until the process stops, or at most so long."""
        change = asyncio.ensure_future(self.engine.changed(heads, seconds))
        stop = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({change, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            stop.cancel()
            await asyncio.gather(change, stop, return_exceptions=True)


def parts_of(request: Request) -> Parts:
    """Return the parts of the application that serves a request."""
    return cast("Parts", request.app.state.parts)


Here = Annotated[Parts, Depends(parts_of)]
"""A route's parameter for the parts."""
