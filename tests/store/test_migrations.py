import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, select, text
from tests.store.conftest import BOTH

from headwater.errors import Halt
from headwater.kit.clock import SystemClock
from headwater.store import connections, schema, views
from headwater.store.database import Database
from headwater.store.location import Location
from headwater.store.migrations import ADVISORY_LOCK, FOLDER, migrate

CLOCK = SystemClock()

SQLITE_CATALOGUE = """
SELECT type, name, tbl_name, sql FROM sqlite_master
WHERE name NOT LIKE 'sqlite_%' AND name != 'alembic_version' ORDER BY type, name
"""

POSTGRESQL_CATALOGUE = (
    """
    SELECT c.relname, c.relkind, c.reloptions::text, obj_description(c.oid), a.attnum, a.attname,
           format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), l.collname
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
      AND c.relname != 'alembic_version'
    ORDER BY c.relname, a.attnum
    """,
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid != 'alembic_version'::regclass ORDER BY 1, 2
    """,
    """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename != 'alembic_version' ORDER BY 1
    """,
    "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
)


def catalogue(connection: Connection) -> list[Any]:
    """Return everything that makes up the schema, as the database itself has it."""
    if connection.dialect.name == "sqlite":
        return [(row.type, row.name, clauses(row.sql)) for row in connection.execute(text(SQLITE_CATALOGUE))]
    return [[tuple(row) for row in connection.execute(text(query))] for query in POSTGRESQL_CATALOGUE]


def clauses(statement: str) -> list[str]:
    """Return the parts of a CREATE: its columns in their order, then the constraints, whose order means
    nothing.

    A column that was added later stands behind them.
    """
    head, _, inside = statement.partition("(")
    parts, depth = [""], 0
    for character in inside:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    parts = [" ".join(part.split()).removesuffix(" )") for part in parts]
    constraints = sorted(part for part in parts if part.startswith("CONSTRAINT"))
    return [head, *(part for part in parts if part not in constraints), *constraints]


def drop_all(connection: Connection) -> None:
    """Leave nothing but Alembic's own table."""
    views.drop(connection)
    metadata = schema.sqlite_metadata if connection.dialect.name == "sqlite" else schema.metadata
    metadata.drop_all(connection)


def create_all(connection: Connection) -> None:
    """Make the schema as it is declared."""
    metadata = schema.sqlite_metadata if connection.dialect.name == "sqlite" else schema.metadata
    metadata.create_all(connection)
    views.create(connection)


async def test_all_migrations_give_the_declared_schema(database: Database) -> None:
    """Tables, columns, defaults, constraints, indexes, comments and views are the same."""
    async with database.write() as connection:
        migrated = await connection.run_sync(catalogue)
        await connection.run_sync(drop_all)
        await connection.run_sync(create_all)
        declared = await connection.run_sync(catalogue)
    assert declared == migrated
    assert len(str(migrated)) > 5_000, "the catalogue was read"


async def test_sqlite_has_its_own_log_and_state(tmp_path: Path) -> None:
    """Rows of the log lie by position; the state has no rowid at all."""
    database = await Database.open(f"sqlite:///{tmp_path}/a.db", clock=CLOCK)
    async with database.read() as connection:
        log = (await connection.execute(text("PRAGMA table_info(log)"))).all()
        state = (await connection.execute(text("PRAGMA table_info(state)"))).all()
        with_rowid = dict((await connection.execute(text("SELECT name, wr FROM pragma_table_list"))).all())
        plan = (
            await connection.execute(text("EXPLAIN QUERY PLAN SELECT data FROM log WHERE position > 5"))
        ).all()
    assert (log[0].name, log[0].type, log[0].pk) == ("position", "INTEGER", 1)
    names = ["slot", "upstream_id", "position", "fingerprint", "version", "asked_us", "deleted"]
    assert [column.name for column in state] == names
    assert with_rowid["state"] == 1, "WITHOUT ROWID"
    assert with_rowid["log"] == 0
    assert "INTEGER PRIMARY KEY" in plan[0].detail
    await database.close()


async def test_ids_sort_by_code_point(database: Database) -> None:
    """Whatever the server's locale: sweeps go through them in this order."""
    ids = ["Z", "a", "ä", "é", "\U0001f600", "\ufffd", "_", "B", "10", "9"]
    table = schema.sqlite_state if database.dialect == "sqlite" else schema.state
    row: dict[str, object] = {"slot": 1, "position": 1, "fingerprint": b"", "asked_us": 0, "deleted": False}
    if database.dialect == "postgresql":
        row["partition"] = 0
    async with database.write() as connection:
        await connection.execute(insert(table), [row | {"upstream_id": id} for id in ids])
    async with database.read() as connection:
        found = (await connection.scalars(select(table.c.upstream_id).order_by(table.c.upstream_id))).all()
    assert list(found) == sorted(ids)


async def test_slots_are_never_used_again(database: Database) -> None:
    """Rows of the log may outlive the slot that they name."""
    async with database.write() as connection:
        for name in ("a", "b"):
            values = {"partition": 0, "sync_id": "s", "collection_id": name}
            await connection.execute(insert(schema.slots).values(values))
        last = await connection.scalar(text("SELECT max(slot) FROM slots"))
        await connection.execute(text("DELETE FROM slots"))
        await connection.execute(insert(schema.slots).values(partition=0, sync_id="s", collection_id="c"))
        assert await connection.scalar(text("SELECT max(slot) FROM slots")) > last


async def test_a_file_of_the_first_schema_is_brought_up_to_date(url: str) -> None:
    """What was in it stays: partitions are not founded twice, the installation keeps its id."""
    location = Location.parse(url)
    if location.path:
        location.path.parent.mkdir()
    await asyncio.to_thread(migrate, location, revision="0001", partitions=3)
    engine = connections.migrating(location)
    with engine.begin() as connection:
        before = {row.name: row.value for row in connection.execute(schema.meta.select())}
        connection.execute(insert(schema.slots).values(partition=0, sync_id="s", collection_id="acme:deal"))
    engine.dispose()

    database = await Database.open(url, clock=CLOCK)
    async with database.read() as connection:
        after = {row.name: row.value for row in await connection.execute(schema.meta.select())}
        slots = (await connection.execute(schema.slots.select())).all()
        migrated = await connection.run_sync(catalogue)
    assert after == before
    assert database.partitions == 3
    assert [slot.collection_id for slot in slots] == ["acme:deal"]
    assert migrated
    await database.close()


async def test_every_migration_is_found_in_one_line() -> None:
    """One after the other, no branches; so the newest is unambiguous."""
    from alembic.script import ScriptDirectory

    known = ScriptDirectory(str(FOLDER))
    assert len(known.get_heads()) == 1
    assert [script.down_revision for script in known.walk_revisions()][-1] is None


async def test_processes_that_start_at_once(url: str) -> None:
    """One founds the installation, the others find it."""
    databases = await asyncio.gather(*(Database.open(url, clock=CLOCK) for _ in range(4)))
    facts = set()
    for database in databases:
        async with database.read() as connection:
            facts.add(await connection.scalar(text("SELECT value FROM meta WHERE name = 'installation_id'")))
        await database.close()
    assert len(facts) == 1


async def test_on_postgresql_the_second_waits_for_the_first(postgres_database: str) -> None:
    """The lock is the server's, so it holds between machines too."""
    other = create_engine(Location.parse(postgres_database).engine_url)
    with other.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        opening = asyncio.create_task(Database.open(postgres_database, clock=CLOCK))
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'")
        with other.connect().execution_options(isolation_level="AUTOCOMMIT") as watching:
            while not watching.scalar(waiting):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
        assert not opening.done()
    database = await opening
    await database.close()
    other.dispose()


async def test_a_database_of_a_newer_release_is_refused(database: Database, url: str) -> None:
    """Rather than written to in a way that it does not expect."""
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Halt) as caught:
        await Database.open(url, clock=CLOCK)
    assert caught.value.error_code == "database.newer"
    assert caught.value.fix


