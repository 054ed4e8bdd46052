"""A rate budget: buckets of requests that many callers share, the most urgent first. Knows no API.

`Governor` is the budget of one account of an API in this process: it lets requests go by the arithmetic of
`window`, in the order of their urgency, and obeys what the API itself says of its quota. It sends nothing.
"""

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum
from typing import Protocol

from headwater.kit.clock import Clock
from headwater.kit.quota import Quota
from headwater.kit.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """At most `allowed` units in any window of `per`.

    `name` `default` is the bucket of every request; others are named by the requests that spend from them
    too. Several buckets of one name all hold (so many a second, and so many a day).
    """

    name: str = "default"
    unit: str = "requests"
    allowed: int
    per: timedelta
    concurrent: int | None = None
    """At most so many requests under way at once."""

    def part(self, fraction: float) -> "Bucket":
        """Return a bucket of this part of the rate; the window is longer where that is less than one."""
        allowed = self.allowed * fraction
        if allowed >= 1:
            return replace(self, allowed=int(allowed))
        return replace(self, allowed=1, per=self.per / allowed)


class Urgency(IntEnum):
    """Who goes first when the budget is short."""

    WRITE = 0
    CHANGES = 1
    BACKFILL = 2
    SWEEP = 3


class Limiter(Protocol):
    """What a request asks before it is sent, and tells after it was answered."""

    async def acquire(self, urgency: Urgency, bucket: str = "default") -> None:
        """Wait until a request may be sent."""
        ...

    def release(self, bucket: str = "default") -> None:
        """Say that the request is over."""
        ...

    def learn(
        self,
        *,
        remaining: int | None,
        reset_after: float | None,
        retry_after: float | None,
        bucket: str = "default",
    ) -> None:
        """Take in what the API said of its quota.

        That is: units left of this bucket, seconds to its reset, seconds to wait before the next request of
        any.
        """
        ...


class Governor:
    """The budget of one account, or a share of it: every request of this process asks here first.

    Promise: P10 — no window of a bucket's `per` ever holds more than its `allowed` requests, at whatever
    instant between `acquire` and `release` the API counts them.
    """

    def __init__(self, buckets: Sequence[Bucket], clock: Clock, *, concurrent: int | None = None) -> None:
        """Without buckets only `concurrent` (requests under way at once) and what the API says set limits."""
        self.buckets = tuple(buckets)
        self._desk = _Desk(clock, concurrent)
        self._lanes = _lanes(self.buckets, clock.monotonic())

    async def acquire(self, urgency: Urgency, bucket: str = "default") -> None:
        """Wait until a request may be sent. A caller that is cancelled meanwhile leaves no trace."""
        await self._desk.enter(self._lanes[bucket], urgency)

    def release(self, bucket: str = "default") -> None:
        """Say that the request is over."""
        self._desk.leave(self._lanes[bucket])

    def learn(
        self,
        *,
        remaining: int | None,
        reset_after: float | None,
        retry_after: float | None,
        bucket: str = "default",
    ) -> None:
        """Slow down before the API's wall; where it asks for a pause, everybody pauses and starts slowly."""
        if remaining is not None:
            self._lanes[bucket].quota.hear(self._desk.clock.monotonic(), remaining, reset_after)
        if retry_after is not None:
            self._desk.pause(retry_after)
        self._desk.turn()

    def share(self, fraction: float) -> "Governor":
        """Return a part of this budget as a budget of its own, which spends from the whole as well."""
        if not 0 < fraction <= 1:
            raise ValueError("a share is more than 0 and at most 1")
        parts = [bucket.part(fraction) for bucket in self.buckets]
        child = copy(self)
        child.buckets = tuple(parts)
        child._lanes = _lanes(parts, self._desk.clock.monotonic(), self._lanes)
        return child

    @property
    def spent(self) -> Mapping[Urgency, int]:
        """Requests of the whole budget that were let go so far."""
        return self._desk.spent


_LEAVES = {Urgency.WRITE: 0.0, Urgency.CHANGES: 0.1, Urgency.BACKFILL: 0.5, Urgency.SWEEP: 0.75}
"""The part of a bucket's burst that a request leaves for more urgent ones."""

_HASTE = {Urgency.WRITE: 1.0, Urgency.CHANGES: 0.5, Urgency.BACKFILL: 0.0, Urgency.SWEEP: 0.0}
"""How a request is slowed by what the API says is left: see `Quota.ready_at`."""

_TRUSTED = 32
"""So many requests under way at once, after a slow start, show that a pause is over."""

_SHORTEST_WAIT = 1e-6
"""Seconds. Rounding must not make a wait that ends before its end."""


