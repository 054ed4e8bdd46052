"""The NATS target: at least once, in order for each record, without those repeats that the stream
remembers."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from nats.js.api import StorageType, StreamConfig

from headwater.errors import Halt, HeadwaterError
from headwater.model.position import Stream
from headwater.targets.nats.connect import Connection, connected
from headwater.targets.nats.errors import OTHER_STREAM, mapped_errors, of_answer
from headwater.targets.nats.flight import Flight, NoStreamError
from headwater.targets.nats.layout import Layout, Message
from headwater.targets.nats.settings import NatsSettings
from headwater.targets.target import Delivery, Item, Mark, Written

_NO_SUCH_STREAM = "headwater-only-asks"
"""A message that expects this stream is refused by any other: the refusal says that there is one."""


class NatsTarget:
    """An open target."""

    transactional: bool = False

    def __init__(self, settings: NatsSettings, delivery: Delivery | None) -> None:
        """Use `Kind.make`."""
        self._settings, self._delivery = settings, delivery
        self._connection: Connection | None = None

    async def check(self) -> None:
        """Connect, and ask whether a stream takes our subjects. Raises: Halt, Retry."""
        wanted = [self._delivery.stream] if self._delivery else list(Stream)
        connection = await connected(self._settings)
        try:
            there = [stream for stream in wanted if await self._has_stream(connection, stream)]
        finally:
            await connection.close()
        if not there and not self._settings.create_stream:
            raise self._missing(wanted[0])

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Publish messages and wait for their acknowledgements. Raises: Halt, Retry."""
        stream = self._whom().stream
        if not batch:
            return Written(0)
        try:
            connection = await self._ready(stream)
            layout = Layout(self._settings.subject_prefix, stream)
            return await Flight(connection, self._settings).fly(layout, batch)  # P7
        except NoStreamError:
            await self.close()
            raise self._missing(stream) from None
        except BaseException:
            await self.close()  # what is still under way must not meet what is sent again
            raise

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _ready(self, stream: Stream) -> Connection:
        """Return a connection to a server that has a stream for us."""
        if self._connection is not None and self._connection.fault is None:
            return self._connection
        await self.close()
        connection = self._connection = await connected(self._settings)
        if not await self._has_stream(connection, stream):  # nor is anything sent before an answer has come
            if not self._settings.create_stream:
                raise self._missing(stream)
            await self._make(connection, stream)
        return connection

    async def _has_stream(self, connection: Connection, stream: Stream) -> bool:
        subject = f"{self._settings.subject_prefix}.{stream.value}.check"
        question = Message(subject, {"Nats-Expected-Stream": _NO_SUCH_STREAM}, b"")
        with mapped_errors():
            answer = await connection.ask(question, self._settings.timeout_ms / 1_000)
        if answer.error is not None and answer.error.err_code != OTHER_STREAM:
            raise of_answer(answer.error)
        return not answer.nobody

    async def _make(self, connection: Connection, stream: Stream) -> None:
        settings = self._settings
        with mapped_errors():
            await (
                cast("Any", connection.client)
                .jetstream(timeout=settings.timeout_ms / 1_000)
                .add_stream(
                    StreamConfig(
                        name=settings.stream or _name(stream),
                        description="Made by Headwater.",
                        subjects=[f"{settings.subject_prefix}.{stream.value}.>"],
                        storage=StorageType.FILE,
                        num_replicas=settings.replicas,
                        duplicate_window=settings.duplicate_window_ms / 1_000,
                        max_msgs_per_subject=1 if stream is Stream.RECORDS else -1,
                        max_age=_seconds(settings.max_age_days) if stream is Stream.EVENTS else 0,
                    )
                )
            )

    def _missing(self, stream: Stream) -> HeadwaterError:
        subject = f"{self._settings.subject_prefix}.{stream.value}.>"
        per_subject = " --max-msgs-per-subject=1" if stream is Stream.RECORDS else ""
        return Halt(
            f"No stream takes the subjects {subject}, or JetStream is not enabled.",
            code="target.missing",
            fix=f"Make one (nats stream add {_name(stream)} --subjects='{subject}'{per_subject}"
            " --dupe-window=10m), or set `create_stream`.",
            context={"subject": subject},
        )

    def _whom(self) -> Delivery:
        if self._delivery is None:
            raise ValueError("opened without a consumer, only to check")
        return self._delivery


def _name(stream: Stream) -> str:
    return f"HEADWATER_{stream.value.upper()}"


def _seconds(days: int) -> float:
    return timedelta(days=days).total_seconds()
