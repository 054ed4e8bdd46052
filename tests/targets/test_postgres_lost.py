"""A PostgreSQL target whose tables were dropped or changed by others after it had written to them."""

from collections.abc import AsyncIterator

import pytest
from tests.plugins.servers import Server
from tests.targets.postgres_rig import USER, PostgresRig, postgres_rig

from headwater.errors import Halt
from headwater.model.position import Stream
from headwater.targets.postgres import POSTGRES, setup
from headwater.targets.target import Mark
from headwater.testing.target_rig import SLOTS, Author, Writer, assert_holds, delivery, opened, transactional

pytestmark = pytest.mark.server

CONTACT, ODD = "synced.headwater_acme_contact", "synced.headwater_acme_odd__c"


@pytest.fixture
async def rig(target_postgres: Server) -> AsyncIterator[PostgresRig]:
    async with postgres_rig(target_postgres) as rig:
        assert isinstance(rig, PostgresRig)
        yield rig


@pytest.fixture
async def collections(target_postgres: Server) -> AsyncIterator[PostgresRig]:
    """A rig with a table for each collection."""
    async with postgres_rig(target_postgres, style="per_collection") as rig:
        assert isinstance(rig, PostgresRig)
        yield rig


def there(rig: PostgresRig, table: str) -> bool:
    return rig.query(f"SELECT to_regclass('{table}') IS NOT NULL AS there") == [{"there": True}]


async def refused(writer: Writer, author: Author, table: str) -> Halt:
    """Return why nothing more is written, now and whenever it is tried again."""
    errors: list[Halt] = []
    for number in range(2):
        with pytest.raises(Halt) as caught:
            await writer.write(author.created(f"refused {number}"))
        errors.append(caught.value)
    assert {error.error_code for error in errors} == {"target.table_missing"}
    assert table.partition(".")[2] in errors[0].message
    assert "headwater consumer reset" in (errors[0].fix or "")
    return errors[0]


@pytest.mark.parametrize("stream", list(Stream))
async def test_p7_a_table_that_was_dropped_is_not_made_anew_behind_a_position(
    rig: PostgresRig, stream: Stream
) -> None:
    """Neither by who is writing nor by who takes over; after a reset it is made and filled."""
    author, table = Author(stream), f"synced.headwater_{stream}"
    items = [author.created("1"), author.created("2")]
    async with opened(rig, delivery(stream)) as writer:
        await writer.deliver(*items)
        rig.run(f"DROP TABLE {table}")
        await refused(writer, author, table)
    async with opened(rig, delivery(stream, epoch=2)) as writer:
        assert writer.mark.position == (2,)
        await refused(writer, author, table)
        assert not there(rig, table)
    async with opened(rig, delivery(stream, epoch=3)) as writer:
        await writer.target.write(items, Mark(2, (2,)))
        assert await transactional(writer.target).position() == Mark(2, (2,))
    await assert_holds(rig, stream, items)
    rig.run(f"DROP TABLE {table}")
    async with opened(rig, delivery(stream, epoch=4)) as writer:
        with pytest.raises(Halt):
            await writer.target.write([author.created("3")], Mark(2, (3,)))


async def test_a_table_that_was_restored_is_written_to_again(rig: PostgresRig) -> None:
    """Without a reset."""
    author = Author(Stream.RECORDS)
    items = [author.created("1"), author.created("2")]
    async with opened(rig, delivery(Stream.RECORDS)) as writer:
        await writer.deliver(items[0])
        rig.run("ALTER TABLE synced.headwater_records RENAME TO away")
        await refused(writer, author, "synced.headwater_records")
        rig.run("ALTER TABLE synced.away RENAME TO headwater_records")
        await writer.deliver(items[1])
    await assert_holds(rig, Stream.RECORDS, items)


async def test_a_table_without_a_message_of_the_consumer_is_made_anew(rig: PostgresRig) -> None:
    """Nothing is missing: it had none there, or its position is gone as well."""
    author = Author(Stream.RECORDS)
    items = [author.created("1"), author.created("2")]
    async with opened(rig, delivery(Stream.RECORDS)) as writer:
        await writer.write()
    rig.run("DROP TABLE synced.headwater_records")
    async with opened(rig, delivery(Stream.RECORDS, epoch=2)) as writer:
        await writer.deliver(*items)
    rig.run("DROP TABLE synced.headwater_records, synced.headwater_positions")
    async with opened(rig, delivery(Stream.RECORDS, epoch=3)) as writer:
        assert await transactional(writer.target).position() is None
        await writer.deliver(*items)
    await assert_holds(rig, Stream.RECORDS, items)


