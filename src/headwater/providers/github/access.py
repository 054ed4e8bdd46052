"""Who asks GitHub, where, and how fast: credentials, addresses, limits.

Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api (60 an hour without
authentication, 5,000 with a token, 5,000 to 12,500 for an installation; secondary: 100 at once, 900 points a
minute, a point for a GET), https://docs.github.com/rest/about-the-rest-api/api-versions,
https://docs.github.com/enterprise-server/rest/quickstart (`/api/v3`). Read 2026-11-24.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from headwater.kit.budget import Bucket
from headwater.kit.http import Authorizer, Opening
from headwater.model.secret import Secret
from headwater.providers import auth
from headwater.providers.github.app import Installation
from headwater.providers.provider import CredentialKind

BASE_URL = "https://api.github.com"
HEADERS: Mapping[str, str] = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}

_ADDRESS = {
    "type": "string",
    "pattern": "^https?://[^ ]+$",
    "title": "Address",
    "description": f"Of a GitHub Enterprise Server, such as https://github.acme.example. {BASE_URL} else.",
}


def _kind(name: str, secret: str | None, required: list[str], **properties: Any) -> CredentialKind:
    schema = {
        "type": "object",
        "properties": {**properties, "base_url": _ADDRESS},
        "required": required,
        "additionalProperties": False,
    }
    return CredentialKind(
        name=name, schema=schema, secret=frozenset() if secret is None else frozenset({secret})
    )


TOKEN = _kind(
    "token",
    "token",
    ["token"],
    token={
        "type": "string",
        "minLength": 1,
        "title": "Token",
        "description": "A personal access token (github_pat_… or ghp_…), or one of an OAuth app.",
    },
)
APP = _kind(
    "app",
    "private_key",
    ["app_id", "private_key", "installation_id"],
    app_id={
        "type": "string",
        "minLength": 1,
        "title": "Client id or App id",
        "description": "Of your own GitHub App.",
    },
    private_key={
        "type": "string",
        "minLength": 1,
        "title": "Private key",
        "description": "The PEM file that the App's settings generate.",
    },
    installation_id={
        "type": "string",
        "pattern": "^[0-9]+$",
        "title": "Installation id",
        "description": "The number at the end of the address of the installation's page.",
    },
    repositories={
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "title": "Repositories",
        "description": "Names without owner, to which its tokens are narrowed. All of them else.",
    },
    permissions={
        "type": "object",
        "additionalProperties": {"enum": ["read", "write"]},
        "title": "Permissions",
        "description": "To which its tokens are narrowed, such as {issues: read}. All of them else.",
    },
)
PUBLIC = _kind("public", None, [])
KINDS = (TOKEN, APP, PUBLIC)

OWN_LISTS: Mapping[str, str] = {
    TOKEN.name: "/user/repos",
    APP.name: "/installation/repositories",
    PUBLIC.name: "",
}
"""Where each kind of credential finds all repositories that it is for."""

_HOURLY: Mapping[str, int] = {TOKEN.name: 5_000, APP.name: 5_000, PUBLIC.name: 60}
"""Requests that GitHub allows at least; where an installation has more, `rate_limit` may say so."""
_SHARE = 0.5
_POINTS = 900
_CONCURRENT = 10
"""GitHub allows a hundred at once, and asks to be polite."""


def budget(kind: str) -> tuple[Bucket, ...]:
    """Return the share of GitHub's limits that is taken with a kind of credential."""
    return (
        Bucket(allowed=int(_HOURLY.get(kind, 60) * _SHARE), per=timedelta(hours=1), concurrent=_CONCURRENT),
        Bucket(unit="points", allowed=int(_POINTS * _SHARE), per=timedelta(minutes=1)),
    )


def address(properties: Mapping[str, Any]) -> str:
    """Return the API's address: of a GitHub Enterprise Server it is below `/api/v3`.

    One that has a path already is taken as it is.
    """
    given = str(properties.get("base_url") or "").rstrip("/")
    if not given:
        return BASE_URL
    parts = urlsplit(given)
    if parts.path or parts.hostname == "api.github.com" or (parts.hostname or "").startswith("api."):
        return given
    return urlunsplit(parts._replace(path="/api/v3"))


def authorize(kind: str, properties: Mapping[str, Any]) -> Authorizer | Opening:
    """Return what authenticates requests with a credential."""
    if kind == TOKEN.name:
        return auth.bearer(Secret(properties["token"]))
    if kind == APP.name:
        return Installation(
            base_url=address(properties),
            app_id=properties["app_id"],
            private_key=Secret(properties["private_key"]),
            installation_id=properties["installation_id"],
            headers=HEADERS,
            repositories=tuple(properties.get("repositories", ())),
            permissions=properties.get("permissions", {}),
        )
    return auth.Open()


def installation(id: int | str, host: str | None = None) -> str:
    """Return the name under which an installation's account is known here."""
    return at_host(f"installation/{id}", host)


def at_host(account: str, host: str | None) -> str:
    """Return an account's name; one of an Enterprise Server is named after that, too."""
    return account if host is None else f"{account}@{host}"


def host(properties: Mapping[str, Any]) -> str | None:
    """Return the host of an Enterprise Server; None for GitHub itself."""
    given = address(properties)
    return None if given == BASE_URL else urlsplit(given).netloc
