"""GitHub. Docs: https://docs.github.com/rest (read 2026-11-24, version pinned in `access`).

Sees changes by: `since` where lists take it, newest first where they are sorted so, conditional lists for
the rest; webhooks sooner, where there is a public address. Deletes by webhooks and sweeps; each is verified.
Not covered: the content of files and assets, because records are JSON; what only GraphQL shows (projects,
discussions).

Belongs here: all that is only so at GitHub. `kinds` says what is listed where; `walk`, `singles`, `commits`,
`growing`, `reviews` and `selection` read it, `pace` says how often; `events` and `webhook` tell of changes
sooner, `deliveries` of those that were lost; `access` and `app` let us in.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from headwater.errors import Halt
from headwater.kit.http import Http
from headwater.providers import paging
from headwater.providers.github import access
from headwater.providers.github.kinds import collections
from headwater.providers.github.pace import UNKNOWN, paced
from headwater.providers.github.selection import CONFIG_SCHEMA, Selection
from headwater.providers.github.webhook import webhook
from headwater.providers.provider import Provider


class _User(msgspec.Struct):
    id: int


async def _user(http: Http, host: str | None) -> str | None:
    """Return whose token it is; None for one that is nobody's (of a workflow, say)."""
    try:
        answer = await http.get("/user")
    except Halt as error:
        if error.error_code != "provider.forbidden":
            raise
        return None
    try:
        return access.at_host(f"user/{msgspec.json.decode(answer.body, type=_User).id}", host)
    except ValueError as error:
        raise paging.broken("is no user") from error


def _checked(kind: str, properties: Mapping[str, Any]) -> Callable[[Http], Awaitable[str | None]]:
    """Return what tries a credential and tells whose quota it spends."""

    host = access.host(properties)

    async def check(http: Http) -> str | None:
        if kind == access.TOKEN.name:
            return await _user(http, host)
        await http.get("/rate_limit")  # a token of the installation is fetched on the way
        if kind == access.APP.name:
            return access.installation(properties["installation_id"], host)
        return access.at_host("public", host)

    return check


def _github(selection: Selection) -> Provider:
    """Return GitHub for a selection of repositories."""

    def for_credential(provider: Provider, kind: str, properties: Mapping[str, Any]) -> Provider:
        own = replace(selection, own=access.OWN_LISTS.get(kind, ""))
        return replace(
            provider,
            base_url=access.address(properties),
            budget=access.budget(kind),
            collections=paced(collections(own), selection.count or UNKNOWN, access.budget(kind)[0].allowed),
            check=_checked(kind, properties),
        )

    return Provider(
        name="github",
        title="GitHub",
        docs_url="https://docs.github.com/rest",
        base_url=access.BASE_URL,
        headers=access.HEADERS,
        authorize=access.authorize,
        credential_kinds=access.KINDS,
        budget=access.budget(access.PUBLIC.name),
        collections=collections(selection),
        check=_checked(access.PUBLIC.name, {}),
        webhook=webhook(selection),
        config_schema=CONFIG_SCHEMA,
        configure=_configured,
        for_credential=for_credential,
    )


def _configured(config: Mapping[str, Any]) -> Provider:
    return _github(
        Selection(
            names=tuple(config.get("repositories", ())), organizations=tuple(config.get("organizations", ()))
        )
    )


GITHUB = _github(Selection())
