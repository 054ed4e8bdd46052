"""Consumers: who is given which stream, from where on. Not here: how far they are (`schema.standings`)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from headwater.model.position import Stream
from headwater.model.sync import Health, Status


class OnGap(StrEnum):
    """What a managed consumer does when entries have passed out of retention before it read them."""

    HALT = "halt"
    SKIP = "skip"


BEGINNING, END = "beginning", "end"
"""`start` of a managed consumer, besides an instant as ISO 8601."""

ALL, NEW, LAST = "all", "new", "last"
"""Deliver policies of an HTTP consumer, besides a duration back from now such as `1h`."""

UNLIMITED = -1
"""`max_deliver` of a consumer that tries again without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which entries of a stream a consumer wants. `*` is everything.

    Shape: `{"provider": ["stripe"], "sync_id": ["*"], "collection_id": ["stripe:*"], "event": ["created"]}`
    """

    provider: tuple[str, ...] = ("*",)
    sync_id: tuple[str, ...] = ("*",)
    collection_id: tuple[str, ...] = ("*",)
    event: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How large a batch for a target may be, and how long a lone message waits for company."""

    max_messages: int = 1_000
    max_bytes: int = 8_000_000
    max_wait_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A managed consumer: forwards a stream to a target. `start`: `beginning`, `end` or an instant."""

    id: str
    name: str
    stream: Stream
    target_id: str
    filters: Selection
    start: str
    on_gap: OnGap
    max_deliver: int
    batch: Batching
    status: Status
    health: Health
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConsumer:
    """A consumer whose messages are fetched and acknowledged over HTTP.

    `deliver_policy`: `all`, `new`, `last` or a duration back from now, such as `1h`.
    """

    id: str
    name: str
    stream: Stream
    filters: Selection
    ack_wait: timedelta
    max_deliver: int
    max_ack_pending: int
    deliver_policy: str
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