class _Lane:
    """Requests that spend from the same windows, waiting in order."""

    def __init__(self, windows: tuple[Window, ...], quota: Quota) -> None:
        self.windows, self.quota = windows, quota
        self._queues = tuple(deque[tuple[int, asyncio.Future[None]]]() for _ in Urgency)

    def join(self, urgency: Urgency, number: int) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues[urgency].append((number, waiter))
        return waiter

    def quit(self, urgency: Urgency, number: int, waiter: asyncio.Future[None]) -> None:
        with suppress(ValueError):
            self._queues[urgency].remove((number, waiter))

    def first(self) -> tuple[Urgency, int] | None:
        """Return urgency and number of who goes next."""
        for urgency, queue in zip(Urgency, self._queues, strict=True):
            while queue and queue[0][1].cancelled():
                queue.popleft()
            if queue:
                return urgency, queue[0][0]
        return None

    def admit(self, urgency: Urgency) -> None:
        self._queues[urgency].popleft()[1].set_result(None)


def _lanes(
    buckets: Sequence[Bucket], now: float, whole: Mapping[str, _Lane] | None = None
) -> dict[str, _Lane]:
    """Return a lane for each name of a bucket; those of a share spend from the lanes of the whole as well."""
    windows: dict[str, list[Window]] = {"default": []}
    for bucket in buckets:
        window = Window(bucket.allowed, bucket.per.total_seconds(), bucket.concurrent, now)
        windows.setdefault(bucket.name, []).append(window)
    general = windows.pop("default")
    lanes = {"default": general} | {name: general + own for name, own in windows.items()}
    if whole is None:
        return {name: _Lane(tuple(own), Quota()) for name, own in lanes.items()}
    return {name: _Lane((*own, *whole[name].windows), whole[name].quota) for name, own in lanes.items()}


class _Desk:
    """Where all who spend one budget wait, whatever their share and their buckets."""

    def __init__(self, clock: Clock, concurrent: int | None) -> None:
        self.clock = clock
        self.spent: dict[Urgency, int] = dict.fromkeys(Urgency, 0)
        self._concurrent = math.inf if concurrent is None else concurrent
        self._waiting: set[_Lane] = set()
        self._number = self._under_way = 0
        self._paused_until = -math.inf
        self._trust = math.inf
        self._sleeper: asyncio.Task[None] | None = None
        self._wakes_at = math.inf

    async def enter(self, lane: _Lane, urgency: Urgency) -> None:
        self._number += 1
        number = self._number
        waiter = lane.join(urgency, number)
        self._waiting.add(lane)
        self.turn()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._undo(lane, urgency)
            else:
                lane.quit(urgency, number, waiter)
            self.turn()
            raise

    def leave(self, lane: _Lane) -> None:
        now = self.clock.monotonic()
        self._under_way -= 1
        for window in lane.windows:
            window.finish(now)
        lane.quota.finish()
        if now >= self._paused_until:
            self._trust = self._trust + 1 if self._trust < _TRUSTED else math.inf
        self.turn()

    def pause(self, seconds: float) -> None:
        """Let nobody go for so long; then one at a time, and one more with each that went well."""
        self._paused_until = max(self._paused_until, self.clock.monotonic() + seconds)
        self._trust = 1

    def _undo(self, lane: _Lane, urgency: Urgency) -> None:
        self._under_way -= 1
        self.spent[urgency] -= 1
        for window in lane.windows:
            window.undo()
        lane.quota.undo()

    def turn(self) -> None:
        """Let go whoever may, the most urgent first, and see to it that the next turn comes in time."""
        now = self.clock.monotonic()
        while True:
            heads = [(first, lane) for lane in self._waiting if (first := lane.first())]
            times = [self._ready_at(lane, first[0], now) for first, lane in heads]
            ready = [head for head, at in zip(heads, times, strict=True) if at <= now]
            if not ready:
                break
            (urgency, _), lane = min(ready, key=lambda head: head[0])
            for window in lane.windows:
                window.take(now)
            lane.quota.take(now)
            self._under_way += 1
            self.spent[urgency] += 1
            lane.admit(urgency)
        self._waiting = {lane for _, lane in heads}
        self._sleep_until(min(times, default=math.inf), now)

    def _ready_at(self, lane: _Lane, urgency: Urgency, now: float) -> float:
        if self._under_way >= min(self._concurrent, self._trust):
            return math.inf
        windows = (window.ready_at(now, _LEAVES[urgency]) for window in lane.windows)
        return max(now, self._paused_until, lane.quota.ready_at(now, _HASTE[urgency]), *windows)

    def _sleep_until(self, at: float, now: float) -> None:
        """Turn again at this instant, or earlier: a turn that comes too soon does no harm."""
        if self._sleeper is not None and not self._wakes_at - _SHORTEST_WAIT <= at < math.inf:
            self._sleeper.cancel()
            self._sleeper = None
        if self._sleeper is None and at < math.inf:
            self._wakes_at = at
            self._sleeper = asyncio.create_task(self._wake(max(at - now, _SHORTEST_WAIT)), name="budget")

    async def _wake(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._sleeper = None
        self.turn()
