"""One request and its answer, to the last byte, through aiohttp. The only file that names the library.

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


class Outgoing(NamedTuple):
    """A request, ready to be sent. `shown` is what may be said of it in an error (P8)."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    shown: str


def open_session() -> Session:
    """Open the connections of this process. To be closed by whoever opened them.

    No cookies: they would carry one credential's login into another's requests.
    """
    connector = aiohttp.TCPConnector(limit=200, ttl_dns_cache=60)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "gzip, deflate", "User-Agent": "Headwater"},
    )


async def exchange(session: Session, outgoing: Outgoing, limits: Limits) -> Reply:
    """Send a request and read its answer whole.

    Raises: Retry (time-out, lost or broken answer), Halt (too big, or an address that is none).
    """
    timeout = aiohttp.ClientTimeout(
        total=limits.total.total_seconds(),
        sock_connect=limits.connect.total_seconds(),
        sock_read=limits.idle.total_seconds(),
    )
    with mapped_errors(outgoing.shown):
        async with session.request(
            outgoing.method,
            URL(outgoing.url, encoded=True),
            headers=outgoing.headers,
            data=outgoing.body,
            allow_redirects=False,
            timeout=timeout,
        ) as response:
            headers = _lowered(response.headers)
            packed = bytearray()
            async for chunk in response.content.iter_any():
                packed += chunk
                if len(packed) > limits.largest_bytes:
                    raise _too_big(outgoing.shown, limits)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if not packed or encoding in ("", "identity"):
        return Reply(response.status, headers, bytes(packed))
    try:
        work = (bytes(packed), encoding, limits.largest_bytes)
        body = unpacked(*work) if len(packed) < _THREAD_FROM else await asyncio.to_thread(unpacked, *work)
    except (zlib.error, ValueError):
        raise _broken(outgoing.shown, "cannot be unpacked") from None
    if body is None:
        raise _too_big(outgoing.shown, limits)
    return Reply(response.status, headers, body)


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
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise Retry(
            f"{shown}: the API cannot be reached, or the connection was lost.",
            code="provider.unreachable",
            context=_context(shown, error),
        ) from error
    except aiohttp.ClientError as error:
        raise _broken(shown, "is broken", error) from None


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
