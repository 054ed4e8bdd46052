"""The Kafka target passes the suite of all targets, with and without transactions, on a broker that is
killed."""

import asyncio
import time
from functools import partial

import pytest
from confluent_kafka import Producer
from tests.plugins.kafka import Kafka
from tests.targets.kafka_rig import Broker, KafkaRig, kafka_rig

from headwater.model.position import Stream
from headwater.testing.target_rig import Author, Make, assert_holds, delivery, opened
from headwater.testing.target_suite import TargetSuite, TransactionalTargetSuite

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


class TestKafkaTarget(TargetSuite):
    @pytest.fixture
    def make(self, target_kafka: Broker) -> Make:
        return partial(kafka_rig, target_kafka)


class TestTransactionalKafkaTarget(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, target_kafka: Broker) -> Make:
        return partial(kafka_rig, target_kafka, transactional=True)


@pytest.mark.parametrize("stream", Stream)
async def test_messages_arrive(kafka_server: Kafka, own_name: str, stream: Stream) -> None:
    """Also on the stand-in, where there is no Kafka."""
    rig = KafkaRig(Broker.reached_at(kafka_server), {"create_topics": False}, own_name)
    await asyncio.to_thread(await_topic, kafka_server, f"{own_name}.{stream.value}.contact")
    author = Author(stream)
    items = [author.updated(f"{number % 7}") for number in range(50)]
    async with opened(rig, delivery(stream)) as writer:
        await writer.deliver(*items)
    await assert_holds(rig, stream, items)


def await_topic(kafka: Kafka, topic: str) -> None:
    """Have a topic made by asking for it: the stand-in knows no other way."""
    asker = Producer({"bootstrap.servers": kafka.url, "allow.auto.create.topics": True, "log_level": 0})
    for _ in range(200):
        if asker.list_topics(topic, timeout=20).topics[topic].error is None:
            return
        time.sleep(0.05)
    raise AssertionError("the topic was not made")
