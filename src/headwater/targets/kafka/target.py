"""Kafka without transactions: at least once, and in order for each record."""

from collections.abc import Sequence

from confluent_kafka import KafkaError

from headwater.model.position import Stream
from headwater.targets.kafka import client
from headwater.targets.kafka.errors import ITEMS, mapped
from headwater.targets.kafka.layout import Layout, Message
from headwater.targets.kafka.sender import Blocking, Sender, of_item, of_others, telling
from headwater.targets.kafka.settings import KafkaSettings
from headwater.targets.target import Delivery, Item, Mark, Refusal, Written

_ASKED_FOR = "headwater.check"
"""A topic that need not be there: the answer says that we are let in."""


class KafkaTarget:
    """An open target."""

    transactional: bool = False

    def __init__(self, settings: KafkaSettings, delivery: Delivery | None) -> None:
        """Use `Kind.make`."""
        stream = delivery.stream if delivery else Stream.RECORDS
        self._settings = settings
        self._layout = Layout(settings.topic, stream, tombstones=settings.tombstones)
        self._blocking = Blocking()
        self._sender: Sender | None = None

    async def check(self) -> None:
        """Can we reach it, and are the topics there whose names are known? Raises: Halt, Retry."""
        await self._blocking.run(self._check)

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Send messages and wait until all in-sync brokers have them. Raises: Halt, Retry."""
        return await self._blocking.run(self._write, batch)

    async def close(self) -> None:
        """Drop what is not sent yet, and the connections."""
        await self._blocking.close(self._discard)

    # --- in the thread --------------------------------------------------------------------------------------

    def _check(self) -> None:
        sender = self._open()
        try:
            sender.reach(_ASKED_FOR)
            if "{" not in self._settings.topic:
                self._need(sender, self._settings.topic)
        finally:
            sender.close()

    def _write(self, batch: Sequence[Item]) -> Written:
        messages = self._layout.messages(batch)
        rejected = self.too_large(messages)
        left = [index for index in range(len(batch)) if index not in rejected]
        if left:
            rejected |= self._send_all(messages, left)
        return Written(len(batch), [rejected[index] for index in sorted(rejected)])

    def _send_all(self, messages: Sequence[Message], indexes: Sequence[int]) -> dict[int, Refusal]:
        """Send messages; return those that are refused for what they are."""
        sender = self._sender = self._sender or self._open()
        try:
            sent = [messages[index] for index in indexes]
            self._need_all(sender, sent)
            failed = sender.send(sent, sender.deadline())
        except BaseException:
            self._discard()  # what it still holds must not be sent after what comes next (P5)
            raise
        if not failed:
            return {}
        self._discard()
        first, error = telling(failed)
        if not (of_item(error) or of_others(error)):
            raise mapped(error, topic=sent[first].topic)
        return self._send_alone(messages, [indexes[at] for at in sorted(failed)])

    def _send_alone(self, messages: Sequence[Message], indexes: Sequence[int]) -> dict[int, Refusal]:
        """Send messages so that each is refused or stored by itself."""
        sender = self._open(alone=True)
        refused: dict[int, Refusal] = {}
        try:
            for index in indexes:
                failed = sender.send([messages[index]], sender.deadline())
                if not failed:
                    continue
                if not of_item(failed[0]):
                    raise mapped(failed[0], topic=messages[index].topic)
                refused[index] = refusal(index, failed[0])
        finally:
            sender.close()
        return refused

    def too_large(self, messages: Sequence[Message]) -> dict[int, Refusal]:
        """Return the refusals of messages that are larger than the settings allow."""
        limit = self._settings.max_message_bytes
        return {
            index: Refusal(
                index=index,
                code="target.item_too_large",
                reason=f"The message has {message.size:,} bytes; `max_message_bytes` is {limit:,}.",
            )
            for index, message in enumerate(messages)
            if message.size > limit
        }

    def _need_all(self, sender: Sender, messages: Sequence[Message]) -> None:
        for topic in dict.fromkeys(message.topic for message in messages):
            self._need(sender, topic)

    def _need(self, sender: Sender, topic: str) -> None:
        settings = self._settings
        sender.need(topic, partitions=settings.partitions, config=settings.topic_config)

    def _open(self, *, alone: bool = False) -> Sender:
        return Sender(client.plain_producer(self._settings, alone=alone), self._settings, self._blocking.stop)

    def _discard(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None


def refusal(index: int, error: KafkaError) -> Refusal:
    """Return what to say of a message that Kafka refuses."""
    meaning = ITEMS[error.code()]
    return Refusal(index, meaning.code, meaning.sentence)
