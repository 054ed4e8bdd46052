"""All that the fake Stripe knows: accounts and their books, keys, where it pushes, its use. No HTTP."""

import math
import secrets
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from headwater.testing.fake_api.requests import Requests
from headwater.testing.fake_stripe.books import Books
from headwater.testing.fake_stripe.problems import Problem
from headwater.testing.fake_stripe.switches import Switches

ACCOUNT = "acct_1PgafTB7WZ01zgkW"
KEY = "sk_live_fake"
LIVE_LIMIT, TEST_LIMIT = 100, 25
"""Requests a second. Source: https://docs.stripe.com/rate-limits, read 2026-11-24."""


@dataclass
class Keys:
    """Who is let in: keys with the time at which they end, and what a restricted one may read."""

    until: dict[str, float] = field(default_factory=dict[str, float])
    restricted: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Key to the classes of objects that it may read."""

    def roll(self, key: str, grace: float) -> str:
        """Return a new key in place of one, which ends after so many seconds."""
        new = f"{key.rpartition('_')[0]}_{secrets.token_hex(8)}"
        self.until[key], self.until[new] = time.monotonic() + grace, math.inf
        if key in self.restricted:
            self.restricted[new] = self.restricted[key]
        return new

    def check(self, key: str | None) -> str:
        """Return the key. Raises: Problem."""
        if key is None:
            raise Problem(401, "You did not provide an API key.")
        until = self.until.get(key)
        if until is None:
            raise Problem(401, f"Invalid API Key provided: {key[:8]}****")
        if until <= time.monotonic():
            raise Problem(401, f"Expired API Key provided: {key[:8]}****", code="api_key_expired")
        return key


@dataclass
class Used:
    """How the API was used: all requests, and those of each operation."""

    all: Requests = field(default_factory=Requests)
    of: dict[str, Requests] = field(default_factory=dict[str, Requests])
    answers: Counter[str] = field(default_factory=Counter[str])
    limited: Counter[str] = field(default_factory=Counter[str])
    """Requests that were refused for a limit, by the reason."""
    last: deque[str] = field(default_factory=lambda: deque[str](maxlen=1_000))

    def operation(self, name: str) -> Requests:
        """Return the requests of one operation."""
        return self.of.setdefault(name, Requests())


@dataclass
class Endpoint:
    """Where events are pushed. `secrets`: two while one is rolled."""

    id: str
    url: str
    enabled_events: list[str]
    secrets: list[str]
    created: int
    api_version: str | None = None
    connect: bool = False
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    status: str = "enabled"


class World:
    """The fake Stripe: one account of its own, and those that are connected to it."""

    def __init__(self, seed: int = 1, switches: Switches | None = None, *, key: str = KEY) -> None:
        self.seed = seed
        self.switches = switches or Switches()
        self.livemode = "_test_" not in key
        self.keys = Keys(until={key: math.inf})
        self.own = Books(ACCOUNT, seed, self.switches, livemode=self.livemode)
        self.connected: dict[str, Books] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.used = Used()

    @property
    def limit(self) -> int:
        """Requests a second that are let in."""
        usual = LIVE_LIMIT if self.livemode else TEST_LIMIT
        return usual if self.switches.limit < 0 else self.switches.limit

    def turn(self, switches: Switches) -> None:
        """Behave in another way from now on."""
        self.switches = switches
        for books in self.all_books:
            books.switches = switches

    @property
    def all_books(self) -> list[Books]:
        """The books of every account."""
        return [self.own, *self.connected.values()]

    def connect(self) -> Books:
        """Connect another account."""
        account = self.own.create("account")["id"]
        books = Books(account, self.seed, self.switches, livemode=self.livemode)
        self.connected[account] = books
        return books

    def books(self, account: str | None) -> Books:
        """Return the books that a request is about. Raises: Problem."""
        if account is None or account == self.own.account:
            return self.own
        if account not in self.connected:
            message = f"The provided key does not have access to account '{account}'."
            raise Problem(403, message, code="account_invalid")
        return self.connected[account]
