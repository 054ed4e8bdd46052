"""Webhooks in: whose they are, whether their signature is right, and how they are kept until they are taken
in.

A request is stored durably before it is answered; what is not signed leaves no trace. Not here: what a push
means (`providers`), how it gets into the streams (`syncs.inbox`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from headwater.errors import NotFound, Refused, Reject
from headwater.kit.clock import Clock
from headwater.kit.ids import new_id
from headwater.management.providers import Providers
from headwater.model.secret import Secret
from headwater.providers.provider import Push, Received, Webhook
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault
from headwater.syncs.hooks import HookRows

KEPT_HEADERS = 64
"""Headers of a request that are kept at most; real ones have a dozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """Takes requests of webhooks. `told` hears of each sync for which one was stored."""

    database: Database
    providers: Providers
    vault: Vault
    clock: Clock
    told: Callable[[str], None] = lambda _sync_id: None

    async def receive(self, sync_id: str, provider: str, received: Received) -> None:
        """Check and store a request that was sent to the address of a sync.

        The same delivery a second time is stored once. Raises: NotFound `webhook.unknown`, Unauthorized
        `webhook.signature`, Refused `webhook.unreadable`; then nothing is stored.
        """
        row = await self._row(sync_id)
        webhook = await self._webhook(row, provider)
        hook = HookRows(database=self.database, vault=self.vault).opened(row)
        push = _understood(webhook, received, hook.valid(received.received_us))
        await self._keep([sync_id], push, received)

    async def receive_for_app(self, app_id: str, received: Received) -> bool:
        """Check and store a request that was sent for an OAuth app: for every sync of the account that it
        speaks of, among those that the app has linked. Returns whether there was one.

        Raises: as `receive`.
        """
        apps = schema.oauth_apps
        async with self.database.read() as connection:
            app = (await connection.execute(select(apps).where(apps.c.id == app_id))).one_or_none()
        if app is None:
            raise _unknown()
        webhook = await self._webhook(app, app.provider)
        secret = json.loads(self.vault.open(app.secrets)).get("webhook_secret")
        if secret is None:
            raise _unknown()
        push = _understood(webhook, received, (Secret(secret),))
        sync_ids = await self._syncs_of(app_id, push.account)
        await self._keep(sync_ids, push, received, app_id)
        return bool(sync_ids)

    async def _syncs_of(self, app_id: str, account: str | None) -> list[str]:
        """Return the syncs of an account that an app has linked."""
        if account is None:
            return []
        syncs, credentials = schema.syncs, schema.credentials
        query = (
            select(syncs.c.id)
            .join(credentials, credentials.c.id == syncs.c.credential_id)
            .where(credentials.c.oauth_app_id == app_id, credentials.c.account == account)
        )
        async with self.database.read() as connection:
            return list(await connection.scalars(query))

    async def _row(self, sync_id: str) -> Any:
        syncs, hooks = schema.syncs, schema.webhooks
        query = (
            select(syncs.c.provider, hooks)
            .join(hooks, hooks.c.sync_id == syncs.c.id)
            .where(syncs.c.id == sync_id)
        )
        async with self.database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise _unknown()
        return row

    async def _webhook(self, row: Any, provider: str) -> Webhook:
        found = await self.providers.find(row.provider) if row.provider == provider else None
        if found is None or found.webhook is None:
            raise _unknown()
        return found.webhook

    async def _keep(
        self, sync_ids: Sequence[str], push: Push, received: Received, app_id: str | None = None
    ) -> None:
        """Store a request for these syncs, each delivery once, and tell who takes it in."""
        insert = postgresql.insert if self.database.dialect == "postgresql" else sqlite.insert
        headers = dict(list(received.headers.items())[:KEPT_HEADERS])
        row = {
            "delivery_id": push.delivery_id,
            "topic": push.topic,
            "method": received.method,
            "url": received.url,
            "headers": json.dumps(headers),
            "body": received.body,
            "received_us": received.received_us,
        }
        hooks, apps = schema.webhooks, schema.oauth_apps
        at = {"last_received_us": received.received_us}
        async with self.database.write() as connection:
            for sync_id in sync_ids:
                values = {"id": new_id(), "sync_id": sync_id, **row}
                await connection.execute(insert(schema.pushes).values(values).on_conflict_do_nothing())
                await connection.execute(update(hooks).where(hooks.c.sync_id == sync_id).values(at))
            if app_id is not None:
                await connection.execute(update(apps).where(apps.c.id == app_id).values(at))
        for sync_id in sync_ids:
            self.told(sync_id)


def _understood(webhook: Webhook, received: Received, secrets: Sequence[Secret]) -> Push:
    """Return what a request says, once its signature is found right."""
    webhook.verify(received, [secret.reveal() for secret in secrets])
    try:
        return webhook.read(received)
    except Reject as error:
        raise Refused(error.message, code="webhook.unreadable", fix=error.fix) from error


def _unknown() -> NotFound:
    return NotFound(
        "No webhook is expected at this address.",
        code="webhook.unknown",
        fix="Use the address that GET /v1/syncs/{sync_id}/webhook gives, or that of the OAuth app.",
    )
