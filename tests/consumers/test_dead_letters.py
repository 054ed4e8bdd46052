"""Looking at dead letters, calling them back, letting them go; each tenant's its own."""

from collections.abc import AsyncGenerator

import pytest
from tests.consumers.river import River, count, flowing, rows

from headwater.consumers import burial, outstanding
from headwater.consumers.burial import Dead
from headwater.consumers.dead_letters import DeadLetters, Grave
from headwater.consumers.outstanding import Outstanding
from headwater.model.position import Stream
from headwater.model.record import Slot
from headwater.store import schema
from headwater.store.database import Database

C = "c" * 36


@pytest.fixture
async def river(database: Database) -> AsyncGenerator[River]:
    """Return the streams of a fresh database."""
    async with flowing(database) as river:
        yield river


@pytest.fixture
def letters(river: River) -> DeadLetters:
    """Return the dead letters of the database."""
    return DeadLetters(river.database, river.revisions, river.streams)


def grave(stream: Stream = Stream.EVENTS, external_id: str | None = None, consumer_id: str = C) -> Grave:
    """Return whose dead letters are meant."""
    return Grave(consumer_id=consumer_id, stream=stream, external_id=external_id)


async def bury(river: River, slot: Slot, *ids: str, consumer_id: str = C, lost: bool = False) -> None:
    """Write these records and give them up."""
    places = await river.put(slot, *ids)
    entries = await river.engine.at(Stream.EVENTS, slot.partition, places)
    dead = [
        Dead(
            row=Outstanding(
                slot=slot.number, upstream_id=id, partition=slot.partition, position=at, deliveries=3
            ),
            code="target.item_refused",
            error="It does not fit.",
            payload=b"" if lost else outstanding.packed(entries[at]),
        )
        for id, at in zip(ids, places, strict=True)
    ]
    async with river.database.write() as connection:
        await burial.bury(connection, consumer_id, dead, 5)


async def test_they_are_listed_in_pages_with_reason_and_payload(river: River, letters: DeadLetters) -> None:
    """In the order in which they were given up, each as it was to be delivered."""
    slot = await river.slot()
    await bury(river, slot, "a", "b", "c")
    first = await letters.page(grave(), limit=2)
    rest = await letters.page(grave(), after=first[-1].id)
    assert [one.upstream_id for one in (*first, *rest)] == ["a", "b", "c"]
    [entry, *_] = await river.entries(Stream.EVENTS)
    assert first[0].json == (await river.streams.render(Stream.EVENTS, [entry]))[0]
    assert (first[0].code, first[0].error, first[0].deliveries) == (
        "target.item_refused", "It does not fit.", 3,
    )  # fmt: skip
    assert (first[0].owned.slot.sync_id, first[0].updated_idx) == (slot.sync_id, entry.position)
    assert await letters.count(grave()) == 3
    assert await letters.get(grave(), first[1].id) == first[1]
    assert await letters.get(grave(consumer_id="d" * 36), first[1].id) is None


async def test_one_whose_content_was_lost_is_listed_without(river: River, letters: DeadLetters) -> None:
    """Its place and its reason are still told."""
    slot = await river.slot()
    await bury(river, slot, "a", lost=True)
    await bury(river, slot, "b")
    lost, whole = await letters.page(grave())
    assert lost.json is None
    assert whole.json is not None


async def test_those_called_back_become_outstanding_one_of_each_record(
    river: River, letters: DeadLetters
) -> None:
    """P5: and none while anything of its record is out."""
    slot = await river.slot()
    await bury(river, slot, "a", "b")
    await bury(river, slot, "a")
    before = await river.revisions.now("consumers")
    assert await letters.redrive(grave(), None) == 3
    assert await river.revisions.now("consumers") == before + 1

    async def revive() -> int:
        async with river.database.write() as connection:
            assert await burial.called_back(connection, C)
            return await burial.revive(connection, C, 7, 100)

    assert await revive() == 2
    out = await rows(river.database, schema.outstanding, C)
    assert sorted((row.upstream_id, row.position, row.due_us) for row in out) == [("a", 1, 7), ("b", 2, 7)]
    assert await revive() == 0
    [left] = await letters.page(grave())
    assert (left.upstream_id, left.updated_idx, left.redrive) == ("a", 3, True)


async def test_some_are_called_back_and_some_let_go(river: River, letters: DeadLetters) -> None:
    """By their ids; what is another consumer's, or not there, counts for nothing."""
    slot = await river.slot()
    await bury(river, slot, "a", "b", "c")
    await bury(river, slot, "x", consumer_id="d" * 36)
    a, b, _ = await letters.page(grave())
    [other] = await letters.page(grave(consumer_id="d" * 36))
    assert await letters.redrive(grave(), [a.id, other.id, "nobody"]) == 1
    assert [one.redrive for one in await letters.page(grave())] == [True, False, False]
    assert await letters.discard(grave(), [b.id, b.id, other.id]) == 1
    assert await letters.discard(grave(), []) == 0
    assert await letters.discard(grave(), None) == 2
    assert await letters.page(grave()) == []
    assert await count(river.database, schema.dead_letters) == 1


async def test_p12_a_tenant_sees_and_moves_only_its_own(river: River, letters: DeadLetters) -> None:
    """Also where the records of a consumer's past have become another tenant's."""
    ours, theirs = await river.slot("us"), await river.slot("them")
    await bury(river, ours, "a")
    await bury(river, theirs, "b")
    assert [one.upstream_id for one in await letters.page(grave(external_id="us"))] == ["a"]
    assert await letters.count(grave(external_id="us")) == 1
    assert await letters.redrive(grave(external_id="us"), None) == 1
    assert await letters.discard(grave(external_id="nobody"), None) == 0
    assert await letters.count(grave()) == 2
