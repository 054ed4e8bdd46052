"""OAuth apps: what an API knows us as, where users link their accounts.

Secrets are sealed before they reach a row. Not here: the flow of a link (`links`), what an API wants of it
(`providers.oauth`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import InUse, Invalid, NotFound
from headwater.kit.clock import Clock, from_us
from headwater.kit.ids import new_id
from headwater.management import listing, schemas
from headwater.management.caller import Caller, Permission
from headwater.management.credentials import own_external_id
from headwater.management.listing import Page, Wanted, to_json
from headwater.management.providers import Providers
from headwater.management.public import PublicUrl
from headwater.model.secret import MASK, Secret
from headwater.providers import oauth
from headwater.providers.provider import Provider
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthApp:
    """An OAuth app as it may be shown: secrets masked.

    `callback_url` and `webhook_url` are what the API must be told; None without a public address.
    """

    id: str
    provider: str
    name: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...]
    config: dict[str, Any]
    redirect_urls: tuple[str, ...]
    callback_url: str | None
    webhook_url: str | None
    webhook_secret: str | None
    last_received_at: datetime | None
    external_id: str | None
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOAuthApp:
    """What a user gives to make one."""

    provider: str
    name: str | None
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    scopes: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    redirect_urls: Sequence[str] = ()
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthAppChange:
    """What a user changes; None leaves it, and so does a masked secret."""

    name: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    scopes: Sequence[str] | None = None
    config: Mapping[str, Any] | None = None
    redirect_urls: Sequence[str] | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An OAuth app for use: its provider, and how its API is asked."""

    provider: Provider
    declared: oauth.OAuth2
    """With its addresses filled in."""
    client: oauth.Client
    scopes: tuple[str, ...]
    redirect_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthApps:
    """The OAuth apps of one installation."""

    database: Database
    providers: Providers
    vault: Vault
    clock: Clock
    public: PublicUrl

    async def create(self, caller: Caller, new: NewOAuthApp) -> OAuthApp:
        """Make an OAuth app. Raises: Invalid, Forbidden."""
        caller.require(Permission.ADMIN)
        provider = await self.providers.chosen(new.provider)
        external_id = own_external_id(caller, new.external_id) or None
        _refuse_mistakes(provider, new.config, new.redirect_urls)
        app_id, now_us = new_id(), self.clock.now_us()
        secrets = {"client_secret": new.client_secret}
        secrets |= {} if new.webhook_secret is None else {"webhook_secret": new.webhook_secret}
        async with self.database.write() as connection:
            await connection.execute(
                insert(schema.oauth_apps).values(
                    id=app_id,
                    provider=provider.name,
                    name=new.name or provider.title,
                    client_id=new.client_id,
                    secrets=self.vault.seal(to_json(secrets).encode()),
                    scopes=to_json(list(new.scopes)),
                    config=to_json(new.config),
                    redirect_urls=to_json(list(new.redirect_urls)),
                    external_id=external_id,
                    metadata=to_json(new.metadata),
                    created_us=now_us,
                    updated_us=now_us,
                )
            )
            row = await visible(connection, caller, app_id)
        return self._shown(row, provider)

    async def page(self, caller: Caller, wanted: Wanted) -> Page[OAuthApp]:
        """Return a page of OAuth apps."""
        caller.require(Permission.READ)
        table = schema.oauth_apps
        query = listing.narrowed(select(table), table, caller, wanted, self.database.dialect)
        async with self.database.read() as connection:
            rows = (await connection.execute(query)).all()
        shown = [self._shown(row, await self.providers.find(row.provider)) for row in rows]
        return listing.page_of(wanted, shown, lambda app: app.id)

    async def get(self, caller: Caller, app_id: str) -> OAuthApp:
        """Return one OAuth app. Raises: NotFound."""
        caller.require(Permission.READ)
        async with self.database.read() as connection:
            row = await visible(connection, caller, app_id)
        return self._shown(row, await self.providers.find(row.provider))

    async def change(self, caller: Caller, app_id: str, change: OAuthAppChange) -> OAuthApp:
        """Change an OAuth app; the next refresh of its accounts' tokens goes by it. Raises: NotFound,
        Invalid.
        """
        caller.require(Permission.ADMIN)
        async with self.database.read() as connection:
            row = await visible(connection, caller, app_id)
        provider = await self.providers.get(row.provider)
        config = json.loads(row.config) if change.config is None else change.config
        _refuse_mistakes(provider, config, change.redirect_urls or ())
        secrets = json.loads(self.vault.open(row.secrets))
        for name in ("client_secret", "webhook_secret"):
            if (given := getattr(change, name)) not in (None, MASK):
                secrets[name] = given
        values: dict[str, Any] = {
            "updated_us": max(self.clock.now_us(), row.updated_us + 1),
            "secrets": self.vault.seal(to_json(secrets).encode()),
            "config": to_json(config),
        }
        values |= {n: v for n in ("name", "client_id") if (v := getattr(change, n)) is not None}
        for name in ("scopes", "redirect_urls", "metadata"):
            if (value := getattr(change, name)) is not None:
                values[name] = to_json(value if name == "metadata" else list(value))
        table = schema.oauth_apps
        async with self.database.write() as connection:
            await connection.execute(update(table).where(table.c.id == app_id).values(values))
            row = await visible(connection, caller, app_id)
        return self._shown(row, provider)

    async def delete(self, caller: Caller, app_id: str) -> None:
        """Forget an OAuth app and its secrets. Raises: NotFound, InUse while a credential is of it."""
        caller.require(Permission.ADMIN)
        async with self.database.write() as connection:
            await visible(connection, caller, app_id)
            linked = schema.credentials.c.oauth_app_id == app_id
            if await connection.scalar(select(exists().where(linked))):
                raise InUse(
                    "Accounts were linked by this OAuth app, and their tokens are renewed by it.",
                    code="oauth_app.in_use",
                    fix="Remove those credentials first, or give the app another client id and secret.",
                )
            await connection.execute(delete(schema.oauth_apps).where(schema.oauth_apps.c.id == app_id))

    async def ready(self, caller: Caller, app_id: str) -> Ready:
        """Return an OAuth app for use. Raises: NotFound, Invalid where its API does not link accounts."""
        async with self.database.read() as connection:
            row = await visible(connection, caller, app_id)
        provider = await self.providers.get(row.provider)
        declared = _linking(provider)
        secret = json.loads(self.vault.open(row.secrets))["client_secret"]
        return Ready(
            provider=provider,
            declared=declared.at(json.loads(row.config)),
            client=oauth.Client(id=row.client_id, secret=Secret(secret)),
            scopes=tuple(json.loads(row.scopes)),
            redirect_urls=tuple(json.loads(row.redirect_urls)),
        )

    def _shown(self, row: Row[Any], provider: Provider | None) -> OAuthApp:
        secrets = json.loads(self.vault.open(row.secrets))
        pushes = provider is not None and provider.webhook is not None
        return OAuthApp(
            id=row.id,
            provider=row.provider,
            name=row.name,
            client_id=row.client_id,
            client_secret=MASK,  # P8
            scopes=tuple(json.loads(row.scopes)),
            config=json.loads(row.config),
            redirect_urls=tuple(json.loads(row.redirect_urls)),
            callback_url=self.public.callback(row.provider),
            webhook_url=self.public.app_webhook(row.id) if pushes else None,
            webhook_secret=MASK if "webhook_secret" in secrets else None,  # P8
            last_received_at=None if row.last_received_us is None else from_us(row.last_received_us),
            external_id=row.external_id,
            metadata=json.loads(row.metadata),
            created_at=from_us(row.created_us),
            updated_at=from_us(row.updated_us),
        )


