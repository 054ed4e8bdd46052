"""Ids of our own objects: random ones for what users create, derived ones for records and events."""

import os
import time
import uuid

NAMESPACE = uuid.UUID("7b0c4a52-61b4-5b8e-9d0e-6f1f4a1c2d3e")
"""Namespace of record ids: a record has the same id in every installation that holds its sync."""


def new_id() -> str:
    """Return a new UUID, version 7: it sorts by the time of its making.

    Source: RFC 9562, section 5.7.
    """
    millis = time.time_ns() // 1_000_000
    value = (millis << 80) | int.from_bytes(os.urandom(10))
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def record_id(sync_id: str, collection_id: str, upstream_id: str) -> str:
    """Return the id of a record, derived from its key (a version 5 UUID)."""
    return str(uuid.uuid5(NAMESPACE, f"{sync_id}/{collection_id}/{upstream_id}"))


def event_id(record: str, updated_idx: int) -> str:
    """Return the id of the change that gave `record` its version `updated_idx`: never two ids for one
    change."""
    return str(uuid.uuid5(uuid.UUID(record), str(updated_idx)))
