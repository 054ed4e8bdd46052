"""A real Kafka for tests of the target: one broker that can be killed, and a controller of its own that
goes on.

With a controller inside, as everyday tests have it, a broker that comes back believes for a moment that it
never was away. If it was killed just after a commit, it then forgets to mark the transaction as committed
in topics that have no other replica (`Couldn't find leader endpoint … while trying to send transaction
markers`, 4.3.1), and they stay locked. A controller that has noticed the death rules that out, as in a real
cluster.
"""

import asyncio
import re
import secrets
import subprocess
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.plugins.kafka import CLUSTER, QUICK_RETURN, Kafka, java, kafka_in
from tests.plugins.servers import Server, steady_port

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.kafka import KAFKA, KafkaSettings
from headwater.targets.target import TargetSettings

NOTICED_SECONDS = 3.5
"""After so long the controller has missed a dead broker: its session is 2.5 seconds."""

LEAST = "least"
"""A user without rights, until a test gives it some. It has the other one's password."""

RIGHTS = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:headwater
"""


@dataclass
class Broker:
    """A broker that can be killed, and where it is reached."""

    server: Server
    about: Kafka
    killed_at: float | None = None

    @classmethod
    def reached_at(cls, about: Kafka) -> "Broker":
        """One that is shared with others, and not to be killed."""
        return cls(Server(name="Kafka", url=about.url, command=(), log=Path(), ready=str), about)

    def kill(self) -> None:
        """End it as the system does."""
        self.server.kill()
        self.killed_at = time.monotonic()

    def start(self) -> None:
        """Start it again, once its death has been noticed."""
        if self.killed_at is not None:
            time.sleep(max(0.0, self.killed_at + NOTICED_SECONDS - time.monotonic()))
            self.server.start()
            self.killed_at = None

    @property
    def admin(self) -> AdminClient:
        """Whoever may do everything."""
        return AdminClient({"bootstrap.servers": self.about.url, "log_level": 0})


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """A broker with its controller, their files in this folder."""
    server, about = kafka_in(folder, Server, QUICK_RETURN)
    whole = (folder / "server.properties").read_text() + RIGHTS
    whole = whole.replace(
        f'user_{about.username}="', f'user_{LEAST}="{about.password}" user_{about.username}="'
    )
    controller = folder / "controller.properties"
    controller.write_text(_with(whole, r"process.roles=.*", "process.roles=controller"))
    controller.write_text(_with(controller.read_text(), r"(listeners=).*,(CONTROLLER.*)", r"\1\2"))
    controller.write_text(_with(controller.read_text(), r"advertised.listeners=.*", ""))
    broker = folder / "server.properties"
    broker.write_text(_with(whole, r"process.roles=.*", "process.roles=broker"))
    broker.write_text(_with(broker.read_text(), r"node.id=.*", "node.id=2"))
    broker.write_text(_with(broker.read_text(), r"(\nlisteners=.*),CONTROLLER.*", r"\1"))
    broker.write_text(_with(broker.read_text(), r"log.dirs=.*", f"log.dirs={folder / 'broker'}"))
    format_it = java("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config", broker)
    subprocess.run(format_it, check=True, capture_output=True)
    with (folder / "controller.log").open("wb") as log:
        process = subprocess.Popen(java("kafka.Kafka", controller), stdout=log, stderr=log)
    try:
        with server.running():
            yield Broker(server, about)
    finally:
        process.kill()
        process.wait()


def _with(text: str, pattern: str, instead: str) -> str:
    changed, count = re.subn(pattern, instead, text)
    assert count, f"{pattern} is not in the configuration any more"
    return changed


@dataclass
class KafkaRig:
    """Topics of its own on a broker."""

    broker: Broker
    own: dict[str, Any] = field(default_factory=dict[str, Any])
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(6)}")
    kind = KAFKA
    faithful: bool = True
    deduplicates: bool = False
    compares: bool = False
    keeps_deleted: bool = True
    refused: bytes | None = b'"' + b"x" * 1_100_000 + b'"'
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
        wrong = Secret("wrong-password")
        return {
            "nobody listens": (self.settings(bootstrap_servers=f"127.0.0.1:{steady_port()}"), Retry),
            "password": (self.secure(password=wrong), Halt),
            "password, sent as it is": (self.secure(mechanism="PLAIN", password=wrong), Halt),
            "certificate not trusted": (self.secure(ca=None), Halt),
            "topic": (self.settings(topic=f"{self.name}.missing", create_topics=False), Halt),
        }

    def kept(self, value: bytes) -> bytes:
        return value

    async def read_back(self, stream: Stream) -> Sequence[bytes]:
        return [message.value() or b"" for message in await self.messages(stream.value)]

    async def messages(self, stream: str) -> list[Message]:
        """Everything committed in the topics of a stream, in the order of each partition."""
        return await asyncio.to_thread(read_topics, self.broker, f"{self.name}.{stream}.")

    async def stop(self) -> None:
        await asyncio.to_thread(self.broker.kill)

    async def start(self) -> None:
        await asyncio.to_thread(self.broker.start)

    async def release(self) -> None:
        """It holds nothing."""


@asynccontextmanager
async def kafka_rig(broker: Broker, **own: Any) -> AsyncGenerator[KafkaRig]:
    """A rig with other settings than the usual; the broker runs again in the end."""
    rig = KafkaRig(broker, own)
    try:
        yield rig
    finally:
        await rig.start()


def read_topics(broker: Broker, begin: str) -> list[Message]:
    """Everything committed in the topics whose names begin so, in the order of each partition."""
    topics = broker.admin.list_topics(timeout=20).topics
    places = [
        TopicPartition(name, number, 0)
        for name, topic in topics.items()
        if name.startswith(begin)
        for number in topic.partitions
    ]
    options = {"group.id": "reader", "isolation.level": "read_committed", "enable.partition.eof": True}
    reader = Consumer(
        {"bootstrap.servers": broker.about.url, "fetch.wait.max.ms": 10, "log_level": 0, **options}
    )
    found: list[Message] = []
    ended = set[tuple[str | None, int | None]]()
    try:
        time.sleep(0.5)  # a transaction that has ended is marked so in its partitions a moment later
        reader.assign(places)
        while len(ended) < len(places):
            message = reader.poll(60)
            assert message is not None, "no answer from the broker"
            error = message.error()
            if error is None:
                found.append(message)
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ended.add((message.topic(), message.partition()))
    finally:
        reader.close()
    return found
