"""A door to PostgreSQL that a test can shut in the middle of a conversation, as a dying process would.

It passes bytes on in both directions and understands as much of the protocol as to count the client's
messages. Source: https://www.postgresql.org/docs/15/protocol-message-formats.html (read 2026-11-24).
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

STEPS = {b"Q", b"E", b"S", b"d", b"c"}
"""Messages that make the server do something: Query, Execute, Sync, CopyData, CopyDone."""

WITHOUT_START = {80877103, 80877104}
"""Codes of requests that come before the start message: SSL, GSS encryption."""

GONE = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)


class Cut:
    """Shuts the door once so many steps have been passed on; the last one is never answered."""

    def __init__(self, step: int) -> None:
        self.left, self.reached = step, False

    async def passed(self) -> bool:
        """Count one step; return whether the door is to shut now."""
        self.reached = self.reached or self.left == 0
        self.left -= 1
        return self.reached


class Hold(Cut):
    """Keeps whatever comes after so many steps, as if the client had been stopped, until `release` is set."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.holding, self.release = asyncio.Event(), asyncio.Event()

    async def passed(self) -> bool:
        """Count one step; wait at the last one."""
        if self.left == 0:
            self.holding.set()
            await self.release.wait()
        self.left -= 1
        return False


class CuttingProxy:
    """Listens on a port of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._cut: Cut | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["CuttingProxy"]:
        server = await asyncio.start_server(self._welcome, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for client in self._clients:
                client.close()
            if self._talks:
                await asyncio.wait(self._talks)
            await server.wait_closed()

    @contextmanager
    def cut_at(self, step: int) -> Iterator[Cut]:
        """Shut for good after `step` more steps and one; open for new clients when the context ends."""
        self._cut = cut = Cut(step)
        try:
            yield cut
        finally:
            self._cut = None

    @contextmanager
    def hold_at(self, step: int) -> Iterator[Hold]:
        """Stop passing on after `step` more steps and one, until it is released."""
        self._cut = hold = Hold(step)
        try:
            yield hold
        finally:
            self._cut = None
            hold.release.set()

    def _welcome(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._talk(client, to_client))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._clients.add(to_client)
        try:
            if self._cut is None or not self._cut.reached:
                await self._talk_with_server(client, to_client)
        finally:
            self._clients.discard(to_client)
            await _close(to_client)

    async def _talk_with_server(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(*self._target)
        answers = asyncio.create_task(self._answer(server, to_client))
        try:
            with suppress(*GONE):
                await self._pass_on(client, to_server)
            to_client.close()
            with suppress(*GONE):
                to_server.write_eof()
                await answers  # the server has done what it was told, or has rolled it back
        finally:
            await _close(to_server)

    async def _pass_on(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        """Pass the client's messages on, one by one, until it leaves or the door shuts."""
        while True:
            head = await client.readexactly(8)
            to_server.write(head + await client.readexactly(int.from_bytes(head[:4]) - 8))
            if int.from_bytes(head[4:]) not in WITHOUT_START:
                break
        while True:
            head = await client.readexactly(5)
            to_server.write(head + await client.readexactly(int.from_bytes(head[1:]) - 4))
            if head[:1] in STEPS and self._cut is not None and await self._cut.passed():
                return

    async def _answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(*GONE):
            while chunk := await server.read(65_536):
                if not to_client.is_closing():
                    to_client.write(chunk)
        to_client.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(*GONE):
        await writer.wait_closed()
