"""Where a consumer stands: its row of `standings`, which is its lock. Not here: what is out
(`outstanding`).

Everything runs in the transaction of whoever calls. Due times are compared with the database's clock, since
processes on several machines share the rows.
"""

import json

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    cast,
    delete,
    extract,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.kit.clock import Clock
from headwater.model.position import Vector
from headwater.store import schema

_ROW = schema.standings

# The time is taken by the outer query: it is that after the lock was had, not that before the wait for it.
_LOCK = text(
    "WITH locked AS MATERIALIZED ("
    "SELECT generation, begin, position, lost FROM standings WHERE consumer_id = :consumer_id FOR UPDATE)"
    " SELECT locked.*, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) AS now_us FROM locked"
)


Place = tuple[int, Vector]
"""A generation and a position in it: an earlier place never comes again."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a consumer stood at an instant of the database's clock.

    `generation` grows with each reset, which began at `begin`; `lost` counts entries that it never saw.
    """

    generation: int
    begin: Vector
    position: Vector
    lost: int
    now_us: int

    @property
    def place(self) -> Place:
        """Where exactly it stands."""
        return self.generation, self.position


async def make(connection: AsyncConnection, consumer_id: str, begin: Vector, clock: Clock) -> None:
    """Let a new consumer begin at a position."""
    place = json.dumps(begin)
    await connection.execute(
        insert(_ROW).values(
            consumer_id=consumer_id,
            generation=1,
            begin=place,
            position=place,
            moved_us=_now(connection, clock),
            lost=0,
        )
    )


async def lock(connection: AsyncConnection, consumer_id: str, clock: Clock) -> Standing | None:
    """Return where a consumer stands, and let nobody else change that until the transaction ends.

    None when the consumer is gone. On SQLite the transaction that writes is the lock.
    """
    if connection.dialect.name == "sqlite":
        return await look(connection, consumer_id, clock)
    row = (await connection.execute(_LOCK, {"consumer_id": consumer_id})).one_or_none()
    return None if row is None else _standing(*row)


async def look(connection: AsyncConnection, consumer_id: str, clock: Clock) -> Standing | None:
    """Return where a consumer stands; None when it is gone."""
    query = select(
        _ROW.c.generation, _ROW.c.begin, _ROW.c.position, _ROW.c.lost, _now(connection, clock)
    ).where(_ROW.c.consumer_id == consumer_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _standing(*row)


async def move(connection: AsyncConnection, consumer_id: str, position: Vector, clock: Clock) -> None:
    """Let a consumer stand at a position: everything up to it is settled or outstanding (P7)."""
    values = {"position": json.dumps(position), "moved_us": _now(connection, clock)}
    await connection.execute(update(_ROW).where(_ROW.c.consumer_id == consumer_id).values(values))


async def reset(connection: AsyncConnection, consumer_id: str, begin: Vector, clock: Clock) -> None:
    """Let a consumer begin anew: what was out or held back is forgotten, its dead letters stay."""
    place = json.dumps(begin)
    await connection.execute(
        update(_ROW)
        .where(_ROW.c.consumer_id == consumer_id)
        .values(
            generation=_ROW.c.generation + 1,
            begin=place,
            position=place,
            moved_us=_now(connection, clock),
            lost=0,
        )
    )
    await connection.execute(
        delete(schema.outstanding).where(schema.outstanding.c.consumer_id == consumer_id)
    )


async def remove(connection: AsyncConnection, consumer_id: str) -> None:
    """Forget a consumer: where it stands, what is out, its dead letters."""
    for table in (_ROW, schema.outstanding, schema.dead_letters):  # the lock first, as everybody does
        await connection.execute(delete(table).where(table.c.consumer_id == consumer_id))


def _standing(generation: int, begin: str, position: str, lost: int, now_us: int) -> Standing:
    return Standing(
        generation=generation,
        begin=tuple(json.loads(begin)),
        position=tuple(json.loads(position)),
        lost=lost,
        now_us=now_us,
    )


def _now(connection: AsyncConnection, clock: Clock) -> ColumnElement[int]:
    if connection.dialect.name == "sqlite":
        return literal(clock.now_us(), BigInteger)
    return cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
