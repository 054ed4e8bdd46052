"""Webhook endpoints of the fake Stripe: made and taken away, and events pushed to them, signed.

Deliveries are lost, doubled and held back as the switches say. One that is lost or refused stays pending, and
the event shows under `delivery_success=false`; nothing is sent again by itself.

Source: https://docs.stripe.com/webhooks, https://docs.stripe.com/api/webhook_endpoints. Read 2026-11-24.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from contextlib import suppress
from fnmatch import fnmatchcase
from random import Random
from typing import Any
from urllib.parse import urlsplit

from headwater.testing.fake_stripe.books import Books, Object
from headwater.testing.fake_stripe.problems import Problem, missing, unknown
from headwater.testing.fake_stripe.resources import EXAMPLES
from headwater.testing.fake_stripe.world import Endpoint, World
from headwater.testing.fake_stripe.writing import text

_TAKES = frozenset({"url", "enabled_events", "api_version", "connect", "description", "metadata", "expand"})
_ANSWER_SECONDS = 20.0
_AT_ONCE = 20


def read(world: World, id: str | None) -> Object:
    """Answer a read of endpoints. Raises: Problem."""
    if id is None:
        data = [_shown(world, endpoint) for endpoint in world.endpoints.values()]
        return {"object": "list", "data": data[::-1], "has_more": False, "url": "/v1/webhook_endpoints"}
    return _shown(world, _found(world, id))


def write(world: World, id: str | None, method: str, form: Object) -> Object:
    """Make, change or delete an endpoint. Raises: Problem."""
    for name in form:
        if name not in _TAKES and not (id and name == "disabled"):
            raise Problem(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    if id is None and method == "POST":
        return _made(world, form)
    if id is None:
        raise unknown(method, "/v1/webhook_endpoints")
    endpoint = _found(world, id)
    if method == "DELETE":
        del world.endpoints[id]
        return {"id": id, "object": "webhook_endpoint", "deleted": True}
    if "disabled" in form:
        endpoint.status = "disabled" if form["disabled"] == "true" else "enabled"
    endpoint.url = form.get("url", endpoint.url)
    endpoint.enabled_events = form.get("enabled_events", endpoint.enabled_events)
    return _shown(world, endpoint)


def sign(body: bytes, at: int, keys: list[str]) -> str:
    """Return the header that proves who sent a body."""
    made = [hmac.new(key.encode(), b"%d." % at + body, hashlib.sha256).hexdigest() for key in keys]
    return ",".join([f"t={at}", *(f"v1={one}" for one in made), f"v0={'0' * 64}"])


class Pushing:
    """Pushes what has happened to the endpoints, each delivery in its own time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = Random(world.seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.sent = self.lost = 0

    def push(self) -> None:
        """Begin to deliver what has happened since the last time."""
        for books in self._world.all_books:
            happened, books.happened = books.happened, []
            for event in happened if self._world.endpoints else ():
                for endpoint in self._world.endpoints.values():
                    if _wants(endpoint, event, connected=books is not self._world.own):
                        self._begin(books, endpoint, event)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, books: Books, endpoint: Endpoint, event: Object) -> None:
        books.told[event["id"]].pending += 1
        switches = self._world.switches
        wait = switches.push_late_ms / 1000 if self._dice.random() < switches.push_late else 0.0
        if self._dice.random() < switches.lose:
            self.lost += 1
            return
        for _ in range(1 + (self._dice.random() < switches.duplicate)):
            task = asyncio.create_task(self._deliver(books, endpoint, event, wait), name="push")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, books: Books, endpoint: Endpoint, event: Object, wait: float) -> None:
        await asyncio.sleep(wait)
        told = books.told[event["id"]]
        event = event | {"api_version": endpoint.api_version or event["api_version"]}
        if books is not self._world.own:
            event["account"] = books.account
        body = text(event | {"pending_webhooks": told.pending}, indent=self._world.switches.indent)
        async with self._room:
            at = int(time.time())
            status = 0
            with suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    status = await _post(endpoint.url, body, sign(body, at, endpoint.secrets))
        self.sent += 1
        if 200 <= status < 300:
            told.pending = 0
        else:
            told.failed = True


def _wants(endpoint: Endpoint, event: Object, *, connected: bool) -> bool:
    return (
        endpoint.status == "enabled"
        and endpoint.connect is connected
        and any(fnmatchcase(event["type"], type) for type in endpoint.enabled_events)
    )


async def _post(url: str, body: bytes, signature: str) -> int:
    """Send a body to a plain HTTP address; return the status of the answer."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        lines = [
            f"POST {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: Stripe/1.0",
            "Content-Type: application/json; charset=utf-8", f"Content-Length: {len(body)}",
            f"Stripe-Signature: {signature}", "Connection: close", "", "",
        ]  # fmt: skip
        writer.write("\r\n".join(lines).encode("latin-1") + body)
        await writer.drain()
        return int((await reader.readuntil(b"\r\n")).split(b" ")[1])
    finally:
        writer.close()


def _made(world: World, form: Object) -> Object:
    events: list[str] = form.get("enabled_events", [])
    if not str(form.get("url", "")).startswith(("http://", "https://")) or not events:
        raise Problem(400, "Missing required param: url or enabled_events.", param="url")
    endpoint = Endpoint(
        id=world.own.new_id("we_1"),
        url=form["url"],
        enabled_events=events,
        secrets=[f"whsec_{secrets.token_hex(16)}"],
        created=int(time.time()),
        api_version=form.get("api_version"),
        connect=form.get("connect") == "true",
        description=form.get("description"),
        metadata=form.get("metadata", {}),
    )
    world.endpoints[endpoint.id] = endpoint
    return _shown(world, endpoint) | {"secret": endpoint.secrets[0]}


def _found(world: World, id: str) -> Endpoint:
    if id not in world.endpoints:
        raise missing("webhook endpoint", id)
    return world.endpoints[id]


def _shown(world: World, endpoint: Endpoint) -> dict[str, Any]:
    return EXAMPLES["webhook_endpoint"] | {
        "id": endpoint.id,
        "url": endpoint.url,
        "enabled_events": endpoint.enabled_events,
        "created": endpoint.created,
        "api_version": endpoint.api_version,
        "description": endpoint.description,
        "metadata": endpoint.metadata,
        "livemode": world.livemode,
        "status": endpoint.status,
    }
