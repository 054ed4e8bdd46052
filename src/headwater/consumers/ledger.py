"""The rows in which the work of managed consumers is written down: where each stands, what is out, how it is
doing.

Every write checks in its own transaction that the lease has not changed hands and that the consumer was not
reset meanwhile: a process that was paused and woke up late writes nothing. Plain progress of all consumers of
the process is gathered and written together (`progress`); what must not be apart from it is written with it
(`settle`). Not here: what is to be written (`settling`).
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers import burial, outstanding, standing
from headwater.consumers.burial import Dead
from headwater.consumers.outstanding import Key, Outstanding
from headwater.consumers.plan import Plan
from headwater.consumers.standing import Standing
from headwater.errors import Conflict, LeaseLost
from headwater.kit.clock import Clock, from_us, iso
from headwater.model.lease import Fence
from headwater.model.position import Vector
from headwater.model.sync import HealthStatus, Note
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.leases import holds

TARGET = "target"
"""What notes are about that concern the target, and with it every consumer that writes there."""

_EVER, _ALL = 2**62, 2**31 - 1

# On PostgreSQL the leases are locked against a change of hands until the transaction ends: whoever takes one
# over comes after this, and finds what it wrote.
_MOVE = {
    "sqlite": text("""
UPDATE standings SET position = json_extract(moved.value, '$[4]'), moved_us = :now_us
FROM json_each(:moves) AS moved
WHERE standings.consumer_id = json_extract(moved.value, '$[0]')
    AND standings.generation = json_extract(moved.value, '$[3]')
    AND EXISTS (
        SELECT 1 FROM leases WHERE name = json_extract(moved.value, '$[1]')
        AND epoch = json_extract(moved.value, '$[2]')
    )
RETURNING standings.consumer_id"""),
    "postgresql": text("""
WITH ours AS MATERIALIZED (
    SELECT moved.* FROM unnest(
        CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:epochs AS bigint[]),
        CAST(:generations AS bigint[]), CAST(:positions AS text[])
    ) AS moved (id, name, epoch, generation, position)
    JOIN leases ON leases.name = moved.name AND leases.epoch = moved.epoch
    FOR SHARE OF leases
)
UPDATE standings SET position = ours.position,
    moved_us = CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)
FROM ours WHERE standings.consumer_id = ours.id AND standings.generation = ours.generation
RETURNING standings.consumer_id"""),
}


class Held(msgspec.Struct, frozen=True):
    """A consumer in the hands of this process: its lease, and the generation in which it is read."""

    consumer_id: str
    fence: Fence
    generation: int


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down at once, with the position that it belongs to."""

    position: Vector
    put: Sequence[Outstanding] = ()
    gone: Sequence[Key] = ()
    dead: Sequence[Dead] = ()

    @property
    def plain(self) -> bool:
        """Whether it is a position and nothing else."""
        return not (self.put or self.gone or self.dead)


