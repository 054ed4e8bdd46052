"""Which (sync, collection) every slot number of the log stands for, and whose it is.

Kept in memory and read anew when the revision `syncs` moves. Slots are never reused and outlive their sync,
so records stay readable to their tenant. Not here: what a reader filters by (`api.reading`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select

from headwater.model.record import Slot
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A slot and the tenant whose records it holds; None for nobody's."""

    slot: Slot
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slots:
    """Every slot as it was at a revision.

    A new object for each revision, so it may stand for what follows from it.
    """

    revision: int
    by_number: Mapping[int, Owned]
    by_key: Mapping[tuple[str, str], Owned]
    """By sync id and collection id."""


class SlotTable:
    """The slots of one installation."""

    def __init__(self, database: Database, revisions: Revisions) -> None:
        """Read the table `slots` of `database`."""
        self._database = database
        self._revisions = revisions
        self._slots = Slots(revision=-1, by_number={}, by_key={})

    async def recent(self) -> Slots:
        """Return the slots as they were a second ago or later."""
        return await self._at_least(await self._revisions.recent("syncs"))

    async def now(self) -> Slots:
        """Return the slots as they are now.

        P11: whoever filters by slots asks for them *after* reading. A slot exists before its first entry is
        committed, so the answer knows the slots of everything that was read.
        """
        return await self._at_least(await self._revisions.now("syncs"))

    async def _at_least(self, revision: int) -> Slots:
        if revision > self._slots.revision:
            table = schema.slots
            query = select(
                table.c.slot, table.c.partition, table.c.sync_id, table.c.collection_id, table.c.external_id
            )
            async with self._database.read() as connection:
                owned = [
                    Owned(
                        slot=Slot(
                            number=row.slot,
                            partition=row.partition,
                            sync_id=row.sync_id,
                            collection_id=row.collection_id,
                        ),
                        external_id=row.external_id,
                    )
                    for row in await connection.execute(query)
                ]
            self._slots = Slots(
                revision=revision,
                by_number={one.slot.number: one for one in owned},
                by_key={(one.slot.sync_id, one.slot.collection_id): one for one in owned},
            )
        return self._slots


def partition_of(sync_id: str, partitions: int) -> int:
    """Return the partition in which a sync lives, for ever: all its entries are in one order."""
    return int.from_bytes(sha256(sync_id.encode()).digest()[:8]) % partitions
