import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from headwater.kit.clock import SystemClock
from headwater.store.database import Database
from headwater.store.probe import FRESH_SECONDS, WriteProbe
from headwater.testing.clock import ManualClock


@contextmanager
def no_room(path: Path) -> Iterator[None]:
    """Let no file of this process grow beyond what the database's write-ahead log has now."""
    log = path.with_name(path.name + "-wal")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


async def test_a_database_that_takes_writes_is_well(database: Database) -> None:
    """And is written to only every few seconds, however often somebody asks."""
    clock = ManualClock()
    probe = WriteProbe(database, clock)

    async def written() -> str:
        async with database.read() as connection:
            return str(await connection.scalar(text("SELECT value FROM meta WHERE name = 'probe'")))

    assert await probe.trouble() is None
    first = await written()
    await clock.sleep(FRESH_SECONDS / 2)
    assert await probe.trouble() is None
    assert await written() == first
    await clock.sleep(FRESH_SECONDS)
    assert await probe.trouble() is None
    assert await written() > first


async def test_a_disk_without_room_is_told_while_reads_go_on(tmp_path: Path) -> None:
    """And found to have some again at a later look."""
    database = await Database.open(f"sqlite:///{tmp_path}/headwater.db", clock=SystemClock())
    clock = ManualClock()
    probe = WriteProbe(database, clock)
    assert await probe.trouble() is None
    assert database.path is not None
    with no_room(database.path):
        assert await probe.trouble() is None, "an answer that is fresh"
        await clock.sleep(FRESH_SECONDS)
        trouble = await probe.trouble()
        async with database.read() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM meta"))
    assert trouble is not None
    assert str(database.path) in trouble
    await clock.sleep(FRESH_SECONDS)
    assert await probe.trouble() is None
    await database.close()
