"""What is PostgreSQL's own: other processes, locks, time-outs, text that it cannot hold, plans."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest
from psycopg import AsyncConnection
from sqlalchemy import text
from tests.streams.rigs import PostgresRig, postgres_rig

from headwater.errors import Conflict, HeadwaterError, Reject, Retry
from headwater.model.position import Stream
from headwater.model.record import Renewal, Slot
from headwater.store.failures import failure
from headwater.streams.engine import Checkpoint, Commit, Fence, Rejected
from headwater.streams.postgres import PostgresStreams, mapped_errors
from headwater.testing.engine_rig import brief, commit, created, updated, walk

HANG = 30


@pytest.fixture
async def rig(postgres_database: str) -> AsyncIterator[PostgresRig]:
    async with postgres_rig(postgres_database) as rig:
        yield rig


@asynccontextmanager
async def another(rig: PostgresRig, **options: timedelta) -> AsyncIterator[PostgresStreams]:
    """Open the same database as another process would."""
    engine = await PostgresStreams.open(rig.database, clock=rig.clock, **options)
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def locked(rig: PostgresRig, slot: Slot) -> AsyncIterator[None]:
    """Hold a partition as a commit under way does."""
    async with await AsyncConnection.connect(rig.database.url) as connection:
        await connection.execute("SELECT FROM partitions WHERE partition = %s FOR UPDATE", (slot.partition,))
        yield
        await connection.rollback()


# --- other processes ----------------------------------------------------------------------------------------


async def test_p11_a_reader_misses_nothing_of_what_two_processes_write(rig: PostgresRig) -> None:
    """Both write the same partition; the reader follows its position on an engine of its own."""
    slot = await rig.slot()
    async with another(rig) as second, another(rig) as reading, asyncio.timeout(HANG):

        async def write(engine: PostgresStreams, name: str) -> None:
            for n in range(40):
                await commit(engine, slot, created(slot, f"{name} {n}"))

        async def follow() -> list[int]:
            after, seen = await reading.heads(), list[int]()
            while len(seen) < 80:
                page = await reading.read(Stream.EVENTS, after, limit=7)
                after = page.position
                seen += [entry.position for entry in page.entries]
                if not page.has_more:
                    await reading.changed(after, 0.05)
            return seen

        reader = asyncio.create_task(follow())
        await asyncio.gather(write(rig.engine, "one"), write(second, "two"))
        assert await reader == list(range(1, 81))


async def test_a_commit_of_another_process_is_noticed(rig: PostgresRig) -> None:
    """By looking at the heads now and then, while somebody waits."""
    slot = await rig.slot()
    async with another(rig) as second, asyncio.timeout(HANG):
        before = await second.heads()
        waiting = [asyncio.create_task(second.changed(before, HANG)) for _ in range(3)]
        await asyncio.sleep(0)
        await commit(rig.engine, slot, created(slot, "a"))
        assert await asyncio.gather(*waiting) == [await rig.engine.heads()] * 3


async def test_of_two_processes_that_change_one_version_one_wins(rig: PostgresRig) -> None:
    """The other gets a Conflict, for new records and for old ones."""
    slot = await rig.slot()
    async with another(rig) as second:
        for change in (created(slot, "a"), updated(slot, "a", 1)):
            both = [commit(engine, slot, change) for engine in (rig.engine, second)]
            results = await asyncio.gather(*both, return_exceptions=True)
            assert sorted(type(result).__name__ for result in results) == ["Conflict", "int"]


async def test_p9_a_process_that_stops_in_the_middle_holds_nobody_up_and_writes_nothing(
    rig: PostgresRig,
) -> None:
    """The server ends its transaction after a time shorter than a lease; waking up, it can only fail."""
    slot = await rig.slot()
    await rig.engine.close()
    rig.engine = await PostgresStreams.open(
        rig.through, clock=rig.clock, idle_time=timedelta(milliseconds=200)
    )
    with rig.proxy.hold_at(4) as hold:
        asleep = asyncio.create_task(commit(rig.engine, slot, created(slot, "asleep")))
        async with asyncio.timeout(HANG), another(rig) as second:
            await hold.holding.wait()
            assert await commit(second, slot, created(slot, "awake")) == 1
        hold.release.set()
        with pytest.raises(Retry):
            await asleep
    assert brief(await walk(rig.engine, Stream.EVENTS)) == [("awake", 0, 1)]


async def test_p9_a_lease_cannot_change_hands_before_a_commit_under_it_has_ended(rig: PostgresRig) -> None:
    """Whoever takes over waits for it: then the commit is there and was made under the old epoch."""
    slot = await rig.slot()
    await rig.lease("sync:1", 1)
    one = Commit(partition=slot.partition, changes=[created(slot, "a")], fence=Fence("sync:1", 1))
    with rig.proxy.hold_at(4) as hold:
        async with asyncio.timeout(HANG):
            committing = asyncio.create_task(rig.engine.commit(one))
            await hold.holding.wait()
            await _lease_is_locked(rig, "sync:1")
            taking_over = asyncio.create_task(rig.lease("sync:1", 2))
            done, _ = await asyncio.wait([taking_over], timeout=0.2)
            assert not done
            hold.release.set()
            await taking_over
            assert (await committing).first == 1


async def _lease_is_locked(rig: PostgresRig, name: str) -> None:
    """Wait until the server has done what was sent: somebody holds the lease's row."""
    statement = text("SELECT epoch FROM leases WHERE name = :name FOR UPDATE NOWAIT")
    while True:
        try:
            async with rig.database.write() as connection:
                await connection.execute(statement, {"name": name})
        except Retry:
            return
        await asyncio.sleep(0.01)


