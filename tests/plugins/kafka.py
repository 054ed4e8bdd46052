"""A real Apache Kafka for tests: one broker in KRaft mode, its own controller. `make setup` fetches it.

One is shared by all workers of a run, since a JVM is heavy (each test names its topics by `own_name`), one is
a test's own, to be killed and started again. The shared one also listens with TLS and a password.

Where there is no Java or Maven, librdkafka's mock broker stands in for the shared one. It speaks the protocol
in the test's own process and keeps nothing: everyday tests run, nothing is proved, and CI refuses it.
"""

import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from tests.plugins.certificates import make_certificates
from tests.plugins.no_skips import in_ci
from tests.plugins.servers import NotReadyError, Server, mark_users, steady_port
from tests.plugins.shared import SharedServer, run_folder, shared

FIXTURES = {"kafka_server", "killable_kafka"}
JARS = Path(__file__).resolve().parents[2] / ".kafka"
MISSING = (
    "no Apache Kafka: it needs Java 17 and Maven, on Debian `apt-get install default-jre-headless maven`, "
    "and then `scripts/setup.sh`, which as root installs them itself"
)
JVM = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]
USER = "headwater"
CLUSTER = "HeadwaterTestsKafkaAAA"
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"
CONFIG = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=PLAIN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
log.dirs={data}

ssl.keystore.type=PEM
ssl.keystore.location={certificate}
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config={plain_login} required user_{user}="{password}";
listener.name.secure.scram-sha-256.sasl.jaas.config={scram_login} required;
listener.name.secure.scram-sha-512.sasl.jaas.config={scram_login} required;

# One broker, so one copy of everything; several partitions, so that order by key is a thing to get wrong.
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4

# Small, and quick to answer.
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=500
num.io.threads=2
num.network.threads=2
"""
# A killed broker may come back when the controller has missed it for so long.
QUICK_RETURN = """
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2500
"""

OneServer = TypeVar("OneServer", bound=Server)


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_users(items, FIXTURES)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say that there was no real one. It runs where the whole result is told, not in the workers."""
    if not have_kafka():
        terminalreporter.write_line(
            f"Kafka's tests had a stand-in, which proves nothing about Kafka: {MISSING}"
        )


@dataclass(frozen=True, kw_only=True)
class Kafka:
    """Where a Kafka is reached."""

    url: str
    """Bootstrap address: without TLS, without a password."""
    secure_url: str = ""
    """Bootstrap address where both are wanted (`SASL_SSL`; PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512)."""
    authority: str = ""
    """File of the certificate to trust there, PEM."""
    username: str = USER
    password: str = ""

    @property
    def real(self) -> bool:
        """It is an Apache Kafka, not the stand-in, which has no secure listener."""
        return self.secure_url != ""


def have_kafka() -> bool:
    return JARS.is_dir() and shutil.which("java") is not None


def java(*arguments: str | Path) -> list[str | Path]:
    return [shutil.which("java") or "java", *JVM, "-cp", f"{JARS}/*", *arguments]


def lists_its_broker(url: str) -> None:
    """A broker is listed when its controller has let it in."""
    host, _, port = url.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        if not AdminClient({"bootstrap.servers": url, "log_level": 0}).list_topics(timeout=2).brokers:
            raise NotReadyError
    except (OSError, KafkaException) as error:
        raise NotReadyError from error


def kafka_in(folder: Path, kind: type[OneServer], more: str = "") -> tuple[OneServer, Kafka]:
    """A broker with its files in this folder, not started yet, and where it will be reached."""
    plain, secure, controller = steady_port(), steady_port(), steady_port()
    password, made, config = secrets.token_hex(8), make_certificates(folder), folder / "server.properties"
    filled = CONFIG.format(
        plain=plain,
        secure=secure,
        controller=controller,
        data=folder / "data",
        certificate=made.both,
        user=USER,
        password=password,
        plain_login=PLAIN_LOGIN,
        scram_login=SCRAM_LOGIN,
    )
    config.write_text(filled + more)
    scram = [f"--add-scram=SCRAM-SHA-{bits}=[name={USER},password={password}]" for bits in (256, 512)]
    log = folder / "log"
    with log.open("wb") as output:
        format_it = java(
            "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config", config, *scram
        )
        subprocess.run(format_it, check=True, stdout=output, stderr=output)
    about = Kafka(
        url=f"127.0.0.1:{plain}",
        secure_url=f"127.0.0.1:{secure}",
        authority=str(made.authority),
        password=password,
    )
    command = java("kafka.Kafka", config)
    return kind(name="Kafka", url=about.url, command=command, log=log, ready=lists_its_broker), about


@contextmanager
def stand_in() -> Iterator[Kafka]:
    """librdkafka's mock broker. It lives as long as the producer that holds it."""
    holder = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = holder.list_topics(timeout=10).brokers.values()
    yield Kafka(url=f"{broker.host}:{broker.port}")
    holder.close()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A running Kafka that others use too: name topics, groups and transactional ids by `own_name`."""
    if have_kafka():
        with shared(run_folder(tmp_path_factory) / "kafka", shareable) as about:
            yield Kafka(**about)
    elif in_ci():
        pytest.fail(f"under CI=true a stand-in is not enough: {MISSING}", pytrace=False)
    else:
        with stand_in() as kafka:
            yield kafka


def shareable(folder: Path) -> tuple[SharedServer, Mapping[str, str]]:
    server, about = kafka_in(folder, SharedServer)
    return server, asdict(about)


@pytest.fixture
def killable_kafka(tmp_path: Path) -> Iterator[Server]:
    """A running broker of the test's own. After a kill it takes some four seconds to come back."""
    if not have_kafka():
        pytest.skip(MISSING)  # the stand-in has nothing that would come back
    folder = tmp_path / "kafka"
    folder.mkdir()
    server, _ = kafka_in(folder, Server, QUICK_RETURN)
    with server.running():
        yield server
