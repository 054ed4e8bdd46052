"""A GitHub App lets us in: signed by its key, it asks for a token of one installation, which lasts an hour.

Source: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
(RS256; `iat` a minute back, `exp` ten minutes ahead at most, `iss` the client id or app id),
https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app (`repositories`,
`permissions`; 201). Read 2026-11-24.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from headwater.errors import Halt, Retry
from headwater.kit.clock import Clock
from headwater.kit.http import Answer, Authorizer, Registrar
from headwater.model.secret import Secret
from headwater.providers.auth import Granted, Tokens
from headwater.providers.fetch import ISO

_BACK, _AHEAD = timedelta(seconds=60), timedelta(minutes=9)
"""Clocks differ: the signature begins a little before now, and ends before GitHub's ten minutes are over."""
_ANSWERED = frozenset({200, 201, 401, 403, 404, 422})
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One installation of an App. `repositories` are names without owner; none means all that it has."""

    base_url: str
    app_id: str
    private_key: Secret
    installation_id: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    repositories: tuple[str, ...] = ()
    permissions: Mapping[str, str] = field(default_factory=dict[str, str])

    def through(self, door: Callable[[str], Registrar], clock: Clock) -> Authorizer:
        """Return the authorizer that fetches tokens by this door, and a new one before the hour is over."""
        opened = door(self.base_url)
        return Tokens(lambda: self._fetch(opened, clock), clock)

    async def _fetch(self, door: Registrar, clock: Clock) -> Granted:
        now_us = clock.now_us()
        signed = signature(self.app_id, self.private_key, now_us)
        wanted: dict[str, Any] = {}
        if self.repositories:
            wanted["repositories"] = list(self.repositories)
        if self.permissions:
            wanted["permissions"] = dict(self.permissions)
        answer = await door.post_json(
            f"/app/installations/{self.installation_id}/access_tokens",
            wanted,
            headers={**self.headers, "Authorization": f"Bearer {signed}"},
            accept=_ANSWERED,
        )
        if answer.status not in (200, 201):
            raise _refused(answer)
        try:
            grant = msgspec.json.decode(answer.body, type=_Grant)
            lives = (ISO.read(grant.expires_at) - answer.asked_us) / _MICROSECONDS
        except ValueError:
            raise Retry("GitHub's answer is no token.", code="provider.broken_answer") from None  # P8
        return Granted(token=Secret(grant.token), lives=max(lives, 0.0))


class _Grant(msgspec.Struct):
    token: str
    expires_at: str


def signature(app_id: str, private_key: Secret, now_us: int) -> str:
    """Return the JSON Web Token by which an App proves that it asks. Raises: Halt for a key that is none."""
    seconds = now_us // _MICROSECONDS
    claims = {
        "iat": seconds - int(_BACK.total_seconds()),
        "exp": seconds + int(_AHEAD.total_seconds()),
        "iss": app_id,
    }
    head = _coded(msgspec.json.encode({"alg": "RS256", "typ": "JWT"}))
    signed = f"{head}.{_coded(msgspec.json.encode(claims))}"
    made = _key(private_key).sign(signed.encode("ascii"), PKCS1v15(), SHA256())
    return f"{signed}.{_coded(made)}"


def _key(private_key: Secret) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(private_key.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise Halt(  # without the cause: it may quote the key (P8)
            "The App's private key is not an RSA key in PEM.",
            code="provider.credential_invalid",
            fix="Generate a key in the App's settings, and store the whole file (-----BEGIN …).",
        ) from None
    return key


def _coded(part: bytes) -> str:
    """Source: RFC 7515, section 2 (base64url without padding)."""
    return urlsafe_b64encode(part).rstrip(b"=").decode("ascii")


def _refused(answer: Answer) -> Halt:
    why = {
        401: "The App's id and key do not belong together, or the clock of this machine is off.",
        403: "The installation is suspended.",
        404: "The App has no such installation: it was taken away, or the id is another's.",
        422: "The installation has no such repositories or permissions.",
    }
    return Halt(
        f"GitHub refused a token for this installation with {answer.status}.",
        code="provider.credential_refused",
        fix=why.get(answer.status, "Look at the App's installation."),
        context={"status": str(answer.status)},
    )
