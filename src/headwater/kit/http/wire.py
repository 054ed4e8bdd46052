"""One request and its answer, to the last byte, through aiohttp. Besides `push` the only file that names the
library.

An answer that ends too early, cannot be unpacked or is too big is never data.
"""

import asyncio
import ssl
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from headwater.errors import Halt, Retry
from headwater.kit.http.target import with_query

Session = aiohttp.ClientSession
"""Connections that all clients of a process share."""

_THREAD_FROM = 128 * 1024
"""Bytes. Unpacking less than this in place is quicker than handing it to a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how big an answer may be, and how often it may lead elsewhere."""

    total: timedelta = timedelta(minutes=5)
    """From the request to the last byte of the answer, waiting for a connection included."""
    idle: timedelta = timedelta(minutes=1)
    """Without a byte."""
    connect: timedelta = timedelta(seconds=30)
    largest_bytes: int = 256 * 1024 * 1024
    """Of a body, packed and unpacked. Bounds what one answer can do to our memory."""
    redirects: int = 5


class Reply(NamedTuple):
    """A complete answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    waited_us: int
    """How long it took until the answer began."""


class Dropped(Retry):
    """The connection was dropped before a byte of the answer came, as happens to one that was idle."""

    code = "provider.unreachable"


class Outgoing(NamedTuple):
    """A request, ready to be sent. `shown` is what may be said of it in an error (P8)."""

    method: str
    url: str
    added: dict[str, str]
    """Parameters that prove who sends it; no answer and no error shows them."""
    headers: dict[str, str]
    body: bytes | None
    shown: str


def open_session() -> Session:
    """Open the connections of this process. To be closed by whoever opened them.

    No cookies: they would carry one credential's login into another's requests.
    """
    connector = aiohttp.TCPConnector(limit=200, ttl_dns_cache=60)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "gzip, deflate", "User-Agent": "Headwater"},
    )
    # P10: else aiohttp sends a GET again by itself when a connection is dropped, past the budget. It has no
    # public switch for that; its own test client uses this one.
    session._retry_connection = False  # pyright: ignore[reportPrivateUsage]
    return session


async def exchange(session: Session, outgoing: Outgoing, limits: Limits) -> Reply:
    """Send a request and read its answer whole.

    Raises: Retry (time-out, lost or broken answer), Halt (too big, or an address that is none).
    """
    timeout = aiohttp.ClientTimeout(
        total=limits.total.total_seconds(),
        sock_connect=limits.connect.total_seconds(),
        sock_read=limits.idle.total_seconds(),
    )
    loop = asyncio.get_running_loop()
    started = loop.time()
    with mapped_errors(outgoing.shown):
        async with session.request(
            outgoing.method,
            URL(with_query(outgoing.url, outgoing.added), encoded=True),
            headers=outgoing.headers,
            data=outgoing.body,
            allow_redirects=False,
            timeout=timeout,
        ) as response:
            waited_us = int((loop.time() - started) * 1e6)
            headers = _lowered(response.headers)
            chunks, size = list[bytes](), 0
            async for chunk in response.content.iter_any():
                chunks.append(chunk)
                size += len(chunk)
                if size > limits.largest_bytes:
                    raise _too_big(outgoing.shown, limits)
    packed = b"".join(chunks)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if not packed or encoding in ("", "identity"):
        return Reply(response.status, headers, packed, waited_us)
    try:
        work = (packed, encoding, limits.largest_bytes)
        body = unpacked(*work) if len(packed) < _THREAD_FROM else await asyncio.to_thread(unpacked, *work)
    except (zlib.error, ValueError):
        raise _broken(outgoing.shown, "cannot be unpacked") from None
    if body is None:
        raise _too_big(outgoing.shown, limits)
    return Reply(response.status, headers, body, waited_us)


def unpacked(packed: bytes, encoding: str, largest_bytes: int) -> bytes | None:
    """Return a body without its content encoding, or None if that is more than so many bytes.

    Raises: ValueError or zlib.error if it is broken, ends too early, or is packed in a way that was not
    asked for.
    """
    if encoding in ("gzip", "x-gzip"):
        wbits = 16 + zlib.MAX_WBITS
    elif encoding == "deflate":  # with the zlib header, as the standard says, or without, as some do
        wbits = zlib.MAX_WBITS if packed[0] & 0x0F == 8 else -zlib.MAX_WBITS
    else:
        raise ValueError("an encoding that was not asked for")
    body = b""
    while packed:  # gzip may come in several members
        unpacker = zlib.decompressobj(wbits)
        body += unpacker.decompress(packed, largest_bytes + 1 - len(body))
        if len(body) > largest_bytes:
            return None
        if not unpacker.eof:
            raise ValueError("ends too early")
        packed = unpacker.unused_data
    return body


@contextmanager
def mapped_errors(shown: str) -> Generator[None]:
    """Turn the library's errors into ours.

    Those that may quote a URL or bytes of an answer are not kept as the cause (P8).
    """
    try:
        yield
    except TimeoutError as error:
        raise Retry(
            f"{shown}: the API did not answer in time.",
            code="provider.timeout",
            context=_context(shown, error),
        ) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise Halt(
            f"{shown}: that is no address of an API.",
            code="provider.address_invalid",
            fix="Correct the base URL; it starts with https:// and a host name.",
            context=_context(shown, error),
        ) from None
    except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch, ssl.SSLError) as error:
        raise Retry(
            f"{shown}: there is no safe connection to the API.",
            code="provider.certificate",
            fix="Look at the API's certificate, and at whether a proxy of your network replaces it.",
            context=_context(shown, error),
        ) from error
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError, HttpProcessingError) as error:
        raise _broken(shown, "is broken or ends too early", error) from None
    except aiohttp.ClientConnectorError as error:
        raise _unreachable(shown, error) from error
    except (
        aiohttp.ServerDisconnectedError,
        aiohttp.ClientConnectionResetError,
        aiohttp.ClientOSError,
    ) as error:
        raise Dropped(
            f"{shown}: the connection was dropped before the API answered.", context=_context(shown, error)
        ) from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise _unreachable(shown, error) from error
    except aiohttp.ClientError as error:
        raise _broken(shown, "is broken", error) from None


def _unreachable(shown: str, error: Exception) -> Retry:
    message = f"{shown}: the API cannot be reached, or the connection was lost."
    return Retry(message, code="provider.unreachable", context=_context(shown, error))


def _broken(shown: str, how: str, error: Exception | None = None) -> Retry:
    return Retry(
        f"{shown}: the API's answer {how}.", code="provider.broken_answer", context=_context(shown, error)
    )


def _too_big(shown: str, limits: Limits) -> Halt:
    return Halt(
        f"{shown}: the API's answer is bigger than {limits.largest_bytes} bytes.",
        code="provider.answer_too_big",
        fix="Ask for smaller pages.",
        context=_context(shown, None),
    )


def _context(shown: str, error: Exception | None) -> dict[str, str]:
    return {"asked": shown} | ({} if error is None else {"error": type(error).__name__})


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by lower-case name; what came several times is one list, as RFC 9110 has it."""
    lowered: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        lowered[name] = f"{lowered[name]}, {value}" if name in lowered else value
    return lowered
