"""Consumers over HTTP as the API takes and shows them, and their messages as the OpenAPI document has them.

Answers with messages are made as bytes (`http_consumers`), in this order.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from headwater.api.consumer_inputs import Deliveries, FiltersInput
from headwater.api.consumer_shapes import FiltersShape
from headwater.api.inputs import Input, Key, Name, Object
from headwater.api.shapes import Answer, Instant
from headwater.api.stream_shapes import Event, Record
from headwater.consumers import handout
from headwater.kit.clock import iso
from headwater.model.consumer import HttpConsumer

_MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000

AckWait = Annotated[
    int,
    Field(
        ge=100,
        le=DAY_MS,
        description="Milliseconds that a worker has for a message, until it is handed to another one.",
    ),
]
MaxAckPending = Annotated[
    int, Field(ge=1, le=100_000, description="How many messages may be out and not settled at once.")
]
BatchSize = Annotated[int, Field(ge=1, le=1000, description="Messages at most.")]
WaitFor = Annotated[
    int, Field(ge=0, le=60_000, description="Milliseconds to wait for a message when there is none.")
]
Tokens = Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=10_000)]


class HttpConsumerInput(Input):
    """A consumer over HTTP to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "billing workers", "stream": "events", "filters": {"collection_id": "stripe:*"}}
            ]
        }
    )

    name: Name | None = None
    stream: Literal["records", "events"]
    filters: FiltersInput = Field(default_factory=FiltersInput)
    ack_wait_ms: AckWait = 30_000
    max_deliver: Deliveries = -1
    """How often a message is handed out before it goes to the dead letters; -1 is without end."""
    max_ack_pending: MaxAckPending = 1_000
    deliver_policy: Key = "all"
    """`all`, `new`, `last`, or a duration back from now such as `1h`."""
    external_id: Key | None = None
    metadata: Object = Field(default_factory=dict[str, Any])


class HttpConsumerPatch(Input):
    """What to change of a consumer over HTTP. It goes on from where it stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ack_wait_ms": 60000, "max_deliver": 5}]})

    name: Name | None = None
    filters: FiltersInput | None = None
    ack_wait_ms: AckWait | None = None
    max_deliver: Deliveries | None = None
    max_ack_pending: MaxAckPending | None = None
    metadata: Object | None = None


class NextInput(Input):
    """How many messages a worker takes, and how long it waits for the first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"batch_size": 100, "wait_for": 30000}]})

    batch_size: BatchSize = 1
    wait_for: WaitFor = 0


class TokensInput(Input):
    """Messages, by the tokens that came with them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ack_tokens": ["9f86d081884c7d65.0.42"]}]})

    ack_tokens: Tokens


class NackInput(Input):
    """Messages to give back; `delay_ms`: not to be handed out again before."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ack_tokens": ["9f86d081884c7d65.0.42"], "delay_ms": 5000}]}
    )

    ack_tokens: Tokens
    delay_ms: Annotated[int, Field(ge=0, le=DAY_MS)] = 0


class ResetInput(Input):
    """Where to start over; by the consumer's own policy where it is left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"deliver_policy": "all"}]})

    deliver_policy: Key | None = None


class HttpConsumerShape(Answer):
    """A consumer whose messages are fetched and acknowledged over HTTP."""

    id: str
    name: str
    stream: Literal["records", "events"]
    filters: FiltersShape
    ack_wait_ms: int
    max_deliver: int
    max_ack_pending: int
    deliver_policy: str
    external_id: str | None
    metadata: dict[str, Any]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, consumer: HttpConsumer) -> "HttpConsumerShape":
        """Show a consumer."""
        return cls(
            id=consumer.id,
            name=consumer.name,
            stream=consumer.stream.value,
            filters=FiltersShape.of(consumer.filters),
            ack_wait_ms=consumer.ack_wait // _MILLISECOND,
            max_deliver=consumer.max_deliver,
            max_ack_pending=consumer.max_ack_pending,
            deliver_policy=consumer.deliver_policy,
            external_id=consumer.external_id,
            metadata=consumer.metadata,
            created_at=iso(consumer.created_at),
            updated_at=iso(consumer.updated_at),
        )


class RecordMessage(Answer):
    """A record that was handed out; without a token, one that was only looked at."""

    ack_token: str | None = None
    record: Record


class EventMessage(Answer):
    """An event that was handed out; without a token, one that was only looked at."""

    ack_token: str | None = None
    event: Event


class BacklogShape(Answer):
    """What there is still to do."""

    num_pending: int = Field(description="Messages that were not handed out yet.")
    num_ack_pending: int = Field(description="Messages that were handed out and are not settled.")
    num_pending_is_estimate: bool = Field(
        description="`num_pending` counts entries that the filters may leave out, or that were replaced."
    )


class MessagesShape(Answer):
    """Messages, and what there is beside them."""

    data: list[RecordMessage | EventMessage]
    info: BacklogShape


class AckedShape(Answer):
    """How many messages are settled now, and the tokens that mean nothing (any more)."""

    acked: int
    unknown: list[str]

    @classmethod
    def of(cls, settled: handout.Settled) -> "AckedShape":
        """Show what became of tokens."""
        return cls(acked=settled.count, unknown=settled.unknown)


class NackedShape(Answer):
    """How many messages were given back, and the tokens that mean nothing (any more)."""

    nacked: int
    unknown: list[str]

    @classmethod
    def of(cls, settled: handout.Settled) -> "NackedShape":
        """Show what became of tokens."""
        return cls(nacked=settled.count, unknown=settled.unknown)


class ExtendedShape(Answer):
    """How many waits began anew, and the tokens that mean nothing (any more)."""

    extended: int
    unknown: list[str]

    @classmethod
    def of(cls, settled: handout.Settled) -> "ExtendedShape":
        """Show what became of tokens."""
        return cls(extended=settled.count, unknown=settled.unknown)
