"""The parts of the Kafka target that need no broker: names, headers, settings, and what errors mean."""

import inspect
import re

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import error as errors_of_driver
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.errors import Halt, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.kafka import KAFKA, KafkaSettings, from_url
from headwater.targets.kafka.client import client, plain_producer, transactional_producer
from headwater.targets.kafka.errors import HALTS, ITEMS, mapped, mapped_errors
from headwater.targets.kafka.layout import LONGEST_NAME, Layout, safe, topic_name
from headwater.targets.kafka.sender import telling
from headwater.targets.table import kind_for
from headwater.testing.target_rig import SLOTS, Author

CODES = {
    name: value
    for name, value in inspect.getmembers(KafkaError)
    if isinstance(value, int) and re.fullmatch(r"_?[A-Z][A-Z_]+", name) and name != "NO_ERROR"
}


# --- names and messages -------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=400))
def test_every_name_is_one_that_kafka_allows(name: str) -> None:
    """Whatever provider and collection are called."""
    made = safe(name)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,249}", made)
    assert made not in (".", "..")


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_different_names_stay_different(one: str, two: str) -> None:
    """Also those that are changed."""
    assert (safe(one) == safe(two)) == (one == two)


def test_a_long_name_is_cut_and_told_apart() -> None:
    """At the limit it stays, past it two with the same beginning differ."""
    assert safe("a" * LONGEST_NAME) == "a" * LONGEST_NAME
    assert len(safe("a" * 300)) == LONGEST_NAME
    assert safe("a" * 300) != safe("a" * 301)


def test_the_topic_says_stream_provider_and_collection() -> None:
    """By default; a template may leave them out or name the sync."""
    slot = SLOTS[2].slot
    assert topic_name(KafkaSettings(bootstrap_servers="x").topic, Stream.EVENTS, slot) == (
        "headwater.events.acme.odd__c"
    )
    assert topic_name("all", Stream.EVENTS, slot) == "all"
    assert topic_name("{sync_id}", Stream.RECORDS, slot) == slot.sync_id


@pytest.mark.parametrize("stream", Stream)
def test_a_message_tells_what_it_is_without_its_value(stream: Stream) -> None:
    """Key and headers are enough to compare and to route."""
    item = Author(stream).updated("a/ü\ud800")
    message = Layout("t", stream, tombstones=False).message(item)
    assert message.key == item.key.encode("utf-8", "surrogatepass")
    assert message.value == item.json
    assert dict(message.headers) == {
        "headwater-message-id": item.message_id.encode(),
        "headwater-record-id": item.record_id.encode(),
        "headwater-updated-idx": b"1",
        "headwater-event": b"updated",
        "headwater-sync-id": item.slot.sync_id.encode(),
        "headwater-collection-id": b"acme:contact",
    }


def test_tombstones_are_for_deleted_records() -> None:
    """Not for their events, nor for records that are there."""
    records, events = Author(Stream.RECORDS), Author(Stream.EVENTS)
    of_records = Layout("t", Stream.RECORDS, tombstones=True)
    assert of_records.message(records.deleted("a")).value is None
    assert of_records.message(records.updated("a")).value is not None
    assert Layout("t", Stream.EVENTS, tombstones=True).message(events.deleted("a")).value is not None
    assert Layout("t", Stream.RECORDS, tombstones=False).message(records.deleted("a")).value is not None


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": "{tenant}"},
        {"topic": "{"},
        {"topic": "{stream!r}"},
        {"topic": "{}"},
        {"topic": " "},
        {"username": "u"},
        {"password": "p"},
        {"certificate": "PEM", "tls": True},
        {"ca": "PEM"},
        {"positions_topic": "a b"},
        {"partitions": -2},
        {"unknown": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    """Before anything is tried with them."""
    with pytest.raises(ValidationError):
        KafkaSettings.model_validate({"bootstrap_servers": "x:9092", **wrong})


def test_a_url_stands_for_settings() -> None:
    """User, password, TLS and whatever else there is."""
    made = from_url("kafkas://me:p%40ss@one:9093,two:9093?topic=all&transactional=true&mechanism=PLAIN")
    settings = KafkaSettings.model_validate(made)
    assert settings.bootstrap_servers == "one:9093,two:9093"
    assert (settings.username, settings.password) == ("me", Secret("p@ss"))
    assert (settings.tls, settings.transactional, settings.topic) == (True, True, "all")
    assert from_url("kafka://one") == {"bootstrap_servers": "one"}
    assert kind_for("kafka://one") is kind_for("kafkas://one") is KAFKA


@pytest.mark.parametrize(
    ("tls", "login", "protocol"),
    [
        (False, {}, "PLAINTEXT"),
        (True, {}, "SSL"),
        (False, {"username": "u", "password": "p"}, "SASL_PLAINTEXT"),
        (True, {"username": "u", "password": "p"}, "SASL_SSL"),
    ],
)
def test_the_driver_is_told_how_to_connect(tls: bool, login: dict[str, str], protocol: str) -> None:
    """Encrypted and with a password, as the settings say."""
    settings = KafkaSettings.model_validate({"bootstrap_servers": "x", "tls": tls, **login})
    assert client(settings)["security.protocol"] == protocol
    assert ("sasl.password" in client(settings)) == bool(login)


def test_p4_producers_are_safe() -> None:
    """All replicas, no repeats inside the driver, and never two requests under way to a broker."""
    settings = KafkaSettings(bootstrap_servers="x")
    for options in (
        plain_producer(settings),
        plain_producer(settings, alone=True),
        transactional_producer(settings, "id"),
    ):
        assert options["acks"] == "all"
        assert options["enable.idempotence"] is True
        assert options["max.in.flight"] == 1


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CODES))
def test_every_error_code_of_the_driver_means_something(name: str) -> None:
    """Halt with a fix for what is named, Retry for the rest; each with a code of ours."""
    error = mapped(KafkaError(CODES[name]), topic="the.topic")
    assert isinstance(error, Halt if CODES[name] in HALTS else Retry)
    assert error.error_code.startswith("target.")
    assert error.fix
    assert error.context == {"topic": "the.topic"}
    assert "the.topic" in error.message


def test_no_exception_of_the_driver_is_unmapped() -> None:
    """Each of its classes is raised where we call it; those of parts that we do not use are named."""
    not_ours = {
        "_KafkaClientError", "SerializationError",
        "ConsumeError", "KeyDeserializationError", "KeySerializationError", "ProduceError",
        "ValueDeserializationError", "ValueSerializationError",  # of its serializing clients
        "IllegalStateException", "ConcurrentModificationException",  # of share consumers
    }  # fmt: skip
    known = {
        one
        for module in (confluent_kafka, errors_of_driver, confluent_kafka.cimpl)
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, Exception) and one.__module__.startswith(("confluent_kafka", "cimpl"))
    }
    assert KafkaException in known
    assert {one.__name__ for one in known} - not_ours == {"KafkaException"}
    with pytest.raises(Halt), mapped_errors():
        raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(Retry), mapped_errors():
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))
    with pytest.raises(Retry), mapped_errors():
        raise BufferError("Local: Queue full")


def test_what_is_refused_for_itself_is_found_among_what_followed() -> None:
    """The first of its own kind; else the first of all."""
    size, follows, gone = (
        KafkaError(code)
        for code in (
            KafkaError.MSG_SIZE_TOO_LARGE,
            KafkaError._GAPLESS_GUARANTEE,
            KafkaError._PURGE_QUEUE,
        )
    )
    assert telling({3: follows, 7: gone, 5: size})[0] == 5
    assert telling({7: gone, 3: follows})[0] == 3
    assert size.code() in ITEMS
