"""Webhooks in: whose they are, whether their signature is right, and how they are kept until they are taken
in.

A request is stored durably before it is answered; what is not signed leaves no trace. Not here: what a push
means (`providers`), how it gets into the streams (`syncs.inbox`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from headwater.errors import NotFound, Refused, Reject
from headwater.kit.clock import Clock
from headwater.kit.ids import new_id
from headwater.management.providers import Providers
from headwater.providers.provider import Push, Received, Webhook
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault

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
        webhook.verify(received, json.loads(self.vault.open(row.secrets)))
        try:
            push = webhook.read(received)
        except Reject as error:
            raise Refused(error.message, code="webhook.unreadable", fix=error.fix) from error
        await self._keep(sync_id, push, received)
        self.told(sync_id)

    async def _row(self, sync_id: str) -> Any:
        syncs, hooks = schema.syncs, schema.webhooks
        query = (
            select(syncs.c.provider, hooks.c.secrets)
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

    async def _keep(self, sync_id: str, push: Push, received: Received) -> None:
        insert = postgresql.insert if self.database.dialect == "postgresql" else sqlite.insert
        headers = dict(list(received.headers.items())[:KEPT_HEADERS])
        row = {
            "id": new_id(),
            "sync_id": sync_id,
            "delivery_id": push.delivery_id,
            "topic": push.topic,
            "method": received.method,
            "url": received.url,
            "headers": json.dumps(headers),
            "body": received.body,
            "received_us": received.received_us,
        }
        hooks = schema.webhooks
        async with self.database.write() as connection:
            await connection.execute(insert(schema.pushes).values(row).on_conflict_do_nothing())
            await connection.execute(
                update(hooks).where(hooks.c.sync_id == sync_id).values(last_received_us=received.received_us)
            )


def _unknown() -> NotFound:
    return NotFound(
        "No webhook is expected at this address.",
        code="webhook.unknown",
        fix="Use the address that GET /v1/syncs/{sync_id}/webhook gives.",
    )
