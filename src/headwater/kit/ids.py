"""Ids that nobody else has, and that sort by the time of their making."""

import os
import time
import uuid


def new_id() -> str:
    """Return a new UUID, version 7: it sorts by the time of its making, to a quarter of a microsecond.

    Source: RFC 9562, sections 5.7 and 6.2, method 3.
    """
    millis, nanos = divmod(time.time_ns(), 1_000_000)
    value = millis << 80 | 0x7 << 76 | (nanos * 4096 // 1_000_000) << 64
    value |= 0x2 << 62 | int.from_bytes(os.urandom(8)) >> 2
    return str(uuid.UUID(int=value))
