"""How a message looks in Kafka: its topic, key, value and headers. Pure; needs no driver.

docs/targets/kafka.md promises this layout to readers.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from headwater.model.position import Stream
from headwater.model.record import EventKind, Slot
from headwater.targets.target import Item

LONGEST_NAME = 249
"""Characters that Kafka allows in the name of a topic.
Source: org.apache.kafka.common.internals.Topic, MAX_NAME_LENGTH (read 2026-11-24)."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_DIGITS = 8
_RECORD_BYTES, _HEADER_BYTES = 100, 10
"""More than a record batch of one message, and each of its headers, need besides their content."""

_WORDS = {EventKind.CREATED: b"created", EventKind.UPDATED: b"updated", EventKind.DELETED: b"deleted"}

Headers = list[tuple[str, str | bytes | None]]


class Message(NamedTuple):
    """What is given to a producer."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers
    partition: int = -1
    """-1: the one of its key."""

    @property
    def size(self) -> int:
        """Its bytes as a broker counts them, at most."""
        headers = sum(len(name) + len(value or b"") + _HEADER_BYTES for name, value in self.headers)
        return _RECORD_BYTES + len(self.key) + len(self.value or b"") + headers


class Layout:
    """Makes the messages of one consumer."""

    def __init__(self, template: str, stream: Stream, *, tombstones: bool) -> None:
        """`tombstones`: deleted records have no value."""
        self._template, self._stream = template, stream
        self._tombstones = tombstones and stream is Stream.RECORDS
        self._places: dict[int, tuple[str, Headers]] = {}

    def message(self, item: Item) -> Message:
        """Return the message of an item."""
        place = self._places.get(item.slot.number)
        if place is None:
            place = self._places[item.slot.number] = self._place(item.slot)
        topic, fixed = place
        key = item.key.encode("utf-8", "surrogatepass")
        headers: Headers = [
            ("headwater-message-id", item.message_id.encode()),
            ("headwater-record-id", item.record_id.encode()),
            ("headwater-updated-idx", b"%d" % item.updated_idx),
            ("headwater-event", _WORDS[EventKind(item.entry.event)]),
            *fixed,
        ]
        value = None if self._tombstones and item.deleted else item.json
        return Message(topic, key, value, headers)

    def messages(self, items: Sequence[Item]) -> list[Message]:
        """Return the messages of items."""
        return [self.message(item) for item in items]

    def _place(self, slot: Slot) -> tuple[str, Headers]:
        fixed: Headers = [
            ("headwater-sync-id", slot.sync_id.encode()),
            ("headwater-collection-id", slot.collection_id.encode()),
        ]
        return topic_name(self._template, self._stream, slot), fixed


def topic_name(template: str, stream: Stream, slot: Slot) -> str:
    """Return the name of a slot's topic, as `safe` makes it."""
    provider, _, collection = slot.collection_id.partition(":")
    return safe(
        template.format(stream=stream.value, provider=provider, collection=collection, sync_id=slot.sync_id)
    )


def safe(name: str) -> str:
    """Return a name that Kafka allows, another one for each name.

    What has other characters than letters, digits and `._-`, or is too long, is changed and gets a dash and
    the first digits of its SHA-256.
    """
    made = _UNSAFE.sub("_", name)
    if made == name and len(name) <= LONGEST_NAME and name not in (".", ".."):
        return name
    digits = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{made[: LONGEST_NAME - _DIGITS - 1]}-{digits}"
