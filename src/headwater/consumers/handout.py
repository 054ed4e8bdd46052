"""What workers are handed over HTTP, and the tokens by which they answer for it. Not here: who is handed what
(`pull`).
"""

import re
import secrets
from collections.abc import Iterable

import msgspec

from headwater.consumers.outstanding import Out
from headwater.model.position import Stream

_TOKEN = re.compile(r"([0-9a-f]{16})\.(\d{1,5})\.(\d{1,18})", re.ASCII)


class Token(msgspec.Struct, frozen=True, gc=False):
    """One message in one hand-out. Means something only to its consumer, until it runs out or is used."""

    delivery: str
    partition: int
    position: int

    def __str__(self) -> str:
        return f"{self.delivery}.{self.partition}.{self.position}"

    @property
    def out(self) -> Out:
        """The message in the hand-out, as the rows have it."""
        return self.partition, self.position, self.delivery


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message as it is handed out: a Record or an Event as JSON. One only looked at has no token."""

    json: bytes
    token: Token | None = None


class Backlog(msgspec.Struct, frozen=True, gc=False):
    """What there is still to do: messages not handed out yet, and those handed out that are not settled.

    `is_estimate`: `pending` counts entries that may not be wanted, or were replaced.
    """

    pending: int
    ack_pending: int
    is_estimate: bool


class Batch(msgspec.Struct, frozen=True):
    """Messages of a stream, and what there is beside them."""

    stream: Stream
    messages: list[Message]
    backlog: Backlog


class Settled(msgspec.Struct, frozen=True):
    """What became of tokens: how many did what was asked; those that mean nothing (any more)."""

    count: int
    unknown: list[str]


def new_delivery() -> str:
    """Return a name for a hand-out, which nobody guesses."""
    return secrets.token_hex(8)


def tokens_of(texts: Iterable[str]) -> dict[str, Token | None]:
    """Return what tokens mean, each once and in order; None for one that never was any."""
    return {text: _token(text) for text in texts}


def _token(text: str) -> Token | None:
    found = _TOKEN.fullmatch(text)
    return None if found is None else Token(found[1], int(found[2]), int(found[3]))
