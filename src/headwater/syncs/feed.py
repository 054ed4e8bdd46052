"""Feed: follow an API's own feed of changes, for all collections of a sync that are fed by it.

Each collection keeps its own position in the feed (checkpoint `feed`), noted before its backfill reads the
first page; the feed is read from the oldest of them. What is read twice changes nothing (P1). Not here: what
is in the feed (`providers`), bringing news into the streams (`news`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from headwater.kit.budget import Urgency
from headwater.model.record import Origin
from headwater.providers.provider import Feed, FeedPage
from headwater.syncs.assignment import Assignment
from headwater.syncs.news import take_in

DETECTOR = "feed"
_KEEP_UP_US = 60_000_000
"""Collections without news have their position moved only when it has fallen so far behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a whole look at the feed found. `started_us`: everything up to then is known.

    `position`: where it ended, for all collections, also those whose saved position is further back.
    """

    started_us: int
    changed: int
    position: Mapping[str, Any]


async def note_position(feed: Feed, works: Sequence[Assignment]) -> None:
    """Note where the feed is now for the collections that have no position yet.

    Raises: Retry, Halt, LeaseLost.
    """
    new = [work for work in works if (DETECTOR, "") not in work.saved]
    if not new:
        return
    async for page in feed.read(new[0].open(Urgency.CHANGES), None):
        for work in new:
            await work.ingest((), Origin.FEED, [(DETECTOR, "", dict(page.position))])


async def follow(
    feed: Feed, works: Mapping[str, Assignment], begin: Mapping[str, Any] | None = None
) -> Followed:
    """Read the feed to its end, from where the last look of this process ended, or the oldest saved position.

    Raises: Gone when the feed does not reach so far back any more; Retry, Halt, LeaseLost.
    """
    first = next(iter(works.values()))
    positions = [work.saved[DETECTOR, ""] for work in works.values()]
    position = dict(begin if begin is not None else min(positions, key=_at))
    started_us: int | None = None
    changed = 0
    async for page in feed.read(first.open(Urgency.CHANGES), position):
        started_us = page.asked_us if started_us is None else started_us
        position = dict(page.position)
        changed += await take_in(
            works, page.news, Origin.FEED, asked_us=page.asked_us, checkpoint=(DETECTOR, position)
        )
        await _keep_up(works, page, position)
    if started_us is None:
        started_us = first.clock.now_us()
    return Followed(started_us=started_us, changed=changed, position=position)


def behind(feed: Feed, works: Mapping[str, Assignment], now_us: int) -> timedelta | None:
    """Return how far the sync is behind, if that is nearly as far as the feed reaches."""
    late = timedelta(microseconds=now_us - min(_at(work.saved[DETECTOR, ""]) for work in works.values()))
    return late if late > feed.reaches * 5 / 6 else None


async def forget_position(works: Mapping[str, Assignment]) -> None:
    """Give the positions up: what the feed had is lost, and the collections must be listed anew."""
    for work in works.values():
        await work.ingest((), Origin.FEED, [(DETECTOR, "", None)])
        work.saved.pop((DETECTOR, ""), None)


async def _keep_up(works: Mapping[str, Assignment], page: FeedPage, position: dict[str, Any]) -> None:
    """Move the positions of collections that the page had no news of, once they are far enough behind."""
    named = {one.collection for one in page.news}
    for name, work in works.items():
        if name not in named and _at(position) - _at(work.saved[DETECTOR, ""]) >= _KEEP_UP_US:
            await work.ingest((), Origin.FEED, [(DETECTOR, "", position)])


def _at(position: Mapping[str, Any]) -> int:
    return int(position["at"])
