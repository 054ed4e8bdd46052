import re
import socket
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from tests.plugins.kafka import MISSING, Kafka, have_kafka, stand_in
from tests.plugins.servers import Server


def produce(topic: str, values: list[str], **settings: Any) -> None:
    producer = Producer({"acks": "all", "log_level": 0, **settings})
    for value in values:
        producer.produce(topic, key="k", value=value)
    assert producer.flush(30) == 0


def consume(topic: str, count: int, **settings: Any) -> list[str]:
    consumer = Consumer({"group.id": topic, "auto.offset.reset": "earliest", "log_level": 0, **settings})
    consumer.subscribe([topic])
    values: list[str] = []
    try:
        while len(values) < count:
            (message,) = consumer.consume(1, timeout=30) or [None]
            assert message is not None, f"only {values}"
            if message.error() is None:
                values.append((message.value() or b"").decode())
    finally:
        consumer.close()
    return values


def secured(kafka: Kafka, mechanism: str, password: str) -> dict[str, str]:
    return {
        "bootstrap.servers": kafka.secure_url,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": mechanism,
        "sasl.username": kafka.username,
        "sasl.password": password,
        "ssl.ca.location": kafka.authority,
    }


def test_what_is_produced_is_consumed_in_order(kafka_server: Kafka, own_name: str) -> None:
    at = {"bootstrap.servers": kafka_server.url}
    produce(own_name, ["1", "2", "3"], **at)
    assert consume(own_name, 3, **at) == ["1", "2", "3"]


def test_an_aborted_transaction_is_not_read(kafka_server: Kafka, own_name: str) -> None:
    if not kafka_server.real:
        pytest.skip(MISSING)
    at = {"bootstrap.servers": kafka_server.url}
    producer = Producer({**at, "transactional.id": own_name, "log_level": 0})
    producer.init_transactions(30)
    for value, end in (("aborted", producer.abort_transaction), ("kept", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(own_name, key="k", value=value)
        producer.flush(30)
        end(30)
    assert consume(own_name, 1, **at, **{"isolation.level": "read_committed"}) == ["kept"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_the_secure_listener_wants_tls_and_the_password(kafka_server: Kafka, mechanism: str) -> None:
    if not kafka_server.real:
        pytest.skip(MISSING)
    known = AdminClient(secured(kafka_server, mechanism, kafka_server.password) | {"log_level": "0"})
    assert known.list_topics(timeout=30).brokers
    stranger = AdminClient(secured(kafka_server, mechanism, "guessed") | {"log_level": "0"})
    with pytest.raises(KafkaException):
        stranger.list_topics(timeout=2)


def test_a_killed_kafka_comes_back_with_what_it_acknowledged(killable_kafka: Server, own_name: str) -> None:
    at = {"bootstrap.servers": killable_kafka.url}
    produce(own_name, ["1"], **at)
    host, _, port = killable_kafka.url.partition(":")
    for _ in range(2):
        killable_kafka.kill()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
        killable_kafka.start()
    produce(own_name, ["2"], **at)
    assert consume(own_name, 2, **at) == ["1", "2"]


def test_the_stand_in_speaks_the_protocol(own_name: str) -> None:
    with stand_in() as kafka:
        at = {"bootstrap.servers": kafka.url}
        produce(own_name, ["1", "2"], **at)
        assert consume(own_name, 2, **at) == ["1", "2"]
        assert not kafka.real


A_TEST = """
def test_uses_kafka(kafka_server):
    assert not kafka_server.real
"""


@pytest.mark.parametrize(("ci", "outcome"), [("true", {"errors": 1}), ("", {"passed": 1})])
def test_without_java_there_is_a_stand_in_and_ci_refuses_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("tests.plugins.kafka.JARS", Path("nowhere"))
    pytester.makeini("[pytest]\nmarkers = server")
    pytester.makepyfile(A_TEST)
    result = pytester.runpytest(
        "-p", "tests.plugins.kafka", "-p", "no:randomly", "-p", "no:asyncio", "-p", "no:xdist"
    )
    result.assert_outcomes(**outcome)
    result.stdout.re_match_lines([rf"Kafka's tests had a stand-in.*{re.escape(MISSING)}"])


def test_a_test_that_asks_for_kafka_is_marked(request: pytest.FixtureRequest, kafka_server: Kafka) -> None:
    assert kafka_server.real == have_kafka()
    assert request.node.get_closest_marker("server")