# --- locks and time-outs ------------------------------------------------------------------------------------


async def test_a_page_without_changes_waits_for_no_partition(rig: PostgresRig) -> None:
    """Its checkpoint and its rejected objects are written while the partition is locked by another."""
    slot = await rig.slot()
    quiet = Commit(
        partition=slot.partition,
        checkpoints=[Checkpoint(slot.number, "since", b"1")],
        rejected=[Rejected(slot.number, "a", "First."), Rejected(slot.number, "a", "Last.")],
    )
    async with asyncio.timeout(HANG), locked(rig, slot):
        await rig.engine.commit(quiet)
        assert len(await rig.engine.checkpoints(slot)) == 1
        assert await rig.rejected(slot) == {"a": "Last."}


async def test_reading_waits_for_no_partition(rig: PostgresRig) -> None:
    """Nothing that only reads takes a lock."""
    slot = await rig.slot()
    await commit(rig.engine, slot, created(slot, "a"))
    async with asyncio.timeout(HANG), locked(rig, slot):
        assert len(await walk(rig.engine, Stream.RECORDS)) == 1
        assert list(await rig.engine.held(slot, ["a"])) == ["a"]


async def test_waiting_for_a_partition_ends(rig: PostgresRig) -> None:
    """After the time that a statement may take the caller is asked to come again; other partitions work."""
    slot, free = await rig.slot(0), await rig.slot(1)
    async with another(rig, statement_time=timedelta(milliseconds=100)) as impatient, locked(rig, slot):
        with pytest.raises(Retry) as busy:
            await commit(impatient, slot, created(slot, "a"))
        assert busy.value.error_code == "database.busy"
        assert await commit(impatient, free, created(free, "a")) == 1
    assert await walk(rig.engine, Stream.EVENTS, slots={slot.number}) == []


async def test_retention_passes_a_busy_partition_by(rig: PostgresRig) -> None:
    """Another one is trimmed, and there is more to do."""
    busy, free = await rig.slot(0), await rig.slot(1)
    for slot in (busy, free):
        await commit(rig.engine, slot, created(slot, "a"))
    async with asyncio.timeout(HANG), locked(rig, busy):
        await rig.engine.trim(rig.clock.us + 1, 10)
        assert await rig.engine.trimmed() == (0, 1, 0)
        assert await rig.engine.trim(rig.clock.us + 1, 10), "the busy one is left to do"
    assert not await rig.engine.trim(rig.clock.us + 1, 10)
    assert await rig.engine.trimmed() == (1, 1, 0)


# --- text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["nul \0", "lone \ud800"])
async def test_an_id_that_cannot_be_stored_is_rejected_before_anything_is_written(
    rig: PostgresRig, id: str
) -> None:
    """Nothing can be held of it; the list of rejected objects shows it as far as it can be shown."""
    slot = await rig.slot()
    with pytest.raises(Reject) as reject:
        await commit(rig.engine, slot, created(slot, "good"), created(slot, id))
    assert reject.value.fix
    assert reject.value.context["id"].startswith(id[:4])
    assert await walk(rig.engine, Stream.EVENTS) == []
    assert await rig.engine.held(slot, [id]) == {}
    assert await rig.engine.record(slot, id) is None
    assert await rig.engine.history(slot, id, 9) == []
    assert await rig.engine.forget(slot, [id]) == 0
    bad = Rejected(slot.number, id, f"Its id is {id}.")
    await rig.engine.commit(Commit(partition=slot.partition, rejected=[bad]))
    assert list(await rig.rejected(slot)) == [reject.value.context["id"]]


