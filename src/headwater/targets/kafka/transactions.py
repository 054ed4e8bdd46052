"""Kafka with transactions: the messages of a batch and where the consumer stands after it, together or not
at all.

Each process takes the consumer's `transactional.id` over, which ends those before it. That alone does not
tell a late one from a later one: a process that was stopped may wake up and take over from its successor.
So the lease's epoch stands in the topic of positions too, and the higher one wins.
"""

from collections.abc import Callable, Sequence

import msgspec
from confluent_kafka import KafkaError, KafkaException

from headwater.errors import HeadwaterError, LeaseLost
from headwater.kit.ids import new_id
from headwater.targets.kafka import client, positions
from headwater.targets.kafka.errors import error_of, mapped, mapped_errors
from headwater.targets.kafka.layout import Message
from headwater.targets.kafka.positions import Standing
from headwater.targets.kafka.sender import SLICE_SECONDS, Deadline, Sender, of_item, telling
from headwater.targets.kafka.settings import KafkaSettings
from headwater.targets.kafka.target import KafkaTarget, refusal
from headwater.targets.target import Delivery, Item, Mark, Written

FENCING = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    }
)
"""Errors that another process causes by taking over, and Kafka by ending a transaction that took too long."""


class Attempt(msgspec.Struct, frozen=True):
    """A transaction, to be found again when its outcome was not learnt."""

    id: str
    generation: int
    message_ids: frozenset[str]


