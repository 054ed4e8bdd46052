"""Credentials: how an account of an API is entered, kept and shown.

Secrets are sealed before they reach a row.

Not here: how a request is authenticated (`providers.auth`), what is spent of the account's quota
(`kit.budget`).
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import Forbidden, Halt, InUse, Invalid, NotFound, Retry
from headwater.kit.clock import Clock, from_us, iso
from headwater.kit.ids import new_id
from headwater.management import listing, schemas
from headwater.management.caller import Caller, Permission
from headwater.management.listing import Page, Wanted, to_json
from headwater.management.providers import Providers
from headwater.model.secret import MASK
from headwater.model.sync import Note
from headwater.providers.oauth import KIND
from headwater.providers.provider import CredentialKind, Provider
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.store.vault import Vault

Check = Callable[[Provider, str, Mapping[str, Any]], Awaitable[str | None]]
"""`(provider, credential kind, properties)`: try a credential; the upstream account's name where the API
tells it.

Raises: Halt (refused), Retry (cannot be told now).
"""

CheckLinked = Callable[[Provider, str, str, Mapping[str, Any]], Awaitable[str | None]]
"""`(provider, credential id, credential kind, properties)`: the same for one that is kept, and whose token is
renewed first where that is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """The share of an API's quota that we may use: so many requests in an interval of seconds."""

    allowed_requests: int
    interval: float
    max_concurrent_requests: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential as it may be shown: secrets masked."""

    id: str
    provider: str
    kind: str
    name: str
    account: str | None
    properties: dict[str, Any]
    rate_limit: RateLimit | None
    """None where the provider's document cannot be read any more."""
    oauth_app_id: str | None
    external_id: str | None
    metadata: dict[str, Any]
    health: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """What a user gives to make one, or to renew the one of the same account."""

    provider: str
    kind: str | None
    name: str | None
    properties: Mapping[str, Any]
    rate_limit: RateLimit | None
    external_id: str | None
    metadata: Mapping[str, Any]
    oauth_app_id: str | None = None
    """The OAuth app by which its token is renewed, or for which its API pushes."""
    account: str | None = None
    """Whose it is, where that is known and trying it does not tell."""
    must_work: bool = False
    """One that the API refuses is not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialChange:
    """What a user changes; None leaves it. A property: None takes it out, a masked one is kept."""

    name: str | None = None
    properties: Mapping[str, Any] | None = None
    rate_limit: RateLimit | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """What trying a credential showed. `refused`: what the API says against it."""

    account: str | None
    health: dict[str, Any]
    refused: Halt | None = None


class Credentials:
    """The credentials of one installation."""

    def __init__(
        self,
        database: Database,
        revisions: Revisions,
        providers: Providers,
        vault: Vault,
        check: Check,
        check_linked: CheckLinked | None,
        clock: Clock,
    ) -> None:
        """Keep credentials in `database`, their secrets sealed by `vault`; `check` tries them, and
        `check_linked` those whose tokens are renewed.
        """
        self._database = database
        self._revisions = revisions
        self._providers = providers
        self._vault = vault
        self._check = check
        self._check_linked = check_linked
        self._clock = clock

    async def put(self, caller: Caller, new: NewCredential) -> tuple[Credential, bool]:
        """Make a credential, or renew the one of the same provider, upstream account and tenant.

        Returns it and whether it is new. It is tried first, to learn whose account it is; one that is
        refused is kept and says so in its health. A renewed one keeps name, limit and metadata where none
        are given. Raises: Invalid, Forbidden; Halt where it must work and does not.
        """
        caller.require(Permission.ADMIN)
        provider = await self._providers.chosen(new.provider)
        external_id = own_external_id(caller, new.external_id)
        kind = _kind(provider, new.kind, new.properties)
        _refuse_mistakes(new.properties, kind)
        tried = await self._try(provider, kind.name, new.properties)
        if new.must_work and tried.refused is not None:
            raise tried.refused
        account = tried.account or new.account or await _fingerprint(kind.name, new.properties)
        now_us = self._clock.now_us()
        public, secret = _split(new.properties, kind)
        values = {
            "kind": kind.name,
            "properties": to_json(public),
            "secrets": self._vault.seal(to_json(secret).encode()),
            "health": to_json(tried.health),
            "updated_us": now_us,
        }
        named = {} if new.name is None else {"name": new.name}
        named |= {} if new.rate_limit is None else {"rate_limit": to_json(_limit_json(new.rate_limit))}
        named |= {"metadata": to_json(new.metadata)} if new.metadata else {}
        named |= {} if new.oauth_app_id is None else {"oauth_app_id": new.oauth_app_id}
        table = schema.credentials
        same = (
            (table.c.provider == provider.name)
            & (table.c.account == account)
            & (table.c.external_id == external_id)
        )
        async with self._revisions.changing("syncs") as connection:
            if new.oauth_app_id is not None:
                await _require_app(connection, caller, new.oauth_app_id, provider)
            found = (await connection.execute(select(table.c.id).where(same))).scalar_one_or_none()
            credential_id = found or new_id()
            if found is None:
                await connection.execute(
                    insert(table).values(
                        id=credential_id,
                        provider=provider.name,
                        account=account,
                        external_id=external_id,
                        created_us=now_us,
                        **{"name": provider.title, "metadata": "{}"} | named | values,
                    )
                )
            else:  # what was not given stays as it was
                await connection.execute(update(table).where(table.c.id == found).values(named | values))
            row = await visible(connection, caller, credential_id)
        return self._shown(row, provider), found is None

    async def page(self, caller: Caller, wanted: Wanted) -> Page[Credential]:
        """Return a page of credentials."""
        caller.require(Permission.READ)
        table = schema.credentials
        query = listing.narrowed(select(table), table, caller, wanted, self._database.dialect)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        shown = [self._shown(row, await self._providers.find(row.provider)) for row in rows]
        return listing.page_of(wanted, shown, lambda credential: credential.id)

    async def get(self, caller: Caller, credential_id: str) -> Credential:
        """Return one credential. Raises: NotFound."""
        caller.require(Permission.READ)
        async with self._database.read() as connection:
            row = await visible(connection, caller, credential_id)
        return self._shown(row, await self._providers.find(row.provider))

    async def change(self, caller: Caller, credential_id: str, change: CredentialChange) -> Credential:
        """Change a credential; its syncs go on with it at once. Raises: NotFound, Invalid."""
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            row = await visible(connection, caller, credential_id)
        provider = await self._providers.get(row.provider)
        kind = _kind(provider, row.kind, {})
        values: dict[str, Any] = {"updated_us": max(self._clock.now_us(), row.updated_us + 1)}
        if change.properties is not None:
            kept = self._opened(row)
            merged = kept | {
                name: kept.get(name) if value == MASK else value for name, value in change.properties.items()
            }
            merged = {name: value for name, value in merged.items() if value is not None}
            _refuse_mistakes(merged, kind)
            tried = await self._try(provider, kind.name, merged)
            public, secret = _split(merged, kind)
            values |= {
                "properties": to_json(public),
                "secrets": self._vault.seal(to_json(secret).encode()),
                "health": to_json(tried.health),
            }
            account = tried.account or await _fingerprint(kind.name, merged)
        else:
            account = row.account
        if change.name is not None:
            values["name"] = change.name
        if change.rate_limit is not None:
            values["rate_limit"] = to_json(_limit_json(change.rate_limit))
        if change.metadata is not None:
            values["metadata"] = to_json(change.metadata)
        async with self._revisions.changing("syncs") as connection:
            if not await _taken(connection, row, account):
                values["account"] = account
            await connection.execute(
                update(schema.credentials).where(schema.credentials.c.id == credential_id).values(values)
            )
            row = await visible(connection, caller, credential_id)
        return self._shown(row, provider)

    async def check(self, caller: Caller, credential_id: str) -> Credential:
        """Try a credential now and return it with the health that this showed. Raises: NotFound."""
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            row = await visible(connection, caller, credential_id)
        provider = await self._providers.get(row.provider)
        tried = await self._try(provider, row.kind, self._opened(row), row, linked=row.kind == KIND)
        table = schema.credentials
        values = {"health": to_json(tried.health)}
        async with self._revisions.changing("syncs") as connection:
            if tried.account is not None and not await _taken(connection, row, tried.account):
                values["account"] = tried.account
            await connection.execute(update(table).where(table.c.id == credential_id).values(values))
            row = await visible(connection, caller, credential_id)
        return self._shown(row, provider)

    async def delete(self, caller: Caller, credential_id: str) -> None:
        """Remove a credential and its secrets. Raises: NotFound, InUse while a sync uses it."""
        caller.require(Permission.ADMIN)
        async with self._revisions.changing("syncs") as connection:
            await visible(connection, caller, credential_id)
            if await connection.scalar(select(exists().where(schema.syncs.c.credential_id == credential_id))):
                raise InUse(
                    "A sync uses this credential.",
                    code="credential.in_use",
                    fix="Remove the sync first, or give the credential new properties with PATCH.",
                )
            await connection.execute(
                delete(schema.credentials).where(schema.credentials.c.id == credential_id)
            )

    async def _try(
        self,
        provider: Provider,
        kind: str,
        properties: Mapping[str, Any],
        before: Row[Any] | None = None,
        *,
        linked: bool = False,
    ) -> _Tried:
        """Try a credential (`linked`: with the token that is kept); the answer is its health, no error."""
        since = iso(from_us(self._clock.now_us()))
        old: dict[str, Any] | None = None if before is None else json.loads(before.health)
        if provider.check is None:  # nothing was learned: what its syncs have shown still stands
            known: dict[str, Any] = old or {"status": "ok", "notes": [], "since": since}
            unchecked = _unchecked(provider)
            others = [note for note in known["notes"] if note["code"] != unchecked["code"]]
            return _Tried(account=None, health=known | {"notes": [*others, unchecked]})
        account: str | None = None
        notes: list[dict[str, str]] = []
        status, refused = "ok", None
        try:
            if linked and before is not None and self._check_linked is not None:
                account = await self._check_linked(provider, before.id, kind, properties)
            else:
                account = await self._check(provider, kind, properties)
        except Halt as error:
            status, notes, refused = "error", [_note(error)], error
        except Retry as error:
            status, notes = "warn", [_note(error)]
        if old is not None and old["status"] == status:
            since = old["since"]
        health = {"status": status, "notes": notes, "since": since}
        return _Tried(account=account, health=health, refused=refused)

    def _opened(self, row: Row[Any]) -> dict[str, Any]:
        return json.loads(row.properties) | json.loads(self._vault.open(row.secrets))

    def _shown(self, row: Row[Any], provider: Provider | None) -> Credential:
        secrets = json.loads(self._vault.open(row.secrets))
        limit = None if provider is None else default_limit(provider)
        if row.rate_limit:
            limit = RateLimit(**json.loads(row.rate_limit))
        return Credential(
            id=row.id,
            provider=row.provider,
            kind=row.kind,
            name=row.name,
            account=None if row.account.startswith(_HASHED) else row.account,
            properties=json.loads(row.properties) | dict.fromkeys(secrets, MASK),  # P8
            rate_limit=limit,
            oauth_app_id=row.oauth_app_id,
            external_id=row.external_id or None,
            metadata=json.loads(row.metadata),
            health=json.loads(row.health),
            created_at=from_us(row.created_us),
            updated_at=from_us(row.updated_us),
        )


def own_external_id(caller: Caller, wanted: str | None) -> str:
    """Return the tenant for something that a key makes; '' for none.

    Raises: Forbidden for another tenant's (P12).
    """
    if caller.external_id is not None and wanted not in (None, caller.external_id):
        raise Forbidden(
            "This API key is bound to one tenant, and the external_id is another's.",
            code="key.tenant",
            fix="Leave external_id out, or use a key that is not bound to a tenant.",
        )
    return caller.external_id or wanted or ""


async def visible(connection: AsyncConnection, caller: Caller, credential_id: str) -> Row[Any]:
    """Return a credential's row if the caller may see it.

    Raises: NotFound, also for another tenant's (P12).
    """
    table = schema.credentials
    query = select(table).where(table.c.id == credential_id, *listing.seen_by(caller, table.c.external_id))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no such credential.",
            code="credential.not_found",
            fix="List the credentials with GET /v1/credentials.",
        )
    return row


def default_limit(provider: Provider) -> RateLimit:
    """Return the share that is taken where a credential does not say."""
    bucket = next((one for one in provider.budget if one.name == "default"), provider.budget[0])
    return RateLimit(
        allowed_requests=bucket.allowed,
        interval=bucket.per.total_seconds(),
        max_concurrent_requests=bucket.concurrent,
    )


_HASHED = "scrypt:"


async def _fingerprint(kind: str, properties: Mapping[str, Any]) -> str:
    """Return what stands for the account where the API does not tell it: the same credential is the same
    account.

    A slow hash, since it lies unsealed in the database and a password may be short.
    """
    text = json.dumps([kind, dict(properties)], sort_keys=True).encode()
    digest = await asyncio.to_thread(hashlib.scrypt, text, salt=b"headwater", n=2**14, r=8, p=1, dklen=32)
    return _HASHED + digest.hex()


async def _require_app(connection: AsyncConnection, caller: Caller, app_id: str, provider: Provider) -> None:
    """Raise Invalid unless there is such an OAuth app of this provider for the caller (P12)."""
    table = schema.oauth_apps
    same = (table.c.id == app_id, table.c.provider == provider.name)
    query = select(exists().where(*same, *listing.seen_by(caller, table.c.external_id)))
    if not await connection.scalar(query):
        raise Invalid(
            "There is no such OAuth app of this provider.",
            errors=[("oauth_app_id", "Is none of this provider's OAuth apps.")],
            fix="List the OAuth apps with GET /v1/oauth-apps.",
        )


async def _taken(connection: AsyncConnection, row: Row[Any], account: str) -> bool:
    """Say whether another credential of the same provider and tenant is of this account."""
    table = schema.credentials
    same = (
        (table.c.provider == row.provider)
        & (table.c.account == account)
        & (table.c.external_id == row.external_id)
    )
    return bool(await connection.scalar(select(exists().where(same, table.c.id != row.id))))


def _kind(provider: Provider, name: str | None, properties: Mapping[str, Any]) -> CredentialKind:
    """Return the kind of this name; without one, the only one there is, or that the properties fit."""
    kinds = {kind.name: kind for kind in provider.credential_kinds}
    if name is None:
        fitting = [kind for kind in kinds.values() if len(kinds) == 1 or not _mistakes(properties, kind)]
        if len(fitting) == 1:
            return fitting[0]
    elif name in kinds:
        return kinds[name]
    raise Invalid(
        "The credential's kind is missing or not one of this provider's.",
        errors=[("kind", "Must be one of " + ", ".join(sorted(kinds)) + ".")],
        fix=f"Choose one of the kinds that GET /v1/providers/{provider.name} lists.",
    )


def _mistakes(properties: Mapping[str, Any], kind: CredentialKind) -> list[schemas.Mistake]:
    return schemas.mistakes(dict(properties), {**schemas.OBJECT, **kind.schema}, "properties")


def _refuse_mistakes(properties: Mapping[str, Any], kind: CredentialKind) -> None:
    errors = _mistakes(properties, kind)
    if errors:
        raise Invalid(
            "The credential's properties are not as its kind needs them.",
            errors=errors,
            fix="Correct the fields that `errors` names; the provider's page in the catalogue lists them.",
        )


def _split(properties: Mapping[str, Any], kind: CredentialKind) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what may be shown, and what is a secret."""
    public = {name: value for name, value in properties.items() if name not in kind.secret}
    return public, {name: value for name, value in properties.items() if name in kind.secret}


def _limit_json(limit: RateLimit) -> dict[str, Any]:
    return {
        "allowed_requests": limit.allowed_requests,
        "interval": limit.interval,
        "max_concurrent_requests": limit.max_concurrent_requests,
    }


def _unchecked(provider: Provider) -> dict[str, str]:
    text = (
        f"This credential could not be tried, since {provider.title} declares no request to try one with."
        f" The first look of a sync shows whether it works. Give the document of {provider.name} a `check`"
        " to have credentials tried."
    )
    return asdict(Note(code="credential.not_checked", text=text, about="credential"))


def _note(error: Halt | Retry) -> dict[str, str]:
    text = error.message if error.fix is None else f"{error.message} {error.fix}"
    return {"code": error.error_code, "text": text, "about": "credential"}
