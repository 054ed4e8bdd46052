"""The feed of a sync: noted before the backfill, followed late and out of order, listed anew when it ends."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.syncs.conftest import Assign, events, records
from tests.syncs.feed_shelf import OVERLAP_US, FeedShelf
from tests.syncs.house import ADMIN, House, housed, provider, until

from headwater.errors import Gone, Halt, Retry
from headwater.management.listing import Wanted
from headwater.model.sync import CollectionState, HealthStatus
from headwater.streams.memory import MemoryStreams
from headwater.syncs.assignment import Assignment
from headwater.syncs.feed import behind, follow, forget_position, note_position


@pytest.fixture
def feed_shelf() -> FeedShelf:
    """Return an empty shelf with a feed."""
    return FeedShelf()


async def noted(shelf: FeedShelf, assign: Assign) -> dict[str, Assignment]:
    """Return the shelf's collection with the feed's position noted."""
    work = await assign(shelf.fed())
    await note_position(shelf.feed(), [work])
    return {"thing": work}


async def test_news_is_taken_or_fetched(feed_shelf: FeedShelf, engine: MemoryStreams, assign: Assign) -> None:
    """What carries its object is taken as it is; a hint is fetched, and a deletion needs no request."""
    works = await noted(feed_shelf, assign)
    feed_shelf.change("a", n=1)
    feed_shelf.change("b", "hint", n=1)
    feed_shelf.change("c", n=1)
    assert (await follow(feed_shelf.feed(), works)).changed == 3
    assert feed_shelf.pages == 1, "one request, for the hint"
    feed_shelf.remove("a")
    feed_shelf.remove("b", "hint")
    await follow(feed_shelf.feed(), works)
    assert await records(engine) == feed_shelf.alive()
    assert (await events(engine))[3:] == [("a", "deleted"), ("b", "deleted")]


async def test_p1_reading_the_feed_again_changes_nothing(
    feed_shelf: FeedShelf, engine: MemoryStreams, assign: Assign
) -> None:
    """The trailing part is read again at every look, and a restart reads from the last checkpoint."""
    works = await noted(feed_shelf, assign)
    for number in range(7):
        feed_shelf.change(f"o{number}", n=number)
    assert (await follow(feed_shelf.feed(), works)).changed == 7
    assert (await follow(feed_shelf.feed(), works)).changed == 0
    again = {"thing": await assign(feed_shelf.fed())}
    assert again["thing"].saved == works["thing"].saved
    assert (await follow(feed_shelf.feed(), again)).changed == 0
    assert len(await events(engine)) == 7


async def test_news_that_shows_late_is_found(
    feed_shelf: FeedShelf, engine: MemoryStreams, assign: Assign
) -> None:
    """A change that the feed shows after later ones lies within what is read again."""
    works = await noted(feed_shelf, assign)
    feed_shelf.withheld.add("late")
    feed_shelf.change("late", n=1)
    feed_shelf.change("early", n=1)
    await follow(feed_shelf.feed(), works)
    feed_shelf.withheld.clear()
    assert (await follow(feed_shelf.feed(), works)).changed == 1
    assert await records(engine) == feed_shelf.alive()


async def test_a_look_goes_on_where_the_last_one_ended(feed_shelf: FeedShelf, assign: Assign) -> None:
    """Not where the saved position of the quietest collection is: what was given is not given again."""
    works = await noted(feed_shelf, assign)
    feed_shelf.change("a", "hint", n=1)
    feed_shelf.now_us += OVERLAP_US + 1
    followed = await follow(feed_shelf.feed(), works)
    works["thing"].saved["feed", ""] = {"at": 0}
    feed_shelf.now_us += OVERLAP_US + 1
    await follow(feed_shelf.feed(), works, followed.position)
    assert feed_shelf.pages == 1
    works["thing"].saved["feed", ""] = {"at": 0}
    await follow(feed_shelf.feed(), works)
    assert feed_shelf.pages == 2, "after a restart it is given, and fetched, once more"


async def test_p3_a_failed_page_keeps_the_position(
    feed_shelf: FeedShelf, engine: MemoryStreams, assign: Assign
) -> None:
    """What was not read is read the next time."""
    works = await noted(feed_shelf, assign)
    before = dict(works["thing"].saved)
    feed_shelf.change("a", n=1)
    feed_shelf.feed_failures = [Retry()]
    with pytest.raises(Retry):
        await follow(feed_shelf.feed(), works)
    assert works["thing"].saved == before
    assert (await follow(feed_shelf.feed(), works)).changed == 1


async def test_a_position_that_the_feed_has_forgotten(feed_shelf: FeedShelf, assign: Assign) -> None:
    """It is told, and can be given up for a new one; nearly as far behind is seen coming."""
    works = await noted(feed_shelf, assign)
    day_us = 86_400_000_000
    at = works["thing"].saved["feed", ""]["at"]
    assert behind(feed_shelf.feed(), works, at + 24 * day_us) is None
    assert behind(feed_shelf.feed(), works, at + 26 * day_us) == timedelta(days=26)
    feed_shelf.forgotten_us = feed_shelf.now_us + 1
    with pytest.raises(Gone):
        await follow(feed_shelf.feed(), works)
    await forget_position(works)
    assert ("feed", "") not in works["thing"].saved
    feed_shelf.now_us += 5
    await note_position(feed_shelf.feed(), list(works.values()))
    await follow(feed_shelf.feed(), works)


@pytest.fixture
async def house(tmp_path: Path, feed_shelf: FeedShelf) -> AsyncGenerator[House]:
    """Return a house whose API has a feed."""
    fed = provider(feed_shelf, feed_shelf.fed(), feed=feed_shelf.feed())
    async with housed(tmp_path, feed_shelf, fed) as house:
        yield house


async def test_a_sync_lives_by_its_feed(house: House, feed_shelf: FeedShelf) -> None:
    """Backfilled once, then the feed brings everything: no list is read again."""
    feed_shelf.put("old", n=1)
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        pages = feed_shelf.pages
        feed_shelf.change("old", n=2)
        feed_shelf.change("new", n=1)
        await until(house.equal)
        assert feed_shelf.pages == pages
        feed_shelf.remove("new")
        await until(house.equal)

        async def fresh() -> bool:
            lag = (await house.state(sync_id)).lag
            return lag is not None and lag < timedelta(seconds=5)

        await until(fresh)
    assert await events(house.engine) == [
        ("old", "created"), ("old", "updated"), ("new", "created"), ("new", "deleted")
    ]  # fmt: skip


async def test_a_sync_that_was_away_for_too_long_lists_everything_anew(
    house: House, feed_shelf: FeedShelf
) -> None:
    """What the feed has forgotten is found by a new backfill, and later changes by the feed again."""
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
    feed_shelf.put("missed", n=1)
    feed_shelf.now_us += 1_000
    feed_shelf.forgotten_us = feed_shelf.now_us
    async with house.running():
        await until(house.equal)
        feed_shelf.change("after", n=1)
        await until(house.equal)
    history = await house.services.orders.backfills(ADMIN, sync_id, Wanted())
    assert len(history.items) == 2


async def test_a_refused_feed_is_told_and_ends_when_a_person_acts(
    house: House, feed_shelf: FeedShelf
) -> None:
    """The collections that it feeds stand still, and say so."""
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        feed_shelf.feed_failures = [Halt("Refused.", code="provider.forbidden", fix="Add the right.")] * 50
        feed_shelf.change("a", n=1)
        await until(lambda: house.is_in(sync_id, CollectionState.FAILED))

        async def told() -> bool:
            return (await house.services.syncs.get(ADMIN, sync_id)).sync.health.status == HealthStatus.ERROR

        await until(told)  # the health is written after the state
        health = (await house.services.syncs.get(ADMIN, sync_id)).sync.health
        assert "Add the right." in health.notes[0].text
        feed_shelf.feed_failures.clear()
        await house.services.syncs.check(ADMIN, sync_id)
        await until(house.equal)
