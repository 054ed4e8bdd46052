"""What the fake API remembers of the requests it got: how many in any window, and what became of them."""

from bisect import bisect_left
from collections import Counter, deque

_KEPT = 1_000_000


class Requests:
    """Every request with the time of its arrival, and the sliding limit over those that were let in."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        """How many answers of each status, and how many of each fault."""
        self.log: deque[str] = deque(maxlen=1_000)
        """The last requests: method, path and query."""
        self._arrived: deque[float] = deque(maxlen=_KEPT)
        self._let_in: deque[float] = deque()

    def __len__(self) -> int:
        return len(self._arrived)

    def arrive(self, now: float, request: str) -> None:
        """Take note of a request."""
        self._arrived.append(now)
        self.log.append(request)

    def admit(self, now: float, limit: int, window: float) -> float | None:
        """Let a request in where the limit allows; else return the seconds until one would be let in."""
        while self._let_in and self._let_in[0] <= now - window:
            self._let_in.popleft()
        if limit and len(self._let_in) >= limit:
            return self._let_in[len(self._let_in) - limit] + window - now
        self._let_in.append(now)
        return None

    def highest(self, window: float) -> int:
        """Return the most requests that arrived in any window of so many seconds, let in or not."""
        arrived = list(self._arrived)
        most = 0
        for index, at in enumerate(arrived):
            end = bisect_left(arrived, at + window, lo=index)
            most = max(most, end - index)
        return most
