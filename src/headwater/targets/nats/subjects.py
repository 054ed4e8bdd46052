"""How ids become tokens of a subject, and back. Pure; docs/targets/nats.md promises it to readers.

A token holds what a URL's path segment may hold unquoted, without the dot: letters, digits, `-`, `_` and
`~`. Everything else is `%` and two digits for each byte of its UTF-8, as in URLs; so any library for URLs
decodes it.
"""

from urllib.parse import quote, unquote_to_bytes

from headwater.model.position import Stream
from headwater.model.record import EventKind, Slot

LONGEST = 3_500
"""Characters of a subject that are sent. A server ends the connection where a whole command line has more
than 4,096 bytes (`max_control_line`).
Source: https://docs.nats.io/running-a-nats-service/configuration (read 2026-11-24)."""

EMPTY = "%"
"""The token of an empty text: a token cannot be empty."""

WORDS = {EventKind.CREATED: "created", EventKind.UPDATED: "updated", EventKind.DELETED: "deleted"}


def token(text: str) -> str:
    """Return the token of a text: another one for each text."""
    if text.isalnum() and text.isascii():
        return text
    return quote(text.encode("utf-8", "surrogatepass"), safe="").replace(".", "%2E") or EMPTY


def text(token: str) -> str:
    """Return the text of a token."""
    return "" if token == EMPTY else unquote_to_bytes(token).decode("utf-8", "surrogatepass")


def place(prefix: str, stream: Stream, slot: Slot) -> str:
    """Return the first part of a slot's subjects: everything before the upstream id."""
    provider, _, collection = slot.collection_id.partition(":")
    return f"{prefix}.{stream.value}.{token(slot.sync_id)}.{token(provider)}.{token(collection)}"
