import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from headwater.errors import Halt, Retry
from headwater.kit.clock import SystemClock
from headwater.store import schema
from headwater.store.database import Database

CLOCK = SystemClock()


async def test_it_opens_founds_and_closes_twice(url: str) -> None:
    """A new database has its partitions, its revisions and an id, and keeps them."""
    database = await Database.open(url, clock=CLOCK)
    async with database.read() as connection:
        facts = dict((await connection.execute(select(schema.meta))).all())
        numbers = (await connection.scalars(select(schema.partitions.c.partition))).all()
        revisions = (await connection.execute(select(schema.revisions))).all()
    assert database.partitions == {"sqlite": 1, "postgresql": 16}[database.dialect]
    assert sorted(numbers) == list(range(database.partitions))
    assert sorted(revisions) == [("keys", 0), ("providers", 0), ("syncs", 0)]
    await database.close()
    await database.close()

    again = await Database.open(url, clock=CLOCK, partitions=5)
    async with again.read() as connection:
        assert dict((await connection.execute(select(schema.meta))).all()) == facts
    assert again.partitions == database.partitions, "fixed when the database was made"
    await again.close()


async def test_the_number_of_partitions_can_be_chosen_at_first(url: str) -> None:
    """The setting counts when the database is made."""
    database = await Database.open(url, clock=CLOCK, partitions=4)
    assert database.partitions == 4
    await database.close()


