"""Targets: how a place to write to is entered, kept, tried and shown. Secrets are sealed before they reach a
row.

Not here: how a target is written (`targets`), who writes to it (`consumers`).
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import Forbidden, Halt, InUse, Invalid, NotFound, Retry
from headwater.kit.clock import Clock, from_us, iso
from headwater.kit.ids import new_id
from headwater.management import listing, schemas, target_settings
from headwater.management.caller import Caller, Permission
from headwater.management.credentials import own_external_id
from headwater.management.listing import Page, Wanted, to_json
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.store.vault import Vault
from headwater.targets.target import Kind, TargetSettings

PATIENCE = timedelta(seconds=20)
"""How long a target may take to be checked: a person waits for the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """A target as it may be shown: secrets masked, only the settings that were given."""

    id: str
    kind: str
    name: str
    settings: dict[str, Any]
    external_id: str | None
    metadata: dict[str, Any]
    health: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """What a user gives to make one: a kind, or a URL that tells it; settings lie over those of the URL.

    `reuse`: where there is one of the same kind, settings and tenant, that one.
    """

    kind: str | None = None
    url: str | None = None
    name: str | None = None
    settings: Mapping[str, Any]
    external_id: str | None = None
    metadata: Mapping[str, Any]
    reuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChange:
    """What a user changes; None leaves it. A setting: None takes it out, a masked one is kept."""

    name: str | None = None
    settings: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None


