"""From a document's way of authenticating and a credential's properties to what signs requests."""

from collections.abc import Mapping
from typing import assert_never

from headwater.errors import Halt
from headwater.kit.http import Authorizer, Opening
from headwater.model.secret import Secret
from headwater.providers import auth
from headwater.providers.provider import JSON, CredentialKind
from headwater.providers.rest.auth import (
    Auth,
    BasicAuth,
    BearerAuth,
    ClientCredentialsAuth,
    HeaderAuth,
    NoAuth,
    QueryAuth,
)

_PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "none": {},
    "bearer": {"token": "Token"},
    "basic": {"username": "User name", "password": "Password"},
    "header": {"key": "Key"},
    "query": {"key": "Key"},
    "oauth2_client_credentials": {"client_id": "Client id", "client_secret": "Client secret"},
}
"""The properties of a credential by kind, with their titles."""

_OPEN = {"username", "client_id"}
"""Properties that are no secrets."""


def credential_kind(part: Auth) -> CredentialKind:
    """Return what a credential must hold."""
    properties = _PROPERTIES[part.kind]
    return CredentialKind(
        name=part.kind,
        schema={
            "type": "object",
            "properties": {
                name: {"type": "string", "title": title, "minLength": 1} for name, title in properties.items()
            },
            "required": list(properties),
            "additionalProperties": False,
        },
        secret=frozenset(properties) - _OPEN,
    )


def authorize(part: Auth, kind: str, properties: Mapping[str, JSON]) -> Authorizer | Opening:
    """Return what signs requests with a credential.

    Raises: Halt for a credential of another kind, or without a value that is needed.
    """
    if kind != part.kind:
        raise _unfit(part, f"The credential is of the kind {kind}, but the API takes {part.kind}.")
    missing = [name for name in _PROPERTIES[kind] if not properties.get(name)]
    if missing:
        raise _unfit(part, f"The credential has no {' and no '.join(missing)}.")
    match part:
        case NoAuth():
            return auth.Open()
        case BearerAuth():
            return auth.bearer(_secret(properties["token"]))
        case BasicAuth():
            return auth.basic(_text(properties["username"]), _secret(properties["password"]))
        case HeaderAuth():
            return auth.Header(part.name, _secret(properties["key"]), part.prefix)
        case QueryAuth():
            return auth.Query(part.name, _secret(properties["key"]))
        case ClientCredentialsAuth():
            return auth.ClientCredentials(
                token_url=part.token_url,
                client_id=_text(properties["client_id"]),
                client_secret=_secret(properties["client_secret"]),
                scopes=tuple(part.scopes),
                params=part.params,
                client_in=part.client_in,
            )
    assert_never(part)


def _secret(value: JSON) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value))


def _text(value: JSON) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _unfit(part: Auth, message: str) -> Halt:
    wanted = " and ".join(_PROPERTIES[part.kind]) or "no properties"
    return Halt(
        message,
        code="provider.credential_invalid",
        fix=f"Store a credential of the kind {part.kind}, with {wanted}.",
    )
