"""What only a real Kafka broker shows: topics made or missing, limits, tombstones, rights, takeovers,
positions."""

import asyncio
import json
from collections.abc import Awaitable, Iterable

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic
from tests.targets.kafka_rig import LEAST, Broker, KafkaRig, kafka_rig

from headwater.errors import Halt, HeadwaterError, LeaseLost, Retry
from headwater.model.position import Stream
from headwater.targets.kafka import KAFKA, KafkaSettings
from headwater.targets.target import Item, Mark, Written
from headwater.testing.target_rig import Author, assert_holds, delivery, opened, transactional

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

MARK = Mark(1, (1,))


async def write(settings: KafkaSettings, stream: Stream, *items: Item) -> Written:
    """Write one batch with a target of its own."""
    target = KAFKA.make(settings, delivery(stream))
    try:
        return await target.write(items, MARK)
    finally:
        await target.close()


async def one_after_another(writes: Iterable[Awaitable[object]]) -> None:
    """Wait for each before the next begins."""
    for each in writes:
        await each


async def halted(settings: KafkaSettings) -> HeadwaterError:
    """Return the Halt of a write."""
    with pytest.raises(Halt) as caught:
        await write(settings, Stream.RECORDS, Author(Stream.RECORDS).created("a"))
    return caught.value


def make_topic(broker: Broker, name: str, **config: str) -> None:
    """Make a topic with one partition."""
    admin = broker.admin
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(20)


# --- topics -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_transactions", [False, True])
async def test_a_missing_topic_halts_and_says_how_to_make_it(
    target_kafka: Broker, with_transactions: bool
) -> None:
    """By its name; once it is there the consumer goes on."""
    async with kafka_rig(target_kafka, create_topics=False, transactional=with_transactions) as rig:
        if with_transactions:
            error = await halted(rig.settings())
            assert error.context == {"topic": f"{rig.name}.positions"}
            assert "cleanup.policy=compact" in (error.fix or "")
            await asyncio.to_thread(make_topic, target_kafka, f"{rig.name}.positions")
        error = await halted(rig.settings())
        assert error.error_code == "target.missing"
        assert f"--topic {rig.name}.records.contact" in (error.fix or "")
        await asyncio.to_thread(make_topic, target_kafka, f"{rig.name}.records.contact")
        item = Author(Stream.RECORDS).created("a")
        assert (await write(rig.settings(), Stream.RECORDS, item)).count == 1
        await assert_holds(rig, Stream.RECORDS, [item])


async def test_topics_are_made_as_the_settings_say(target_kafka: Broker) -> None:
    """Partitions and configuration; what cannot be made halts."""
    async with kafka_rig(target_kafka, partitions=5, topic_config={"cleanup.policy": "compact"}) as rig:
        await write(rig.settings(), Stream.RECORDS, Author(Stream.RECORDS).created("a"))
        name = f"{rig.name}.records.contact"
        topics = await asyncio.to_thread(lambda: target_kafka.admin.list_topics(name, timeout=20).topics)
        assert len(topics[name].partitions) == 5
        error = await halted(rig.settings(topic=f"{rig.name}.x", replication_factor=3))
        assert error.error_code == "target.settings_refused"
        error = await halted(rig.settings(topic=f"{rig.name}.x", topic_config={"cleanup.policy": "none"}))
        assert error.error_code == "target.settings_refused"


async def test_p5_messages_of_a_record_are_in_one_partition(target_kafka: Broker) -> None:
    """Whatever batches they came in, also through another process; and in their order."""
    async with kafka_rig(target_kafka) as rig:
        author = Author(Stream.EVENTS)
        items = [author.updated(f"{number % 10}") for number in range(100)]
        for begin in range(0, 100, 30):
            await write(rig.settings(), Stream.EVENTS, *items[begin : begin + 30])
        found: dict[bytes | None, list[tuple[int | None, int]]] = {}
        for message in await rig.messages("events"):
            version = json.loads(message.value() or b"")["updated_idx"]
            found.setdefault(message.key(), []).append((message.partition(), version))
        assert len(found) == 10
        for seen in found.values():
            assert len({partition for partition, _ in seen}) == 1
            assert [version for _, version in seen] == sorted(version for _, version in seen)


