"""Ids of records and events, derived from what they are. Not here: ids of what users make (`kit.ids`)."""

import uuid
from hashlib import sha1

NAMESPACE = uuid.UUID("7b0c4a52-61b4-5b8e-9d0e-6f1f4a1c2d3e")
"""Namespace of record ids: a record has the same id in every installation that holds its sync."""


class RecordIds:
    """The ids of the records and events of one collection of one sync, made fast: what they begin with is
    hashed once.

    Both are version 5 UUIDs. Source: RFC 9562, section 5.5.
    """

    def __init__(self, sync_id: str, collection_id: str) -> None:
        """Prepare for a collection of a sync."""
        begin = NAMESPACE.bytes + f"{sync_id}/{collection_id}/".encode()
        self._begun = sha1(begin, usedforsecurity=False)

    def record(self, upstream_id: str) -> str:
        """Return the id of a record."""
        hashed = self._begun.copy()
        hashed.update(upstream_id.encode("utf-8", "surrogatepass"))
        return _uuid5(hashed.hexdigest())

    def event(self, upstream_id: str, updated_idx: int) -> str:
        """Return the id of the change that gave a record this version."""
        return event_id(self.record(upstream_id), updated_idx)


def record_id(sync_id: str, collection_id: str, upstream_id: str) -> str:
    """Return the id of a record, derived from its key (a version 5 UUID)."""
    return RecordIds(sync_id, collection_id).record(upstream_id)


def event_id(record: str, updated_idx: int) -> str:
    """Return the id of the change that gave `record` this version: never two ids for one change."""
    begin = bytes.fromhex(record.replace("-", ""))
    return _uuid5(sha1(begin + b"%d" % updated_idx, usedforsecurity=False).hexdigest())


def _uuid5(digits: str) -> str:
    """Return the version 5 UUID of a SHA-1 in hexadecimal digits."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
