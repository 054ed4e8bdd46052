"""OAuth 2 as an API has it: where users agree, where codes and refresh tokens become tokens, and what the
answers mean.

A provider declares an `OAuth2`; the rest here makes requests of it and reads the answers. Not here: the flow
of a person through it (`management.links`), when a token is renewed and where it is kept (`tokens`).
Source: RFC 6749 (sections 4.1, 5 and 6), RFC 7636 (PKCE, S256). Read 2026-11-24.
"""

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from string import Formatter
from typing import Any, Literal, cast
from urllib.parse import quote, urlencode

import msgspec

from headwater.errors import Halt, Invalid, Retry
from headwater.kit.clock import Clock, from_us, iso
from headwater.kit.http import Answer, Poster
from headwater.model.secret import Secret

KIND = "oauth2"
"""Name of the credential kind whose properties are a grant: what a user has agreed to."""
ACCESS_TOKEN, REFRESH_TOKEN = "access_token", "refresh_token"
OBTAINED_AT, EXPIRES_AT = "obtained_at", "expires_at"
SECRET = frozenset({ACCESS_TOKEN, REFRESH_TOKEN})

_ANSWERED = frozenset({200, 201, 400, 401, 403})
_REASONS = frozenset(
    {
        "access_denied", "invalid_client", "invalid_grant", "invalid_request", "invalid_scope",
        "unauthorized_client", "unsupported_grant_type",
    }
)  # fmt: skip
"""What a token endpoint may say and is repeated: nothing else of its answer is shown (P8)."""


