"""When to look again. Pure: busy collections oftener, idle ones down to a floor."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The bounds of the wait between two looks. `fixed`: the user's own `sync_frequency` instead."""

    shortest: timedelta
    longest: timedelta
    fixed: timedelta | None = None


def next_wait(wait: timedelta, pace: Pace, *, changed: bool, took: timedelta) -> timedelta:
    """Return the wait before the next look, counted from the end of one that took `took`.

    A look that found changes halves the wait, one that found none lengthens it by half. A look that takes
    long is not repeated at once: at least a tenth of its time goes by.
    """
    if pace.fixed is not None:
        return max(pace.fixed - took, timedelta())
    wait = wait / 2 if changed else wait * 1.5
    shortest = max(pace.shortest, took / 10)
    return min(max(wait, shortest), max(pace.longest, shortest))
