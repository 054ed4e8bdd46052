"""The API of one credential over HTTP: budget, authentication, redirects, and what a refusal means.

It does not wait and try again, which is the runner's work. Two things are tried once more at once: what was
refused before the credential was refreshed, and a GET whose connection was dropped.
"""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any
from urllib.parse import urlencode

import msgspec

from headwater.errors import Halt
from headwater.kit.budget import Limiter, Urgency
from headwater.kit.clock import Clock
from headwater.kit.http import said as headers_say
from headwater.kit.http.door import OK, Answer, Authorizer, Opening
from headwater.kit.http.refusal import is_limit, refusal
from headwater.kit.http.skew import Skew
from headwater.kit.http.target import path_of, redirected, resolve, with_query
from headwater.kit.http.wire import Dropped, Limits, Outgoing, Reply, Session, exchange

_MOVED_GET = frozenset({301, 302, 303, 307, 308})
_MOVED_POST = frozenset({307, 308})
_STANDARD = Limits()
_PAUSE = 1.0
"""Seconds that everybody waits when an API refuses for its limit and does not say how long."""


class _Nobody:
    """Requests without authentication."""

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        """Add nothing."""

    async def refused(self) -> bool:
        """There is nothing to refresh."""
        return False


Told = Callable[[Urgency, int, float], None]
"""Is told of a request: its urgency, the answer's status (0: none came), the seconds that it waited for the
budget."""


