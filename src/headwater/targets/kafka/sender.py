"""The blocking work with a producer: ask for topics, make them, send messages and wait for all of them.

Everything here runs in one thread, which belongs to one target (`Blocking`). Not here: transactions.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, cast

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.targets.kafka import client
from headwater.targets.kafka.errors import HALTS, ITEMS, error_of, mapped, mapped_errors
from headwater.targets.kafka.layout import Message
from headwater.targets.kafka.settings import KafkaSettings

T = TypeVar("T")

SLICE_SECONDS = 0.2
"""How long a call blocks before it looks whether it is to stop."""

_ASKING_SECONDS = 1.0
_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
_FOLLOWING = _PURGED | {
    KafkaError._FATAL,
    KafkaError._GAPLESS_GUARANTEE,
    KafkaError._INVALID_DIFFERENT_RECORD,
    KafkaError._STATE,
}
"""Errors of messages for another one's sake."""


class Blocking:
    """A thread for calls that block, and the sign that they are to stop."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka")
        self.stop = threading.Event()

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Return what a call returns, one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

    async def close(self, last: Callable[[], None]) -> None:
        """End what runs, do one thing more, and give the thread back."""
        if self.stop.is_set():
            return
        self.stop.set()
        await self.run(last)
        self._thread.shutdown(wait=False)  # nothing runs in it any more


class Deadline:
    """How long something may still take."""

    def __init__(self, settings: KafkaSettings, stop: threading.Event) -> None:
        """Begin now."""
        self._ends = time.monotonic() + settings.timeout_ms / 1_000
        self._stop = stop

    def passed(self) -> bool:
        """Say whether it is over, or nobody waits any more."""
        return self._stop.is_set() or time.monotonic() >= self._ends


class Sender:
    """A producer and what it has said meanwhile."""

    def __init__(self, options: Mapping[str, Any], settings: KafkaSettings, stop: threading.Event) -> None:
        """Connect in the background. Raises: Halt for options that the driver refuses."""
        self._said: KafkaError | None = None
        self._nobody = False
        self._settings, self._stop = settings, stop
        self._known: set[str] = set()
        with mapped_errors():
            self.producer = Producer({**options, "error_cb": self._note})

    def _note(self, error: KafkaError) -> None:
        self._nobody = self._nobody or error.code() == KafkaError._ALL_BROKERS_DOWN
        if self._said is None or self._said.code() not in HALTS:
            self._said = error

    def deadline(self) -> Deadline:
        """Forget what was said before, and begin to wait."""
        self._serve(0)
        self._said, self._nobody = None, False
        return Deadline(self._settings, self._stop)

    def refused(self) -> bool:
        """Say whether the cluster has said what only a person can change."""
        return self._said is not None and self._said.code() in HALTS

    def trouble(self) -> HeadwaterError:
        """Return why nothing came in time: the best that is known."""
        if self._said is not None:
            return mapped(self._said)
        return Retry(
            "Kafka did not answer in time.",
            code="target.timeout",
            fix="Nothing, if it passes; look at the brokers, or raise `timeout_ms`, if it stays.",
        )

    # --- topics ---------------------------------------------------------------------------------------------

    def reach(self, topic: str) -> bool:
        """Ask the cluster for a topic; return whether it is there. Raises: Halt, Retry."""
        deadline = self.deadline()
        while True:
            try:
                found = self.producer.list_topics(topic, timeout=_ASKING_SECONDS).topics[topic].error
            except KafkaException as error:
                self._serve(0)
                if self.refused() or self._nobody or deadline.passed():
                    raise self.trouble() from error
                if not error_of(error).retriable() and error_of(error).code() in HALTS:
                    raise mapped(error_of(error)) from error
                continue
            if found is None:
                return True
            if found.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return False
            if not (found.retriable() or found.code() == KafkaError.LEADER_NOT_AVAILABLE):
                raise mapped(found, topic=topic)
            if deadline.passed():
                raise mapped(found, topic=topic)
            self._stop.wait(SLICE_SECONDS)

    def need(self, topic: str, *, partitions: int, config: Mapping[str, str]) -> None:
        """See to it that a topic is there. Raises: Halt with its name when it is missing and may not be
        made."""
        if topic in self._known:
            return
        if not self.reach(topic):
            if not self._settings.create_topics:
                raise missing(topic, partitions, config)
            self._make(topic, partitions, config)
        self._known.add(topic)

    def _make(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        new = NewTopic(topic, partitions, self._settings.replication_factor, config=dict(config))
        admin = AdminClient(client.client(self._settings))
        try:
            asked = cast("Any", admin).create_topics([new], request_timeout=self._settings.timeout_ms / 1_000)
            cast("Future[None]", asked[topic]).result()
        except KafkaException as error:
            if error_of(error).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise mapped(error_of(error), topic=topic) from error
        deadline = self.deadline()
        while not self.reach(topic):  # brokers learn of it one after another
            if deadline.passed():
                raise self.trouble()
            self._stop.wait(SLICE_SECONDS)

    # --- messages -------------------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message], deadline: Deadline) -> dict[int, KafkaError]:
        """Send messages in order and wait for all; return those that were not stored, with their errors.

        When one is refused, what is behind it is called back. Raises: Halt, Retry when time runs out; any of
        them may be stored then.
        """
        failed: dict[int, KafkaError] = {}

        def note(index: int, error: KafkaError | None, _: Delivered) -> None:
            if error is not None:
                failed[index] = error

        given = 0
        while given < len(messages) and not failed:
            refusal = self._produce(messages[given], partial(note, given), deadline)
            if refusal is not None:
                failed[given] = refusal
            given += 1
        while self._flush():
            if self.refused() or deadline.passed():
                self._call_back()
                raise self.trouble()
            if failed:
                self.producer.purge(in_queue=True, in_flight=False)
        for index in range(given, len(messages)):
            failed[index] = KafkaError(KafkaError._PURGE_QUEUE)
        return failed

    def _produce(
        self, message: Message, note: Callable[[KafkaError | None, Delivered], None], deadline: Deadline
    ) -> KafkaError | None:
        topic, key, value, headers, partition = message
        while True:
            try:
                self.producer.produce(topic, value, key, partition, headers=headers, on_delivery=note)
            except BufferError:
                self._serve(SLICE_SECONDS)  # its queue is full
                if self.refused() or deadline.passed():
                    self._call_back()
                    raise self.trouble() from None
            except KafkaException as error:
                return error_of(error)
            else:
                return None

    def _flush(self) -> bool:
        """Wait for a slice of time until nothing is under way; return whether something is."""
        try:
            return self.producer.flush(SLICE_SECONDS) > 0
        except KafkaException as error:  # a fatal one comes here once, besides what each message is told
            self._note(error_of(error))
            return True

    def _serve(self, seconds: float) -> None:
        """Let the driver tell what it has to tell."""
        try:
            self.producer.poll(seconds)
        except KafkaException as error:
            self._note(error_of(error))

    def _call_back(self) -> None:
        """Send nothing more of what was given."""
        self.producer.purge()
        self._flush()

    def close(self) -> None:
        """Give the connections back; what was not sent is dropped."""
        self.producer.purge()
        del self.producer  # its own `close` would wait without end for a cluster to abort a transaction


def telling(failed: Mapping[int, KafkaError]) -> tuple[int, KafkaError]:
    """Return the message that failed for its own sake, and why; the first, if each failed for another's."""
    own = [index for index, error in failed.items() if error.code() not in _FOLLOWING]
    index = min(own or failed)
    return index, failed[index]


def of_item(error: KafkaError) -> bool:
    """Say whether a message is refused for what it is."""
    return error.code() in ITEMS


def of_others(error: KafkaError) -> bool:
    """Say whether a message was not stored because of another one, which did not tell why either."""
    return error.code() in _FOLLOWING - _PURGED


def missing(topic: str, partitions: int, config: Mapping[str, str]) -> Halt:
    """Return the error that says how to make a topic."""
    options = "".join(f" --config {name}={value}" for name, value in config.items())
    count = f" --partitions {partitions}" if partitions > 0 else ""
    return Halt(
        f"The topic {topic} is missing in Kafka.",
        code="target.missing",
        fix=f"Make it (kafka-topics.sh --create --topic {topic}{count}{options}), or set `create_topics`.",
        context={"topic": topic},
    )
