"""What a caller sees of an API over HTTP, and how requests prove who sends them. No I/O."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec

from headwater.kit.clock import Clock

OK = frozenset({200})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer.

    `asked_us`: when its request was sent, in the API's clock where it has a `Date` header. `url` is that of
    the last request, without what the authorizer added.
    """

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: str
    asked_us: int


class Authorizer(Protocol):
    """How requests are authenticated."""

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        """Add what proves who we are."""
        ...

    async def refused(self) -> bool:
        """React to a 401 (say, refresh a token); return whether a second try makes sense."""
        ...


class Http(Protocol):
    """An API, opened for one credential and one purpose. Every request waits for the budget first.

    The real one is `kit.http.Client`; tests of callers may pass a small program of their own.
    """

    async def get(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = OK,
        bucket: str = "default",
    ) -> Answer:
        """Fetch a path below the base URL, or a full URL of the same origin.

        `accept` are the statuses that are an answer. The body was received whole (its length checked).
        Raises: Retry (408, 425, 429, 5xx, time-out, lost or broken answer; with the API's own wait), Halt
        (401, 403 that is no limit, other 4xx, a redirect to another origin).
        """
        ...


class Poster(Protocol):
    """A place that takes forms."""

    async def post_form(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = OK,
        bucket: str = "default",
    ) -> Answer:
        """Send a form. Raises: as `Http.get`."""
        ...


class Registrar(Http, Poster, Protocol):
    """An API at which something of ours is made and taken away, such as the place where it pushes."""

    async def post_json(
        self,
        url: str,
        value: Any,
        *,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = OK,
        bucket: str = "default",
    ) -> Answer:
        """Send a JSON value. Raises: as `Http.get`."""
        ...

    async def delete(self, url: str, *, accept: frozenset[int] = OK, bucket: str = "default") -> Answer:
        """Take something away. Raises: as `Http.get`."""
        ...


@runtime_checkable
class Opening(Protocol):
    """An authorizer that must ask for its proof first (a token): the client gives it a way to."""

    def through(self, door: Callable[[str], Registrar], clock: Clock) -> Authorizer:
        """Return the authorizer; `door` opens a base URL on the same budget, without authentication."""
        ...