async def test_a_deleted_record_can_be_a_tombstone(target_kafka: Broker) -> None:
    """Without a value, with its headers."""
    async with kafka_rig(target_kafka, tombstones=True) as rig:
        author = Author(Stream.RECORDS)
        items = [author.created("a"), author.deleted("a")]
        await write(rig.settings(), Stream.RECORDS, *items)
        first, last = await rig.messages("records")
        assert (first.value(), last.value()) == (items[0].json, None)
        assert first.key() == last.key() == items[0].key.encode()
        headers = dict(last.headers() or [])
        assert headers["headwater-event"] == b"deleted"
        assert headers["headwater-updated-idx"] == b"2"


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_transactions", [False, True])
async def test_p5_what_is_too_large_for_its_topic_is_rejected_alone(
    target_kafka: Broker, with_transactions: bool
) -> None:
    """Though the settings allow it, and it was sent together with others: by itself it shows."""
    async with kafka_rig(target_kafka, transactional=with_transactions) as rig:
        name = f"{rig.name}.events.contact"
        await asyncio.to_thread(make_topic, target_kafka, name, **{"max.message.bytes": "4000"})
        author = Author(Stream.EVENTS)
        noise = "".join(chr(33 + number * 7919 % 90) for number in range(8_000)).replace("\\", "/")
        large = json.dumps(noise).encode()
        items = [author.created(f"{number}") for number in range(5)]
        items += [author.updated("1", large), author.updated("1"), author.created("b"), author.updated("2")]
        async with opened(rig, delivery(Stream.EVENTS), rig.settings(compression="none")) as writer:
            assert await writer.deliver(*items) == [items[5]]
            await writer.deliver(author.updated("3"))
        found = [json.loads(one)["updated_idx"] for one in await rig.read_back(Stream.EVENTS)]
        assert list(dict.fromkeys(found)) == [1, 2, 3, 4, 5, 7, 8, 9, 10]
        assert not with_transactions or len(found) == 9, "exactly once"


async def test_records_that_the_topic_finds_too_old_halt(target_kafka: Broker) -> None:
    """They carry the time of our clock, so one of the clocks is wrong."""
    async with kafka_rig(target_kafka) as rig:
        name = f"{rig.name}.records.contact"
        tight = {"message.timestamp.before.max.ms": "0"}
        await asyncio.to_thread(make_topic, target_kafka, name, **tight)
        author = Author(Stream.RECORDS)
        async with opened(rig, delivery(Stream.RECORDS)) as writer:
            # One that arrives in the millisecond of its making is taken.
            many = (writer.write(author.created(f"{number}")) for number in range(1_000))
            with pytest.raises(Halt) as caught:
                await one_after_another(many)
        assert caught.value.error_code == "target.clock"


# --- whom it lets in ----------------------------------------------------------------------------------------