async def test_tombstones_that_are_gone_are_told_too(target_postgres: Server) -> None:
    """Without them an older version could come back."""
    async with postgres_rig(target_postgres, deletes="hard") as rig:
        assert isinstance(rig, PostgresRig)
        author = Author(Stream.RECORDS)
        async with opened(rig, delivery(Stream.RECORDS)) as writer:
            await writer.deliver(author.created("1"), author.deleted("1"))
            rig.run("DROP TABLE synced.headwater_tombstones")
            await refused(writer, author, "synced.headwater_tombstones")


async def test_a_collections_table_is_made_once(collections: PostgresRig) -> None:
    """When its first record comes, however late; gone afterwards, it is missed, while others go on."""
    author = Author(Stream.RECORDS)
    items = [author.created("1"), author.created("2", owned=SLOTS[2]), author.created("3", owned=SLOTS[2])]
    async with opened(collections, delivery(Stream.RECORDS)) as writer:
        await writer.deliver(items[0])
        await writer.deliver(items[1])
        collections.run(f"DROP TABLE {CONTACT}")
        await refused(writer, author, CONTACT)
        assert not there(collections, CONTACT)
        await writer.deliver(items[2])
    async with opened(collections, delivery(Stream.RECORDS, epoch=2)) as writer:
        await refused(writer, author, CONTACT)
        await writer.target.write(items, Mark(2, (9,)))
    await assert_holds(collections, Stream.RECORDS, items)


async def test_a_person_who_makes_the_tables_is_told_of_the_reset(rig: PostgresRig) -> None:
    """Beside the statement that creates the table."""
    author = Author(Stream.RECORDS)
    rig.run(setup(rig.settings()), f"GRANT ALL ON ALL TABLES IN SCHEMA synced TO {USER}")
    settings = rig.settings(create_tables=False)
    async with opened(rig, delivery(Stream.RECORDS), settings) as writer:
        await writer.deliver(author.created("1"))
        rig.run("DROP TABLE synced.headwater_records")
        error = await refused(writer, author, "synced.headwater_records")
    assert (error.fix or "").startswith('Run: CREATE TABLE IF NOT EXISTS "synced"."headwater_records"')
    with pytest.raises(Halt) as caught:
        async with opened(rig, delivery(Stream.RECORDS, epoch=2), settings):
            pytest.fail("it must not begin")
    assert caught.value.error_code == "target.table_missing"


# --- what a check sees --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (f"ALTER TABLE {ODD} DROP COLUMN _hw_upstream_id", "lacks the column _hw_upstream_id"),
        (f"ALTER TABLE {ODD} ALTER COLUMN _hw_provider TYPE varchar(9)", "the type character varying(9)"),
        (f"ALTER TABLE {ODD} DROP CONSTRAINT headwater_acme_odd__c_pkey", "does not keep _hw_id unique"),
        (f"REVOKE UPDATE ON {ODD} FROM {USER}", "may not write"),
    ],
)
async def test_a_check_looks_at_the_tables_of_collections(
    collections: PostgresRig, break_it: str, said: str
) -> None:
    """Before a write runs into it; so does the write."""
    author = Author(Stream.RECORDS)
    async with opened(collections, delivery(Stream.RECORDS)) as writer:
        await writer.deliver(author.created("1"), author.created("2", owned=SLOTS[2]))
        collections.run(break_it)
        for of in (None, delivery(Stream.RECORDS)):
            target = POSTGRES.make(collections.settings(), of)
            try:
                with pytest.raises(Halt) as caught:
                    await target.check()
                assert said in caught.value.message
            finally:
                await target.close()
        await writer.deliver(author.created("3"))  # of another collection
        if "DROP CONSTRAINT" not in break_it and "varchar" not in break_it:
            with pytest.raises(Halt) as caught:
                await writer.write(author.created("4", owned=SLOTS[2]))
            assert said in caught.value.message
    target = POSTGRES.make(collections.settings(), delivery(Stream.EVENTS))
    await target.check()
    await target.close()


async def test_a_check_leaves_the_tables_of_others_alone(collections: PostgresRig) -> None:
    """A person's own with the same prefix, and those of a target with a longer one."""
    author, longer = Author(Stream.RECORDS), collections.settings(prefix="headwater_acme_")
    async with opened(collections, delivery(Stream.RECORDS), longer) as writer:
        await writer.deliver(author.created("1"))
    async with opened(collections, delivery(Stream.RECORDS)) as writer:
        await writer.deliver(author.created("1", owned=SLOTS[2]))
    collections.run(
        "ALTER TABLE synced.headwater_acme_acme_contact DROP COLUMN _hw_upstream_id",
        "CREATE TABLE synced.headwater_notes (note text NOT NULL)",
    )
    target = POSTGRES.make(collections.settings())
    await target.check()
    await target.close()
