"""API keys: made, looked up, revoked. A key is shown once, when it is made; only its SHA-256 is kept.

Not here: how a key comes with a request (`api.access`).
"""

import hashlib
import json
import secrets
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import Forbidden, InUse, Invalid, NotFound, Unauthorized
from headwater.kit.clock import Clock, from_us
from headwater.kit.ids import new_id
from headwater.management import listing
from headwater.management.caller import Caller, Permission
from headwater.management.listing import Page, Wanted
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions

PREFIX = "hw_"
"""How every key begins, so that scanners of source code can find one that was left there."""
_SHOWN = len(PREFIX) + 6
_CACHED = 10_000
_USED_EVERY_US = 60_000_000
"""How exact `last_used_at` is: a write a minute and key, not one for each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without the key itself; `prefix` are its first characters, to recognise it by."""

    id: str
    name: str
    prefix: str
    scopes: frozenset[Permission]
    external_id: str | None
    created_at: datetime
    last_used_at: datetime | None


class Keys:
    """The keys of one installation."""

    def __init__(self, database: Database, revisions: Revisions, clock: Clock) -> None:
        """Use the table `api_keys` of `database`."""
        self._database = database
        self._revisions = revisions
        self._clock = clock
        self._callers: dict[str, Caller] = {}
        self._used_us: dict[str, int] = {}
        self._revision = -1

    async def caller(self, key: str) -> Caller:
        """Return who a key speaks for. A key that was revoked is refused within a second everywhere.

        Raises: Unauthorized.
        """
        revision = await self._revisions.recent("keys")
        if revision != self._revision:
            self._callers.clear()
            self._revision = revision
        digest = _hash(key)
        caller = self._callers.get(digest)
        if caller is None:
            caller = await self._find(digest)
            if len(self._callers) >= _CACHED:
                self._callers.clear()
            self._callers[digest] = caller
        await self._used(caller.key_id)
        return caller

    async def create(
        self, caller: Caller, *, name: str, scopes: Set[Permission], external_id: str | None
    ) -> tuple[ApiKey, str]:
        """Make a key; return it and its text, which cannot be had again.

        A tenant's key makes keys of its tenant.
        """
        caller.require(Permission.ADMIN)
        if caller.external_id is not None and external_id not in (None, caller.external_id):
            raise Forbidden(  # P12: a tenant's key gives no access to another tenant
                "This API key is bound to one tenant and cannot make keys for others.",
                code="key.tenant",
                fix="Leave external_id out, or use a key that is not bound to a tenant.",
            )
        if not scopes:
            raise Invalid(
                errors=[("scopes", "Must name at least one scope.")], fix="Choose read, write or admin."
            )
        async with self._database.write() as connection:
            text, key_id = await _add(
                connection,
                self._clock,
                name=name,
                scopes=scopes,
                external_id=external_id or caller.external_id,
            )
            row = (
                await connection.execute(select(schema.api_keys).where(schema.api_keys.c.id == key_id))
            ).one()
        return _key(row), text

    async def page(self, caller: Caller, wanted: Wanted) -> Page[ApiKey]:
        """Return a page of keys."""
        caller.require(Permission.ADMIN)
        table = schema.api_keys
        query = listing.narrowed(select(table), table, caller, wanted, self._database.dialect)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return listing.page_of(wanted, [_key(row) for row in rows], lambda key: key.id)

    async def get(self, caller: Caller, key_id: str) -> ApiKey:
        """Return one key. Raises: NotFound."""
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            return await _visible(connection, caller, key_id)

    async def change(
        self, caller: Caller, key_id: str, *, name: str | None, scopes: Set[Permission] | None
    ) -> ApiKey:
        """Rename a key or give it other scopes. Raises: NotFound, InUse for the last admin key."""
        caller.require(Permission.ADMIN)
        async with self._revisions.changing("keys") as connection:
            key = await _visible(connection, caller, key_id)
            if scopes is not None and not scopes:
                raise Invalid(
                    errors=[("scopes", "Must name at least one scope.")], fix="Choose read, write or admin."
                )
            if scopes is not None and Permission.ADMIN not in scopes:
                await _refuse_last_admin(connection, key)
            values = {} if name is None else {"name": name}
            values |= {} if scopes is None else {"scopes": _scopes(scopes)}
            if values:
                await connection.execute(
                    update(schema.api_keys).where(schema.api_keys.c.id == key_id).values(values)
                )
            key = await _visible(connection, caller, key_id)
        return key

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """Remove a key: it is refused from now on. Raises: NotFound, InUse for the last admin key."""
        caller.require(Permission.ADMIN)
        async with self._revisions.changing("keys") as connection:
            await _refuse_last_admin(connection, await _visible(connection, caller, key_id))
            await connection.execute(delete_from(schema.api_keys).where(schema.api_keys.c.id == key_id))

    async def _find(self, digest: str) -> Caller:
        async with self._database.read() as connection:
            query = select(schema.api_keys).where(schema.api_keys.c.hash == digest)
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise Unauthorized(
                "This API key is not known, or was revoked.",
                fix="Send `Authorization: Bearer hw_…` with a key of this installation.",
            )
        key = _key(row)
        self._used_us[key.id] = row.last_used_us or 0
        return Caller(key_id=key.id, permissions=key.scopes, external_id=key.external_id)

    async def _used(self, key_id: str) -> None:
        now_us = self._clock.now_us()
        if now_us - self._used_us.get(key_id, 0) < _USED_EVERY_US:
            return
        self._used_us[key_id] = now_us
        async with self._database.write() as connection:
            await connection.execute(
                update(schema.api_keys).where(schema.api_keys.c.id == key_id).values(last_used_us=now_us)
            )


