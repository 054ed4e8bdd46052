"""Positions in a stream: one number per partition, which readers carry in their cursor."""

from enum import StrEnum


class Stream(StrEnum):
    """The two streams."""

    RECORDS = "records"
    EVENTS = "events"


Vector = tuple[int, ...]
"""The last position read of each partition; 0 before the first entry. Positions of a partition are 1, 2, 3,
…"""


def start(partitions: int) -> Vector:
    """Return the vector before the first entry of every partition."""
    return (0,) * partitions


def covers(ahead: Vector, behind: Vector) -> bool:
    """Say whether a reader at `ahead` has read everything that one at `behind` has."""
    return all(a >= b for a, b in zip(ahead, behind, strict=True))
