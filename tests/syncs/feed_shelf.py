"""A shelf with a feed of its changes, late and out of order where a test wants it. No network."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.syncs.shelf import Shelf

from headwater.errors import Gone, HeadwaterError
from headwater.kit.http import Http
from headwater.model.record import Observed
from headwater.providers.provider import Collection, Feed, FeedPage, News

PAGE = 2
OVERLAP_US = 100


@dataclass
class FeedShelf(Shelf):
    """`changes` are (time, id, what the feed says): `whole` object, `hint` or `gone`."""

    changes: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    withheld: set[str] = field(default_factory=set[str])
    """Ids of whose changes the feed says nothing yet."""
    forgotten_us: int = 0
    """The feed does not reach back to this time any more."""
    feed_failures: list[HeadwaterError] = field(default_factory=list[HeadwaterError])

    def change(self, id: str, says: str = "whole", **data: Any) -> None:
        """Create or change an object, and have the feed say so."""
        self.put(id, **data)
        self.changes.append((self.now_us, id, says))

    def remove(self, id: str, says: str = "gone") -> None:
        """Delete an object, and have the feed say so."""
        self.vanish(id)
        self.changes.append((self.now_us, id, says))

    async def read_feed(self, http: Http, position: Mapping[str, Any] | None) -> AsyncIterator[FeedPage]:
        """Give what has changed since, a little of what was read before too."""
        if position is None:
            yield FeedPage(news=(), asked_us=self.now_us, position={"at": self.now_us})
            return
        if position["at"] < self.forgotten_us:
            raise Gone(code="feed.expired")
        if self.feed_failures:
            raise self.feed_failures.pop(0)
        since = position["at"] - OVERLAP_US
        rows = [row for row in self.changes if row[0] >= since and row[1] not in self.withheld]
        until = self.now_us
        for start in range(0, max(len(rows), 1), PAGE):
            some = rows[start : start + PAGE]
            more = start + PAGE < len(rows)
            at = some[-1][0] if more else until
            yield FeedPage(
                news=[self._news(*row) for row in some], asked_us=until, position={"at": at}, more=more
            )

    def _news(self, at: int, id: str, says: str) -> News:
        if says == "gone":
            return News(collection="thing", id=id, observed=Observed(id, b"", b"", version=at, deleted=True))
        one = self.objects.get(id)
        if says == "hint" or one is None:
            return News(collection="thing", id=id)
        return News(collection="thing", id=id, observed=self._observed(one))

    def fed(self) -> Collection:
        """Return the shelf as a collection that is fed."""
        return Collection(name="thing", read_all=self.read_all, read_one=self.read_one, fed=True)

    def feed(self) -> Feed:
        """Return its feed."""
        return Feed(
            read=self.read_feed,
            reaches=timedelta(days=30),
            poll_every=(timedelta(milliseconds=20), timedelta(milliseconds=100)),
        )
