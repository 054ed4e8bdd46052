"""Publishing one batch with many messages under way, never two of one record.

So what is refused or lost holds up nothing but its own record, and nothing of a record overtakes another
(P5). Not here: the connection, and what happens after a failure.
"""

import asyncio
from collections.abc import Sequence

from headwater.errors import HeadwaterError, Retry
from headwater.targets.nats.connect import Connection
from headwater.targets.nats.errors import (
    HEADERS_TOO_LARGE,
    MESSAGE_TOO_LARGE,
    STORE_FAILED,
    Answer,
    Trouble,
    mapped_errors,
    of_answer,
)
from headwater.targets.nats.layout import Layout, unfit
from headwater.targets.nats.settings import NatsSettings
from headwater.targets.target import Item, Refusal, Written


class NoStreamError(Exception):
    """There is no stream for a subject."""


class Flight:
    """One batch on its way."""

    def __init__(self, connection: Connection, settings: NatsSettings) -> None:
        """Nothing is sent yet."""
        self._connection, self._settings = connection, settings
        self._out: set[str] = set()
        self._waiting: set[str] = set()
        self._rejected: list[Refusal] = []
        self._held: list[Refusal] = []
        self._stop: HeadwaterError | NoStreamError | None = None
        self._moved = asyncio.Event()

    async def fly(self, layout: Layout, batch: Sequence[Item]) -> Written:
        """Publish messages and wait for every answer. Raises: Halt, Retry, NoStreamError."""
        self._connection.watch(self._moved.set)
        try:
            for index, item in enumerate(batch):
                await self._until_free(item.record_id)
                await self._send(index, layout, item)
            while self._out:
                await self._move()
        finally:
            self._connection.forget()
        return Written(
            len(batch),
            sorted(self._rejected, key=lambda one: one.index),
            sorted(self._held, key=lambda one: one.index),
        )

    async def _send(self, index: int, layout: Layout, item: Item) -> None:
        record = item.record_id
        if record in self._waiting:
            self._hold(index, record, "An earlier message of the record is held.")
            return
        message = layout.message(item)
        refusal = unfit(index, message, self._connection.client.max_payload)
        if refusal is not None:
            self._rejected.append(refusal)
            return
        self._out.add(record)

        def landed(answer: Answer) -> None:
            self._out.discard(record)
            self._moved.set()
            if answer.nobody:
                self._stop = self._stop or NoStreamError()
            elif answer.error is not None:
                self._refused(index, record, answer.error)

        with mapped_errors():
            await self._connection.publish(message, landed)

    def _refused(self, index: int, record: str, trouble: Trouble) -> None:
        if trouble.err_code in (MESSAGE_TOO_LARGE, HEADERS_TOO_LARGE):
            reason = "The message is larger than its stream takes (max_msg_size)."
            self._rejected.append(Refusal(index=index, code="target.item_too_large", reason=reason))
        elif trouble.err_code == STORE_FAILED and "per subject" in trouble.description:
            self._hold(index, record, "The subject is full: its stream takes no more until one is read.")
        else:
            self._stop = self._stop or of_answer(trouble)

    def _hold(self, index: int, record: str, reason: str) -> None:
        self._waiting.add(record)
        self._held.append(Refusal(index=index, code="target.item_held", reason=reason))

    async def _until_free(self, record: str) -> None:
        """Wait for room, and for the record's message that is under way."""
        if self._stop is not None:
            raise self._stop
        if self._connection.fault is not None:
            raise self._connection.fault
        while record in self._out or len(self._out) >= self._settings.window:
            await self._move()

    async def _move(self) -> None:
        """Wait for the next answer. Raises what stops the flight."""
        self._moved.clear()
        if self._stop is None and self._connection.fault is None:
            try:
                async with asyncio.timeout(self._settings.timeout_ms / 1_000):
                    await self._moved.wait()
            except TimeoutError as error:
                raise Retry(
                    "JetStream did not acknowledge messages in time.",
                    code="target.timeout",
                    fix="Nothing, if it passes; look at the server, or raise `timeout_ms`, if it stays.",
                ) from error
        if self._connection.fault is not None:
            raise self._connection.fault
        if self._stop is not None:
            raise self._stop
