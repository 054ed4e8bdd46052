"""Managed consumers on a real database: what goes on, trouble, exceptions, users' changes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from tests.consumers.mill import Mill, milling
from tests.consumers.river import rows, until

from headwater.consumers.dead_letters import DeadLetters, Grave
from headwater.model.consumer import Selection
from headwater.model.position import Stream
from headwater.store import schema
from headwater.store.database import Database
from headwater.targets.target import Delivery, Target
from headwater.testing.fake_target import FakeServer

KINDS = ("fake", "exact")


@pytest.fixture
async def mill(database: Database) -> AsyncGenerator[Mill]:
    """Return a mill with nothing in its river."""
    async with milling(database) as mill:
        yield mill


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", Stream)
async def test_what_is_there_and_what_comes_is_forwarded(mill: Mill, kind: str, stream: Stream) -> None:
    """Of records the newest version, of events every one, in order; the position follows."""
    slot = await mill.river.slot()
    await mill.river.put(slot, "a", "b")
    async with mill.running():
        consumer = await mill.consumer(stream, kind=kind)
        await until(lambda: len(mill.delivered(stream)) == 2)
        await mill.river.put(slot, "a", n=2)
        await mill.river.drop(slot, "b")
        heads = await mill.river.engine.heads()
        newest = [("a", 3), ("b", 4)]
        events = [("a", 1), ("b", 2), *newest]
        await until(lambda: mill.delivered(stream) == (events if stream is Stream.EVENTS else newest))

        async def there() -> bool:
            return await mill.position(consumer) == heads

        await until(there)
    rendered = await mill.river.streams.render(stream, await mill.river.entries(stream))
    assert mill.server.read_back(stream) == rendered
    assert (await mill.health(consumer))["status"] == "ok"


async def test_a_long_stream_goes_in_batches_by_count_and_bytes(mill: Mill) -> None:
    """No batch is larger than asked for, but one message always goes."""
    slot = await mill.river.slot()
    await mill.river.put(slot, *(f"s{number}" for number in range(250)))
    await mill.river.put(slot, "big", text="x" * 5_000)
    await mill.river.put(slot, "after")
    await mill.consumer(batch={"max_messages": 40, "max_bytes": 4_000})
    async with mill.running():
        await until(lambda: len(mill.server.events) == 252)
    sizes = [len(batch) for batch in mill.server.writes]
    assert max(sizes) <= 40
    assert ("big",) in mill.server.writes
    one = len(mill.server.read_back(Stream.EVENTS)[0])
    assert all(size * one <= 4_000 + one for size in sizes)


async def test_a_lone_message_waits_for_company_if_asked_to(mill: Mill) -> None:
    """`max_wait_ms`: what comes within it goes in one batch."""
    slot = await mill.river.slot()
    await mill.consumer(batch={"max_wait_ms": 5_000, "max_messages": 3})
    async with mill.running():
        for id in "abc":
            await mill.river.put(slot, id)
        await until(lambda: len(mill.server.events) == 3)
    assert mill.server.writes == [("a", "b", "c")]


@pytest.mark.parametrize("kind", KINDS)
async def test_only_what_the_filters_want_goes_and_the_position_passes_the_rest(
    mill: Mill, kind: str
) -> None:
    """Also when nothing at all is wanted of a stretch."""
    wanted, other = await mill.river.slot(), await mill.river.slot()
    consumer = await mill.consumer(
        kind=kind, filters=Selection(sync_id=(wanted.sync_id,), event=("created",))
    )
    async with mill.running():
        await mill.river.put(other, "x")
        await mill.river.put(wanted, "a")
        await mill.river.put(wanted, "a")
        await mill.river.put(other, "y")
        heads = await mill.river.engine.heads()

        async def there() -> bool:
            return await mill.position(consumer) == heads

        await until(there)
    assert [id for id, _ in mill.delivered()] == ["a"]


async def test_p12_a_tenants_consumer_gets_only_its_own(mill: Mill) -> None:
    """Whatever its filters say."""
    ours, theirs = await mill.river.slot("us"), await mill.river.slot("them")
    await mill.river.put(theirs, "x")
    await mill.river.put(ours, "a")
    await mill.consumer(external_id="us", filters=Selection(sync_id=(ours.sync_id, theirs.sync_id)))
    async with mill.running():
        await until(lambda: [id for id, _ in mill.delivered()] == ["a"])
        await mill.river.put(theirs, "y")
        await mill.river.put(ours, "b")
        await until(lambda: [id for id, _ in mill.delivered()] == ["a", "b"])


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unreachable_target_is_waited_for_and_the_health_says_so(mill: Mill, kind: str) -> None:
    """P4: nothing is lost meanwhile; then all is well again, without a word left over."""
    slot = await mill.river.slot()
    mill.server.down = True
    target = await mill.target(kind)
    consumer = await mill.consumer(target=target)
    await mill.river.put(slot, "a", "b")
    async with mill.running():

        async def told() -> bool:
            return (await mill.health(consumer))["status"] == "warn"

        await until(told)
        [note] = (await mill.health(consumer))["notes"]
        assert note["code"] == "target.unreachable"
        assert note["about"] == "target"
        assert "tried again by itself at" in note["text"]
        assert (await mill.health(target, schema.targets))["status"] == "warn"
        assert mill.delivered() == []
        mill.server.down = False
        await mill.touch()
        await until(lambda: len(mill.delivered()) == 2)

        async def well() -> bool:
            both = [await mill.health(consumer), await mill.health(target, schema.targets)]
            return all(one["status"] == "ok" and not one["notes"] for one in both)

        await until(well)


async def test_a_halt_stands_until_a_person_has_acted(mill: Mill) -> None:
    """The fix is told; pressing `check` tries at once."""
    slot = await mill.river.slot()
    mill.server.halted = True
    target = await mill.target()
    consumer = await mill.consumer(target=target)
    await mill.river.put(slot, "a")
    async with mill.running():

        async def told() -> bool:
            return (await mill.health(consumer))["status"] == "error"

        await until(told)
        health = await mill.health(consumer)
        assert "Make room in it." in health["notes"][0]["text"]
        assert (await mill.health(target, schema.targets))["status"] == "error"
        tried = len(mill.server.writes)
        await mill.river.put(slot, "b")
        assert len(mill.server.writes) == tried
        mill.server.halted = False
        await mill.touch()
        await until(lambda: len(mill.delivered()) == 2)

        async def well() -> bool:
            return (await mill.health(consumer))["status"] == "ok"

        await until(well)


async def test_another_setting_of_the_target_is_taken_over(mill: Mill) -> None:
    """A target that was entered with a wrong address works as soon as it is corrected."""
    slot = await mill.river.slot()
    target = await mill.target(address="nowhere")
    consumer = await mill.consumer(target=target)
    await mill.river.put(slot, "a")
    async with mill.running():

        async def told() -> bool:
            return (await mill.health(consumer))["status"] == "warn"

        await until(told)
        async with mill.river.revisions.changing("consumers") as connection:
            await connection.execute(
                schema.targets.update().values(settings='{"address": "here"}', updated_us=1)
            )
        await until(lambda: len(mill.delivered()) == 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", Stream)
async def test_a_refused_message_goes_to_the_dead_letters_and_the_rest_goes_on(
    mill: Mill, kind: str, stream: Stream
) -> None:
    """With its reason and its entry; later messages of the same record go on as well."""
    slot = await mill.river.slot()
    mill.server.refuses.add("bad")
    consumer = await mill.consumer(stream, kind=kind)
    await mill.river.put(slot, "a", "bad", "b")
    async with mill.running():
        await until(lambda: len(mill.delivered(stream)) == 2)

        async def buried() -> bool:
            return len(await rows(mill.river.database, schema.dead_letters, consumer)) == 1

        await until(buried)
        mill.server.refuses.clear()
        await mill.river.put(slot, "bad", better=True)
        await until(lambda: ("bad", 4) in mill.delivered(stream))
    [letter] = await rows(mill.river.database, schema.dead_letters, consumer)
    assert (letter.upstream_id, letter.position, letter.code) == ("bad", 2, "target.item_refused")
    assert await rows(mill.river.database, schema.outstanding, consumer) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_dead_letter_is_delivered_once_more(mill: Mill, kind: str) -> None:
    """When it is called back, at once, and then it is none any more."""
    slot = await mill.river.slot()
    mill.server.refuses.add("bad")
    consumer = await mill.consumer(kind=kind)
    await mill.river.put(slot, "bad", "a")
    letters = DeadLetters(mill.river.database, mill.river.revisions, mill.river.streams)
    grave = Grave(consumer_id=consumer, stream=Stream.EVENTS, external_id=None)
    async with mill.running():
        await until(lambda: mill.delivered() == [("a", 2)])
        mill.server.refuses.clear()

        async def buried() -> bool:
            return await letters.count(grave) == 1

        await until(buried)
        await letters.redrive(grave, None)
        await until(lambda: mill.delivered() == [("a", 2), ("bad", 1)])

        async def nothing_out() -> bool:
            return not await rows(mill.river.database, schema.outstanding, consumer)

        await until(nothing_out)
    assert await letters.count(grave) == 0


async def test_p5_a_message_that_is_held_up_holds_back_its_record_alone(mill: Mill) -> None:
    """Later events of the record wait behind it, all others go on; then it goes in order."""
    slot = await mill.river.slot()
    mill.server.holds.add("slow")
    consumer = await mill.consumer()
    await mill.river.put(slot, "slow", "a")
    async with mill.running():
        await mill.river.put(slot, "slow", "b")
        await mill.river.put(slot, "slow")
        await mill.river.put(slot, "c")
        await until(lambda: [id for id, _ in mill.delivered()] == ["a", "b", "c"])

        async def told() -> bool:
            return [note["code"] for note in (await mill.health(consumer))["notes"]] == ["consumer.held_up"]

        await until(told)
        [row] = await rows(mill.river.database, schema.outstanding, consumer)
        assert (row.position, json.loads(row.held), row.error) == (
            1, [3, 5], "The fake does not store this object now.",
        )  # fmt: skip
        mill.server.holds.clear()
        await until(lambda: [at for id, at in mill.delivered() if id == "slow"] == [1, 3, 5])

        async def well() -> bool:
            return (await mill.health(consumer))["status"] == "ok"

        await until(well)
    assert await rows(mill.river.database, schema.outstanding, consumer) == []


async def test_p5_of_a_record_that_is_held_up_only_the_newest_version_is_delivered(mill: Mill) -> None:
    """The older one is never tried again once it was replaced."""
    slot = await mill.river.slot()
    mill.server.holds.add("slow")
    consumer = await mill.consumer(Stream.RECORDS)
    await mill.river.put(slot, "slow")
    async with mill.running():
        await until(lambda: len(mill.server.writes) > 0)
        await mill.river.put(slot, "slow", n=2)
        await mill.river.put(slot, "slow", n=3)

        async def behind() -> bool:
            found = await rows(mill.river.database, schema.outstanding, consumer)
            return [json.loads(row.held) for row in found] == [[3]]

        await until(behind)
        mill.server.holds.clear()
        await until(lambda: mill.delivered(Stream.RECORDS) == [("slow", 3)])

        async def settled() -> bool:
            return not await rows(mill.river.database, schema.outstanding, consumer)

        await until(settled)


async def test_a_message_is_given_up_after_max_deliver(mill: Mill) -> None:
    """Then what waited behind it has its turn."""
    slot = await mill.river.slot()
    mill.server.holds.add("slow")
    consumer = await mill.consumer(max_deliver=2)
    await mill.river.put(slot, "slow")
    await mill.river.put(slot, "slow")
    async with mill.running():

        async def buried() -> bool:
            found = await rows(mill.river.database, schema.dead_letters, consumer)
            return sorted((row.position, row.deliveries) for row in found) == [(1, 2), (2, 2)]

        await until(buried)
        await mill.river.put(slot, "a")
        await until(lambda: mill.delivered() == [("a", 3)])
    assert await rows(mill.river.database, schema.outstanding, consumer) == []


async def test_a_target_that_takes_a_part_gets_the_rest_after_it(mill: Mill) -> None:
    """`count` is what it has dealt with; nothing is written twice or left out."""
    slot = await mill.river.slot()
    mill.server.at_most = 3
    await mill.consumer()
    await mill.river.put(slot, *"abcdefgh")
    async with mill.running():
        await until(lambda: len(mill.delivered()) == 8)
    assert [len(batch) for batch in mill.server.writes] == [8, 5, 2]


@pytest.mark.parametrize("kind", KINDS)
async def test_p7_the_position_moves_only_after_the_target_has_stored(mill: Mill, kind: str) -> None:
    """While a write is under way the consumer stands before it."""
    slot = await mill.river.slot()
    consumer = await mill.consumer(kind=kind)
    async with mill.running():
        await mill.river.put(slot, "a")
        await until(lambda: len(mill.delivered()) == 1)

        async def moved() -> bool:
            return sum(await mill.position(consumer)) == 1

        await until(moved)
        mill.server.gate.clear()
        await mill.river.put(slot, "b")
        await until(lambda: len(mill.server.writes) == 2)
        await asyncio.sleep(0.5)
        assert sum(await mill.position(consumer)) == 1
        mill.server.gate.set()

        async def on() -> bool:
            return sum(await mill.position(consumer)) == 2

        await until(on)


async def test_a_slow_target_keeps_no_other_consumer_waiting(mill: Mill) -> None:
    """Nor those who write into the streams."""
    slow, slot = FakeServer(password=mill.server.password), await mill.river.slot()
    slow.gate.clear()
    mill.kinds["slow"] = slow.kind()
    await mill.consumer(kind="slow")
    await mill.consumer()
    async with mill.running():
        await mill.river.put(slot, *(f"i{number}" for number in range(300)))
        await until(lambda: len(mill.delivered()) == 300 and bool(slow.writes))
        assert slow.events == {}
        slow.gate.set()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reset_begins_anew(mill: Mill, kind: str) -> None:
    """What is there is forwarded once more; of a target that keeps our position as well."""
    slot = await mill.river.slot()
    consumer = await mill.consumer(kind=kind)
    await mill.river.put(slot, "a", "b")
    async with mill.running():
        await until(lambda: len(mill.delivered()) == 2)
        mill.server.events.clear()
        await mill.reset(consumer)
        await until(lambda: len(mill.delivered()) == 2)
        await mill.river.put(slot, "c")
        await until(lambda: [id for id, _ in mill.delivered()] == ["a", "b", "c"])


async def test_a_paused_consumer_writes_nothing_and_goes_on_where_it_was(mill: Mill) -> None:
    """Pausing lets a write under way end."""
    slot = await mill.river.slot()
    consumer = await mill.consumer()
    async with mill.running() as runner:
        await mill.river.put(slot, "a")
        await until(lambda: len(mill.delivered()) == 1)
        await mill.change(consumer, status="paused")
        await until(lambda: not runner.running)
        await mill.river.put(slot, "b")
        await mill.change(consumer, status="active")
        await until(lambda: len(mill.delivered()) == 2)
    assert mill.server.writes == [("a",), ("b",)]


@pytest.mark.parametrize("kind", KINDS)
async def test_p9_stopping_lets_a_write_under_way_end(mill: Mill, kind: str) -> None:
    """So the next start repeats nothing."""
    slot = await mill.river.slot()
    consumer = await mill.consumer(kind=kind)
    async with mill.running():
        await mill.river.put(slot, "a")
        await until(lambda: len(mill.delivered()) == 1)
        mill.server.gate.clear()
        await mill.river.put(slot, "b")
        await until(lambda: len(mill.server.writes) == 2)
        asyncio.get_running_loop().call_later(0.2, mill.server.gate.set)
    assert sum(await mill.position(consumer)) == 2
    await mill.river.put(slot, "c")
    async with mill.running():
        await until(lambda: len(mill.delivered()) == 3)
    assert mill.server.writes == [("a",), ("b",), ("c",)]


async def test_metrics_count_what_was_done(mill: Mill) -> None:
    """Messages, batches, retries, dead letters; and how late it is."""
    slot = await mill.river.slot()
    mill.server.refuses.add("bad")
    consumer = await mill.consumer()
    parts = mill.parts()
    await mill.river.put(slot, "a", "bad", "b")
    async with mill.running(parts) as runner:
        await until(lambda: len(mill.delivered()) == 2)
        await until(lambda: runner.lateness()[consumer].messages == 0)
        mill.server.gate.clear()
        await mill.river.put(slot, "c")
        await until(lambda: runner.lateness()[consumer].messages == 1)
        assert runner.lateness()[consumer].seconds > 0
        mill.server.gate.set()
        await until(lambda: runner.lateness()[consumer].messages == 0)
    text = parts.metrics.render().decode()
    assert f'headwater_consumer_messages_total{{consumer_id="{consumer}"}} 3.0' in text
    assert f'headwater_consumer_dead_letters_total{{consumer_id="{consumer}"}} 1.0' in text
    assert f'headwater_consumer_batch_seconds_count{{consumer_id="{consumer}"}} 2.0' in text


async def test_a_target_stays_open_while_it_is_tried_again(mill: Mill) -> None:
    """What it remembers of what it refused outlives the wait: only a person's change opens another."""
    opened: list[Target] = []
    real = mill.kinds["fake"]

    def open_it(settings: Any, delivery: Delivery | None) -> Target:
        opened.append(real.open(settings, delivery))
        return opened[-1]

    mill.kinds["fake"] = replace(real, open=open_it)
    slot = await mill.river.slot()
    await mill.consumer()
    async with mill.running():
        mill.server.down = True
        await mill.river.put(slot, "a")
        await until(lambda: len(mill.server.writes) >= 2)
        mill.server.down = False
        await until(lambda: len(mill.delivered()) == 1)
    assert len(opened) == 1