async def test_write_commits_or_rolls_back(database: Database) -> None:
    """Leaving commits, an exception undoes."""
    async with database.write() as connection:
        await connection.execute(insert(schema.meta).values(name="kept", value="1"))

    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(insert(schema.meta).values(name="undone", value="1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.read() as connection:
        names = set((await connection.scalars(select(schema.meta.c.name))).all())
    assert "kept" in names
    assert "undone" not in names


async def test_read_writes_nothing(database: Database) -> None:
    """The database itself refuses."""
    with pytest.raises(Halt) as caught:
        async with database.read() as connection:
            await connection.execute(insert(schema.meta).values(name="a", value="b"))
    assert caught.value.error_code == "database.permission"


async def test_a_violated_constraint_stays_what_it_is(database: Database) -> None:
    """Callers decide with it."""
    async with database.write() as connection:
        await connection.execute(insert(schema.meta).values(name="a", value="b"))
    with pytest.raises(IntegrityError) as caught:
        async with database.write() as connection:
            await connection.execute(insert(schema.meta).values(name="a", value="payload-4711"))
    assert "payload-4711" not in str(caught.value)


async def test_a_read_sees_one_state_on_sqlite(tmp_path: Path) -> None:
    """What is committed meanwhile does not show inside a read that has begun."""
    database = await Database.open(f"sqlite:///{tmp_path}/a.db", clock=CLOCK)
    count = text("SELECT count(*) FROM meta")
    async with database.read() as reader:
        before = await reader.scalar(count)
        async with database.write() as writer:
            await writer.execute(insert(schema.meta).values(name="a", value="b"))
        assert await reader.scalar(count) == before
    await database.close()


async def test_writers_take_turns_on_sqlite(tmp_path: Path) -> None:
    """Two at once never meet a busy database."""
    database = await Database.open(f"sqlite:///{tmp_path}/a.db", clock=CLOCK)

    async def write(number: int) -> None:
        async with database.write() as connection:
            assert database.write_lock.locked()
            await connection.execute(insert(schema.meta).values(name=str(number), value=""))

    await asyncio.gather(*(write(number) for number in range(20)))
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM meta WHERE value = ''")) == 20
    await database.close()


async def test_sqlite_is_set_up_as_promised(tmp_path: Path) -> None:
    """WAL, full fsync, foreign keys, page size; and only this user may read the files."""
    path = tmp_path / "new folder" / "a.db"
    database = await Database.open(f"sqlite:///{path}", clock=CLOCK)
    async with database.write() as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys", "page_size", "busy_timeout")
        values = [await connection.scalar(text(f"PRAGMA {name}")) for name in asked]
    assert values == ["wal", 2, 1, 4096, 10_000]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    await database.close()


async def test_postgresql_is_set_up_as_promised(postgres_database: str) -> None:
    """A stopped process lets go within the lease."""
    database = await Database.open(postgres_database, clock=CLOCK)
    async with database.write() as connection:
        asked = ("statement_timeout", "idle_in_transaction_session_timeout", "timezone")
        values = [await connection.scalar(text(f"SHOW {name}")) for name in asked]
    assert values == ["10s", "10s", "UTC"]
    await database.close()


async def test_a_relative_path_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes: the current folder. And ~ is the home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for url, path in (
        ("sqlite:///a.db", tmp_path / "a.db"),
        ("sqlite:///~/b.db", tmp_path / "home" / "b.db"),
    ):
        database = await Database.open(url, clock=CLOCK)
        assert database.path == path
        assert path.is_file()
        await database.close()


HOLD = """
import asyncio, sys
from headwater.kit.clock import SystemClock
from headwater.store.database import Database

async def hold():
    database = await Database.open(sys.argv[1], clock=SystemClock(), exclusive=True)
    print("held", flush=True)
    sys.stdin.read()

asyncio.run(hold())
"""


async def test_a_second_process_on_one_file_is_refused(tmp_path: Path) -> None:
    """With a sentence that says what to do; and the lock dies with its holder."""
    url = f"sqlite:///{tmp_path}/a.db"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, url, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        with pytest.raises(Halt) as caught:
            await Database.open(url, clock=CLOCK, exclusive=True)
        assert caught.value.error_code == "database.in_use"
        assert str(holder.pid) in caught.value.message
        assert "PostgreSQL" in str(caught.value.fix)

        beside = await Database.open(url, clock=CLOCK)  # a command that looks something up may
        await beside.close()
    finally:
        holder.kill()
        await holder.wait()
    after = await Database.open(url, clock=CLOCK, exclusive=True)
    await after.close()
    once_more = await Database.open(url, clock=CLOCK, exclusive=True)
    await once_more.close()


async def test_a_failed_opening_leaves_no_lock(tmp_path: Path) -> None:
    """Whoever mends the file can open it, from the same process too."""
    path = tmp_path / "a.db"
    path.write_bytes(b"no database at all, but more than a hundred bytes long: " * 20)
    with pytest.raises(Halt) as caught:
        await Database.open(f"sqlite:///{path}", clock=CLOCK, exclusive=True)
    assert caught.value.error_code == "database.corrupt"
    path.unlink()
    database = await Database.open(f"sqlite:///{path}", clock=CLOCK, exclusive=True)
    await database.close()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(Halt) as caught:
        await Database.open(f"sqlite:///{tmp_path}/file/a.db", clock=CLOCK)
    assert caught.value.error_code == "database.permission"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"password": "wrong-4711"}, Halt, "database.refused"),
        ({"user": "nobody_here"}, Halt, "database.refused"),
        ({"dbname": "nowhere"}, Halt, "database.missing"),
        ({"port": 1}, Retry, "database.unreachable"),
        ({"host": "nowhere.invalid"}, Retry, "database.unreachable"),
    ],
)
async def test_postgresql_that_cannot_be_used(
    postgres_database: str, change: dict[str, str | int], error: type[Halt], code: str
) -> None:
    """Each reason has its code and its fix, and the password is nowhere (P8)."""
    parts = psycopg.conninfo.conninfo_to_dict(postgres_database) | change
    password = str(parts["password"])
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**parts)
    with pytest.raises(error) as caught:
        await Database.open(url, clock=CLOCK)
    assert caught.value.error_code == code
    assert caught.value.fix
    assert password not in "".join(map(str, (caught.value, caught.value.fix, caught.value.__cause__)))


async def test_the_password_is_not_shown(postgres_database: str) -> None:
    """Neither by repr nor by `shown` (P8); the driver gets it."""
    password = str(psycopg.conninfo.conninfo_to_dict(postgres_database)["password"])
    database = await Database.open(postgres_database, clock=CLOCK)
    assert password not in repr(database) + str(vars(database))
    assert password not in database.shown
    assert password in database.url
    await database.close()


async def test_a_lost_connection_is_retry_and_then_works_again(postgres_database: str) -> None:
    """The server ends our connections: the next call opens another."""
    database = await Database.open(postgres_database, clock=CLOCK)
    killing = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'headwater %'"
    )

    async def lose_it() -> None:
        async with database.read() as connection:
            with psycopg.connect(postgres_database) as other:
                other.execute(killing)
            await connection.execute(text("SELECT 1"))

    with pytest.raises(Retry):
        await lose_it()
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await database.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://host",
        "postgresql://u:secret-4711@host:port/x",
    ],
)
async def test_a_url_that_is_not_ours(url: str) -> None:
    """The fix shows both forms; a password in it is not repeated (P8)."""
    with pytest.raises(Halt) as caught:
        await Database.open(url, clock=CLOCK)
    assert caught.value.error_code == "database.url"
    assert "postgresql://" in str(caught.value.fix)
    assert "secret-4711" not in str(caught.value)
