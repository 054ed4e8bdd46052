"""Managed consumers as JSON; and the filters, which both kinds of consumer have."""

from typing import Any, Literal

from headwater.api.shapes import Answer, HealthShape, Instant
from headwater.kit.clock import iso
from headwater.management.consumer_views import ConsumerView
from headwater.management.lags import Lag
from headwater.model.consumer import Batching, Selection

Values = Literal["*"] | list[str]


class FiltersShape(Answer):
    """Which entries are wanted; `*` for all."""

    provider: Values
    sync_id: Values
    collection_id: Values
    event: Values

    @classmethod
    def of(cls, selection: Selection) -> "FiltersShape":
        """Show a selection."""
        return cls(
            provider=_values(selection.provider),
            sync_id=_values(selection.sync_id),
            collection_id=_values(selection.collection_id),
            event=_values(selection.event),
        )


class BatchShape(Answer):
    """How much is written at once, and how long a message waits for company."""

    max_messages: int
    max_bytes: int
    max_wait_ms: int

    @classmethod
    def of(cls, batch: Batching) -> "BatchShape":
        """Show a batching."""
        return cls(max_messages=batch.max_messages, max_bytes=batch.max_bytes, max_wait_ms=batch.max_wait_ms)


class LagShape(Answer):
    """How far behind its stream a consumer is.

    `messages`: at most so many are to come, since filters may leave some out and of a record only the latest
    version is delivered. `seconds`: how long ago the oldest of them was written.
    """

    messages: int
    seconds: float

    @classmethod
    def of(cls, lag: Lag) -> "LagShape":
        """Show a lag."""
        return cls(messages=lag.messages, seconds=round(lag.behind.total_seconds(), 3))


class ConsumerShape(Answer):
    """A managed consumer. `start`: where it was told to begin, last. `dead_letters`: how many there are."""

    id: str
    name: str
    stream: Literal["records", "events"]
    target_id: str
    filters: FiltersShape
    start: str
    on_gap: Literal["halt", "skip"]
    max_deliver: int
    batch: BatchShape
    status: Literal["active", "paused"]
    health: HealthShape
    lag: LagShape
    dead_letters: int
    external_id: str | None
    metadata: dict[str, Any]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, view: ConsumerView) -> "ConsumerShape":
        """Show a consumer."""
        consumer = view.consumer
        return cls(
            id=consumer.id,
            name=consumer.name,
            stream=consumer.stream.value,
            target_id=consumer.target_id,
            filters=FiltersShape.of(consumer.filters),
            start=consumer.start,
            on_gap=consumer.on_gap.value,
            max_deliver=consumer.max_deliver,
            batch=BatchShape.of(consumer.batch),
            status=consumer.status.value,
            health=HealthShape.of(consumer.health),
            lag=LagShape.of(view.lag),
            dead_letters=view.dead_letters,
            external_id=consumer.external_id,
            metadata=consumer.metadata,
            created_at=iso(consumer.created_at),
            updated_at=iso(consumer.updated_at),
        )


def _values(values: tuple[str, ...]) -> Values:
    return "*" if "*" in values else list(values)
