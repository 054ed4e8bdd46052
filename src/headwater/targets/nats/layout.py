"""How a message looks in NATS: its subject, headers and payload. Pure; needs no driver."""

from typing import NamedTuple

from headwater.model.position import Stream
from headwater.model.record import EventKind
from headwater.targets.nats import subjects
from headwater.targets.target import Item, Refusal

Headers = dict[str, str]

_FRAME_BYTES, _HEADER_BYTES = len("NATS/1.0\r\n\r\n"), len(": \r\n")


class Message(NamedTuple):
    """What is published."""

    subject: str
    headers: Headers
    payload: bytes

    @property
    def size(self) -> int:
        """Its bytes as a server counts them against `max_payload`."""
        headers = sum(len(name) + len(value) + _HEADER_BYTES for name, value in self.headers.items())
        return _FRAME_BYTES + headers + len(self.payload)


class Layout:
    """Makes the messages of one consumer."""

    def __init__(self, prefix: str, stream: Stream) -> None:
        """`prefix`: the first tokens of every subject."""
        self._prefix, self._stream = prefix, stream
        self._places: dict[int, str] = {}

    def message(self, item: Item) -> Message:
        """Return the message of an item."""
        place = self._places.get(item.slot.number)
        if place is None:
            place = self._places[item.slot.number] = subjects.place(self._prefix, self._stream, item.slot)
        event = subjects.WORDS[EventKind(item.entry.event)]
        subject = f"{place}.{subjects.token(item.entry.upstream_id)}"
        headers = {
            "Nats-Msg-Id": item.message_id,  # P4: the server drops repeats
            "Headwater-Record-Id": item.record_id,
            "Headwater-Updated-Idx": str(item.updated_idx),
            "Headwater-Event": event,
        }
        return Message(f"{subject}.{event}" if self._stream is Stream.EVENTS else subject, headers, item.json)


def unfit(index: int, message: Message, max_payload: int) -> Refusal | None:
    """Return why a message cannot be sent to a server with this limit."""
    if message.size > max_payload:
        reason = f"The message has {message.size:,} bytes; the server's `max_payload` is {max_payload:,}."
        return Refusal(index=index, code="target.item_too_large", reason=reason)
    if len(message.subject) > subjects.LONGEST:
        reason = f"The subject would have {len(message.subject):,} characters, since the id is so long."
        return Refusal(index=index, code="target.item_refused", reason=reason)
    return None