async def test_data_that_is_no_text_is_rejected(rig: PostgresRig) -> None:
    """JSON is UTF-8; whatever is not stops its commit and leaves nothing behind."""
    slot = await rig.slot()
    with pytest.raises(Reject):
        await commit(rig.engine, slot, created(slot, "good"), created(slot, "a", b'{"a":"\xff"}'))
    assert await walk(rig.engine, Stream.EVENTS) == []
    assert await commit(rig.engine, slot, created(slot, "good")) == 1


# --- errors and plans ---------------------------------------------------------------------------------------

OURS = {
    *("01", "02", "03", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24", "25"),
    *("26", "27", "2B", "2D", "2F", "34", "38", "39", "3B", "3F", "42", "44", "54", "55", "HV", "P0"),
}
"""Classes of SQLSTATEs that say that a statement is wrong: bugs, unless the state is one that is mapped."""


def test_no_error_of_the_driver_is_unmapped() -> None:
    """Each class of psycopg is one of our errors, or says that a statement of ours is wrong."""
    states = psycopg.errors.__dict__.values()
    classes = {
        one for one in states if isinstance(one, type) and issubclass(one, psycopg.Error) and one.sqlstate
    }
    assert len(classes) > 200
    unmapped = {str(one.sqlstate) for one in classes if failure(one(), "here") is None}
    assert {state for state in unmapped if state[:2] not in OURS} == set()
    for one in (psycopg.OperationalError, *psycopg.OperationalError.__subclasses__()):
        if one.sqlstate is None:
            assert isinstance(failure(one("gone"), "here"), Retry), one


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.CharacterNotInRepertoire(), Reject),
        (psycopg.errors.AdminShutdown(), Retry),
        (psycopg.errors.UniqueViolation(), psycopg.errors.UniqueViolation),
        (Conflict(), Conflict),
    ],
)
def test_errors_of_rows_are_told_from_errors_of_the_server(
    error: Exception, expected: type[Exception]
) -> None:
    """A violated key of any other table than the state's is a bug and stays one."""
    with pytest.raises(expected) as raised, mapped_errors("here"):
        raise error
    assert isinstance(error, HeadwaterError) or raised.value is error or raised.value.__cause__ is error


async def test_lookups_touch_what_they_look_for_and_nothing_else(rig: PostgresRig) -> None:
    """On tables without statistics, a thousand records in the slot: ten keys cost ten rows or so."""
    slot, small = await rig.slot(), await rig.slot()
    await commit(rig.engine, slot, *(created(slot, f"id {n}") for n in range(1_000)))
    await commit(rig.engine, small, *(created(small, f"id {n}") for n in range(10)))
    ids = [f"id {n}" for n in range(10)]
    await rig.engine.close()
    before = await _touched(rig)
    engine = await rig.reopen()
    assert len(await engine.held(slot, ids)) == 10
    assert len(await engine.keys(small, "", 100)) == 10
    await commit(engine, slot, *(updated(slot, id, n + 1) for n, id in enumerate(ids)))
    renewals = [Renewal(slot.number, id, n + 1_011, b"renewed") for n, id in enumerate(ids)]
    await engine.commit(Commit(partition=slot.partition, renewals=renewals))
    assert (await engine.held(slot, ids))["id 9"].fingerprint == b"renewed"
    assert await engine.record(slot, "id 5") is not None
    assert len(await engine.history(slot, "id 5", 9)) == 2
    assert len(await engine.data(slot, range(500, 510))) == 10
    assert len((await engine.read(Stream.EVENTS, (500, 0, 0), slots={slot.number}, limit=10)).entries) == 10
    assert await engine.forget(slot, ids) == 10
    assert await engine.position_at(rig.clock.us + 1) == await engine.heads()
    await engine.close()
    after = await _touched(rig)
    assert after["sequential"] == before["sequential"]
    assert after["rows"] - before["rows"] < 200


async def _touched(rig: PostgresRig) -> dict[str, int]:
    """Return how often log and state were read from end to end, and how many rows were read by index."""
    statement = (
        "SELECT sum(seq_scan)::int, sum(idx_tup_fetch)::int FROM pg_stat_user_tables"
        " WHERE relname IN ('log', 'state')"
    )
    async with await AsyncConnection.connect(rig.database.url, autocommit=True) as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'headwater %% streams'"
        while True:  # a connection counts what it did when it ends
            row = await (await connection.execute(count)).fetchone()
            if row == (0,):
                break
            await asyncio.sleep(0.01)
        row = await (await connection.execute(statement)).fetchone()
    assert row is not None
    return {"sequential": row[0], "rows": row[1]}
