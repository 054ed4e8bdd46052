"""A fake API that is never the bottleneck: a bare protocol on uvloop, with pages that are rendered already.

A program of its own: `python -m benchmarks.fast_api --objects 100000 --page-size 1000 --ids random` prints
its port. `GET /things?cursor=` is the list, with `since` an empty one (nothing has changed since it was last
read); `GET /turn?changed=1` lets the list show the changed pass from then on. Large worlds are rendered page
by page, which costs about a microsecond a record in this process.
"""

import argparse
import asyncio
import contextlib
import os
import time
from email.utils import formatdate
from typing import cast

import uvloop

from benchmarks.objects import World

RENDERED_AHEAD = 200_000
"""Worlds up to so many objects are kept as rendered pages (200 MB)."""

_EMPTY = b'{"data":[],"next":null}'


class Pages:
    """The rendered pages, of the pass that is shown."""

    def __init__(self, world: World) -> None:
        """Render `world`, if it is small."""
        self.changed = False
        self._world = world
        ahead = world.objects <= RENDERED_AHEAD
        self._ready = {
            (page, changed): world.body(page, changed=changed)
            for changed in (False, True)
            for page in range(world.pages if ahead else 0)
        }

    def body(self, page: int) -> bytes:
        """Return a page."""
        ready = self._ready.get((page, self.changed))
        return self._world.body(page, changed=self.changed) if ready is None else ready


class Connection(asyncio.Protocol):
    """One client. Requests have no body and may come in pieces."""

    transport: asyncio.Transport

    def __init__(self, pages: Pages) -> None:
        """Answer from `pages`."""
        self._pages = pages
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own is none by class

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            body = self._answer(head.split(b" ", 2)[1])
            self.transport.writelines([_head(len(body), int(time.time())), body])

    def _answer(self, target: bytes) -> bytes:
        path, _, query = target.partition(b"?")
        params = {name: value for name, _, value in (pair.partition(b"=") for pair in query.split(b"&"))}
        if path == b"/turn":
            self._pages.changed = params[b"changed"] == b"1"
            return b"{}"
        if b"since" in params:
            return _EMPTY
        return self._pages.body(int(params.get(b"cursor") or 0))


def _head(length: int, now: int) -> bytes:
    date = formatdate(now, usegmt=True).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %b\r\nContent-Length: %d\r\n\r\n" % (
        date,
        length,
    )


async def serve(pages: Pages, parent: int) -> None:
    """Serve until the parent process is gone."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(pages), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.25)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, required=True)
    parser.add_argument("--page-size", type=int, choices=(10, 100, 1000), default=1000)
    parser.add_argument("--ids", choices=("sequential", "random"), default="sequential")
    given = parser.parse_args()
    pages = Pages(World(objects=given.objects, page_size=given.page_size, ids=given.ids))
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(pages, os.getppid()))


if __name__ == "__main__":
    main()