async def test_tls_and_each_way_to_show_a_password(target_kafka: Broker) -> None:
    """The certificate is checked against the authority that the settings name."""
    async with kafka_rig(target_kafka) as rig:
        author = Author(Stream.RECORDS)
        items = [author.created(name) for name in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")]
        for item in items:
            settings = rig.secure(mechanism=item.entry.upstream_id)
            assert (await write(settings, Stream.RECORDS, item)).count == 1
        await assert_holds(rig, Stream.RECORDS, items)


async def test_p12_the_rights_that_the_docs_list_are_enough(target_kafka: Broker) -> None:
    """Without them it halts; with them it makes topics and writes in transactions."""
    async with kafka_rig(target_kafka, transactional=True) as rig:
        settings = rig.secure(username=LEAST, mechanism="PLAIN")
        assert (await halted(settings)).error_code in ("target.forbidden", "target.missing")
        topic, id = ResourceType.TOPIC, ResourceType.TRANSACTIONAL_ID
        await asyncio.to_thread(allow, target_kafka, rig, topic, f"{rig.name}.", AclOperation.WRITE)
        await asyncio.to_thread(allow, target_kafka, rig, topic, f"{rig.name}.", AclOperation.CREATE)
        await asyncio.to_thread(allow, target_kafka, rig, topic, f"{rig.name}.positions", AclOperation.READ)
        assert (await halted(settings)).error_code == "target.forbidden"
        await asyncio.to_thread(allow, target_kafka, rig, id, f"{rig.name}.", AclOperation.WRITE)
        await asyncio.to_thread(allow, target_kafka, rig, id, f"{rig.name}.", AclOperation.DESCRIBE)
        item = Author(Stream.RECORDS).created("a")
        assert (await write(settings, Stream.RECORDS, item)).count == 1
        await assert_holds(rig, Stream.RECORDS, [item])


def allow(broker: Broker, rig: KafkaRig, kind: ResourceType, name: str, operation: AclOperation) -> None:
    """Give the least user a right."""
    prefixed = ResourcePatternType.PREFIXED
    right = AclBinding(kind, name, prefixed, f"User:{LEAST}", "*", operation, AclPermissionType.ALLOW)
    admin = broker.admin
    for done in admin.create_acls([right]).values():
        done.result(20)


# --- transactions -------------------------------------------------------------------------------------------


async def test_p7_a_late_process_cannot_take_over_from_its_successor(target_kafka: Broker) -> None:
    """Not even before the successor has written anything; the successor goes on."""
    async with kafka_rig(target_kafka, transactional=True) as rig:
        author = Author(Stream.EVENTS)
        items = [author.created("a"), author.created("b")]
        late = KAFKA.make(rig.settings(), delivery(Stream.EVENTS, epoch=7))
        async with opened(rig, delivery(Stream.EVENTS, epoch=8)) as new:
            with pytest.raises(LeaseLost):
                await transactional(late).position()
            with pytest.raises(LeaseLost):
                await late.write([author.created("late")], MARK)
            await new.deliver(*items)
        await late.close()
        await assert_holds(rig, Stream.EVENTS, items)


async def test_p7_who_is_ended_under_its_own_lease_begins_again(target_kafka: Broker) -> None:
    """As by a process that took over for a moment before it saw that it was late: Retry, then all is there
    once."""
    async with kafka_rig(target_kafka, transactional=True) as rig:
        author = Author(Stream.EVENTS)
        items = [author.created("a"), author.created("b")]
        async with opened(rig, delivery(Stream.EVENTS)) as writer:
            await writer.deliver(items[0])
            again = KAFKA.make(rig.settings(), delivery(Stream.EVENTS))
            await transactional(again).position()
            with pytest.raises(Retry):
                await writer.write(items[1])
            await writer.deliver(items[1])
            await again.close()
        assert await rig.read_back(Stream.EVENTS) == [item.json for item in items]


async def test_p7_a_commit_whose_outcome_was_not_learnt_is_not_written_twice(target_kafka: Broker) -> None:
    """Cancelled at any moment and written again, with others behind it: each message is there once."""
    async with kafka_rig(target_kafka, transactional=True) as rig:
        author = Author(Stream.EVENTS)
        written: list[Item] = []
        async with opened(rig, delivery(Stream.EVENTS)) as writer:
            await writer.deliver(first := author.created("first"))
            written.append(first)
            for wait in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04):
                batch = [author.created(f"{wait} {number}") for number in range(20)]
                attempt = asyncio.create_task(writer.write(*batch))
                await asyncio.sleep(wait)
                attempt.cancel()
                await asyncio.gather(attempt, return_exceptions=True)
                await writer.target.close()  # as a consumer does that is paused
                writer.target = KAFKA.make(rig.settings(), writer.delivery)
                mark = await transactional(writer.target).position()
                assert mark is not None
                left = [item for item in batch if item.updated_idx > mark.position[0]]
                assert left in ([], batch), "all or nothing"
                await writer.deliver(*left)
                written += batch
        found = await rig.read_back(Stream.EVENTS)
        assert sorted(found) == sorted(item.json for item in written)


async def test_the_position_is_found_far_behind_the_end(target_kafka: Broker) -> None:
    """Where busier consumers have written since."""
    async with kafka_rig(target_kafka, transactional=True) as rig:
        async with opened(rig, delivery(Stream.EVENTS, consumer="quiet")) as quiet:
            await quiet.deliver(Author(Stream.EVENTS).created("a"))
        async with opened(rig, delivery(Stream.EVENTS, consumer="busy")) as busy:
            for number in range(600):  # each is a message and the mark of its commit
                await busy.target.write([], Mark(1, (number,)))
        async with opened(rig, delivery(Stream.EVENTS, consumer="quiet", epoch=2)) as again:
            assert again.mark == quiet.mark