class Targets:
    """The targets of one installation."""

    def __init__(
        self, database: Database, revisions: Revisions, kinds: Sequence[Kind], vault: Vault, clock: Clock
    ) -> None:
        """Keep targets of these kinds in `database`, their secrets sealed by `vault`."""
        self._database = database
        self._revisions = revisions
        self._kinds = {kind.name: kind for kind in kinds}
        self._vault = vault
        self._clock = clock

    def kinds(self) -> list[Kind]:
        """Return every kind of target, by name."""
        return sorted(self._kinds.values(), key=lambda kind: kind.name)

    async def create(self, caller: Caller, new: NewTarget) -> tuple[TargetView, bool]:
        """Make a target, or find the one that may be used again; return it and whether it is new.

        It is tried first; one that cannot be reached is kept and says so in its health.
        Raises: Invalid, Forbidden.
        """
        caller.require(Permission.ADMIN)
        external_id = own_external_id(caller, new.external_id) or None
        kind, given = self._chosen(new)
        settings = target_settings.checked(kind, given)
        _require_no_reserved(caller, kind, settings)
        if new.reuse:
            async with self._database.read() as connection:
                if (same := await self._same(connection, kind, given, external_id)) is not None:
                    return self._shown(same), False
        health = await self._try(kind, settings)
        public, secret = target_settings.split(kind, given)
        target_id, now_us = new_id(), self._clock.now_us()
        async with self._revisions.changing("consumers") as connection:
            if new.reuse and (same := await self._same(connection, kind, given, external_id)) is not None:
                return self._shown(same), False
            await connection.execute(
                insert(schema.targets).values(
                    id=target_id,
                    kind=kind.name,
                    name=new.name or _called(kind, new.url),
                    settings=to_json(public),
                    secrets=self._vault.seal(to_json(secret).encode()),
                    external_id=external_id,
                    metadata=to_json(new.metadata),
                    health=to_json(health),
                    created_us=now_us,
                    updated_us=now_us,
                )
            )
            row = await visible(connection, caller, target_id)
        return self._shown(row), True

    async def page(self, caller: Caller, wanted: Wanted, kind: str | None = None) -> Page[TargetView]:
        """Return a page of targets."""
        caller.require(Permission.READ)
        table = schema.targets
        query = listing.narrowed(select(table), table, caller, wanted, self._database.dialect)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return listing.page_of(wanted, [self._shown(row) for row in rows], lambda target: target.id)

    async def get(self, caller: Caller, target_id: str) -> TargetView:
        """Return one target. Raises: NotFound."""
        caller.require(Permission.READ)
        async with self._database.read() as connection:
            return self._shown(await visible(connection, caller, target_id))

    async def change(self, caller: Caller, target_id: str, change: TargetChange) -> TargetView:
        """Change a target; its consumers go on with it at once. Raises: NotFound, Invalid, Forbidden."""
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            row = await visible(connection, caller, target_id)
        values: dict[str, Any] = {"updated_us": max(self._clock.now_us(), row.updated_us + 1)}
        if change.settings is not None:
            kind = self.kind_of(row)
            given = target_settings.merged(self._opened(row), change.settings)
            settings = target_settings.checked(kind, given)
            _require_no_reserved(caller, kind, settings)
            public, secret = target_settings.split(kind, given)
            values |= {
                "settings": to_json(public),
                "secrets": self._vault.seal(to_json(secret).encode()),
                "health": to_json(await self._try(kind, settings, row)),
            }
        if change.name is not None:
            values["name"] = change.name
        if change.metadata is not None:
            values["metadata"] = to_json(change.metadata)
        return await self._write(caller, target_id, values)

    async def check(self, caller: Caller, target_id: str) -> TargetView:
        """Try a target now and return it with the health that this showed; its consumers try again, too.

        Raises: NotFound.
        """
        caller.require(Permission.ADMIN)
        async with self._database.read() as connection:
            row = await visible(connection, caller, target_id)
        kind = self.kind_of(row)
        health = await self._try(kind, target_settings.checked(kind, self._opened(row)), row)
        return await self._write(caller, target_id, {"health": to_json(health)})

    async def setup(self, caller: Caller, target_id: str) -> str | None:
        """Return the text, such as SQL, by which a person prepares the place for a target; None for none.

        Raises: NotFound.
        """
        caller.require(Permission.READ)
        async with self._database.read() as connection:
            row = await visible(connection, caller, target_id)
        kind = self.kind_of(row)
        settings = target_settings.checked(kind, self._opened(row))
        return None if kind.setup is None else kind.setup(settings)

    async def delete(self, caller: Caller, target_id: str) -> None:
        """Forget a target and its secrets; what was written stays there. Raises: NotFound, InUse."""
        caller.require(Permission.ADMIN)
        table = schema.targets
        async with self._revisions.changing("consumers") as connection:
            await visible(connection, caller, target_id)
            consumers = schema.consumers.c.target_id == target_id
            if await connection.scalar(select(exists().where(consumers))):
                raise InUse(
                    "A consumer writes to this target.",
                    code="target.in_use",
                    fix="Remove its consumers first: GET /v1/consumers?target_id=… lists them.",
                )
            await connection.execute(delete(table).where(table.c.id == target_id))

    def kind_of(self, row: Row[Any]) -> Kind:
        """Return the kind of a target's row. Raises: InUse where this release does not have it."""
        kind = self._kinds.get(row.kind)
        if kind is None:
            raise InUse(
                "This release of Headwater does not know this kind of target.",
                code="target.kind_unknown",
                fix="Start the release that made it, or remove the target.",
            )
        return kind

    async def _write(self, caller: Caller, target_id: str, values: Mapping[str, Any]) -> TargetView:
        table = schema.targets
        async with self._revisions.changing("consumers") as connection:
            await visible(connection, caller, target_id)
            await connection.execute(update(table).where(table.c.id == target_id).values(values))
            return self._shown(await visible(connection, caller, target_id))

    async def _same(
        self, connection: AsyncConnection, kind: Kind, given: Mapping[str, Any], external_id: str | None
    ) -> Row[Any] | None:
        """Return the oldest target of this kind, these settings and this tenant (P12)."""
        table = schema.targets
        whose = (
            table.c.external_id.is_(None) if external_id is None else table.c.external_id == external_id
        )  # P12
        rows = await connection.execute(
            select(table).where(table.c.kind == kind.name, whose).order_by(table.c.id)
        )
        return next((row for row in rows if self._opened(row) == given), None)

    async def _try(
        self, kind: Kind, settings: TargetSettings, before: Row[Any] | None = None
    ) -> dict[str, Any]:
        """Try a target; the answer is its health, never an error."""
        now = iso(from_us(self._clock.now_us()))
        status, notes = "ok", list[dict[str, str]]()
        try:
            await _check(kind, settings)
        except Halt as error:
            status, notes = "error", [_note(error)]
        except Retry as error:
            status, notes = "warn", [_note(error)]
        old: dict[str, Any] | None = None if before is None else json.loads(before.health)
        since = now if old is None or old["status"] != status else old["since"]
        return {"status": status, "notes": notes, "since": since}

    def _chosen(self, new: NewTarget) -> tuple[Kind, dict[str, Any]]:
        """Return the kind and the settings that a user means. Raises: Invalid."""
        of_url: Mapping[str, Any] = {}
        kind = None if new.kind is None else self._named(new.kind)
        if new.url is not None:
            told = self._told(new.url)
            if kind is not None and told is not kind:
                raise _wrong("url", f"Is of a target of kind {told.name}.", "Leave `kind` out.")
            kind = told
            try:
                of_url = kind.from_url(new.url)
            except ValueError:
                raise _wrong("url", "Cannot be read.", f"See docs/targets/{kind.name}.md.") from None
        if kind is None:
            known = ", ".join(sorted(self._kinds))
            raise _wrong("kind", "Is missing.", f"Give one of {known}, or a `url` that tells it.")
        return kind, target_settings.merged({}, {**of_url, **new.settings})

    def _named(self, name: str) -> Kind:
        if name in self._kinds:
            return self._kinds[name]
        said = schemas.unknown(name, self._kinds).replace("field", "kind of target")
        raise _wrong("kind", said, "GET /v1/target-kinds lists them.")

    def _told(self, url: str) -> Kind:
        scheme = url.partition("://")[0].lower()
        for kind in self._kinds.values():
            if scheme in kind.schemes:
                return kind
        known = ", ".join(f"{scheme}://" for kind in self.kinds() for scheme in kind.schemes)
        raise _wrong("url", "Is of no kind of target.", f"It begins with one of {known}.")

    def _opened(self, row: Row[Any]) -> dict[str, Any]:
        return json.loads(row.settings) | json.loads(self._vault.open(row.secrets))

    def _shown(self, row: Row[Any]) -> TargetView:
        secrets = json.loads(self._vault.open(row.secrets))
        return TargetView(
            id=row.id,
            kind=row.kind,
            name=row.name,
            settings=target_settings.shown(self._kinds.get(row.kind), json.loads(row.settings), secrets),
            external_id=row.external_id,
            metadata=json.loads(row.metadata),
            health=json.loads(row.health),
            created_at=from_us(row.created_us),
            updated_at=from_us(row.updated_us),
        )


