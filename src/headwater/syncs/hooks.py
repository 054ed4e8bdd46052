"""The rows of webhooks: which syncs their APIs push to, the secrets that may sign, what was registered where.

And how an API is told where to push. Not here: what a person may ask for (`management.hooks`), requests that
arrive (`management.webhooks`).
"""

import json
import secrets as dice
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.kit.http import Registrar
from headwater.model.secret import Secret
from headwater.providers.provider import JSON, Webhook
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A sync's webhook. The first of `secrets` is the one in use; the others count until `older_until_us`."""

    sync_id: str
    secrets: tuple[Secret, ...]
    older_until_us: int | None = None
    registration: JSON | None = None
    """What the API answered when it was told where to push; None where a person did that."""
    last_received_us: int | None = None
    created_us: int = 0
    updated_us: int = 0

    def valid(self, now_us: int) -> tuple[Secret, ...]:
        """Return the secrets that may sign now."""
        if self.older_until_us is not None and self.older_until_us < now_us:
            return self.secrets[:1]
        return self.secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What telling an API came to: what is kept of it, and the secret that it signs with."""

    kept: JSON
    secret: Secret = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRows:
    """Reads and writes webhooks."""

    database: Database
    vault: Vault

    async def read(self, sync_id: str) -> Hook | None:
        """Return the webhook of a sync, if it has one."""
        async with self.database.read() as connection:
            return await self.read_in(connection, sync_id)

    async def read_in(self, connection: AsyncConnection, sync_id: str) -> Hook | None:
        """Return it as a transaction sees it."""
        table = schema.webhooks
        row = (await connection.execute(select(table).where(table.c.sync_id == sync_id))).one_or_none()
        return None if row is None else self.opened(row)

    def opened(self, row: Row[Any]) -> Hook:
        """Return what a row says."""
        return Hook(
            sync_id=row.sync_id,
            secrets=tuple(Secret(text) for text in json.loads(self.vault.open(row.secrets))),
            older_until_us=row.older_until_us,
            registration=None if row.registration is None else json.loads(row.registration),
            last_received_us=row.last_received_us,
            created_us=row.created_us,
            updated_us=row.updated_us,
        )

    async def put(self, connection: AsyncConnection, hook: Hook) -> None:
        """Write a webhook, new or in place of the one that is there."""
        insert = postgresql.insert if self.database.dialect == "postgresql" else sqlite.insert
        texts = [secret.reveal() for secret in hook.secrets]
        values = {
            "secrets": self.vault.seal(json.dumps(texts).encode()),
            "older_until_us": hook.older_until_us,
            "registration": None if hook.registration is None else json.dumps(hook.registration),
            "updated_us": hook.updated_us,
        }
        await connection.execute(
            insert(schema.webhooks)
            .values(sync_id=hook.sync_id, created_us=hook.created_us, **values)
            .on_conflict_do_update(index_elements=[schema.webhooks.c.sync_id], set_=values)
        )


async def forget(connection: AsyncConnection, sync_id: str) -> None:
    """Remove the webhook of a sync and what was pushed to it."""
    for table in (schema.webhooks, schema.pushes):
        await connection.execute(delete(table).where(table.c.sync_id == sync_id))


def new_secret() -> Secret:
    """Make a secret up."""
    return Secret(dice.token_urlsafe(32))


async def register(webhook: Webhook, http: Registrar, url: str, secret: Secret) -> Registration | None:
    """Have an API push to an address; None where only a person can. Raises: Halt, Retry."""
    if webhook.register is None:
        return None
    made = await webhook.register(http, url, secret.reveal())
    return Registration(kept=made.kept, secret=secret if made.secret is None else Secret(made.secret))
