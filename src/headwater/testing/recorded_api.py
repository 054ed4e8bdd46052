"""An API that answers what was recorded of a real one, on loopback, with switches for what goes wrong. A
program.

    async with RecordedApi("https://api.acme.example", {"/v2/things?limit=2": Recorded(body=b"…")}) as api:
        api.base_url  # http://127.0.0.1:…

Not here: what a provider must do with the answers (`provider_suite`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded answer. Addresses of the API in it stay as they were: the fake puts its own there."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Twist = Callable[[int, Recorded], Recorded]
"""What becomes of an answer: `(number of the request from 1, what was recorded)`."""


class RecordedApi:
    """Serves recorded answers by path and query; the order of parameters does not matter.

    `asked` are the addresses that were asked for, `unknown` those that nobody recorded (they get 404).
    """

    def __init__(self, base_url: str, answers: Mapping[str, Recorded], twist: Twist | None = None) -> None:
        """`base_url` is the real API's; paths of `answers` begin where the host ends."""
        self._real = base_url
        self._answers = {normal(address): answer for address, answer in answers.items()}
        self._twist = twist
        self._server: asyncio.Server | None = None
        self._port = 0
        self.asked: list[str] = []
        self.unknown: list[str] = []
        self.cut_short = False
        """Connections end in the middle of the body."""

    @property
    def base_url(self) -> str:
        """Where it is."""
        return self._local(self._real)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        address = normal(head.split(b" ", 2)[1].decode("ascii"))
        self.asked.append(address)
        answer = self._answers.get(address)
        if answer is None:
            self.unknown.append(address)
            answer = Recorded(status=404)
        if self._twist:
            answer = self._twist(len(self.asked), answer)
        writer.write(self._rendered(answer))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def _rendered(self, answer: Recorded) -> bytes:
        body = self._local(answer.body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        headers = {name: self._local(value) for name, value in answer.headers.items()}
        headers |= {"Content-Length": str(len(body)), "Connection": "close"}
        lines = [
            f"HTTP/1.1 {answer.status} Recorded",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        sent = body[: len(body) // 2] if self.cut_short else body
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + sent

    def _local(self, text: str) -> str:
        parts = urlsplit(self._real)
        return text.replace(f"{parts.scheme}://{parts.netloc}", f"http://127.0.0.1:{self._port}")


def normal(address: str) -> str:
    """Return path and query with the parameters in order."""
    parts = urlsplit(address)
    query = urlencode(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    return f"{parts.path}?{query}" if query else parts.path


def always(status: int, body: bytes = b"", **headers: str) -> Twist:
    """Return a twist that answers every request alike. Header names have `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda number, answer: Recorded(status=status, body=body, headers=named)


def from_request(first: int, twist: Twist) -> Twist:
    """Return a twist that begins with a later request."""
    return lambda number, answer: twist(number, answer) if number >= first else answer


def halved(number: int, answer: Recorded) -> Recorded:
    """Return half of the body, as if it were all."""
    return replace(answer, body=answer.body[: len(answer.body) // 2])
