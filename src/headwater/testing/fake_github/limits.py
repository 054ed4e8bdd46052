"""GitHub's limits: so many requests an hour for each account, and the secondary ones for haste.

What was refused, and how many requests came, is counted for tests.

Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api, read 2026-11-24.
"""

import time
from collections import Counter, deque
from dataclasses import dataclass

from headwater.testing.fake_github.visitors import Visitor
from headwater.testing.fake_github.world import World

_MINUTE = 60.0
_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})


@dataclass(slots=True)
class Window:
    """An account's window of the primary limit."""

    until: float
    used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """That a limit is reached. `retry_after`: seconds, where the answer says it."""

    message: str
    retry_after: int | None = None


class Limits:
    """Counts what everybody asks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._windows: dict[str, Window] = {}
        self._points: dict[str, deque[tuple[float, int]]] = {}
        self._content: dict[str, deque[float]] = {}
        self._under_way: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """`requests`, `counted` (towards the primary limit), `304`, `primary`, `secondary`."""
        self.paths: Counter[str] = Counter()
        self.highest = 0
        """The most points that an account spent in any minute."""

    def limit(self, visitor: Visitor) -> int:
        """Return how many requests an account has in a window."""
        switches = self._world.switches
        if visitor.kind == "public":
            return switches.public_limit
        if visitor.kind == "user":
            return switches.user_limit
        repos = len(self._world.repos if visitor.repositories is None else visitor.repositories)
        return switches.installation_limit or min(5_000 + 50 * max(0, repos - 20), 12_500)

    def enter(self, visitor: Visitor, method: str) -> Refusal | None:
        """Count a request that begins; return why it is refused."""
        self.counts["requests"] += 1
        secondary = self._secondary(visitor, method)
        if secondary is not None:
            self.counts["secondary"] += 1
            return secondary
        window = self._window(visitor)
        if window.used >= self.limit(visitor):
            self.counts["primary"] += 1
            return Refusal(message=f"API rate limit exceeded for {visitor.account}.")
        window.used += 1
        self.counts["counted"] += 1
        self._under_way[visitor.account] += 1
        return None

    def leave(self, visitor: Visitor, status: int) -> None:
        """Count a request as over; one that was answered with 304 was free, for whoever has a token."""
        self._under_way[visitor.account] -= 1
        if status == 304:
            self.counts["304"] += 1
            if visitor.kind != "public":
                self._window(visitor).used -= 1
                self.counts["counted"] -= 1

    def headers(self, visitor: Visitor) -> dict[str, str]:
        """Return what every answer says of the primary limit."""
        limit, window = self.limit(visitor), self._window(visitor)
        return {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(0, limit - window.used)),
            "x-ratelimit-used": str(min(window.used, limit)),
            "x-ratelimit-reset": str(int(window.until)),
            "x-ratelimit-resource": "core",
        }

    def _window(self, visitor: Visitor) -> Window:
        now = time.time()
        window = self._windows.get(visitor.account)
        if window is None or window.until <= now:
            window = self._windows[visitor.account] = Window(now + self._world.switches.window_seconds)
        return window

    def _secondary(self, visitor: Visitor, method: str) -> Refusal | None:
        switches, now, account = self._world.switches, time.monotonic(), visitor.account
        if switches.secondary_next > 0:
            self._world.switches = switches.turned({"secondary_next": switches.secondary_next - 1})
            return self._hasty(1)
        points = self._points.setdefault(account, deque())
        content = self._content.setdefault(account, deque())
        while points and points[0][0] <= now - _MINUTE:
            points.popleft()
        while content and content[0] <= now - _MINUTE:
            content.popleft()
        cost = 5 if method in _WRITES else 1
        if self._under_way[account] >= switches.concurrent:
            return self._hasty(1)
        if sum(each for _, each in points) + cost > switches.points:
            return self._hasty(int(points[0][0] + _MINUTE - now) + 1)
        if method in _WRITES:
            if len(content) >= switches.content_per_minute:
                return self._hasty(int(content[0] + _MINUTE - now) + 1)
            content.append(now)
        points.append((now, cost))
        self.highest = max(self.highest, sum(each for _, each in points))
        return None

    def _hasty(self, seconds: int) -> Refusal:
        return Refusal(
            message="You have exceeded a secondary rate limit. Please wait a few minutes.",
            retry_after=seconds if self._world.switches.retry_after else None,
        )