async def test_somebody_elses_database_is_left_alone(url: str) -> None:
    """It has tables, but not ours: nothing is added to it."""
    location = Location.parse(url)
    if location.path:
        location.path.parent.mkdir()
    engine = connections.migrating(location)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (n int)"))
    with pytest.raises(Halt) as caught:
        await Database.open(url, clock=CLOCK)
    assert caught.value.error_code == "database.foreign"
    with engine.connect() as connection:
        assert not connection.dialect.has_table(connection, "syncs")
    engine.dispose()


async def test_a_failed_migration_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is one transaction, on SQLite too; the next start begins again."""

    def fail(_connection: Connection) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(views, "create", fail)
        with pytest.raises(ZeroDivisionError):
            await Database.open(url, clock=CLOCK, exclusive=True)
    engine = connections.migrating(Location.parse(url))
    with engine.connect() as connection:
        assert not connection.dialect.has_table(connection, "log")
    engine.dispose()
    database = await Database.open(url, clock=CLOCK, exclusive=True)
    await database.close()


@pytest.mark.parametrize("url", BOTH[:1], indirect=True)
async def test_a_file_in_use_is_not_migrated(url: str, tmp_path: Path) -> None:
    """Another release that opens it beside a running one must not change its tables."""
    running = await Database.open(url, clock=CLOCK, exclusive=True)
    async with running.write() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))  # as if there were migrations to come
    with pytest.raises(Halt) as caught:
        await Database.open(url, clock=CLOCK)
    assert caught.value.error_code == "database.in_use"
    await running.close()
