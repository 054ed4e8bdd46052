"""News without versions: taken where nothing newer can be held, fetched where that is not sure."""

import json

import xxhash
from tests.syncs.conftest import Assign, events, records
from tests.syncs.feed_shelf import FeedShelf

from headwater.model.record import Observed, Origin
from headwater.providers.provider import News, Page
from headwater.streams.memory import MemoryStreams
from headwater.syncs.assignment import Assignment
from headwater.syncs.backfill import backfill
from headwater.syncs.news import take_in

SECOND_US = 1_000_000


def said(second: int, id: str = "a", **data: object) -> News:
    """Return news of an object as it was in a second."""
    raw = json.dumps({"id": id} | data).encode()
    observed = Observed(id, raw, xxhash.xxh3_128_digest(raw))
    return News(collection="thing", id=id, observed=observed, at_us=second * SECOND_US, exact_us=SECOND_US)


async def fed(assign: Assign, shelf: FeedShelf) -> dict[str, Assignment]:
    """Return the collection after its backfill at second 100."""
    shelf.versions = False
    shelf.now_us = 100 * SECOND_US
    work = await assign(shelf.fed())
    await backfill(work, "b")
    return {"thing": work}


async def take(works: dict[str, Assignment], *news: News) -> int:
    """Take news in."""
    return await take_in(works, news, Origin.FEED, asked_us=999 * SECOND_US)


async def test_every_state_that_the_feed_tells_is_an_event(engine: MemoryStreams, assign: Assign) -> None:
    """States of different instants are taken in order, without a request."""
    shelf = FeedShelf()
    works = await fed(assign, shelf)
    pages = shelf.pages
    assert await take(works, said(101, n=1), said(102, n=2), said(103, n=3)) == 3
    assert await records(engine) == {"a": {"id": "a", "n": 3}}
    assert await events(engine) == [("a", "created"), ("a", "updated"), ("a", "updated")]
    assert shelf.pages == pages


async def test_states_of_one_instant_are_not_guessed(engine: MemoryStreams, assign: Assign) -> None:
    """Nothing tells which is the last, so the API is asked."""
    shelf = FeedShelf()
    works = await fed(assign, shelf)
    shelf.put("a", n=2)
    shelf.now_us = 102 * SECOND_US
    await take(works, said(101, n=2), said(101, n=1))
    assert await records(engine) == {"a": {"id": "a", "n": 2}}
    assert await events(engine) == [("a", "created")]


async def test_p2_news_from_before_what_is_held_changes_nothing(
    engine: MemoryStreams, assign: Assign
) -> None:
    """A state from before the listing, or from the second of it, never replaces what the listing showed."""
    shelf = FeedShelf()
    shelf.put("a", n=5)
    works = await fed(assign, shelf)
    shelf.now_us = 101 * SECOND_US
    for second in (50, 100):
        await take(works, said(second, n=4))
    assert await records(engine) == {"a": {"id": "a", "n": 5}}
    assert await events(engine) == [("a", "created")]


def gone(second: int, id: str = "a") -> News:
    """Return news of a delete in a second."""
    observed = Observed(id, b"", b"", deleted=True)
    return News(collection="thing", id=id, observed=observed, at_us=second * SECOND_US, exact_us=SECOND_US)


async def test_what_is_held_already_costs_no_request(engine: MemoryStreams, assign: Assign) -> None:
    """A push and the feed tell the same: the second finds it as it is, and a delete finds it deleted."""
    shelf = FeedShelf()
    works = await fed(assign, shelf)
    await take(works, said(101, n=1))
    pages = shelf.pages
    assert await take(works, said(101, n=1)) == 0
    await take(works, gone(102))
    assert await take(works, gone(102)) == 0
    assert shelf.pages == pages


async def test_p2_a_page_asked_for_before_a_delete_does_not_bring_it_back(
    engine: MemoryStreams, assign: Assign
) -> None:
    """The feed told of the delete while the page that shows the object was on its way."""
    shelf = FeedShelf()
    works = await fed(assign, shelf)
    before = said(101, n=1).observed
    assert before is not None
    await take(works, gone(103))
    await works["thing"].ingest([Page(observed=[before], asked_us=102 * SECOND_US)], Origin.BACKFILL)
    assert await records(engine) == {}
    await works["thing"].ingest([Page(observed=[before], asked_us=105 * SECOND_US)], Origin.BACKFILL)
    assert await records(engine) == {"a": {"id": "a", "n": 1}}, "what is asked for later knows better"


async def test_a_push_of_what_is_not_held_is_looked_up(engine: MemoryStreams, assign: Assign) -> None:
    """Pushes come in any order: the delete of this one may have been taken in before a restart."""
    shelf = FeedShelf()
    works = await fed(assign, shelf)
    await take_in(works, [said(101, n=1)], Origin.WEBHOOK, asked_us=102 * SECOND_US)
    assert await records(engine) == {}, "the API does not have it any more"
