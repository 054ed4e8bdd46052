"""The Kafka target against a real broker: the suite, with and without transactions, and Kafka's own ways."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.plugins.kafka import MISSING, QUICK_RETURN, Kafka, have_kafka, kafka_in
from tests.plugins.servers import Server, steady_port

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.kafka import KAFKA, KafkaSettings
from headwater.targets.target import TargetSettings
from headwater.testing.target_rig import Make, Rig
from headwater.testing.target_suite import TargetSuite, TransactionalTargetSuite

pytestmark = pytest.mark.server

TOO_LARGE = b'"' + b"x" * 1_100_000 + b'"'


@dataclass
class Broker:
    """A broker that can be killed, and where it is reached."""

    server: Server
    about: Kafka
    running: bool = True

    def kill(self) -> None:
        self.server.kill()
        self.running = False

    def start(self) -> None:
        if not self.running:
            self.server.start()
            self.running = True


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One for all tests here: each names its topics anew, and a killed one comes back with what it had."""
    if not have_kafka():
        pytest.skip(MISSING)
    server, about = kafka_in(tmp_path_factory.mktemp("kafka"), Server, QUICK_RETURN)
    with server.running():
        yield Broker(server, about)


@dataclass
class KafkaRig:
    broker: Broker
    own: dict[str, Any]
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(6)}")
    kind = KAFKA
    faithful: bool = True
    deduplicates: bool = False
    compares: bool = False
    keeps_deleted: bool = True
    refused: bytes | None = TOO_LARGE
    held: bytes | None = None

    @property
    def secrets(self) -> Sequence[str]:
        return (self.broker.about.password, "wrong-password")

    def settings(self, **other: Any) -> KafkaSettings:
        return KafkaSettings(
            **{
                "bootstrap_servers": self.broker.about.url,
                "topic": self.name + ".{stream}.{collection}",
                "positions_topic": f"{self.name}.positions",
                "transactional_id_prefix": f"{self.name}.",
                "create_topics": True,
                "partitions": 3,
                "timeout_ms": 5_000,
                **self.own,
                **other,
            }
        )

    def secure(self, **other: Any) -> KafkaSettings:
        """Settings with TLS and a password."""
        about = self.broker.about
        return self.settings(
            **{
                "bootstrap_servers": about.secure_url,
                "tls": True,
                "ca": Path(about.authority).read_text(),
                "username": about.username,
                "password": Secret(about.password),
                **other,
            }
        )

    def wrong(self) -> Mapping[str, tuple[TargetSettings, type[HeadwaterError]]]:
        return {
            "nobody listens": (self.settings(bootstrap_servers=f"127.0.0.1:{steady_port()}"), Retry),
            "password": (self.secure(password=Secret("wrong-password")), Halt),
            "password, sent as it is": (
                self.secure(mechanism="PLAIN", password=Secret("wrong-password")),
                Halt,
            ),
            "certificate not trusted": (self.secure(ca=None), Halt),
            "topic": (self.settings(topic=f"{self.name}.missing", create_topics=False), Halt),
        }

    def kept(self, value: bytes) -> bytes:
        return value

    async def read_back(self, stream: Stream) -> Sequence[bytes]:
        found = await asyncio.to_thread(read_topics, self.broker.about.url, f"{self.name}.{stream.value}.")
        return [message.value() or b"" for message in found]

    async def stop(self) -> None:
        await asyncio.to_thread(self.broker.kill)

    async def start(self) -> None:
        await asyncio.to_thread(self.broker.start)

    async def release(self) -> None:
        """It holds nothing."""


def read_topics(url: str, begin: str) -> list[Message]:
    """Everything committed in the topics whose names begin so, in the order of each partition."""
    topics = AdminClient({"bootstrap.servers": url, "log_level": 0}).list_topics(timeout=20).topics
    places = [
        TopicPartition(name, number, 0)
        for name, topic in topics.items()
        if name.startswith(begin)
        for number in topic.partitions
    ]
    reader = Consumer(
        {
            "bootstrap.servers": url,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "log_level": 0,
        }
    )
    found: list[Message] = []
    try:
        reader.assign(places)
        left = len(places)
        while left:
            message = reader.poll(20)
            assert message is not None, "no answer from the broker"
            error = message.error()
            if error is None:
                found.append(message)
            else:
                assert error.code() == KafkaError._PARTITION_EOF
                left -= 1
    finally:
        reader.close()
    return found


@pytest.fixture
def rig(broker: Broker) -> Iterator[Callable[..., KafkaRig]]:
    """Make a rig with other settings than the usual; the broker runs again in the end."""
    yield lambda **own: KafkaRig(broker, own)
    broker.start()


def making(rig: Callable[..., KafkaRig], **own: Any) -> Make:
    @asynccontextmanager
    async def make() -> AsyncGenerator[Rig]:
        made = rig(**own)
        try:
            yield made
        finally:
            await made.start()

    return make


@pytest.mark.timeout(300)
class TestKafkaTarget(TargetSuite):
    @pytest.fixture
    def make(self, rig: Callable[..., KafkaRig]) -> Make:
        return making(rig)


@pytest.mark.timeout(300)
class TestTransactionalKafkaTarget(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, rig: Callable[..., KafkaRig]) -> Make:
        return making(rig, transactional=True)
