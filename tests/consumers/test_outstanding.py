"""The rows of what is outstanding, on both databases."""

import pytest

from headwater.consumers import outstanding
from headwater.consumers.outstanding import Counts, Outstanding
from headwater.model.record import Entry, EventKind, Origin
from headwater.store.database import Database

ME, OTHER = "0190a5c8-6f5e-7d62-8f57-000000000001", "0190a5c8-6f5e-7d62-8f57-000000000002"


def row(upstream_id: str, position: int, slot: int = 7, **more: object) -> Outstanding:
    """Return a row of partition 0."""
    given = {"slot": slot, "upstream_id": upstream_id, "partition": 0, "position": position}
    return Outstanding(**(given | more))  # type: ignore[arg-type] - a shorthand of this test


FULL = Outstanding(
    slot=3,
    upstream_id='Ünï "quoted" \\ 🎈',
    partition=1,
    position=2**53 + 1,
    delivery="0123456789abcdef",
    deliveries=4,
    due_us=1_732_000_000_000_000,
    held=(2**53 + 2, 2**53 + 9),
    error="The target was busy.",
    payload=b"\x00\xff payload",
)


async def test_a_row_comes_back_as_it_was_put(database: Database) -> None:
    """Every field, by its record and by its message."""
    async with database.write() as connection:
        await outstanding.put(connection, ME, [FULL])
    async with database.read() as connection:
        assert await outstanding.find(connection, ME, [FULL.key]) == {FULL.key: FULL}
        assert await outstanding.at(connection, ME, [FULL.place]) == {FULL.place: FULL}
        assert await outstanding.due(connection, ME, FULL.due_us, 10) == [FULL]


async def test_putting_replaces_the_row_of_the_same_record(database: Database) -> None:
    """The record has one row: the later one."""
    async with database.write() as connection:
        await outstanding.put(connection, ME, [row("a", 1, payload=b"x", delivery="d"), row("b", 2)])
        await outstanding.put(connection, ME, [row("a", 5, held=(6,))])
        found = await outstanding.find(connection, ME, [(7, "a"), (7, "b"), (7, "never"), (8, "a"), (7, "a")])
    assert found == {(7, "a"): row("a", 5, held=(6,)), (7, "b"): row("b", 2)}


async def test_rows_are_of_one_consumer(database: Database) -> None:
    """Another one's are neither found, counted, nor removed."""
    async with database.write() as connection:
        await outstanding.put(connection, ME, [row("a", 1)])
        await outstanding.put(connection, OTHER, [row("a", 1), row("b", 2)])
        assert await outstanding.find(connection, ME, [(7, "b")]) == {}
        assert await outstanding.at(connection, ME, [(0, 2)]) == {}
        assert (await outstanding.counts(connection, ME)).rows == 1
        await outstanding.remove(connection, ME, [(7, "a"), (7, "b")])
        assert (await outstanding.counts(connection, OTHER)).rows == 2
        await outstanding.clear(connection, OTHER)
        assert await outstanding.counts(connection, OTHER) == Counts(0, 0, 0, None)


async def test_due_ones_come_longest_due_first(database: Database) -> None:
    """And none that is not due yet."""
    rows = [row("a", 3, due_us=30), row("b", 2, due_us=10), row("c", 1, due_us=20), row("d", 4, due_us=20)]
    async with database.write() as connection:
        await outstanding.put(connection, ME, rows)
        assert [one.position for one in await outstanding.due(connection, ME, 20, 10)] == [2, 1, 4]
        assert [one.position for one in await outstanding.due(connection, ME, 99, 2)] == [2, 1]
        assert await outstanding.due(connection, ME, 99, 0) == []


async def test_counts_tell_what_was_delivered_and_what_is_held(database: Database) -> None:
    """And when the first is due."""
    rows = [
        row("a", 1, due_us=9, deliveries=2, held=(5, 6)),
        row("b", 2, due_us=4),
        row("c", 3, due_us=8, held=(7,)),
    ]
    async with database.write() as connection:
        await outstanding.put(connection, ME, rows)
        assert await outstanding.counts(connection, ME) == Counts(3, 1, 3, 4)


async def test_nothing_asked_is_nothing_done(database: Database) -> None:
    """No statement is made for an empty list."""
    async with database.write() as connection:
        await outstanding.put(connection, ME, [])
        await outstanding.remove(connection, ME, [])
        assert await outstanding.find(connection, ME, []) == {}
        assert await outstanding.at(connection, ME, []) == {}


async def test_thousands_of_rows_at_once(database: Database) -> None:
    """No limit on parameters is met."""
    rows = [row(f"id {number}", number) for number in range(5_000)]
    async with database.write() as connection:
        await outstanding.put(connection, ME, rows)
        assert len(await outstanding.find(connection, ME, [one.key for one in rows])) == 5_000
        assert len(await outstanding.at(connection, ME, [one.place for one in rows])) == 5_000
        await outstanding.remove(connection, ME, [one.key for one in rows[:4_999]])
        assert (await outstanding.counts(connection, ME)).rows == 1


@pytest.mark.parametrize("previous", [None, b'{"a":1}'])
def test_a_payload_is_the_whole_entry(previous: bytes | None) -> None:
    """What is packed comes back equal."""
    entry = Entry(3, 9, 7, "ü", EventKind.UPDATED, Origin.FEED, 1, None, 2, None, b'{"a":2}', previous, 4)
    assert outstanding.unpacked(outstanding.packed(entry)) == entry
