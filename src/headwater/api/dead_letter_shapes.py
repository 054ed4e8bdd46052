"""Dead letters as JSON, and what is asked about them. The message is inserted as bytes, token by token."""

import json
from typing import Annotated

from pydantic import ConfigDict, Field

from headwater.api.inputs import Input, Key
from headwater.api.shapes import Answer, Instant
from headwater.api.stream_shapes import Event, Record
from headwater.consumers.dead_letters import DeadLetter
from headwater.kit.clock import from_us, iso
from headwater.model.position import Stream


class DeadLetterShape(Answer):
    """A message that was given up, and why.

    `record` or `event` is the message, by the consumer's stream; null where retention took it before it could
    be kept. `redrive`: it will be delivered once more.
    """

    id: str
    sync_id: str
    collection_id: str
    upstream_id: str
    updated_idx: int
    deliveries: int
    code: str
    error: str
    dead_at: Instant
    redrive: bool
    record: Record | None = None
    event: Event | None = None


class DeadLettersInput(Input):
    """Which dead letters are meant: some, or all of the consumer's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ids": ["0190a5c8-6f5e-7d62-8f57-5b1f8a4a2f10"]}, {"all": True}],
        }
    )

    ids: Annotated[list[Key], Field(min_length=1, max_length=10_000)] | None = None
    all: bool = False


class Redriven(Answer):
    """How many messages will be delivered once more. Those that are none any more are not counted."""

    redriven: int


class Discarded(Answer):
    """How many messages were let go. Those that were none any more are not counted."""

    discarded: int


def rendered(letter: DeadLetter, stream: Stream) -> bytes:
    """Return a dead letter as JSON."""
    known = json.dumps(
        {
            "id": letter.id,
            "sync_id": letter.owned.slot.sync_id,
            "collection_id": letter.owned.slot.collection_id,
            "upstream_id": letter.upstream_id,
            "updated_idx": letter.updated_idx,
            "deliveries": letter.deliveries,
            "code": letter.code,
            "error": letter.error,
            "dead_at": iso(from_us(letter.dead_us)),
            "redrive": letter.redrive,
        },
        separators=(",", ":"),
    ).encode()  # everything beyond ASCII as its escape: ids may hold what UTF-8 cannot
    name = stream.value.removesuffix("s").encode()
    return b'%b,"%b":%b}' % (known[:-1], name, letter.json or b"null")