class Ledger:
    """Writes standings, exceptions and health. One for each process that runs consumers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Write into the tables of `database`."""
        self._database = database
        self._clock = clock

    async def load(self, fence: Fence, consumer_id: str) -> tuple[Standing, dict[Key, Outstanding]]:
        """Return where a consumer stands and what is out, after whatever its last owner was still writing.

        Raises: LeaseLost, also when the consumer is gone.
        """
        async with self._database.write() as connection:
            found = await standing.lock(connection, consumer_id, self._clock)
            if found is None or not await self._isholds(connection, fence):
                raise LeaseLost
            rows = await outstanding.due(connection, consumer_id, _EVER, _ALL)
        return found, {row.key: row for row in rows}

    async def settle(self, held: Held, settled: Settlement) -> None:
        """Write down what became of messages, with the position after them (P7), or nothing.

        Raises: LeaseLost; Conflict when the consumer was reset.
        """
        async with self._database.write() as connection:
            moved = await self._move(connection, [(held, settled.position)])
            if not moved:
                await self._refuse(connection, held)
            consumer_id = held.consumer_id
            await burial.bury(connection, consumer_id, settled.dead, self._clock.now_us())
            await outstanding.put(connection, consumer_id, settled.put)
            await outstanding.remove(connection, consumer_id, settled.gone)

    async def revive(
        self, held: Held, position: Vector, now_us: int, limit: int
    ) -> tuple[list[Outstanding], bool]:
        """Make up to `limit` dead letters that were called back outstanding again.

        Return all that is outstanding then, and whether more were called back. Raises: as `settle`.
        """
        async with self._database.write() as connection:
            if not await self._move(connection, [(held, position)]):
                await self._refuse(connection, held)
            await burial.revive(connection, held.consumer_id, now_us, limit)
            rows = await outstanding.due(connection, held.consumer_id, _EVER, _ALL)
            return rows, await burial.called_back(connection, held.consumer_id)

    async def move(self, moves: Iterable[tuple[Held, Vector]]) -> set[str]:
        """Write down positions of many consumers; return the ids of those for which it was not refused."""
        async with self._database.write() as connection:
            return await self._move(connection, list(moves))

    async def lost(self, held: Held, position: Vector, count: int) -> None:
        """Write down how many entries a consumer has missed since it began, and where it stands now (P11).

        Raises: as `settle`.
        """
        table = schema.standings
        async with self._database.write() as connection:
            if not await self._move(connection, [(held, position)]):
                await self._refuse(connection, held)
            await connection.execute(
                update(table).where(table.c.consumer_id == held.consumer_id).values(lost=count)
            )

    async def health(
        self, fence: Fence, plan: Plan, status: HealthStatus, notes: Sequence[Note], *, worked: bool
    ) -> None:
        """Write a consumer's health, and what it says of its target; `since` moves only with the status.

        `worked`: the target has stored something this run, so that nothing older need be said of it.
        """
        now = iso(from_us(self._clock.now_us()))
        written = [{"code": note.code, "text": note.text, "about": note.about} for note in notes]
        health = _health(status, written, plan.health, now)
        plan.health.clear()
        plan.health.update(health)
        table = schema.consumers
        async with self._database.write() as connection:
            await connection.execute(
                update(table)
                .where(table.c.id == plan.consumer_id, holds(fence))
                .values(health=json.dumps(health))
            )
            await self._target_health(connection, fence, plan.target_id, now, worked=worked)

    async def _target_health(
        self, connection: AsyncConnection, fence: Fence, target_id: str, now: str, *, worked: bool
    ) -> None:
        """Write what the consumers of a target say of it."""
        consumers, targets = schema.consumers, schema.targets
        rows = await connection.scalars(
            select(consumers.c.health).where(
                consumers.c.target_id == target_id, consumers.c.status == "active"
            )
        )
        told = [json.loads(row) for row in rows]
        notes = {note["code"]: note for one in told for note in one["notes"] if note.get("about") == TARGET}
        if not notes and not worked:
            return  # what trying it has shown still stands
        known = await connection.scalar(
            select(targets.c.health).where(targets.c.id == target_id).with_for_update()
        )
        if known is None:
            return
        failing = any(one["status"] == "error" and _about_target(one) for one in told)
        status = HealthStatus.OK if not notes else HealthStatus.ERROR if failing else HealthStatus.WARN
        before = json.loads(known)
        health = _health(status, list(notes.values()), before, now)
        if health != before:
            ours = (targets.c.id == target_id, holds(fence))
            await connection.execute(update(targets).where(*ours).values(health=json.dumps(health)))

    # --- inside a transaction -------------------------------------------------------------------------------

    async def _move(self, connection: AsyncConnection, moves: Sequence[tuple[Held, Vector]]) -> set[str]:
        rows = [
            (held.consumer_id, held.fence.lease, held.fence.epoch, held.generation, json.dumps(position))
            for held, position in moves
        ]
        values: dict[str, Any]
        if self._database.dialect == "sqlite":
            values = {"moves": json.dumps(rows), "now_us": self._clock.now_us()}
        else:
            names = ("ids", "names", "epochs", "generations", "positions")
            values = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        return set(await connection.scalars(_MOVE[self._database.dialect], values))

    async def _refuse(self, connection: AsyncConnection, held: Held) -> None:
        if await self._isholds(connection, held.fence):
            raise Conflict("The consumer was let begin anew meanwhile.", code="consumer.reset")
        raise LeaseLost

    async def _isholds(self, connection: AsyncConnection, fence: Fence) -> bool:
        return bool(await connection.scalar(select(holds(fence))))


def _about_target(health: dict[str, Any]) -> bool:
    return any(note.get("about") == TARGET for note in health["notes"])


def _health(
    status: HealthStatus, notes: list[dict[str, str]], before: dict[str, Any], now: str
) -> dict[str, Any]:
    since = before.get("since", now) if before.get("status") == status else now
    return {"status": status, "notes": notes, "since": since}
