"""How requests prove who sends them: values that a provider names and `kit.http` applies.

Not here: how users get a credential, and where it is kept. A secret leaves its `Secret` only on its way into
a request (P8).
"""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

import msgspec

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.kit.clock import Clock
from headwater.kit.http import Answer, Authorizer, Poster
from headwater.model.secret import Secret


@dataclass(frozen=True, slots=True)
class Open:
    """No authentication."""

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        """Add nothing."""

    async def refused(self) -> bool:
        """There is nothing to refresh."""
        return False


@dataclass(frozen=True, slots=True)
class Header:
    """A header, such as an API key's."""

    name: str
    value: Secret
    prefix: str = ""
    """Stands before the value: `Token `, say."""

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        """Add the header."""
        headers[self.name] = self.prefix + self.value.reveal()

    async def refused(self) -> bool:
        """There is nothing to refresh."""
        return False


def bearer(token: Secret) -> Header:
    """Return an authorizer with a bearer token. Source: RFC 6750, section 2.1."""
    return Header("Authorization", token, "Bearer ")


def basic(username: str, password: Secret) -> Header:
    """Return an authorizer with user name and password. Source: RFC 7617."""
    pair = f"{username}:{password.reveal()}".encode()
    return Header("Authorization", Secret(b64encode(pair).decode("ascii")), "Basic ")


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter. It never shows in the URL of an answer, nor in an error."""

    name: str
    value: Secret

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        """Add the parameter."""
        query[self.name] = self.value.reveal()

    async def refused(self) -> bool:
        """There is nothing to refresh."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """OAuth 2 client credentials: a token that is fetched when first needed, and again before it expires.

    Source: RFC 6749, sections 2.3.1 and 4.4.
    """

    token_url: str
    client_id: str
    client_secret: Secret
    scopes: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further parameters of the token request, such as `audience`."""
    client_in: Literal["basic", "body"] = "basic"
    """Where the token request says who asks: in its `Authorization` header, or among its parameters."""

    def through(self, door: Callable[[str], Poster], clock: Clock) -> Authorizer:
        """Return the authorizer that fetches tokens by this door."""
        opened = door(self.token_url)
        return Tokens(lambda: self._fetch(opened), clock)

    async def _fetch(self, door: Poster) -> "Granted":
        form, headers = self.request()
        headers["Accept"] = "application/json"
        answer = await door.post_form("", form, headers=headers, accept=_ASKED)
        if answer.status != 200:
            raise _refused(answer)
        try:
            grant = msgspec.json.decode(answer.body, type=_Grant)
            life = float(grant.expires_in or "inf")
        except ValueError:
            raise Retry(
                "The token endpoint's answer is no token.", code="provider.broken_answer"
            ) from None  # P8
        return Granted(token=Secret(grant.access_token), lives=life)

    def request(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return form and headers of the token request."""
        form = {"grant_type": "client_credentials", **self.params}
        if self.scopes:
            form["scope"] = " ".join(self.scopes)
        if self.client_in == "body":
            return form | {"client_id": self.client_id, "client_secret": self.client_secret.reveal()}, {}
        pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret.reveal(), safe='')}"
        return form, {"Authorization": f"Basic {b64encode(pair.encode()).decode('ascii')}"}


_MARGIN = 60.0
"""Seconds before its end from which a token is used no more: so long a request may wait for the budget."""
_SHORTEST_MARGIN = 0.2
"""Of a token's life: the margin of those that live for less than five minutes."""
_ASKED = frozenset({200, 400, 401, 403})
_REASONS = frozenset(
    {
        "invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client",
        "unsupported_grant_type",
    }
)  # fmt: skip
"""What a token endpoint may say and is repeated (RFC 6749, section 5.2): nothing else of it is shown."""


class _Grant(msgspec.Struct):
    """A token endpoint's answer."""

    access_token: str
    expires_in: float | str | None = None
    """Seconds. Some write them as text."""


class _Refusal(msgspec.Struct):
    error: str = ""


_sent: ContextVar[Secret | None] = ContextVar("token sent", default=None)
"""The token of the request that this task is sending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A token that was fetched, and for how many seconds from the request on it is good."""

    token: Secret
    lives: float


class Tokens:
    """Holds the token of one credential. However many requests wait for one, it is fetched once."""

    def __init__(self, fetch: Callable[[], Awaitable[Granted]], clock: Clock) -> None:
        """`fetch` asks for a token."""
        self._fetch, self._clock = fetch, clock
        self._turn = asyncio.Lock()
        self._token: Secret | None = None
        self._fresh_until = 0.0
        self._fetches = 0
        self._failure: HeadwaterError | None = None

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        """Add the token; fetch it first if there is none that is fresh."""
        token = await self._fresh()
        headers["Authorization"] = f"Bearer {token.reveal()}"
        _sent.set(token)

    async def refused(self) -> bool:
        """Give the token up, so that the second try fetches another; unless that has been done meanwhile."""
        if self._token is _sent.get():
            self._token = None
        return True

    async def _fresh(self) -> Secret:
        before = self._fetches
        async with self._turn:
            if self._token is not None and self._clock.monotonic() < self._fresh_until:
                return self._token
            if self._fetches != before and self._failure is not None:
                raise self._failure  # of the fetch that this request was waiting for
            self._failure = None
            asked_at = self._clock.monotonic()
            try:
                granted = await self._fetch()
            except HeadwaterError as error:
                self._failure = error
                raise
            finally:
                self._fetches += 1
            self._token = granted.token
            self._fresh_until = asked_at + granted.lives - min(_MARGIN, _SHORTEST_MARGIN * granted.lives)
            return self._token


def _refused(answer: Answer) -> Halt:
    """Return what a token endpoint's refusal means."""
    try:
        reason = msgspec.json.decode(answer.body, type=_Refusal).error
    except ValueError:
        reason = ""
    said = f" ({reason})" if reason in _REASONS else ""  # P8
    return Halt(
        f"The API refused a token for this credential with {answer.status}{said}.",
        code="provider.credential_refused",
        fix="Check client id, secret and scopes at the API, and store the credential again.",
        context={"status": str(answer.status)},
    )
