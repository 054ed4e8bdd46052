"""Who asks: nobody, a person with a token, an App by its signature, or an installation of it.

Tokens of installations expire; an App's signature is checked as GitHub does: RS256, ten minutes at most, by
its id.
"""

import secrets
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from headwater.testing.fake_github.repo import Repo
from headwater.testing.fake_github.world import World

TOKEN = "fake-token"  # noqa: S105 of a fake
APP_ID = "Iv23fakeapp"
_LONGEST = 600
"""Seconds that a signature may last."""
_SKEW = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks. `repositories`: the only ones that an installation sees; None: no such narrowing."""

    kind: str
    """`public`, `user`, `app` or `installation`."""
    account: str
    """Whose limits are spent."""
    repositories: frozenset[int] | None = None

    def sees(self, repo: Repo) -> bool:
        """Say whether a repository shows."""
        if self.kind == "public":
            return not repo.facts["private"]
        return self.repositories is None or repo.id in self.repositories or not repo.facts["private"]


PUBLIC = Visitor(kind="public", account="address")


@dataclass(slots=True)
class Installation:
    """An installation of the App: of which repositories (none: all of them)."""

    id: int
    repositories: set[int] = field(default_factory=set[int])
    suspended: bool = False


@dataclass(slots=True)
class _Issued:
    visitor: Visitor
    until: float


class Visitors:
    """Everybody who has a token."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = _app_key()
        self._tokens: dict[str, _Issued] = {}
        self.people = {TOKEN: Visitor(kind="user", account="user/octocat")}
        self.installations = {7: Installation(7)}
        self.issued = 0
        """How many tokens of installations were given."""

    @property
    def private_key(self) -> str:
        """The App's key, as its settings would give it."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def who(self, authorization: str) -> Visitor | None:
        """Return who sends this header; None for one that lets nobody in."""
        if not authorization:
            return PUBLIC
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in ("bearer", "token"):
            return None
        if token in self.people:
            return self.people[token]
        issued = self._tokens.get(token)
        if issued is not None:
            return issued.visitor if time.time() < issued.until else None
        return Visitor(kind="app", account="app") if self._signed(token) else None

    def issue(self, installation: Installation, narrowed: frozenset[int] | None) -> tuple[str, float]:
        """Return a new token of an installation, and when it ends."""
        token = "ghs_" + secrets.token_hex(18)
        until = time.time() + self._world.switches.token_seconds
        ids = frozenset(installation.repositories) or None
        visitor = Visitor(
            kind="installation", account=f"installation/{installation.id}", repositories=narrowed or ids
        )
        self._tokens[token] = _Issued(visitor, until)
        self.issued += 1
        return token, until

    def expire(self) -> None:
        """End all tokens of installations now."""
        self._tokens.clear()

    def _signed(self, token: str) -> bool:
        """Say whether a JSON Web Token is the App's, and of now."""
        try:
            head, claims, signature = token.split(".")
            self._key.public_key().verify(
                _decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256()
            )
            said: Any = orjson.loads(_decoded(claims))
            begins, ends, now = float(said["iat"]), float(said["exp"]), time.time()
            algorithm = orjson.loads(_decoded(head))["alg"]
        except (ValueError, KeyError, TypeError, InvalidSignature):
            return False
        in_time = begins <= now + _SKEW and now < ends <= now + _LONGEST + _SKEW
        return algorithm == "RS256" and str(said.get("iss")) == APP_ID and in_time


@cache
def _app_key() -> RSAPrivateKey:
    """Return the App's key. To make one takes a while: all fakes of a process share it."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
