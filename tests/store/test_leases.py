import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from headwater.errors import LeaseLost, Retry
from headwater.kit.clock import SystemClock
from headwater.model.lease import Fence
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.leases import Leases

NAMES = [f"sync:{number}" for number in range(20)]


async def worker(database: Database) -> Leases:
    """Return the leases of a new process."""
    leases = Leases(database, clock=SystemClock(), lease_time=timedelta(seconds=15))
    await leases.register()
    return leases


async def expire(database: Database, worker_id: str) -> None:
    """Let a worker's time run out."""
    rows = schema.workers.c
    async with database.write() as connection:
        late = rows.expires_us - 16_000_000
        await connection.execute(
            update(schema.workers).where(rows.worker_id == worker_id).values(expires_us=late)
        )


def names(fences: list[Fence]) -> set[str]:
    """Return which leases these are."""
    return {fence.lease for fence in fences}


async def test_a_free_lease_is_taken_once(database: Database) -> None:
    """Who comes second gets what is left, at most as many as asked for."""
    first, second = await worker(database), await worker(database)
    mine = await first.claim(NAMES, 15)
    assert len(mine) == 15
    assert {fence.epoch for fence in mine} == {1}
    theirs = await second.claim(NAMES, 15)
    assert names(theirs) == set(NAMES) - names(mine)
    assert await first.claim(NAMES, 15) == []
    assert sorted(await first.held(), key=str) == sorted(mine, key=str)


async def test_nothing_wanted_takes_nothing(database: Database) -> None:
    """No names, or no room."""
    leases = await worker(database)
    assert await leases.claim([], 5) == []
    assert await leases.claim(NAMES, 0) == []
    assert await leases.claim(NAMES, -3) == []


async def test_a_released_lease_is_free_with_a_new_epoch(database: Database) -> None:
    """The epoch grows, so that nothing begun before can be written."""
    first, second = await worker(database), await worker(database)
    (fence,) = await first.claim(["sync:a"], 1)
    await first.release(fence)
    assert await first.held() == []
    assert await second.claim(["sync:a"], 1) == [Fence(lease="sync:a", epoch=2)]
    await first.release(fence)
    assert await second.held() == [Fence(lease="sync:a", epoch=2)], "not the first one's to give back"


async def test_an_expired_worker_loses_everything(database: Database) -> None:
    """Others take over under a new epoch; the late one is told, and comes back as somebody else."""
    late, other = await worker(database), await worker(database)
    await late.claim(["sync:a", "sync:b"], 2)
    await other.claim(["sync:c"], 1)
    await expire(database, late.worker_id)

    assert await other.alive() == 1
    assert await late.held() == []
    taken = await other.claim(["sync:a"], 5)
    assert taken == [Fence(lease="sync:a", epoch=2)]
    with pytest.raises(LeaseLost):
        await late.beat()
    with pytest.raises(LeaseLost):
        await late.claim(["sync:b"], 1)

    before = late.worker_id
    await late.register()
    await late.beat()
    assert late.worker_id != before
    assert await late.held() == [], "what was lost stays lost, taken over or not"
    assert await late.claim(["sync:a", "sync:b", "sync:c"], 5) == [Fence(lease="sync:b", epoch=2)]
    assert await late.alive() == 2


async def test_a_beat_keeps_the_leases(database: Database) -> None:
    """It moves the expiry by the lease time from now."""
    leases = await worker(database)
    (fence,) = await leases.claim(["sync:a"], 1)
    rows = schema.workers
    async with database.write() as connection:
        soon = rows.c.expires_us - 14_000_000
        await connection.execute(update(rows).values(expires_us=soon))
    await leases.beat()
    async with database.read() as connection:
        row = (await connection.execute(rows.select())).one()
    assert 14_000_000 < row.expires_us - row.started_us < 30_000_000
    assert await leases.held() == [fence]


