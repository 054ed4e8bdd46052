"""What the driver is told: addresses, safety, and the options that our promises need. Not here: any call."""

import logging
from typing import Any

from headwater.targets.kafka.settings import KafkaSettings

_BATCH_BYTES = 1_000_000

_NOWHERE = logging.getLogger(__name__)
"""For what librdkafka would write on stderr. All that matters comes back as an error too."""
_NOWHERE.disabled = True


def client(settings: KafkaSettings) -> dict[str, Any]:
    """Return the options of every connection."""
    options: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": "headwater",
        "log_level": 0,
        "logger": _NOWHERE,
        "allow.auto.create.topics": False,
        "socket.keepalive.enable": True,
        "security.protocol": ("SASL_" if settings.username else "")
        + ("SSL" if settings.tls else "PLAINTEXT"),
    }
    if settings.ca:
        options["ssl.ca.pem"] = settings.ca
    if settings.certificate and settings.key:
        options |= {"ssl.certificate.pem": settings.certificate, "ssl.key.pem": settings.key.reveal()}
    if settings.username and settings.password:
        options |= {
            "sasl.mechanism": settings.mechanism,
            "sasl.username": settings.username,
            "sasl.password": settings.password.reveal(),
        }
    return options


def producer(settings: KafkaSettings, *, alone: bool = False) -> dict[str, Any]:
    """Return the options of a producer. `alone`: each message is sent by itself, so that none is refused for
    another's sake."""
    batching = {"batch.num.messages": 1} if alone else {}
    return {
        **client(settings),
        **batching,
        "acks": "all",  # P7
        "enable.idempotence": True,  # P5: repeats inside the driver keep the order
        # P4: with more, a first batch that is refused for a moment is lost, yet reported as stored, when a
        # second one overtakes it on a partition that does not know us (new, or a day without messages).
        # Seen with broker 4.3.1. Source: https://github.com/apache/kafka/pull/23234 (read 2026-11-24)
        "max.in.flight": 1,
        "partitioner": "murmur2_random",  # a record's partition is the one that Java's clients compute
        "compression.type": settings.compression,
        "message.max.bytes": settings.max_message_bytes,
        "batch.size": min(_BATCH_BYTES, settings.max_message_bytes),
        "queue.buffering.max.kbytes": 1_000_000,
        "linger.ms": 5,
        "delivery.report.only.error": True,
    }


def plain_producer(settings: KafkaSettings, *, alone: bool = False) -> dict[str, Any]:
    """Return the options of a producer without transactions."""
    return {
        **producer(settings, alone=alone),
        # P5: once a message is refused, nothing after it is stored; and none expires while later ones go on.
        "enable.gapless.guarantee": not alone,
        "message.timeout.ms": 0,
    }


def transactional_producer(
    settings: KafkaSettings, transactional_id: str, *, alone: bool = False
) -> dict[str, Any]:
    """Return the options of a producer that writes in transactions."""
    return {
        **producer(settings, alone=alone),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": settings.timeout_ms + 10_000,  # our patience ends first
    }


def reader(settings: KafkaSettings, isolation: str) -> dict[str, Any]:
    """Return the options of a reader of positions. It joins no group, though the driver wants a name."""
    return {
        **client(settings),
        "group.id": "headwater",
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
    }
