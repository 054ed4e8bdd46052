"""A consumer that has fallen behind the retention: eight days, as far as the stream can tell."""

from collections.abc import AsyncGenerator

import pytest
from tests.consumers.mill import Mill, milling
from tests.consumers.river import rows, until

from headwater.consumers.plan import lease_name
from headwater.model.consumer import Selection
from headwater.model.position import Stream
from headwater.store import schema
from headwater.store.database import Database

LATER = 2**60
"""An instant after everything."""


@pytest.fixture
async def mill(database: Database) -> AsyncGenerator[Mill]:
    """Return a mill."""
    async with milling(database) as mill:
        yield mill


async def pass_out_of_retention(mill: Mill) -> None:
    """Let time take every event that is there."""
    while await mill.river.engine.trim(LATER, 1_000):
        pass


@pytest.mark.parametrize("kind", ["fake", "exact"])
async def test_p11_a_gap_stops_the_consumer_until_it_is_reset(mill: Mill, kind: str) -> None:
    """With the number of lost events in its health; what comes later is not delivered either."""
    slot = await mill.river.slot()
    consumer = await mill.consumer(kind=kind)
    await mill.river.put(slot, "a", "b", "c")
    await pass_out_of_retention(mill)
    await mill.river.put(slot, "d")
    async with mill.running():

        async def told() -> bool:
            return (await mill.health(consumer))["status"] == "error"

        await until(told)
        [note] = (await mill.health(consumer))["notes"]
        assert note["code"] == "consumer.gap"
        assert "up to 3 events" in note["text"]
        [standing] = await rows(mill.river.database, schema.standings, consumer)
        assert standing.lost == 3
        await mill.touch()
        assert mill.delivered() == []
        await mill.reset(consumer, await mill.river.engine.trimmed())
        await until(lambda: mill.delivered() == [("d", 4)])

        async def well() -> bool:
            return (await mill.health(consumer))["status"] == "ok"

        await until(well)
    [standing] = await rows(mill.river.database, schema.standings, consumer)
    assert standing.lost == 0


@pytest.mark.parametrize("kind", ["fake", "exact"])
async def test_p11_a_gap_is_skipped_where_that_was_chosen_and_told(mill: Mill, kind: str) -> None:
    """It goes on with what is left, and says how much it has missed, also after a restart."""
    slot = await mill.river.slot()
    consumer = await mill.consumer(kind=kind, on_gap="skip")
    await mill.river.put(slot, "a", "b", "c")
    await pass_out_of_retention(mill)
    await mill.river.put(slot, "d")
    for _ in range(2):
        async with mill.running():
            await until(lambda: mill.delivered() == [("d", 4)])

            async def told() -> bool:
                health = await mill.health(consumer)
                return health["status"] == "warn" and "Up to 3 events" in health["notes"][0]["text"]

            await until(told)


async def test_nothing_is_a_gap_that_nobody_wanted(mill: Mill) -> None:
    """P11: a target that keeps our position has an old one where its filters found nothing for long."""
    wanted, other = await mill.river.slot(), await mill.river.slot()
    consumer = await mill.consumer(kind="exact", filters=Selection(sync_id=(wanted.sync_id,)))
    async with mill.running():
        await mill.river.put(wanted, "a")
        await until(lambda: len(mill.delivered()) == 1)
        await mill.river.put(other, "x", "y")
        heads = await mill.river.engine.heads()

        async def there() -> bool:
            return await mill.position(consumer) == heads

        await until(there)
    await pass_out_of_retention(mill)
    async with mill.running():
        await mill.river.put(wanted, "b")
        await until(lambda: [id for id, _ in mill.delivered()] == ["a", "b"])
    assert (await mill.health(consumer))["status"] == "ok"


async def test_records_have_no_gap(mill: Mill) -> None:
    """However far behind: their latest versions are all there."""
    slot = await mill.river.slot()
    await mill.consumer(Stream.RECORDS)
    await mill.river.put(slot, "a", "b")
    await pass_out_of_retention(mill)
    async with mill.running():
        await until(lambda: mill.delivered(Stream.RECORDS) == [("a", 1), ("b", 2)])


async def test_a_target_that_is_ahead_of_the_streams_is_told(mill: Mill) -> None:
    """Our database was put back to a backup: going on would leave out what comes now."""
    slot = await mill.river.slot()
    consumer = await mill.consumer(kind="exact")
    await mill.river.put(slot, "a")
    async with mill.running():
        await until(lambda: len(mill.delivered()) == 1)
    mark = mill.server.standings[consumer].mark
    assert mark is not None
    mill.server.standings[consumer].mark = type(mark)(mark.generation, tuple(at + 10 for at in mark.position))
    async with mill.running():

        async def told() -> bool:
            return [note["code"] for note in (await mill.health(consumer))["notes"]] == ["consumer.ahead"]

        await until(told)
        await mill.reset(consumer)
        await mill.river.put(slot, "b")
        await until(lambda: [id for id, _ in mill.delivered()] == ["a", "b"])


async def test_an_event_that_retention_took_while_it_was_held_up_is_told(mill: Mill) -> None:
    """P11: it goes to the dead letters by its place; what is left of its record goes on."""
    slot = await mill.river.slot()
    mill.server.holds.add("slow")
    consumer = await mill.consumer()
    await mill.river.put(slot, "slow")
    async with mill.running():
        await until(lambda: len(mill.server.writes) > 0)

        async def out() -> bool:
            return bool(await rows(mill.river.database, schema.outstanding, consumer))

        await until(out)
        await pass_out_of_retention(mill)
        await mill.river.put(slot, "slow")
        mill.server.holds.clear()
        await until(lambda: mill.delivered() == [("slow", 2)])
        [letter] = await rows(mill.river.database, schema.dead_letters, consumer)
        assert (letter.code, letter.position, letter.payload) == ("consumer.gap", 1, b"")


async def test_a_lease_is_named_after_its_consumer() -> None:
    """As management and the runner agree."""
    assert lease_name("x") == "consumer:x"