async def visible(connection: AsyncConnection, caller: Caller, app_id: str) -> Row[Any]:
    """Return an OAuth app's row if the caller may see it. Raises: NotFound, also for another's (P12)."""
    table = schema.oauth_apps
    query = select(table).where(table.c.id == app_id, *listing.seen_by(caller, table.c.external_id))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no such OAuth app.",
            code="oauth_app.not_found",
            fix="List the OAuth apps with GET /v1/oauth-apps.",
        )
    return row


def _linking(provider: Provider) -> oauth.OAuth2:
    if provider.oauth is None:
        raise Invalid(
            f"Accounts of {provider.title} are not linked by OAuth.",
            errors=[("provider", "Has no OAuth.")],
            fix="Enter a credential instead: POST /v1/credentials.",
        )
    return provider.oauth


def _refuse_mistakes(provider: Provider, config: Mapping[str, Any], redirect_urls: Sequence[str]) -> None:
    declared = _linking(provider)
    errors = schemas.mistakes(dict(config), {**schemas.OBJECT, **declared.config_schema}, "config")
    errors += [
        (f"redirect_urls.{number}", "Must be an https address without fragment; http on this machine only.")
        for number, url in enumerate(redirect_urls)
        if not _may_redirect(url)
    ]
    if errors:
        raise Invalid("The OAuth app is not as it should be.", errors=errors)
    declared.at(config)


def _may_redirect(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    plain = "#" not in url and "@" not in parts.netloc and url.isascii() and url.isprintable()
    return bool(host) and safe and plain and " " not in url and "\\" not in url