class Client:
    """Sends requests to one API with one credential. Implements `Http`, `Poster` and `Registrar`.

    Promise: P10 — every request, also one that follows a redirect or fetches a token, waits for the budget.
    """

    def __init__(
        self,
        base_url: str,
        *,
        authorizer: Authorizer | Opening | None,
        limiter: Limiter,
        urgency: Urgency,
        clock: Clock,
        headers: Mapping[str, str],
        session: Session,
        limits: Limits = _STANDARD,
        told: Told | None = None,
    ) -> None:
        """Open an API. `told` hears of every request that was sent."""
        self._base_url, self._headers, self._limits, self._told = base_url, dict(headers), limits, told
        self._limiter, self._urgency, self._clock, self._session = limiter, urgency, clock, session
        self._skew = Skew()
        if isinstance(authorizer, Opening):
            authorizer = authorizer.through(self._elsewhere, clock)
        self._authorizer = authorizer or _Nobody()

    def at(self, urgency: Urgency) -> "Client":
        """Return the same API, asked with another urgency."""
        client = copy(self)
        client._urgency = urgency
        return client

    async def get(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = OK,
        bucket: str = "default",
    ) -> Answer:
        """Fetch a path below the base URL, or a full URL of the same origin: see `Http.get`."""
        request = _Request("GET", resolve(self._base_url, url), dict(query or {}), dict(headers or {}), None)
        return await self._ask(request, accept, bucket)

    async def post_form(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = OK,
        bucket: str = "default",
    ) -> Answer:
        """Send a form. Raises: as `get`; a Retry does not say whether the API has done it."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        body = urlencode(form).encode("ascii")
        return await self._ask(_Request("POST", resolve(self._base_url, url), {}, sent, body), accept, bucket)

    async def post_json(
        self,
        url: str,
        value: Any,
        *,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = OK,
        bucket: str = "default",
    ) -> Answer:
        """Send a JSON value. Raises: as `get`; a Retry does not say whether the API has done it."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        body = msgspec.json.encode(value)
        return await self._ask(_Request("POST", resolve(self._base_url, url), {}, sent, body), accept, bucket)

    async def delete(self, url: str, *, accept: frozenset[int] = OK, bucket: str = "default") -> Answer:
        """Take something away. Raises: as `get`."""
        request = _Request("DELETE", resolve(self._base_url, url), {}, {}, None)
        return await self._ask(request, accept, bucket)

    async def _ask(self, request: "_Request", accept: frozenset[int], bucket: str) -> Answer:
        """Send, follow redirects, refresh the credential once, and return an answer of an accepted status."""
        moves, refreshed, resent = 0, False, request.body is not None
        moved = _MOVED_GET if request.body is None else _MOVED_POST
        while True:
            outgoing = await self._authorized(request)
            try:
                answer, said = await self._send(outgoing, bucket)
            except Dropped:  # perhaps only because it was idle: RFC 9112, section 9.3.1
                if resent:
                    raise
                resent = True
                continue
            if answer.status in accept:
                return answer
            location = answer.headers.get("location")
            if answer.status in moved and location and moves < self._limits.redirects:
                moves += 1
                request = request.moved(redirected(answer.url, location))
            elif answer.status == 401 and not refreshed and await self._authorizer.refused():
                refreshed = True
            else:
                raise refusal(answer.status, said, request.shown)

    async def _authorized(self, request: "_Request") -> Outgoing:
        """Return the request with what proves who sends it."""
        headers, added = {**self._headers, **request.headers}, dict[str, str]()
        await self._authorizer.apply(headers, added)
        if any(character in value for value in headers.values() for character in "\r\n\0"):
            raise Halt(
                "A header would hold a line break.",
                code="provider.credential_invalid",
                fix="Store the credential again, without line breaks.",
            )
        url = with_query(request.url, request.query)
        return Outgoing(request.method, url, added, headers, request.body, request.shown)

    async def _send(self, outgoing: Outgoing, bucket: str) -> tuple[Answer, headers_say.Said]:
        """Send one request when the budget allows, and tell the budget what the answer says of the quota."""
        began = self._clock.monotonic()
        await self._limiter.acquire(self._urgency, bucket)  # P10
        waited, status = self._clock.monotonic() - began, 0
        try:
            asked_us = self._clock.now_us()
            reply = await exchange(self._session, outgoing, self._limits)
            status = reply.status
            said = headers_say.read(reply.headers, self._clock.now_us())
            said = headers_say.with_body(said, reply.status, reply.body)
            self._learn(reply, said, bucket)
        finally:
            self._limiter.release(bucket)
            if self._told is not None:
                self._told(self._urgency, status, waited)
        if said.date_us is not None:
            self._skew.hear(said.date_us, asked_us, asked_us + reply.waited_us)
        answer = Answer(
            status=reply.status,
            headers=reply.headers,
            body=reply.body,
            url=outgoing.url,
            asked_us=asked_us + self._skew.offset_us,
        )
        return answer, said

    def _learn(self, reply: Reply, said: headers_say.Said, bucket: str) -> None:
        limited = is_limit(reply.status, said)
        pause = _PAUSE if said.wait is None else said.wait
        if limited and said.narrow:  # only requests of this kind are too many: the others go on
            self._limiter.learn(remaining=0, reset_after=pause, retry_after=None, bucket=bucket)
        elif limited or said.remaining is not None:
            self._limiter.learn(
                remaining=said.remaining,
                reset_after=said.reset_after,
                retry_after=pause if limited else None,
                bucket=bucket,
            )

    def _elsewhere(self, base_url: str) -> "Client":
        """Open another address on the same budget, before everybody else and without authentication."""
        return Client(
            base_url,
            authorizer=None,
            limiter=self._limiter,
            urgency=Urgency.WRITE,
            clock=self._clock,
            headers={},
            session=self._session,
            limits=self._limits,
            told=self._told,
        )


class _Request(msgspec.Struct, frozen=True):
    """What is to be asked, before the authorizer adds to it."""

    method: str
    url: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes | None

    def moved(self, url: str) -> "_Request":
        """Return the same request to where a redirect leads, which names its own parameters."""
        return msgspec.structs.replace(self, url=url, query={})

    @property
    def shown(self) -> str:
        """Method and path: what may be said of it (P8)."""
        return f"{self.method} {path_of(self.url)}"