def _no_account(_answer: Mapping[str, Any]) -> str | None:
    """Return that an answer does not tell whose the token is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """How an API lets users' accounts be linked.

    Addresses may have placeholders (`https://{host}/oauth/token`) that an OAuth app's `config` fills;
    `config_schema` describes them, with a `default` where there is one.
    """

    authorize_url: str
    token_url: str
    scopes: tuple[str, ...] = ()
    """What is asked for where an OAuth app does not say."""
    scope_separator: str = " "
    pkce: bool = True
    client_in: Literal["basic", "body"] = "body"
    """Where a token request says who asks: in its `Authorization` header, or among its parameters."""
    authorize_params: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further parameters of the address where users agree, such as `access_type=offline`."""
    rotates: bool = False
    """Each refresh uses the refresh token up: the one in the answer takes its place."""
    lifetime: timedelta | None = None
    """How long a token is good where the answer does not say. None: until it is refused."""
    account: Callable[[Mapping[str, Any]], str | None] = _no_account
    """Whose account it is, of the token endpoint's answer to a code, where that tells."""
    kept: frozenset[str] = frozenset()
    """Members of the answer that are kept as properties of the credential, such as `instance_url`."""
    ended: frozenset[str] = frozenset({"invalid_grant"})
    """Errors that mean that the grant itself is over: revoked, expired, used up."""
    config_schema: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def at(self, config: Mapping[str, Any]) -> "OAuth2":
        """Return this with its addresses filled in. Raises: Invalid for a value that is missing."""
        declared: Mapping[str, Any] = self.config_schema.get("properties", {})
        known = {name: one["default"] for name, one in declared.items() if "default" in one} | dict(config)
        needed = {name for url in (self.authorize_url, self.token_url) for name in _placeholders(url)}
        if missing := sorted(needed - known.keys()):
            raise Invalid(
                "The OAuth app's config lacks what the API's addresses need.",
                errors=[(f"config.{name}", "Is missing.") for name in missing],
                fix="Give the fields that `errors` names.",
            )
        return replace(
            self,
            authorize_url=self.authorize_url.format(**known),
            token_url=self.token_url.format(**known),
        )

    def credential_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a grant's properties."""
        text = {"type": "string", "minLength": 1}
        instant = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[^ ]+Z$"}
        return {
            "type": "object",
            "properties": {
                ACCESS_TOKEN: {**text, "title": "Access token"},
                REFRESH_TOKEN: {**text, "title": "Refresh token"},
                EXPIRES_AT: {**instant, "title": "Until when the access token is good"},
                OBTAINED_AT: {**instant, "title": "Since when"},
                "scope": {"type": "string", "title": "What it may do, in the API's words"},
                **{name: {} for name in sorted(self.kept)},
            },
            "required": [ACCESS_TOKEN],
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks: an OAuth app as the API knows it."""

    id: str
    secret: Secret


class GrantEnded(Halt):
    """The API no longer honours what the user once agreed to."""

    code = "provider.credential_refused"


def challenge_of(verifier: str) -> str:
    """Return the challenge of a verifier. Source: RFC 7636, section 4.2."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def authorize_address(
    oauth: OAuth2, client_id: str, scopes: tuple[str, ...], *, state: str, redirect_uri: str, verifier: str
) -> str:
    """Return the address at which a user agrees. `oauth` has its addresses filled in."""
    asked = {
        **oauth.authorize_params,
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
    }
    if wanted := scopes or oauth.scopes:
        asked["scope"] = oauth.scope_separator.join(wanted)
    if oauth.pkce:
        asked |= {"code_challenge": challenge_of(verifier), "code_challenge_method": "S256"}
    sign = "&" if "?" in oauth.authorize_url else "?"
    return f"{oauth.authorize_url}{sign}{urlencode(asked, quote_via=quote)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """Where an API gives tokens. `door` opens `oauth.token_url`; `oauth` has its addresses filled in."""

    oauth: OAuth2
    client: Client
    door: Poster
    clock: Clock

    async def exchange(self, code: Secret, *, redirect_uri: str, verifier: str) -> "Grant":
        """Return what a code is good for. Raises: GrantEnded (used, expired, another's), Halt, Retry."""
        form = {"grant_type": "authorization_code", "code": code.reveal(), "redirect_uri": redirect_uri}
        if self.oauth.pkce:
            form["code_verifier"] = verifier
        return await self._ask(form, {})

    async def refresh(self, properties: Mapping[str, Any]) -> "Grant":
        """Return what follows a grant: new tokens, and everything else that the answer does not renew.

        Raises: GrantEnded, Halt, Retry. After a Retry nobody knows whether a refresh token was used up.
        """
        form = {"grant_type": "refresh_token", "refresh_token": str(properties[REFRESH_TOKEN])}
        return await self._ask(form, properties)

    async def _ask(self, form: dict[str, str], before: Mapping[str, Any]) -> "Grant":
        headers = {"Accept": "application/json"}
        if self.oauth.client_in == "body":
            form |= {"client_id": self.client.id, "client_secret": self.client.secret.reveal()}
        else:  # each escaped: RFC 6749, section 2.3.1
            pair = f"{quote(self.client.id, safe='')}:{quote(self.client.secret.reveal(), safe='')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode('ascii')}"
        asked_us = self.clock.now_us()
        answer = await self.door.post_form("", form, headers=headers, accept=_ANSWERED)
        return self._read(answer, asked_us, before)

    def _read(self, answer: Answer, asked_us: int, before: Mapping[str, Any]) -> "Grant":
        """Return the grant that an answer holds. Some refuse with 200: the error counts, not the status."""
        try:
            said = msgspec.json.decode(answer.body, type=dict[str, Any])
        except ValueError:
            said = {}
        error = said.get("error")
        if error is not None or answer.status not in (200, 201):
            raise self._refused(str(error or ""), answer.status)
        token = said.get(ACCESS_TOKEN)
        if not isinstance(token, str) or not token:
            raise _no_token()
        life = _life(said.get("expires_in"), self.oauth.lifetime)
        renewed = {name: said[name] for name in self.oauth.kept if said.get(name) is not None}
        if refresh_token := said.get(REFRESH_TOKEN):
            renewed[REFRESH_TOKEN] = refresh_token
        if (scope := said.get("scope")) is not None:
            renewed["scope"] = (
                scope if isinstance(scope, str) else " ".join(map(str, cast("list[Any]", scope)))
            )
        lasting = {name: value for name, value in before.items() if name != EXPIRES_AT}
        properties = lasting | renewed | {ACCESS_TOKEN: token, OBTAINED_AT: iso(from_us(asked_us))}
        if life is not None:
            properties[EXPIRES_AT] = iso(from_us(asked_us + life // timedelta(microseconds=1)))
        return Grant(properties=properties, answer=said)

    def _refused(self, error: str, status: int) -> Halt:
        said = f"{status}, {error}" if error in _REASONS else str(status)  # P8
        if error in self.oauth.ended:
            return GrantEnded(
                f"The API no longer accepts what its user had agreed to ({said}): access was revoked, or the"
                " token has run out or was used elsewhere.",
                fix="Link the account again.",
                context={"status": str(status)},
            )
        return Halt(
            f"The API refused a token to the OAuth app ({said}).",
            code="provider.credential_refused",
            fix="Check client id, client secret and scopes of the OAuth app, and its redirect address at the"
            " API.",
            context={"status": str(status)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token endpoint gave: the properties of a credential, and its whole answer. Never for show."""

    properties: Mapping[str, Any] = field(repr=False)
    answer: Mapping[str, Any] = field(repr=False)


def _life(given: object, otherwise: timedelta | None) -> timedelta | None:
    """Return how long a token is good. Some write the seconds as text; none, or 0, means no end.

    Raises: Retry.
    """
    if given is None:
        return otherwise
    try:
        life = timedelta(seconds=float(cast("str | float", given)))
    except (ValueError, TypeError, OverflowError):
        raise _no_token() from None
    return life if life > timedelta() else otherwise


def _no_token() -> Retry:
    return Retry("The token endpoint's answer is no token.", code="provider.broken_answer")  # P8


def _placeholders(url: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(url) if name}
