import json

from sqlalchemy import insert, text, update

from headwater.store import schema
from headwater.store.database import Database

BEFORE_1970 = -1_500_000


async def fill(database: Database) -> None:
    """Write three versions of one record and one of another."""
    async with database.write() as connection:
        slot = {"partition": 0, "sync_id": "s1", "collection_id": "acme:deal"}
        await connection.execute(insert(schema.slots).values(slot))
        number = await connection.scalar(text("SELECT max(slot) FROM slots"))
        common = {"slot": number, "origin": 1, "inserted_us": 1_700_000_000_123_456, "created_us": None}
        common |= {"previous_data": None, "mutation_id": None, "replaces": None}
        versions = [
            {
                "position": 1,
                "event": 0,
                "upstream_id": "a",
                "updated_us": BEFORE_1970,
                "latest": False,
                "data": '{"n":1}',
            },
            {
                "position": 2,
                "event": 1,
                "upstream_id": "a",
                "updated_us": 5,
                "latest": False,
                "data": '{"n":2}',
            },
            {
                "position": 3,
                "event": 2,
                "upstream_id": "a",
                "updated_us": 6,
                "latest": True,
                "data": '{"n":2}',
            },
            {
                "position": 4,
                "event": 0,
                "upstream_id": "b",
                "updated_us": 7,
                "latest": True,
                "data": '{"n":1,"é":"ü"}',
            },
        ]
        rows = [common | version for version in versions]
        rows[1]["previous_data"] = '{"n":1}'
        if database.dialect == "sqlite":
            for row in rows:
                row["data"] = str(row["data"]).encode()
                row["previous_data"] = str(row["previous_data"]).encode() if row["previous_data"] else None
            await connection.execute(insert(schema.sqlite_log), rows)
        else:
            await connection.execute(insert(schema.log), [row | {"partition": 0} for row in rows])
        await connection.execute(
            update(schema.partitions).where(schema.partitions.c.partition == 0).values(trimmed=1)
        )


def decoded(value: object) -> object:
    """Return JSON that a driver may have decoded already."""
    return json.loads(value) if isinstance(value, str) else value


def iso(value: object) -> str:
    """Return a time as text, whichever of the two the driver gives."""
    return str(value).replace(" ", "T").replace("+00:00", "Z")


async def test_records_shows_the_latest_versions(database: Database) -> None:
    """With sync and collection by name, instants as times, deletes marked."""
    await fill(database)
    async with database.read() as connection:
        rows = (await connection.execute(text("SELECT * FROM records ORDER BY updated_idx"))).all()
    assert [(row.upstream_id, row.updated_idx, bool(row.deleted)) for row in rows] == [
        ("a", 3, True),
        ("b", 4, False),
    ]
    assert {(row.sync_id, row.collection_id) for row in rows} == {("s1", "acme:deal")}
    assert decoded(rows[1].data) == {"n": 1, "é": "ü"}
    assert iso(rows[0].inserted_at) == "2023-11-14T22:13:20.123456Z"
    assert rows[0].upstream_created_at is None


async def test_events_shows_what_is_above_the_trim_line(database: Database) -> None:
    """By the words of the API."""
    await fill(database)
    async with database.read() as connection:
        rows = (await connection.execute(text("SELECT * FROM events ORDER BY updated_idx"))).all()
    assert [(row.updated_idx, row.event, row.origin) for row in rows] == [
        (2, "updated", "since"),
        (3, "deleted", "since"),
        (4, "created", "since"),
    ]
    assert decoded(rows[0].previous_data) == {"n": 1}
    assert rows[1].previous_data is None


async def test_times_before_1970_are_right_too(database: Database) -> None:
    """Rounded down, not towards 1970."""
    await fill(database)
    async with database.write() as connection:
        await connection.execute(text("UPDATE partitions SET trimmed = 0"))
        shown = await connection.scalar(text("SELECT upstream_updated_at FROM events WHERE updated_idx = 1"))
    assert iso(shown) == "1969-12-31T23:59:58.500000Z"


async def test_what_jsonb_refuses_is_cast_only_where_it_is_selected(database: Database) -> None:
    """Other columns of such a row can be read, and its text."""
    await fill(database)
    table = schema.sqlite_log if database.dialect == "sqlite" else schema.log
    hard = '{"n":"\\u0000"}'
    stored = hard.encode() if database.dialect == "sqlite" else hard
    async with database.write() as connection:
        await connection.execute(update(table).where(table.c.position == 4).values(data=stored))
    column = "data" if database.dialect == "sqlite" else "raw_data"
    async with database.read() as connection:
        assert await connection.scalar(text(f"SELECT {column} FROM records WHERE upstream_id = 'b'")) == hard
        assert len((await connection.scalars(text("SELECT upstream_id FROM records"))).all()) == 2