class TransactionalKafkaTarget(KafkaTarget):
    """An open target that keeps our position."""

    transactional = True

    def __init__(self, settings: KafkaSettings, delivery: Delivery | None) -> None:
        """Use `Kind.make`."""
        super().__init__(settings, delivery)
        self._delivery = delivery
        self._unsure: Attempt | None = None
        self._stored: list[Attempt] = []

    async def position(self) -> Mark | None:
        """Take over, and return where the consumer stands. Raises: Halt, Retry, LeaseLost."""
        return await self._blocking.run(self._position)

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Write messages and mark in one transaction. Raises: Halt, Retry, LeaseLost."""
        return await self._blocking.run(self._write_with, batch, mark)

    # --- in the thread --------------------------------------------------------------------------------------

    def _check(self) -> None:
        super()._check()
        if self._settings.create_topics:
            return
        sender = self._open()
        try:
            self._need_positions(sender)
        finally:
            sender.close()

    def _position(self) -> Mark | None:
        if self._sender is None:
            self._sender, standing = self._take_over()
        else:
            standing = self._ours(self._read())
        return standing.mark if standing else None

    def _write_with(self, batch: Sequence[Item], mark: Mark) -> Written:
        sender = self._turn()
        stored = {id for one in self._stored if one.generation == mark.generation for id in one.message_ids}
        left = [index for index, item in enumerate(batch) if item.message_id not in stored]
        messages = self._layout.messages([batch[index] for index in left])
        rejected = [
            msgspec.structs.replace(one, index=left[at]) for at, one in self.too_large(messages).items()
        ]
        if not rejected:
            attempt = Attempt(new_id(), mark.generation, frozenset(batch[index].message_id for index in left))
            failed = self._store(sender, messages, attempt, mark)
            if failed is None:
                self._stored = []
                return Written(len(batch))
            rejected = [refusal(left[failed[0]], failed[1])]
        return Written(0, rejected)

    def _store(
        self, sender: Sender, messages: Sequence[Message], attempt: Attempt, mark: Mark
    ) -> tuple[int, KafkaError] | None:
        """Write all of it, or nothing; return the message that can never be stored, and why."""
        self._need_all(sender, messages)
        failed = self._try(sender, messages, attempt, mark)
        if failed is None:
            return None
        # Those that were sent together were refused together. Each by itself shows which one it is.
        self._discard()
        sender, _ = self._take_over(alone=True)
        try:
            return self._try(sender, messages, attempt, mark)
        finally:
            sender.close()

    def _try(
        self, sender: Sender, messages: Sequence[Message], attempt: Attempt, mark: Mark | None
    ) -> tuple[int, KafkaError] | None:
        """Do one transaction. Without a message and a mark it only says whose turn it is."""
        everything = [*messages, self._standing(attempt, mark)]
        deadline = sender.deadline()
        try:
            sender.producer.begin_transaction()
            failed = sender.send(everything, deadline)
            if failed:
                first, error = telling(failed)
                if error.code() in FENCING or error.fatal():
                    raise KafkaException(error)
                _until(sender.producer.abort_transaction, deadline)
                if of_item(error) and first < len(messages):
                    return first, error
                raise mapped(error, topic=everything[first].topic)
            self._unsure = attempt
            _until(sender.producer.commit_transaction, deadline)  # P7
            self._unsure = None
        except KafkaException as error:
            self._drop(sender)
            raise self._meaning(error_of(error)) from error
        except BaseException:
            self._drop(sender)
            raise
        return None

    def _meaning(self, error: KafkaError) -> HeadwaterError:
        """Return what ended a transaction: LeaseLost, if somebody with a later lease has been here."""
        if error.code() in FENCING or error.fatal():
            self._ours(self._read(wait=False))
        elif error.txn_requires_abort():
            self._unsure = None  # it will be, by whoever takes over
        return mapped(error)

    # --- whose turn it is -----------------------------------------------------------------------------------

    def _turn(self) -> Sender:
        """Return the producer under our lease."""
        if self._sender is None:
            self._sender, _ = self._take_over()
        return self._sender

    def _take_over(self, *, alone: bool = False) -> tuple[Sender, Standing | None]:
        """End the transactions of those before us; return where they have come."""
        delivery, settings = self._whom(), self._settings
        options = client.transactional_producer(
            settings, settings.transactional_id_prefix + delivery.consumer_id, alone=alone
        )
        sender = Sender(options, settings, self._blocking.stop)
        try:
            self._need_positions(sender)
            self._ours(self._read(wait=False))  # whoever comes late must not even end its successor's
            deadline = sender.deadline()
            with mapped_errors():
                _until(sender.producer.init_transactions, deadline)
            standing = self._ours(self._read())
            self._settle(standing)
            if standing is None or standing.epoch < delivery.epoch:
                attempt = Attempt(new_id(), 0, frozenset())
                self._try(sender, [], attempt, standing.mark if standing else None)
        except BaseException:
            self._drop(sender)
            raise
        return sender, standing

    def _settle(self, standing: Standing | None) -> None:
        """Find out whether the transaction was committed whose outcome was not known."""
        if self._unsure is not None and standing is not None and standing.attempt == self._unsure.id:
            self._stored.append(self._unsure)
        self._unsure = None

    def _ours(self, standing: Standing | None) -> Standing | None:
        """Return a standing. Raises: LeaseLost if it was written under a later lease than ours."""
        delivery = self._whom()
        if standing is not None and standing.epoch > delivery.epoch:
            self._discard()
            raise LeaseLost(context={"consumer": delivery.consumer_id})
        return standing

    def _read(self, *, wait: bool = True) -> Standing | None:
        deadline = Deadline(self._settings, self._blocking.stop)
        return positions.read(self._settings, self._whom().consumer_id, deadline, wait=wait)

    def _standing(self, attempt: Attempt, mark: Mark | None) -> Message:
        delivery = self._whom()
        standing = Standing(
            epoch=delivery.epoch,
            attempt=attempt.id,
            generation=mark.generation if mark else None,
            position=mark.position if mark else None,
        )
        return Message(
            self._settings.positions_topic,
            delivery.consumer_id.encode(),
            msgspec.json.encode(standing),
            [],
            positions.PARTITION,
        )

    def _need_positions(self, sender: Sender) -> None:
        sender.need(self._settings.positions_topic, partitions=1, config=positions.CONFIG)

    def _whom(self) -> Delivery:
        if self._delivery is None:
            raise ValueError("opened without a consumer, only to check")
        return self._delivery

    def _drop(self, sender: Sender) -> None:
        sender.close()
        if self._sender is sender:
            self._sender = None


def _until(call: Callable[[float], object], deadline: Deadline) -> None:
    """Call until it is done, or time has run out: the driver takes an interrupted call up again."""
    while True:
        try:
            call(SLICE_SECONDS)
        except KafkaException as error:
            if not error_of(error).retriable() or deadline.passed():
                raise
        else:
            return
