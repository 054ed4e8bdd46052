"""`python -m headwater.testing.webhook_receiver`: takes webhooks on this machine, well or badly. A program.

It writes each request that it takes to a file before it answers, so that a kill loses nothing that it had
acknowledged; what it refuses it writes to none. `PATCH /_control` turns its switches. The first line that it
prints is its port. It verifies nothing: that is the business of the test that reads the file.
"""

import argparse
import asyncio
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import uvicorn

Scope = Mapping[str, Any]


class Switches(msgspec.Struct, forbid_unknown_fields=True):
    """How it answers. Everything is off at first."""

    status: int = 200
    """Answers everything with this status; below 300 it has taken the message."""
    only: str = ""
    """If set, `status`, `retry_after`, `delay_ms` and `drop` are for bodies that hold this text alone."""
    retry_after: str = ""
    """Sends this header."""
    delay_ms: int = 0
    """Takes so long to answer."""
    drop: bool = False
    """Ends the connection without an answer, with nothing taken."""
    location: str = ""
    """Sends this header."""
    answer_bytes: int = 0
    """Of the answer's body."""
    authorization: str = ""
    """Refuses requests without this header with 401."""
    largest_bytes: int = 0
    """Refuses larger bodies with 413."""


class Request(msgspec.Struct, frozen=True):
    """A request that was taken."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body64: str

    @property
    def body(self) -> bytes:
        """The body."""
        return b64decode(self.body64)


def taken(file: Path) -> list[Request]:
    """Return the requests that a receiver has taken, in the order of their answers."""
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]  # after a kill the last one may be half
    return [msgspec.json.decode(line, type=Request) for line in lines]


class Receiver:
    """The ASGI app."""

    def __init__(self, file: BinaryIO | None, switches: Switches) -> None:
        """Write what is taken to a file; with none, only count it."""
        self.switches, self._file = switches, file
        self.tried = 0
        """Requests that came, whatever became of them."""
        self.most_at_once, self._at_once = 0, 0

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"] == "/_control":
            await self._control(scope, body, send)
        elif scope["method"] == "POST":
            self.tried += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            try:
                if not await self._take(scope, body, send):
                    receive.__self__.transport.abort()  # uvicorn's: an app has no other way to hang up
            finally:
                self._at_once -= 1
        else:
            status = 200 if self._knows(_headers(scope)) else 401
            await _answer(send, status if scope["method"] == "HEAD" else 405)

    async def _control(self, scope: Scope, body: bytes, send: Any) -> None:
        if scope["method"] == "PATCH":
            changed = msgspec.json.decode(body, type=dict[str, Any])
            known = msgspec.to_builtins(self.switches)
            self.switches = msgspec.convert({**known, **changed}, Switches)
        counted = {"tried": self.tried, "most_at_once": self.most_at_once}
        await _answer(send, 200, msgspec.json.encode(counted))

    async def _take(self, scope: Scope, body: bytes, send: Any) -> bool:
        """Take a request or not; False: hang up."""
        turned, headers = self.switches, _headers(scope)
        if not self._knows(headers):
            await _answer(send, 401)
            return True
        if turned.largest_bytes and len(body) > turned.largest_bytes:
            await _answer(send, 413)
            return True
        meant = turned.only.encode() in body
        if meant and turned.delay_ms:
            await asyncio.sleep(turned.delay_ms / 1000)
        if meant and turned.drop:
            return False
        status = turned.status if meant else 200
        if status < 300 and self._file is not None:
            request = Request(str(scope["path"]), headers, b64encode(body).decode())
            self._file.write(msgspec.json.encode(request) + b"\n")
            self._file.flush()  # to the system, which outlives us
        more = {"retry-after": turned.retry_after} if meant and turned.retry_after else {}
        more |= {"location": turned.location} if turned.location else {}
        await _answer(send, status, b"x" * turned.answer_bytes, more)
        return True

    def _knows(self, headers: Mapping[str, str]) -> bool:
        return self.switches.authorization in ("", headers.get("authorization"))


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def _answer(
    send: Any, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    named = {"content-length": str(len(body)), **(headers or {})}
    pairs = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


class _Server(uvicorn.Server):
    """A server that says its port, and ends with the process that started it."""

    async def on_tick(self, counter: int) -> bool:
        """Look for the parent from time to time."""
        orphaned = counter % 10 == 0 and os.getppid() != _PARENT
        return orphaned or await super().on_tick(counter)


_PARENT = os.getppid()


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m headwater.testing.webhook_receiver")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--file", type=Path, help="where requests are written that were taken")
    parser.add_argument("--switches", default="{}", help="JSON of what to turn at once")
    parser.add_argument("--certificate", type=Path, help="PEM, for https")
    parser.add_argument("--key", type=Path, help="PEM, for https")
    args = parser.parse_args()
    file = None if args.file is None else args.file.open("ab")
    app: Any = Receiver(file, msgspec.json.decode(args.switches, type=Switches))
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=args.port,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        ssl_certfile=args.certificate,
        ssl_keyfile=args.key,
    )
    server = _Server(config)
    listener = config.bind_socket()
    print(listener.getsockname()[1], flush=True)
    try:
        asyncio.run(server.serve([listener]))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