async def first_key(database: Database, clock: Clock) -> str | None:
    """Make the first admin key of an installation and return its text; None where there are keys already."""
    async with Revisions(database, clock).changing("keys") as connection:  # two that start at once wait here
        if await connection.scalar(select(func.count()).select_from(schema.api_keys)):
            return None
        text, _ = await _add(connection, clock, name="first key", scopes={Permission.ADMIN}, external_id=None)
    return text


async def _add(
    connection: AsyncConnection, clock: Clock, *, name: str, scopes: Set[Permission], external_id: str | None
) -> tuple[str, str]:
    text, key_id = PREFIX + secrets.token_urlsafe(32), new_id()
    await connection.execute(
        insert(schema.api_keys).values(
            id=key_id,
            name=name,
            hash=_hash(text),
            prefix=text[:_SHOWN],
            scopes=_scopes(scopes),
            external_id=external_id,
            created_us=clock.now_us(),
        )
    )
    return text, key_id


async def _visible(connection: AsyncConnection, caller: Caller, key_id: str) -> ApiKey:
    table = schema.api_keys
    query = select(table).where(table.c.id == key_id, *listing.seen_by(caller, table.c.external_id))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no such API key.", code="key.not_found", fix="List the keys with GET /v1/api-keys."
        )
    return _key(row)


async def _refuse_last_admin(connection: AsyncConnection, key: ApiKey) -> None:
    """Keep one admin key that is bound to no tenant: without it nobody could make another."""
    if Permission.ADMIN not in key.scopes or key.external_id is not None:
        return
    table = schema.api_keys
    rows = await connection.execute(select(table).where(table.c.external_id.is_(None), table.c.id != key.id))
    if not any(Permission.ADMIN in _key(row).scopes for row in rows):
        raise InUse(
            "This is the last admin key.",
            code="key.last_admin",
            fix="Make another admin key first, then remove this.",
        )


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _scopes(scopes: Set[Permission]) -> str:
    return json.dumps(sorted(scopes))


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=frozenset(Permission(scope) for scope in json.loads(row.scopes)),
        external_id=row.external_id,
        created_at=from_us(row.created_us),
        last_used_at=None if row.last_used_us is None else from_us(row.last_used_us),
    )