async def test_release_all_ends_the_worker(database: Database) -> None:
    """What it had is free at once, and it no longer counts."""
    first, second = await worker(database), await worker(database)
    await first.claim(NAMES, 20)
    assert await second.alive() == 2
    await first.release_all()
    assert await second.alive() == 1
    assert names(await second.claim(NAMES, 20)) == set(NAMES)
    with pytest.raises(LeaseLost):
        await first.beat()


async def test_long_gone_workers_are_forgotten(database: Database) -> None:
    """Their rows go when somebody registers; their leases are free."""
    gone = await worker(database)
    await gone.claim(["sync:a"], 1)
    async with database.write() as connection:
        await connection.execute(update(schema.workers).values(expires_us=1))
    other = await worker(database)
    async with database.read() as connection:
        assert (await connection.scalars(schema.workers.select())).all() == [other.worker_id]
    assert await other.claim(["sync:a"], 1) == [Fence(lease="sync:a", epoch=2)]


async def test_racing_workers_never_share_a_lease(url: str) -> None:
    """Five processes claim the same twenty leases at once, again and again: one gets each."""
    processes = (
        1 if url.startswith("sqlite") else 5
    )  # an SQLite file has one, whose tasks may race all the same
    databases = [await Database.open(url, clock=SystemClock()) for _ in range(processes)]
    workers = [await worker(databases[number % processes]) for number in range(5)]
    given: list[Fence] = []
    for _ in range(5):
        claimed = await asyncio.gather(*(leases.claim(NAMES, 20) for leases in workers))
        together = [fence for fences in claimed for fence in fences]
        assert len(names(together)) == len(together), "one lease, two holders"
        given += together
        held = [fence for leases in workers for fence in await leases.held()]
        assert sorted(map(str, held)) == sorted(map(str, together)), "who was given it still has it"
        for leases, fences in zip(workers, claimed, strict=True):
            for fence in fences:
                await leases.release(fence)
    assert len(set(given)) == len(given), "an epoch given twice"
    assert names(given) == set(NAMES)
    for database in databases:
        await database.close()


async def test_a_locked_lease_is_left_alone(postgres_database: str) -> None:
    """A transaction under way holds its lease's row: a claim takes others meanwhile and does not wait."""
    database = await Database.open(postgres_database, clock=SystemClock())
    first, second = await worker(database), await worker(database)
    await first.claim(["sync:a", "sync:b"], 2)
    async with database.write() as connection:
        await connection.execute(text("SELECT epoch FROM leases WHERE name = 'sync:a' FOR SHARE"))
        await expire(database, first.worker_id)
        async with asyncio.timeout(5):
            assert names(await second.claim(["sync:a", "sync:b"], 2)) == {"sync:b"}
    assert names(await second.claim(["sync:a", "sync:b"], 2)) == {"sync:a"}
    await database.close()


@pytest.mark.server
async def test_locks_of_an_expired_worker_are_ended(postgres_database: str) -> None:
    """A process that was stopped inside a transaction holds nothing up: who claims ends its connections."""
    stopped = await Database.open(postgres_database, clock=SystemClock())
    living = await Database.open(postgres_database, clock=SystemClock())
    late, other = await worker(stopped), await worker(living)
    await late.claim(["sync:a"], 1)
    await expire(living, late.worker_id)

    async def hold() -> None:
        async with stopped.write() as connection:
            await connection.execute(text("SELECT * FROM leases FOR UPDATE"))
            assert await other.claim(["sync:a"], 1) == [Fence(lease="sync:a", epoch=2)]
            await connection.execute(text("SELECT 1"))

    with pytest.raises(Retry):
        await hold()
    async with living.read() as connection:
        rows = (await connection.scalars(schema.workers.select())).all()
    assert rows == [other.worker_id], "whose connections were ended is forgotten, so that it is done once"
    await late.register()
    assert await late.claim(["sync:b"], 1) == [Fence(lease="sync:b", epoch=1)], (
        "it comes back as somebody else"
    )
    await stopped.close()
    await living.close()
