"""Records and events as a client reads them, with `data` in the bytes that came."""

import time
from collections.abc import Sequence

import msgspec


class Seen(msgspec.Struct, kw_only=True):
    """A record or an event, and when this client got it."""

    sync_id: str
    collection_id: str
    upstream_id: str
    updated_idx: int
    data: msgspec.Raw
    deleted: bool = False
    """Of a record."""
    event: str = ""
    event_id: str = ""
    previous_data: msgspec.Raw = msgspec.Raw()
    """Empty where there is none."""
    at_ms: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.sync_id, self.collection_id, self.upstream_id

    @property
    def collection(self) -> str:
        """The collection's name without the provider's."""
        return self.collection_id.partition(":")[2]

    @property
    def text(self) -> str:
        """The data as it came."""
        return bytes(self.data).decode()

    @property
    def shows(self) -> str | None:
        """The state that it tells of: the object's text, None for deleted."""
        return None if self.deleted or self.event == "deleted" else self.text

    @property
    def previous(self) -> str:
        """What the changed fields were, as it came; empty where there is nothing."""
        return bytes(self.previous_data).decode()


class Page(msgspec.Struct):
    """A page of either stream."""

    cursor: str
    has_more: bool
    records: list[Seen] = []
    events: list[Seen] = []

    @property
    def entries(self) -> list[Seen]:
        return self.records or self.events


def read_page(body: bytes) -> Page:
    """Decode a page; its entries carry the time and keep their bytes after the page is gone."""
    page = msgspec.json.decode(body, type=Page)
    now_ms = time.time_ns() // 1_000_000
    for one in page.entries:
        one.at_ms = now_ms
        one.data = one.data.copy()
        one.previous_data = one.previous_data.copy()
    return page


def folded(records: Sequence[Seen]) -> dict[tuple[str, str, str], Seen]:
    """Return the last that was said of each record."""
    return {one.key: one for one in records}
