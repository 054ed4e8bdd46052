"""Numbers that tell running processes that something was changed: one each for syncs, providers, keys and
consumers.

Whoever changes such a thing counts its number up in the same transaction; everybody else looks at the
numbers from time to time. Not here: what is done about a change.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.kit.clock import Clock
from headwater.store import schema
from headwater.store.database import Database

Topic = Literal["syncs", "providers", "keys", "consumers"]

_FRESH_SECONDS = 1.0
"""How old a looked-up number may be: a revoked key works at most so long in another process."""


class Revisions:
    """The numbers of one database. One for each process, so that its own changes show at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Look at the table `revisions` of `database`."""
        self._database = database
        self._clock = clock
        self._known: dict[str, int] = {}
        self._looked = float("-inf")

    async def recent(self, topic: Topic) -> int:
        """Return a number that was right a second ago or later."""
        if self._clock.monotonic() - self._looked > _FRESH_SECONDS:
            return await self.now(topic)
        return self._known.get(topic, 0)

    async def now(self, topic: Topic) -> int:
        """Return the number as it is now."""
        asked = self._clock.monotonic()
        async with self._database.read() as connection:
            rows = (await connection.execute(select(schema.revisions))).all()
        found = {row.name: row.number for row in rows}
        self._known = {name: max(number, self._known.get(name, 0)) for name, number in found.items()}
        self._looked = asked
        return self._known.get(topic, 0)

    @asynccontextmanager
    async def changing(self, *topics: Topic) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction that changes such things, counting their numbers up.

        Counting comes first: it makes changes of one kind wait for each other, also between processes.
        """
        insert = postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        table = schema.revisions
        async with self._database.write() as connection:
            for topic in sorted(topics):
                await connection.execute(
                    insert(table)
                    .values(name=topic, number=1)
                    .on_conflict_do_update(index_elements=[table.c.name], set_={"number": table.c.number + 1})
                )
            yield connection
        self._looked = float("-inf")
