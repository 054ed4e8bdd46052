"""The inbox of webhooks: requests that were stored before they were answered, on their way into the streams.

Rows are taken in the order in which they came; one is settled only after its news is committed, so a crash
between the two brings it twice and not never (P9). Not here: signatures (`management.webhooks`), what a
request says (`providers`).
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from headwater.errors import HeadwaterError
from headwater.kit.clock import Clock
from headwater.model.lease import Fence
from headwater.providers.provider import Received
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.leases import holds

_LOOK_SECONDS = 0.5
"""How often what other processes received is looked for, for all syncs of this process at once."""
_KEPT_US = 7 * 86_400_000_000
"""How long a push that is done is remembered by its delivery id."""
_TRIM_EVERY = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A stored request that is not settled yet."""

    id: str
    received: Received


class Inbox:
    """The inbox of one installation. One for each process, so that what it receives is noticed at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Read the table `pushes` of `database`."""
        self._database, self._clock = database, clock
        self._arrived: dict[str, asyncio.Event] = {}
        self._looking: asyncio.Task[None] | None = None

    def told(self, sync_id: str) -> None:
        """Take note that this process has stored a push for a sync."""
        if (event := self._arrived.get(sync_id)) is not None:
            event.set()

    async def arrived(self, sync_id: str) -> None:
        """Wait until there may be something for a sync."""
        event = self._arrived.setdefault(sync_id, asyncio.Event())
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking(), name="inbox-watch")
        try:
            await event.wait()
        finally:
            self._arrived.pop(sync_id, None)

    async def waiting(self, sync_id: str, limit: int) -> list[Waiting]:
        """Return the oldest requests of a sync that are not settled."""
        table = schema.pushes
        query = (
            select(table)
            .where(table.c.sync_id == sync_id, table.c.done_us.is_(None))
            .order_by(table.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [
                Waiting(
                    id=row.id,
                    received=Received(
                        method=row.method,
                        url=row.url,
                        headers=json.loads(row.headers),
                        body=row.body,
                        received_us=row.received_us,
                    ),
                )
                for row in await connection.execute(query)
            ]

    async def settle(self, fence: Fence, ids: Sequence[str]) -> None:
        """Note that the news of these requests is in the streams; their bodies go."""
        table = schema.pushes
        async with self._database.write() as connection:
            await connection.execute(
                update(table)
                .where(table.c.id.in_(ids), holds(fence))
                .values(done_us=self._clock.now_us(), body=b"")
            )

    async def trim(self) -> None:
        """Forget requests that were settled long ago."""
        table = schema.pushes
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(table.c.done_us < self._clock.now_us() - _KEPT_US))

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _keep_looking(self) -> None:
        """Look for all syncs that wait, until none does."""
        table = schema.pushes
        trimmed = self._clock.monotonic()
        while self._arrived:
            await asyncio.sleep(_LOOK_SECONDS)
            with suppress(HeadwaterError):  # whoever takes next is told
                async with self._database.read() as connection:
                    query = select(table.c.sync_id).where(table.c.done_us.is_(None)).distinct()
                    for sync_id in await connection.scalars(query):
                        self.told(sync_id)
                if self._clock.monotonic() - trimmed > _TRIM_EVERY:
                    trimmed = self._clock.monotonic()
                    await self.trim()
