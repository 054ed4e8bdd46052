"""Messages given up, and called back: in and out of `dead_letters`, in the transaction of whoever decides it.

Not here: what a user does with dead letters (`dead_letters`).
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import outstanding
from headwater.consumers.outstanding import Key, Outstanding
from headwater.kit.ids import new_id
from headwater.store import schema

_TABLE = schema.dead_letters
_AT_ONCE = 500


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is given up: where it was outstanding, and why, in a sentence without payload (P8).

    `payload` is its entry, packed; empty when the log had lost it before.
    """

    row: Outstanding
    code: str
    error: str
    payload: bytes


async def bury(connection: AsyncConnection, consumer_id: str, dead: Sequence[Dead], now_us: int) -> None:
    """Put messages among a consumer's dead letters. One that is there already tells its latest reason."""
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(_TABLE)
    statement = insert.on_conflict_do_update(
        index_elements=[_TABLE.c.consumer_id, _TABLE.c.partition, _TABLE.c.position],
        set_={
            "deliveries": insert.excluded.deliveries,
            "code": insert.excluded.code,
            "error": insert.excluded.error,
            "dead_us": insert.excluded.dead_us,
            "redrive": False,
        },
    )
    rows = [
        {
            "id": new_id(),
            "consumer_id": consumer_id,
            "slot": one.row.slot,
            "upstream_id": one.row.upstream_id,
            "partition": one.row.partition,
            "position": one.row.position,
            "deliveries": one.row.deliveries,
            "code": one.code,
            "error": one.error,
            "payload": one.payload,
            "dead_us": now_us,
            "redrive": False,
        }
        for one in dead
    ]
    for start in range(0, len(rows), _AT_ONCE):
        await connection.execute(statement, rows[start : start + _AT_ONCE])


async def called_back(connection: AsyncConnection, consumer_id: str) -> bool:
    """Say whether any of a consumer's dead letters is to be delivered once more."""
    found = select(_TABLE.c.id).where(_TABLE.c.consumer_id == consumer_id, _TABLE.c.redrive)
    return bool(await connection.scalar(select(found.exists())))


async def revive(connection: AsyncConnection, consumer_id: str, now_us: int, limit: int) -> int:
    """Make dead letters that were called back outstanding again, due now; return how many.

    One of each record at a time, and only of records of which nothing is outstanding (P5).
    """
    if limit <= 0:
        return 0
    out = schema.outstanding
    taken = exists().where(
        out.c.consumer_id == consumer_id,
        out.c.slot == _TABLE.c.slot,
        out.c.upstream_id == _TABLE.c.upstream_id,
    )
    query = (
        select(_TABLE)
        .where(_TABLE.c.consumer_id == consumer_id, _TABLE.c.redrive, ~taken)
        .order_by(_TABLE.c.partition, _TABLE.c.position)
        .limit(min(limit, _AT_ONCE))
    )
    back: dict[Key, Outstanding] = {}
    ids: list[str] = []
    for row in await connection.execute(query):
        key = (row.slot, row.upstream_id)
        if key in back:
            continue
        ids.append(row.id)
        back[key] = Outstanding(
            slot=row.slot,
            upstream_id=row.upstream_id,
            partition=row.partition,
            position=row.position,
            due_us=now_us,
            payload=row.payload or None,
        )
    if ids:
        await outstanding.put(connection, consumer_id, list(back.values()))
        await connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(ids)))
    return len(ids)
