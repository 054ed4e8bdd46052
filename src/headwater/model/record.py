"""Records and their changes: what was seen, what is held, what happened, and the row of the log that says
so."""

from enum import IntEnum

import msgspec


class EventKind(IntEnum):
    """What happened to a record. The numbers are stored."""

    CREATED = 0
    UPDATED = 1
    DELETED = 2


class Origin(IntEnum):
    """What noticed a change. The numbers are stored."""

    BACKFILL = 0
    SINCE = 1
    FEED = 2
    SWEEP = 3
    WEBHOOK = 4
    MUTATION = 5


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """The place of one collection of one sync in the streams.

    `number` stands for (sync, collection) in every row; `partition` is the partition of the sync.
    """

    number: int
    partition: int
    sync_id: str
    collection_id: str
    """`provider:collection`."""

    @property
    def provider(self) -> str:
        """The provider's name, the part of `collection_id` before the colon."""
        return self.collection_id.partition(":")[0]


class Observed(msgspec.Struct, frozen=True, gc=False):
    """One object of an API as one answer showed it.

    `raw` is the object's JSON as it came (white space and all); empty when only the absence of the object
    was seen. `version` is the API's own order of an object's states (its update time in microseconds, or its
    sequence number); None where the API has none. `fingerprint` is the xxh3-128 of `raw` (of its lasting
    part, where a collection has volatile fields).
    """

    id: str
    raw: bytes
    fingerprint: bytes
    version: int | None = None
    created_us: int | None = None
    updated_us: int | None = None
    deleted: bool = False


class Held(msgspec.Struct, frozen=True, gc=False):
    """What the streams hold of one record, without its data.

    `position` is its version (`updated_idx`). `asked_us` says when the request was sent whose answer last
    changed it.
    """

    position: int
    fingerprint: bytes
    version: int | None
    asked_us: int
    deleted: bool


CHAINED = -1
"""`Change.expects` of a change that follows another change of the same record in the same commit."""


class Change(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One change of one record, decided but not yet placed: `commit` gives position and time.

    `expects` is the position of the version that it replaces, None where nothing is held, `CHAINED` where the
    version it replaces is made by an earlier change of the same commit.
    `data` and `previous_data` are compact JSON. `updated_us` None means: the time of the commit.
    """

    slot: int
    upstream_id: str
    event: EventKind
    origin: Origin
    expects: int | None
    fingerprint: bytes
    version: int | None
    asked_us: int
    created_us: int | None
    updated_us: int | None
    data: bytes
    previous_data: bytes | None = None
    mutation_id: str | None = None


class Renewal(msgspec.Struct, frozen=True, gc=False):
    """The same object in another spelling: the fingerprint is renewed, so that it is not compared again. No
    change."""

    slot: int
    upstream_id: str
    expects: int
    fingerprint: bytes


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One row of the log: an event and, while `latest`, the record itself.

    `position` is the record's `updated_idx`; `inserted_us` when it was committed. Field order is the order
    in which engines select.
    """

    partition: int
    position: int
    slot: int
    upstream_id: str
    event: int
    origin: int
    inserted_us: int
    created_us: int | None
    updated_us: int
    mutation_id: str | None
    data: bytes
    previous_data: bytes | None
    replaces: int | None = None
    """Position of the version that this one replaced; None for the first. It may have left the log."""
