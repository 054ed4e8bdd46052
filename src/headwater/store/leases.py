"""Leases: who works on what, in a database that many processes share. Knows no work.

A process is one row of `workers` that expires unless it beats; a lease points to the worker that has it.
Nobody has the leases of a worker that is expired or gone, and an expired worker never comes back: it
registers anew. Each change of hands counts the lease's epoch up, and every transaction under a lease checks
its epoch (the engines and the ledger do), so whoever was stopped and wakes up late writes nothing. Time is
the database's, so clocks of machines may differ.
"""

import zlib
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    cast,
    delete,
    exists,
    extract,
    false,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.errors import LeaseLost
from headwater.kit.clock import Clock
from headwater.kit.ids import new_id
from headwater.model.lease import Fence
from headwater.store.connections import application_name
from headwater.store.database import Database
from headwater.store.schema import leases, workers

MOST = 500
"""How many leases one claim takes at most; the rest is there at the next one."""

END_CONNECTIONS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name LIKE ANY(:names) AND usename = current_user AND datname = current_database()"
)

HOUR_US = 3_600_000_000


def holds(fence: Fence) -> ColumnElement[bool]:
    """Return the condition that a lease has not changed hands, for the statements of whoever holds it."""
    return exists().where(leases.c.name == fence.lease, leases.c.epoch == fence.epoch)


