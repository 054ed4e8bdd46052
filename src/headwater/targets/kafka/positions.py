"""Our positions in Kafka: the compacted topic that holds for each consumer where it stands, and under which
lease.

A position is written in the transaction of its messages (`transactions`). Here it is read, as committed.
All are in partition 0: there is little of them, and a consumer's must be found again whatever becomes of
the topic.
"""

from collections.abc import Mapping

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from headwater.errors import Retry
from headwater.model.position import Vector
from headwater.targets.kafka import client
from headwater.targets.kafka.errors import mapped, mapped_errors
from headwater.targets.kafka.sender import SLICE_SECONDS, Deadline
from headwater.targets.kafka.settings import KafkaSettings
from headwater.targets.target import Mark

PARTITION = 0
CONFIG: Mapping[str, str] = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": "10485760",
    "segment.ms": "86400000",
}
"""Of the topic, where we make it: what was replaced goes soon, so that reading it stays quick."""

_FIRST_LOOK, _WIDER = 1_000, 16


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a message in the topic; its key is the consumer's id.

    Shape: `{"epoch": 3, "attempt": "5f…", "generation": 1, "position": [12, 0, 7]}`; `generation` and
    `position` are null until something was written.
    """

    epoch: int
    """Of the lease under which it was written. Who has an earlier one writes no more."""
    attempt: str
    """Of the transaction: whoever did not learn its outcome finds it here if it was committed."""
    generation: int | None = None
    position: Vector | None = None

    @property
    def mark(self) -> Mark | None:
        """Return where the consumer stands."""
        if self.generation is None or self.position is None:
            return None
        return Mark(self.generation, self.position)


def read(settings: KafkaSettings, consumer_id: str, deadline: Deadline, *, wait: bool) -> Standing | None:
    """Return the last committed standing of a consumer.

    What lies behind a transaction that is under way, another consumer's or one that nobody ends, cannot be
    read: `wait` for it, or leave it out. Raises: Retry, Halt.
    """
    with mapped_errors():
        low, high = _ends(settings, deadline, "read_uncommitted" if wait else "read_committed")
        reader = Consumer(client.reader(settings, "read_committed"))
        try:
            span = _FIRST_LOOK
            while low < high:
                begin = max(low, high - span)  # it is near the end, if its consumer was busy lately
                found = _last(reader, settings.positions_topic, consumer_id, (begin, high), deadline)
                if found is not None:
                    return msgspec.json.decode(found, type=Standing)
                if begin == low:
                    break
                span *= _WIDER
        finally:
            reader.close()
    return None


def _ends(settings: KafkaSettings, deadline: Deadline, isolation: str) -> tuple[int, int]:
    """Return the first offset, and the next one, or that of the first transaction that is under way."""
    asker = Consumer(client.reader(settings, isolation))
    try:
        place = TopicPartition(settings.positions_topic, PARTITION)
        ends = asker.get_watermark_offsets(place, timeout=settings.timeout_ms / 1_000, cached=False)
    finally:
        asker.close()
    if deadline.passed():
        raise _late()
    return ends


def _last(
    reader: Consumer, topic: str, consumer_id: str, offsets: tuple[int, int], deadline: Deadline
) -> bytes | None:
    """Return the last value under a key between two offsets."""
    begin, end = offsets
    key, found = consumer_id.encode(), None
    reader.assign([TopicPartition(topic, PARTITION, begin)])
    while True:
        message = reader.poll(SLICE_SECONDS)
        error = message.error() if message else None
        if message and error is None and message.key() == key:
            found = message.value()
        if message and error and error.code() != KafkaError._PARTITION_EOF:
            raise mapped(error, topic=topic)
        if message and error and (message.offset() or 0) >= end:
            return found
        if deadline.passed():  # behind an open transaction nothing is read
            raise _late()


def _late() -> Retry:
    return Retry(
        "The position cannot be read: before it is a transaction that is not over.",
        code="target.timeout",
        fix="Nothing for a minute: Kafka ends those of processes that are gone. If it stays, a transaction"
        " hangs in Kafka: see docs/targets/kafka.md.",
    )
