"""Pushes compared with what asking finds: whether they come at all, and whether some get lost. Pure.

A change that a poll or the feed found counts as lost when no push told of it within two minutes, before or
after. Not here: what is done about it (`silence`).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

_MICROSECOND = timedelta(microseconds=1)
PATIENCE_US = timedelta(minutes=2) // _MICROSECOND
"""So long a push may take."""
WINDOW_US = timedelta(hours=1) // _MICROSECOND
"""What is older is forgotten."""
ENOUGH = 3
"""Lost changes that are no coincidence any more."""
_MOST = 10_000
"""Changes and pushes that are remembered at most."""

Key = tuple[str, str]
"""Collection and upstream id."""


class Verdict(StrEnum):
    """What the comparison says."""

    FINE = "fine"
    SILENT = "silent"
    """Things change, and nothing at all is pushed."""
    LOSSY = "lossy"
    """Some changes are pushed and others are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found without having been pushed, and how many pushes came meanwhile."""

    verdict: Verdict
    lost: int
    pushes: int
    since_us: int
    """When the first of the lost changes was found."""


@dataclass(slots=True, kw_only=True)
class Comparison:
    """The pushes and the findings of one sync in the last hour. `exact`: collections of whose every change a
    push tells; for the others only complete silence says something."""

    exact: frozenset[str]
    _found: deque[tuple[int, Key]] = field(default_factory=lambda: deque[tuple[int, Key]](maxlen=_MOST))
    _pushes: deque[int] = field(default_factory=lambda: deque[int](maxlen=_MOST))
    _told: dict[Key, int] = field(default_factory=dict[Key, int])

    def pushed(self, keys: Iterable[Key], at_us: int) -> None:
        """Take note of a push and of what it tells."""
        self._pushes.append(at_us)
        for key in keys:
            self._told[key] = at_us

    def found(self, key: Key, at_us: int) -> None:
        """Take note of a change that was found by asking."""
        self._found.append((at_us, key))

    def seen(self, now_us: int) -> Seen:
        """Return what the comparison says now."""
        self._forget(now_us - WINDOW_US)
        ripe = [(at_us, key) for at_us, key in self._found if at_us <= now_us - PATIENCE_US]
        untold = [(at_us, key) for at_us, key in ripe if not self._was_told(key, at_us)]
        if not untold:
            return Seen(verdict=Verdict.FINE, lost=0, pushes=len(self._pushes), since_us=now_us)
        first = untold[0][0]
        pushes = sum(at_us >= first - PATIENCE_US for at_us in self._pushes)
        exactly = [at_us for at_us, (collection, _) in untold if collection in self.exact]
        verdict = Verdict.FINE
        if pushes == 0 and len(untold) >= ENOUGH:
            verdict = Verdict.SILENT
        elif pushes > 0 and len(exactly) >= ENOUGH:
            verdict = Verdict.LOSSY
        lost = len(untold) if verdict is Verdict.SILENT else len(exactly)
        return Seen(verdict=verdict, lost=lost, pushes=pushes, since_us=first)

    def _was_told(self, key: Key, at_us: int) -> bool:
        told_us = self._told.get(key)
        return told_us is not None and told_us >= at_us - PATIENCE_US

    def _forget(self, before_us: int) -> None:
        while self._found and self._found[0][0] < before_us:
            self._found.popleft()
        while self._pushes and self._pushes[0] < before_us:
            self._pushes.popleft()
        for key in [key for key, at_us in self._told.items() if at_us < before_us - PATIENCE_US]:
            del self._told[key]
