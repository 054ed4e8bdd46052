"""What a target is: a value that names a kind, and the protocol of what it opens. Not here: any kind.

One open target serves one consumer, from one task at a time: `write` is never called twice at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Annotated, Any, Protocol

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict

from headwater.errors import Halt
from headwater.kit import durations
from headwater.model.position import Stream, Vector
from headwater.model.record import Entry, EventKind, Slot


def _duration(value: object) -> object:
    return durations.parse(value) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""Written as `7d`, `36h`, `15m`, `30s`, or in ISO 8601."""


class TargetSettings(BaseModel):
    """Settings of a kind of target. Fields of type `Secret` are kept sealed and shown masked."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Item(msgspec.Struct, frozen=True, gc=False):
    """One message: a version of a record, or an event.

    `json` is the Record or the Event as the HTTP API serves it. Text may have lone surrogates and `\\u0000`.
    """

    entry: Entry
    slot: Slot
    external_id: str | None
    record_id: str
    """The record's own id (a UUID), the same for all its versions and events."""
    message_id: str
    """The same at every repeat, no other's: an event's `event_id`; of records `<record id>:<updated_idx>`."""
    json: bytes

    @property
    def key(self) -> str:
        """The record's key as text: `<sync id>/<collection id>/<upstream id>`."""
        return f"{self.slot.sync_id}/{self.slot.collection_id}/{self.entry.upstream_id}"

    @property
    def updated_idx(self) -> int:
        """The record's version: of two messages of one record the later one has the higher number."""
        return self.entry.position

    @property
    def deleted(self) -> bool:
        """Whether the object is gone upstream."""
        return self.entry.event == EventKind.DELETED


class Mark(msgspec.Struct, frozen=True):
    """Where a consumer stands, as a target keeps it for us. `generation` grows with each reset."""

    generation: int
    position: Vector


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """For which consumer a target is open, and under which epoch of its lease.

    A target that keeps our position refuses the writes of an earlier epoch: their process was stopped, and
    woke up after another one had taken over.
    """

    consumer_id: str
    name: str
    stream: Stream
    epoch: int


class Refusal(msgspec.Struct, frozen=True):
    """An item that was not stored: its index in the batch, a stable code, a sentence without payload (P8).

    `after`: the wait that the target asked for, where it may be tried again.
    """

    index: int
    code: str
    reason: str
    after: timedelta | None = None


class Written(msgspec.Struct, frozen=True):
    """What became of a batch: of the first `count` items each is stored, or in `rejected` or `held`.

    `rejected` can never be stored and go to the dead letters. `held` could not be stored now, while others
    could: they are tried again later, and with them whatever comes of the same records (so an item whose
    record has an earlier one held must be held too, or lie beyond `count`).
    """

    count: int
    rejected: Sequence[Refusal] = ()
    held: Sequence[Refusal] = ()


class Target(Protocol):
    """An open target.

    Errors are ours, never the driver's: `Retry` (not reachable, busy, too slow: the batch is written again
    later), `Halt` (a person must act: refused credentials, a missing table or right, a full disk; `fix` says
    how).
    """

    transactional: bool
    """Whether it keeps our position in the transaction of the messages: a `TransactionalTarget` then."""

    async def check(self) -> None:
        """Can we reach it and may we write? Changes nothing that anybody reads. Raises: Halt, Retry."""
        ...

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Write messages in order; `mark` is where the consumer stands after them.

        Calling again with the same messages changes nothing where the target can compare (P4).
        A transactional target writes messages and mark in one transaction, whole or not at all: when it
        rejects some, it writes nothing and returns `Written(0, rejected)`, and is called again without them.
        Raises: Halt, Retry, LeaseLost (a later epoch has been here).
        """
        ...

    async def close(self) -> None:
        """Give back what is open. Calling it twice is fine."""
        ...


class TransactionalTarget(Target, Protocol):
    """A target that keeps our position: every message is stored exactly once."""

    async def position(self) -> Mark | None:
        """Take over, so that earlier epochs can write no more, and return where the consumer stands.

        None when it never wrote. Raises: Halt, Retry, LeaseLost.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of target.

    `open(settings, delivery)` makes one without connecting yet; without a delivery it is only for `check`.
    """

    name: str
    title: str
    summary: str
    """One sentence for the catalogue."""
    settings: type[TargetSettings]
    open: Callable[[Any, Delivery | None], Target]
    schemes: tuple[str, ...] = ()
    """Schemes of URLs that stand for such a target: `--to postgresql://…`."""
    from_url: Callable[[str], Mapping[str, Any]] = lambda url: {"url": url}
    """Makes settings of such a URL."""
    driver: str | None = None
    """The module that it needs, which comes with the extra of the kind's name."""
    guarantee: str = "at least once"
    """What a user can count on, in a few words."""
    streams: frozenset[Stream] = field(default_factory=lambda: frozenset(Stream))
    reserved: frozenset[str] = frozenset()
    """Settings that a key bound to a tenant must leave at their default: they lead where it has no business
    (P12)."""
    setup: Callable[[Any], str] | None = None
    """Makes the text, such as SQL, by which a person prepares the place for these settings, or sees what is
    made there; None where there is nothing to prepare."""

    def make(self, settings: TargetSettings, delivery: Delivery | None = None) -> Target:
        """Open one. Raises: Halt `target.driver_missing`, with what to install."""
        if self.driver is not None:
            _need(self.driver, self)
        return self.open(settings, delivery)


def _need(driver: str, kind: Kind) -> None:
    try:
        import_module(driver)
    except ImportError as error:
        raise Halt(
            f"{kind.title} needs the package `{driver}`, which is not installed.",
            code="target.driver_missing",
            fix=f"Install it with: pip install 'headwater[{kind.name}]', and start Headwater again.",
        ) from error
