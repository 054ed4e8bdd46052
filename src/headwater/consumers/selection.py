"""A consumer's filters, as they are stored and as the stream's reader understands them. Not here: what a user
may write (`management`)."""

import json

from headwater.model.consumer import Selection
from headwater.model.record import EventKind
from headwater.streams.filters import Filters

EVENTS = {
    "created": EventKind.CREATED,
    "inserted": EventKind.CREATED,
    "updated": EventKind.UPDATED,
    "deleted": EventKind.DELETED,
}
"""The words that filters accept: both of those for a new record."""


def filters_of(selection: Selection) -> Filters:
    """Return the filters of a selection; a `*` among the values wants everything."""
    return Filters(
        sync_id=_some(selection.sync_id),
        provider=_some(selection.provider),
        collection_id=_some(selection.collection_id),
        event=frozenset(EVENTS[word] for word in _some(selection.event)),
    )


def to_text(selection: Selection) -> str:
    """Return a selection as the text of the column `filters`."""
    members = {name: getattr(selection, name) for name in ("provider", "sync_id", "collection_id", "event")}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Selection:
    """Return the selection that `to_text` wrote."""
    return Selection(**{name: tuple(values) for name, values in json.loads(text).items()})


def _some(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset() if "*" in values else frozenset(values)