class Leases:
    """The leases of one process. Call `register` first, and `beat` well within the lease time."""

    def __init__(self, database: Database, *, clock: Clock, lease_time: timedelta) -> None:
        """Lease for `lease_time` at a time. On SQLite `clock` is the database's clock."""
        self._database, self._clock = database, clock
        self._lease_us = lease_time // timedelta(microseconds=1)
        self.worker_id = new_id()
        """Who this process is; another id after each `register`."""

    async def register(self) -> None:
        """Become a worker, under a new id: leases of an earlier one stay lost."""
        self.worker_id = new_id()
        async with self._database.write() as connection:
            now = self._now()
            row = {
                "worker_id": self.worker_id,
                "started_us": now,
                "expires_us": now + self._lease_us,
                "session": self._database.session,
            }
            earlier = (workers.c.session == self._database.session) & (workers.c.expires_us <= now)
            await connection.execute(delete(workers).where(earlier | (workers.c.expires_us < now - HOUR_US)))
            await connection.execute(insert(workers).values(row))

    async def beat(self) -> None:
        """Show that this process lives: all its leases hold for another lease time.

        Raises: LeaseLost when it was silent for too long. All is lost then: stop all work, `register` again.
        """
        async with self._database.write() as connection:
            now = self._now()
            alive = update(workers).where(workers.c.worker_id == self.worker_id, workers.c.expires_us > now)
            beaten = await connection.execute(alive.values(expires_us=now + self._lease_us))
        if beaten.rowcount == 0:
            raise LeaseLost("This process was silent for longer than its leases last.")

    async def claim(self, names: Iterable[str], at_most: int) -> list[Fence]:
        """Take up to `at_most` of these leases, those that nobody has, each under a new epoch.

        Of several processes that claim one lease at once, one gets it.
        Raises: LeaseLost as `beat` does.
        """
        if self._database.dialect == "postgresql":
            await self._end_expired()
        async with self._database.write() as connection:
            if self.worker_id not in await self._living(connection):
                raise LeaseLost("This process was silent for longer than its leases last.")
            free = await self._free(connection, names)
            wanted = sorted(free, key=self._preference)[: max(0, min(at_most, MOST))]
            if not wanted:
                return []
            return await self._take(connection, {name: free[name] for name in wanted})

    async def held(self) -> list[Fence]:
        """Return the leases that this process has."""
        mine = select(leases.c.name, leases.c.epoch).where(leases.c.worker_id == self.worker_id)
        async with self._database.read() as connection:
            if self.worker_id not in await self._living(connection):
                return []
            return [Fence(lease=row.name, epoch=row.epoch) for row in await connection.execute(mine)]

    async def release(self, fence: Fence) -> None:
        """Give a lease back. Nothing happens if it is somebody else's by now."""
        mine = update(leases).where(
            leases.c.name == fence.lease,
            leases.c.epoch == fence.epoch,
            leases.c.worker_id == self.worker_id,
        )
        async with self._database.write() as connection:
            await connection.execute(mine.values(worker_id=None))

    async def release_all(self) -> None:
        """Give all leases back and be a worker no more."""
        mine = update(leases).where(leases.c.worker_id == self.worker_id)
        async with self._database.write() as connection:
            await connection.execute(mine.values(worker_id=None))
            await connection.execute(delete(workers).where(workers.c.worker_id == self.worker_id))

    async def alive(self) -> int:
        """Return how many workers there are, this one included: each should have its share of the work."""
        async with self._database.read() as connection:
            return len(await self._living(connection))

    async def _end_expired(self) -> None:
        """End the connections of workers whose time is over, and forget them.

        A process that was stopped in the middle of a transaction keeps its locks, and the server's own
        time-outs do not always end it: not in the middle of a COPY, nor after some pipelines.
        """
        async with self._database.write() as connection:
            expired = select(workers.c.worker_id, workers.c.session).where(
                workers.c.expires_us <= self._now(), workers.c.session != self._database.session
            )
            late = (await connection.execute(expired)).all()
            if not late:
                return
            names = [application_name(row.session, "%") for row in late]
            await connection.execute(END_CONNECTIONS, {"names": names})
            gone = select(workers.c.worker_id).where(workers.c.worker_id.in_([row.worker_id for row in late]))
            unlocked = gone.with_for_update(skip_locked=True)
            await connection.execute(delete(workers).where(workers.c.worker_id.in_(unlocked)))

    # --- inside a transaction -------------------------------------------------------------------------------

    async def _living(self, connection: AsyncConnection) -> set[str]:
        living = select(workers.c.worker_id).where(workers.c.expires_us > self._now())
        return set(await connection.scalars(living))

    async def _free(self, connection: AsyncConnection, names: Iterable[str]) -> dict[str, int]:
        """Return those that no living worker has, with their epochs; 0 for one that nobody ever had."""
        living = select(workers.c.worker_id).where(workers.c.expires_us > self._now())
        taken = func.coalesce(leases.c.worker_id.in_(living), false())
        # One statement: were the epoch read after the worker, a claim in between would be overrun.
        found = {row.name: row for row in await connection.execute(select(leases, taken.label("taken")))}
        free = {name: found.get(name) for name in names}
        return {name: row.epoch if row else 0 for name, row in free.items() if row is None or not row.taken}

    async def _take(self, connection: AsyncConnection, seen: dict[str, int]) -> list[Fence]:
        """Take those that still have the epoch that was seen; what others are taking is left to them."""
        insert_one = (sqlite if self._database.dialect == "sqlite" else postgresql).insert(leases)
        new = [{"name": name, "worker_id": None, "epoch": 0} for name, epoch in seen.items() if epoch == 0]
        if new:
            await connection.execute(insert_one.on_conflict_do_nothing(), new)
        as_seen = tuple_(leases.c.name, leases.c.epoch).in_(seen.items())
        unlocked = select(leases.c.name).where(as_seen).with_for_update(skip_locked=True)
        mine = update(leases).where(leases.c.name.in_(unlocked))
        mine = mine.values(worker_id=self.worker_id, epoch=leases.c.epoch + 1)
        taken = await connection.execute(mine.returning(leases.c.name, leases.c.epoch))
        return [Fence(lease=row.name, epoch=row.epoch) for row in taken]

    def _preference(self, name: str) -> int:
        """Order names differently for each worker, so that they seldom reach for the same."""
        return zlib.crc32(f"{self.worker_id}/{name}".encode())

    def _now(self) -> ColumnElement[int]:
        if self._database.dialect == "sqlite":
            return literal(self._clock.now_us(), BigInteger)
        return cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
