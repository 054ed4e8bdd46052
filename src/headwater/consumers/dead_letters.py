"""What a user does with messages that were given up: look, have them delivered once more, let them go.

For consumers of both kinds. Not here: how messages get there and back (`burial`), who may ask (`management`).
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, delete, func, select, true, update

from headwater.consumers.outstanding import unpacked
from headwater.model.position import Stream
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.streams.reading import Streams
from headwater.streams.slots import Owned

_TABLE = schema.dead_letters
_AT_ONCE = 500


class Grave(msgspec.Struct, frozen=True, kw_only=True):
    """Whose dead letters are meant: a consumer's, of its stream, and of its tenant only if it has one."""

    consumer_id: str
    stream: Stream
    external_id: str | None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was given up, and why.

    `json` is the Record or Event as it was to be delivered; None where retention took it before it was kept.
    `redrive`: it is to be delivered once more, as soon as nothing of its record is outstanding.
    """

    id: str
    owned: Owned
    upstream_id: str
    updated_idx: int
    deliveries: int
    code: str
    error: str
    dead_us: int
    redrive: bool
    json: bytes | None


class DeadLetters:
    """The dead letters of one installation."""

    def __init__(self, database: Database, revisions: Revisions, streams: Streams) -> None:
        """Read and change the table `dead_letters` of `database`; `streams` render what is in it."""
        self._database = database
        self._revisions = revisions
        self._streams = streams

    async def page(self, of: Grave, *, after: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return up to `limit` dead letters in the order in which they came, after the one with an id."""
        whose = await self._whose(of)
        if after is not None:
            whose = whose & (_TABLE.c.id > after)
        async with self._database.read() as connection:
            query = select(_TABLE).where(whose).order_by(_TABLE.c.id).limit(limit)
            rows = (await connection.execute(query)).all()
        return await self._shown(of.stream, rows)

    async def get(self, of: Grave, id: str) -> DeadLetter | None:
        """Return one dead letter; None when the consumer has no such."""
        whose = await self._whose(of)
        async with self._database.read() as connection:
            rows = (await connection.execute(select(_TABLE).where(whose, _TABLE.c.id == id))).all()
        return next(iter(await self._shown(of.stream, rows)), None)

    async def count(self, of: Grave) -> int:
        """Return how many there are."""
        whose = await self._whose(of)
        async with self._database.read() as connection:
            return await connection.scalar(select(func.count()).select_from(_TABLE).where(whose)) or 0

    async def redrive(self, of: Grave, ids: Collection[str] | None) -> int:
        """Have dead letters delivered once more, all of them for None; return how many will be.

        A later message of a record may have been delivered long ago: whoever gets them can tell by their
        `updated_idx`. Of records only the version that is still the newest is delivered.
        """
        whose = await self._whose(of)
        async with self._revisions.changing("consumers") as connection:  # the runner looks at once
            found = [
                await connection.execute(update(_TABLE).where(whose, some).values(redrive=True))
                for some in _named(ids)
            ]
        return sum(one.rowcount for one in found)

    async def discard(self, of: Grave, ids: Collection[str] | None) -> int:
        """Let dead letters go for good, all of them for None; return how many went."""
        whose = await self._whose(of)
        async with self._database.write() as connection:
            found = [await connection.execute(delete(_TABLE).where(whose, some)) for some in _named(ids)]
        return sum(one.rowcount for one in found)

    async def _whose(self, of: Grave) -> ColumnElement[bool]:
        """Return the condition for a consumer's dead letters, without those that became another tenant's."""
        whose = _TABLE.c.consumer_id == of.consumer_id
        if of.external_id is None:
            return whose
        slots = (await self._streams.slots.now()).by_number
        own = [number for number, owned in slots.items() if owned.external_id == of.external_id]
        return whose & _TABLE.c.slot.in_(own)  # P12

    async def _shown(self, stream: Stream, rows: Sequence[Row[Any]]) -> list[DeadLetter]:
        slots = (await self._streams.slots.now()).by_number
        entries = [unpacked(row.payload) for row in rows if row.payload]
        rendered = iter(await self._streams.render(stream, entries))
        return [
            DeadLetter(
                id=row.id,
                owned=slots[row.slot],
                upstream_id=row.upstream_id,
                updated_idx=row.position,
                deliveries=row.deliveries,
                code=row.code,
                error=row.error,
                dead_us=row.dead_us,
                redrive=row.redrive,
                json=next(rendered) if row.payload else None,
            )
            for row in rows
        ]


def _named(ids: Collection[str] | None) -> list[ColumnElement[bool]]:
    """Return conditions for dead letters of these ids, each for not too many; one for all of them."""
    if ids is None:
        return [true()]
    wanted = sorted(set(ids))
    return [_TABLE.c.id.in_(wanted[start : start + _AT_ONCE]) for start in range(0, len(wanted), _AT_ONCE)]
