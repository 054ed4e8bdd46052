"""What Kafka's errors mean to us. Everything that is not named here is a Retry.

librdkafka repeats by itself whatever a repeat can cure, so what reaches us has been tried; we try the whole
batch again, since a cluster is usually mended while we wait.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple, cast

from confluent_kafka import KafkaError, KafkaException

from headwater.errors import Halt, HeadwaterError, Retry


class Meaning(NamedTuple):
    """What to say of an error of a kind."""

    code: str
    sentence: str
    fix: str = ""


_REFUSED = Meaning(
    code="target.refused",
    sentence="Kafka does not take the user and password.",
    fix="Give the target the right `username`, `password` and `mechanism`.",
)
_NO_TLS = Meaning(
    code="target.certificate",
    sentence="No safe connection to Kafka: its certificate is not trusted, or it wants one of ours.",
    fix="Give the target the cluster's `ca`, and `certificate` and `key` where it asks for them.",
)
_FORBIDDEN = Meaning(
    code="target.forbidden",
    sentence="The user has no right to do this in Kafka.",
    fix="Give the user the rights that docs/targets/kafka.md lists.",
)
_MISSING = Meaning(
    code="target.missing",
    sentence="A topic is missing in Kafka.",
    fix="Make the topic, or set `create_topics`.",
)
_SETTINGS = Meaning(
    code="target.settings_refused",
    sentence="Kafka does not take a setting of the target.",
    fix="Correct the target's settings.",
)
_CLOCK = Meaning(
    code="target.clock",
    sentence="Kafka refuses the time of the messages, which is the time of our clock.",
    fix="Set the clocks of Headwater and of the brokers right.",
)

HALTS: dict[int, Meaning] = {
    **dict.fromkeys(
        [KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError.ILLEGAL_SASL_STATE],
        _REFUSED,
    ),
    KafkaError.UNSUPPORTED_SASL_MECHANISM: _REFUSED,
    KafkaError._SSL: _NO_TLS,
    **dict.fromkeys(
        [
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.CLUSTER_AUTHORIZATION_FAILED,
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
        ],
        _FORBIDDEN,
    ),
    **dict.fromkeys(
        [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION], _MISSING
    ),
    **dict.fromkeys(
        [
            KafkaError._INVALID_ARG,
            KafkaError._UNSUPPORTED_FEATURE,
            KafkaError._NOT_IMPLEMENTED,
            KafkaError.TOPIC_EXCEPTION,
            KafkaError.INVALID_CONFIG,
            KafkaError.INVALID_PARTITIONS,
            KafkaError.INVALID_REPLICATION_FACTOR,
            KafkaError.INVALID_TRANSACTION_TIMEOUT,
            KafkaError.POLICY_VIOLATION,
            KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
            KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
            KafkaError.UNSUPPORTED_VERSION,
            KafkaError.SECURITY_DISABLED,
        ],
        _SETTINGS,
    ),
    KafkaError.INVALID_TIMESTAMP: _CLOCK,
}

ITEMS: dict[int, Meaning] = {
    KafkaError.MSG_SIZE_TOO_LARGE: Meaning(
        code="target.item_too_large",
        sentence="The message is larger than its topic takes (max.message.bytes).",
    ),
    KafkaError.RECORD_LIST_TOO_LARGE: Meaning(
        code="target.item_too_large", sentence="The message is larger than its topic takes (segment.bytes)."
    ),
    KafkaError.INVALID_RECORD: Meaning(
        code="target.item_refused", sentence="Kafka refuses the message: its topic checks them."
    ),
}
"""Errors that a message has by itself, and what to say of it."""

_UNREACHABLE = frozenset(
    {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._FAIL}
)


def mapped(error: KafkaError, *, topic: str | None = None) -> HeadwaterError:
    """Return what an error means; `topic` is the one that it is about."""
    context = {} if topic is None else {"topic": topic}
    about = "" if topic is None else f" Topic: {topic}."
    halting = HALTS.get(error.code())
    if halting is not None:
        said = f"{halting.sentence}{about} ({error.name()})"
        return Halt(said, code=halting.code, fix=halting.fix, context=context)
    if error.code() in _UNREACHABLE:
        return Retry(
            f"Kafka cannot be reached.{about} ({error.name()})",
            code="target.unreachable",
            fix="Check that the brokers run, and the target's `bootstrap_servers` and `tls`.",
            context=context,
        )
    return Retry(
        f"Kafka cannot take this now: {error.str()}.{about} ({error.name()})",
        code="target.busy",
        fix="Nothing, if it passes; look at the brokers if it stays.",
        context=context,
    )


def error_of(error: KafkaException) -> KafkaError:
    """Return what an exception of the driver carries."""
    return cast("KafkaError", error.args[0])


@contextmanager
def mapped_errors() -> Generator[None]:
    """Turn the driver's exceptions into ours."""
    try:
        yield
    except KafkaException as error:
        raise mapped(error_of(error)) from error
    except BufferError as error:
        raise Retry(
            "Kafka takes messages more slowly than they come.",
            code="target.busy",
            fix="Nothing, if it passes; look at the brokers if it stays.",
        ) from error
