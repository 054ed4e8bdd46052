"""Sends bodies to addresses that others have named. What came of it is a value: a status, or why none came.

Nothing is followed, nothing of an answer's body is kept, and no proxy stands between. Where private networks
are not allowed, every address is looked at in the moment in which it is connected to, so that no name, no
spelling of a number and no second look-up leads around the guard.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import aiohttp
from yarl import URL

from headwater.errors import HeadwaterError
from headwater.kit.clock import SystemClock
from headwater.kit.http import said
from headwater.kit.http.network import is_public
from headwater.kit.http.target import escaped
from headwater.kit.http.wire import Dropped, Session, mapped_errors

_LARGEST_BYTES = 64 * 1024
"""Of an answer's body that is read away so that its connection can be used again."""
_READ_SECONDS = 1.0
_IDLE_SECONDS = 15.0


class Failure(StrEnum):
    """Why no answer came."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    BROKEN = "broken"
    """What came was no HTTP."""
    ADDRESS = "address"
    """The URL is none."""
    PRIVATE = "private"
    """It leads into a private network, and that is not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer: its status, and the wait that it asks for."""

    status: int
    retry_after: timedelta | None = None


class _PrivateError(OSError):
    """The address is not public."""


_FAILURES = {
    "provider.timeout": Failure.TIMEOUT,
    "provider.certificate": Failure.CERTIFICATE,
    "provider.broken_answer": Failure.BROKEN,
    "provider.address_invalid": Failure.ADDRESS,
    "provider.unreachable": Failure.UNREACHABLE,
}


class Pusher:
    """Connections to the addresses of one user."""

    def __init__(
        self, *, connections: int, timeout: timedelta, allow_private: bool, ca: str | None = None
    ) -> None:
        """Open without connecting, in a running event loop. `ca` are the certificates to trust, as PEM text;
        None: those that the system trusts."""
        context = ssl.create_default_context(cadata=ca)
        connector = aiohttp.TCPConnector(
            limit=connections,
            ssl=context,
            keepalive_timeout=_IDLE_SECONDS,
            socket_factory=None if allow_private else _public_socket,
        )
        self._session: Session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "Headwater"},
            timeout=aiohttp.ClientTimeout(total=timeout.total_seconds()),
        )

    async def push(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answered | Failure:
        """Send a request, once more if its connection turns out to have been dropped while idle."""
        try:
            return await self._push(method, url, headers, body)
        except Dropped:
            pass
        try:
            return await self._push(method, url, headers, body)
        except Dropped:
            return Failure.UNREACHABLE

    async def close(self) -> None:
        """Close the connections. Calling it twice is fine."""
        await self._session.close()

    async def _push(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answered | Failure:
        try:
            with mapped_errors(method):
                request = self._session.request(
                    method,
                    URL(escaped(url), encoded=True),
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                )
                async with request as response:
                    await _read_away(response)
                    return Answered(status=response.status, retry_after=_wait(response.headers))
        except Dropped:
            raise
        except HeadwaterError as error:
            if isinstance(error.__cause__, aiohttp.ClientConnectorError) and isinstance(
                error.__cause__.os_error, _PrivateError
            ):
                return Failure.PRIVATE
            return _FAILURES[error.error_code]


def _public_socket(info: tuple[int, int, int, str, Any]) -> socket.socket:
    """Return a socket for connecting to an address. Raises: OSError if it is not public."""
    family, kind, protocol, _, address = info
    if family not in (socket.AF_INET, socket.AF_INET6) or not is_public(str(address[0])):
        raise _PrivateError("not a public address")  # always the same text, so that several are one error
    return socket.socket(family, kind, protocol)


def _wait(headers: Mapping[str, str]) -> timedelta | None:
    if "Retry-After" not in headers:
        return None
    known = {"retry-after": headers["Retry-After"], "date": headers.get("Date", "")}
    seconds = said.read(known, SystemClock().now_us()).retry_after
    return None if seconds is None else timedelta(seconds=seconds)


async def _read_away(response: aiohttp.ClientResponse) -> None:
    """Read a small body to its end. What was said by the status stands, whatever becomes of the rest."""
    left = _LARGEST_BYTES
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with asyncio.timeout(_READ_SECONDS):
            while left > 0 and (chunk := await response.content.read(left)):
                left -= len(chunk)