def _require_no_reserved(caller: Caller, kind: Kind, settings: TargetSettings) -> None:
    """Raise Forbidden where a tenant's key would set what is not for tenants to set (P12)."""
    if caller.external_id is None:
        return
    declared = type(settings).model_fields
    for name in sorted(kind.reserved):
        if getattr(settings, name) != declared[name].default:
            raise Forbidden(
                f"This API key is bound to one tenant, and `{name}` is not for tenants to set.",
                code="key.tenant",
                fix=f"Leave settings.{name} out, or use a key that is not bound to a tenant.",
            )


async def visible(connection: AsyncConnection, caller: Caller, target_id: str) -> Row[Any]:
    """Return a target's row if the caller may see it. Raises: NotFound, also for another tenant's (P12)."""
    table = schema.targets
    query = select(table).where(table.c.id == target_id, *listing.seen_by(caller, table.c.external_id))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound(
            "There is no such target.", code="target.not_found", fix="List the targets with GET /v1/targets."
        )
    return row


async def _check(kind: Kind, settings: TargetSettings) -> None:
    """Open a target, ask whether it can be written, and close it. Raises: Halt, Retry."""
    target = kind.make(settings)
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            await target.check()
    except TimeoutError as error:
        raise Retry(
            f"The target did not answer within {PATIENCE.seconds} seconds.",
            code="target.timeout",
            fix="Check that it runs, and that nothing between here and there swallows packets.",
        ) from error
    finally:
        await target.close()


def _called(kind: Kind, url: str | None) -> str:
    """Return a name for a target: with the host of its URL, of which nothing else may be shown (P8)."""
    try:
        host = urlsplit(url or "").hostname
    except ValueError:
        host = None
    return f"{kind.title} at {host[:150]}" if host else kind.title


def _wrong(field: str, detail: str, fix: str) -> Invalid:
    return Invalid("This does not say what target is meant.", errors=[(field, detail)], fix=fix)


def _note(error: Halt | Retry) -> dict[str, str]:
    text = error.message if error.fix is None else f"{error.message} {error.fix}"
    return {"code": error.error_code, "text": text, "about": "target"}
