"""The only door to the HTTP client. Maps its errors, the API's refusals and its limits to our errors."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer. `asked_us`: when its request was sent, in the API's clock where it has a `Date` header."""

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
        accept: frozenset[int] = frozenset({200}),
        bucket: str = "default",
    ) -> Answer:
        """Fetch a path below the base URL, or a full URL of the same origin.

        `accept` are the statuses that are an answer. The body was received whole (its length checked).
        Raises: Retry (408, 425, 429, 5xx, time-out, lost or broken answer; with the API's own wait), Halt (401, 403
        that is no limit, other 4xx, a redirect to another origin).
        """
        ...
