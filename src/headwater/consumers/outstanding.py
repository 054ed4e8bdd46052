"""The exceptions of consumers: the rows of `outstanding`, read and written in bulk. No rule lives here.

One row for each record that has a message out or held back (see `holding` for what follows from a row). All
runs in the transaction of whoever calls, who has locked the consumer (`standing.lock`), with one statement
for many rows: an array of values for PostgreSQL, a JSON list or `executemany` for SQLite.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import Row, TextClause, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.model.record import Entry
from headwater.store import schema

Key = tuple[int, str]
"""A record: its slot and its upstream id."""

Place = tuple[int, int]
"""A message: its partition and its position."""


Out = tuple[int, int, str]
"""A message in one hand-out: its partition, its position, the hand-out's name."""


class Outstanding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is out or held back of one record of a consumer.

    `position` is the message whose turn it is. `delivery` names the hand-out that has it; None: it waits.
    Either way it is due at `due_us` (database's clock): for the first time, again, or because its hand-out
    has run out. `deliveries` counts hand-outs. `held` are later messages of the record, in order. `payload`
    is the entry itself, where the log may lose it before the message is settled.
    """

    slot: int
    upstream_id: str
    partition: int
    position: int
    delivery: str | None = None
    deliveries: int = 0
    due_us: int = 0
    held: tuple[int, ...] = ()
    error: str | None = None
    payload: bytes | None = None

    @property
    def key(self) -> Key:
        """The record."""
        return self.slot, self.upstream_id

    @property
    def place(self) -> Place:
        """The message."""
        return self.partition, self.position

    @property
    def out(self) -> Out:
        """The message in the hand-out that has it."""
        return self.partition, self.position, self.delivery or ""


class Counts(msgspec.Struct, frozen=True, gc=False):
    """How many records of a consumer are exceptions, at one glance.

    Of `rows`, `delivered` have a message that was handed out at least once. `held` counts the later messages
    behind them. `due_us` is when the first one is due; None without rows. `called_back`: a dead letter of the
    consumer is to be delivered once more.
    """

    rows: int
    delivered: int
    held: int
    due_us: int | None
    called_back: bool = False


_COLUMNS = "slot, upstream_id, partition, position, delivery, deliveries, due_us, held, error, payload"
_O_COLUMNS = ", ".join(f"o.{name}" for name in _COLUMNS.split(", "))

Dialect = Literal["sqlite", "postgresql"]

# SQLite: CROSS JOIN makes it go through the wanted ones and look each up, INDEXED BY by what they are looked
# up. PostgreSQL: OFFSET 0 keeps the lookup of each a lookup.
_FIND: Mapping[str, TextClause] = {
    "sqlite": text(f"""
SELECT {_O_COLUMNS} FROM json_each(:wanted) AS wanted CROSS JOIN outstanding AS o
ON o.consumer_id = :consumer_id AND o.slot = json_extract(wanted.value, '$[0]')
    AND o.upstream_id = json_extract(wanted.value, '$[1]')"""),  # noqa: S608 - made of constants
    "postgresql": text(f"""
SELECT {_O_COLUMNS} FROM unnest(CAST(:slots AS int[]), CAST(:ids AS text[])) AS wanted (slot, upstream_id),
LATERAL (
    SELECT * FROM outstanding WHERE consumer_id = :consumer_id AND slot = wanted.slot
        AND upstream_id = wanted.upstream_id OFFSET 0
) AS o"""),  # noqa: S608 - made of constants
}

_AT: Mapping[str, TextClause] = {
    "sqlite": text(f"""
SELECT {_O_COLUMNS}
FROM json_each(:wanted) AS wanted CROSS JOIN outstanding AS o INDEXED BY outstanding_place
ON o.consumer_id = :consumer_id AND o.partition = json_extract(wanted.value, '$[0]')
    AND o.position = json_extract(wanted.value, '$[1]')"""),  # noqa: S608 - made of constants
    "postgresql": text(f"""
SELECT {_O_COLUMNS}
FROM unnest(CAST(:partitions AS int[]), CAST(:positions AS bigint[])) AS wanted (partition, position),
LATERAL (
    SELECT * FROM outstanding WHERE consumer_id = :consumer_id AND partition = wanted.partition
        AND position = wanted.position OFFSET 0
) AS o"""),  # noqa: S608 - made of constants
}

_DUE = text(f"""
SELECT {_COLUMNS} FROM outstanding WHERE consumer_id = :consumer_id AND due_us <= :now_us
ORDER BY due_us, position LIMIT :limit""")  # noqa: S608 - made of constants

_COUNTS = text("""
SELECT count(*), count(CASE WHEN deliveries > 0 THEN 1 END),
    coalesce(sum(CASE WHEN held = '[]' THEN 0 ELSE json_array_length(CAST(held AS json)) END), 0),
    min(due_us),
    EXISTS (SELECT 1 FROM dead_letters WHERE consumer_id = :consumer_id AND redrive)
FROM outstanding WHERE consumer_id = :consumer_id""")
_COUNTS_SQLITE = text(str(_COUNTS).replace("CAST(held AS json)", "held"))

_SET = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[2:])
_PUT_ONE = f"""
INSERT INTO outstanding (consumer_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (consumer_id, slot, upstream_id) DO UPDATE SET {_SET}"""  # noqa: S608 - made of constants
_PUT_MANY = text(f"""
INSERT INTO outstanding (consumer_id, {_COLUMNS})
SELECT :consumer_id, * FROM unnest(CAST(:slot AS int[]), CAST(:upstream_id AS text[]),
    CAST(:partition AS int[]), CAST(:position AS bigint[]), CAST(:delivery AS text[]),
    CAST(:deliveries AS int[]), CAST(:due_us AS bigint[]), CAST(:held AS text[]),
    CAST(:error AS text[]), CAST(:payload AS bytea[]))
ON CONFLICT (consumer_id, slot, upstream_id) DO UPDATE SET {_SET}""")  # noqa: S608 - made of constants

_REMOVE_ONE = "DELETE FROM outstanding WHERE consumer_id = ? AND slot = ? AND upstream_id = ?"
_REMOVE_MANY = text("""
DELETE FROM outstanding
USING unnest(CAST(:slots AS int[]), CAST(:ids AS text[])) AS wanted (slot, upstream_id)
WHERE consumer_id = :consumer_id AND outstanding.slot = wanted.slot
    AND outstanding.upstream_id = wanted.upstream_id""")

_SETTLE: Mapping[str, TextClause] = {
    "sqlite": text("""
DELETE FROM outstanding WHERE rowid IN (
    SELECT o.rowid FROM json_each(:wanted) AS wanted CROSS JOIN outstanding AS o INDEXED BY outstanding_place
    ON o.consumer_id = :consumer_id AND o.partition = json_extract(wanted.value, '$[0]')
        AND o.position = json_extract(wanted.value, '$[1]')
    WHERE o.delivery = json_extract(wanted.value, '$[2]') AND o.due_us > :now_us AND o.held = '[]'
) RETURNING partition, position, delivery"""),
    "postgresql": text("""
DELETE FROM outstanding WHERE ctid = ANY (ARRAY(
    SELECT o.ctid FROM unnest(
        CAST(:partitions AS int[]), CAST(:positions AS bigint[]), CAST(:deliveries AS text[])
    ) AS wanted (partition, position, delivery), LATERAL (
        SELECT ctid, delivery, due_us, held FROM outstanding WHERE consumer_id = :consumer_id
            AND partition = wanted.partition AND position = wanted.position OFFSET 0
    ) AS o
    WHERE o.delivery = wanted.delivery AND o.due_us > :now_us AND o.held = '[]'
)) RETURNING partition, position, delivery"""),
}


async def find(connection: AsyncConnection, consumer_id: str, keys: Iterable[Key]) -> dict[Key, Outstanding]:
    """Return what is outstanding of these records."""
    wanted = list(dict.fromkeys(keys))
    if not wanted:
        return {}
    rows = await connection.execute(_FIND[_dialect(connection)], _of_keys(connection, consumer_id, wanted))
    return {row.key: row for row in map(_outstanding, rows)}


async def at(
    connection: AsyncConnection, consumer_id: str, places: Iterable[Place]
) -> dict[Place, Outstanding]:
    """Return the rows whose turn these messages have."""
    wanted = list(dict.fromkeys(places))
    if not wanted:
        return {}
    values: dict[str, Any] = {"consumer_id": consumer_id}
    if _dialect(connection) == "sqlite":
        values["wanted"] = json.dumps(wanted)
    else:
        values["partitions"], values["positions"] = map(list, zip(*wanted, strict=True))
    rows = await connection.execute(_AT[_dialect(connection)], values)
    return {row.place: row for row in map(_outstanding, rows)}


async def due(connection: AsyncConnection, consumer_id: str, now_us: int, limit: int) -> list[Outstanding]:
    """Return rows that are due, those that have been for longest first."""
    if limit <= 0:
        return []
    values = {"consumer_id": consumer_id, "now_us": now_us, "limit": limit}
    return [_outstanding(row) for row in await connection.execute(_DUE, values)]


async def counts(connection: AsyncConnection, consumer_id: str) -> Counts:
    """Count what is outstanding."""
    query = _COUNTS_SQLITE if _dialect(connection) == "sqlite" else _COUNTS
    found = (await connection.execute(query, {"consumer_id": consumer_id})).one()
    rows, delivered, held, due_us, called_back = found
    return Counts(rows, delivered, int(held), due_us, bool(called_back))


async def put(connection: AsyncConnection, consumer_id: str, rows: Sequence[Outstanding]) -> None:
    """Write rows, in the place of those of the same records."""
    if not rows:
        return
    written = [
        (
            row.slot,
            row.upstream_id,
            row.partition,
            row.position,
            row.delivery,
            row.deliveries,
            row.due_us,
            json.dumps(row.held, separators=(",", ":")) if row.held else "[]",
            row.error,
            row.payload,
        )
        for row in rows
    ]
    if _dialect(connection) == "sqlite":
        await connection.exec_driver_sql(_PUT_ONE, [(consumer_id, *row) for row in written])
    else:
        columns = zip(_FIELDS, map(list, zip(*written, strict=True)), strict=True)
        await connection.execute(_PUT_MANY, {"consumer_id": consumer_id, **dict(columns)})


async def remove(connection: AsyncConnection, consumer_id: str, keys: Iterable[Key]) -> None:
    """Take rows away: nothing of these records is out or held back any more."""
    wanted = list(keys)
    if not wanted:
        return
    if _dialect(connection) == "sqlite":
        await connection.exec_driver_sql(_REMOVE_ONE, [(consumer_id, *key) for key in wanted])
    else:
        await connection.execute(_REMOVE_MANY, _of_keys(connection, consumer_id, wanted))


async def settle(
    connection: AsyncConnection, consumer_id: str, out: Collection[Out], now_us: int
) -> set[Out]:
    """Take away the rows of messages that are out in these hand-outs, in time, with nothing behind them.

    Return which those were. This is what nearly every acknowledgement comes to.
    """
    if not out:
        return set()
    values: dict[str, Any] = {"consumer_id": consumer_id, "now_us": now_us}
    if _dialect(connection) == "sqlite":
        values["wanted"] = json.dumps(list(out))
    else:
        names = ("partitions", "positions", "deliveries")
        values |= zip(names, map(list, zip(*out, strict=True)), strict=True)
    gone = await connection.execute(_SETTLE[_dialect(connection)], values)
    return {(partition, position, delivery) for partition, position, delivery in gone}


async def clear(connection: AsyncConnection, consumer_id: str) -> None:
    """Take all rows of a consumer away."""
    table = schema.outstanding
    await connection.execute(delete(table).where(table.c.consumer_id == consumer_id))


def packed(entry: Entry) -> bytes:
    """Return an entry as `payload` has it."""
    return msgspec.msgpack.encode(entry)


def unpacked(payload: bytes) -> Entry:
    """Return the entry of a `payload`."""
    return msgspec.msgpack.decode(payload, type=Entry)


_FIELDS = Outstanding.__struct_fields__


def _outstanding(row: Row[Any]) -> Outstanding:
    held: str = row.held
    return Outstanding(
        slot=row.slot,
        upstream_id=row.upstream_id,
        partition=row.partition,
        position=row.position,
        delivery=row.delivery,
        deliveries=row.deliveries,
        due_us=row.due_us,
        held=() if held == "[]" else tuple(json.loads(held)),
        error=row.error,
        payload=row.payload,
    )


def _of_keys(connection: AsyncConnection, consumer_id: str, keys: Sequence[Key]) -> dict[str, Any]:
    if _dialect(connection) == "sqlite":
        return {"consumer_id": consumer_id, "wanted": json.dumps(keys)}
    return {"consumer_id": consumer_id, "slots": [key[0] for key in keys], "ids": [key[1] for key in keys]}


def _dialect(connection: AsyncConnection) -> Dialect:
    return cast("Dialect", connection.dialect.name)
