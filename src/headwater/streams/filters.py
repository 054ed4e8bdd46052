"""Which entries of a stream somebody wants. Not here: reading them (`reading`)."""

import json
from dataclasses import dataclass

from headwater.model.record import Entry, EventKind
from headwater.streams.slots import Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which entries a reader wants; an empty set wants all."""

    sync_id: frozenset[str] = frozenset()
    provider: frozenset[str] = frozenset()
    collection_id: frozenset[str] = frozenset()
    """Full ids, or all of a provider's as `stripe:*`."""
    upstream_id: frozenset[str] = frozenset()
    event: frozenset[EventKind] = frozenset()
    deleted: bool | None = None

    @property
    def key(self) -> str:
        """The same text for the same filters, to which cursors are bound."""
        names = ("sync_id", "provider", "collection_id", "upstream_id", "event")
        members = {name: sorted(getattr(self, name)) for name in names if getattr(self, name)}
        return json.dumps(members if self.deleted is None else members | {"deleted": self.deleted})

    def want(self, entry: Entry) -> bool:
        """Say whether an entry passes the filters that look at entries."""
        return (
            (not self.upstream_id or entry.upstream_id in self.upstream_id)
            and (not self.event or entry.event in self.event)
            and (self.deleted is None or (entry.event == EventKind.DELETED) == self.deleted)
        )

    @property
    def look_at_entries(self) -> bool:
        """Whether any filter does."""
        return bool(self.upstream_id or self.event) or self.deleted is not None

    def choose(self, slots: Slots, tenant: str | None) -> frozenset[int] | None:
        """Return the slots that are wanted, only the tenant's own; None when nothing is left out."""
        if tenant is None and not (self.sync_id or self.provider or self.collection_id):
            return None
        whole = {id.removesuffix(":*") for id in self.collection_id if id.endswith(":*")}
        return frozenset(
            number
            for number, owned in slots.by_number.items()
            if (tenant is None or owned.external_id == tenant)  # P12
            and (not self.sync_id or owned.slot.sync_id in self.sync_id)
            and (not self.provider or owned.slot.provider in self.provider)
            and (
                not self.collection_id
                or "*" in self.collection_id
                or owned.slot.collection_id in self.collection_id
                or owned.slot.provider in whole
            )
        )
