"""Stripe's feed of events: noted, read to the present, late and out of order, walked in windows, expired."""

import time
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest
from tests.providers.stripe_rig import OPEN, Rig, rigged

from headwater.errors import Gone
from headwater.providers.provider import FeedPage, News
from headwater.providers.stripe.access import VERSION
from headwater.testing.fake_stripe.books import Row, Told

SECOND = 1_000_000


@pytest.fixture
async def rig() -> AsyncGenerator[Rig]:
    """The provider before a fake without limits."""
    async with rigged() as rig:
        yield rig


async def read(rig: Rig, position: dict[str, Any] | None) -> list[FeedPage]:
    """Read the feed from a position to its end."""
    assert rig.provider.feed is not None
    return [page async for page in rig.provider.feed.read(rig.http, position)]


async def noted(rig: Rig) -> dict[str, Any]:
    """Return where the feed is now."""
    [page] = await read(rig, None)
    assert page.news == ()
    return dict(page.position)


def place(seconds_ago: int) -> dict[str, Any]:
    """Return a position of some time ago, up to which everything was given."""
    then = int(time.time()) - seconds_ago
    return {"at": then * SECOND, "whole": then, "seen": {}}


def happened(rig: Rig, seconds_ago: int, number: int = 0) -> str:
    """Have a customer been made some time ago, as an event tells; return its id."""
    books, then = rig.books, int(time.time()) - seconds_ago
    customer = books.create("customer", {"created": then})
    [row, *_] = [row for row in books.events.below(len(books.events)) if customer["id"].encode() in row.shown]
    books.events.take(row.id)
    raw = orjson.dumps(orjson.loads(row.shown) | {"created": then})
    books.events.put(Row(row.id, (then, number), raw, raw))
    books.told[row.id] = Told()
    return customer["id"]


def ids(pages: list[FeedPage]) -> list[str]:
    """Return the ids that pages tell of."""
    return [one.id for page in pages for one in page.news]


async def test_a_feed_begins_now(rig: Rig) -> None:
    """What happened before is in the lists, which are read after it is noted."""
    happened(rig, 100)
    position = await noted(rig)
    assert abs(position["at"] - time.time_ns() // 1000) < 3 * SECOND
    assert ids(await read(rig, position)) == []
    made = rig.books.create("customer")
    [page] = await read(rig, position)
    assert ids([page]) == [made["id"]]
    assert page.position["at"] >= position["at"]
    assert not page.more


async def test_what_was_given_is_not_given_again(rig: Rig) -> None:
    """The last minutes are read again at every look; ids tell what is new in them."""
    position = await noted(rig)
    for number in range(5):
        made = rig.books.create("customer")
        [page] = await read(rig, position)
        assert ids([page]) == [made["id"]], number
        position = dict(page.position)
    assert ids(await read(rig, position)) == []
    assert len("".join(position["seen"].values())) == 5 * 11


async def test_oldest_first_and_whole_where_the_version_is_ours(rig: Rig) -> None:
    """In the order of their seconds; those of another version are hints."""
    rig.fake.world.turn(OPEN.turned({"account_version": "2019-12-03"}))
    hinted = happened(rig, 50)
    rig.fake.world.turn(OPEN.turned({"account_version": VERSION}))
    whole = happened(rig, 40)
    [page] = await read(rig, place(60))
    assert [(one.id, one.observed is not None) for one in page.news] == [(hinted, False), (whole, True)]


async def test_an_event_that_shows_up_late_is_found_and_only_a_hint(rig: Rig) -> None:
    """Up to five minutes late; younger news may have been taken in already."""
    young = happened(rig, 10)
    [page] = await read(rig, place(290))
    assert ids([page]) == [young]
    late = happened(rig, 200)
    [page] = await read(rig, dict(page.position))
    [news] = page.news
    assert (news.id, news.observed) == (late, None)


async def test_what_is_older_than_that_was_given_for_good(rig: Rig) -> None:
    """The position keeps no ids of it, and it is not read again."""
    for seconds in (1_000, 500, 10):
        happened(rig, seconds)
    [page] = await read(rig, place(1_100))
    assert len(page.news) == 3
    assert len("".join(page.position["seen"].values())) == 11
    assert page.position["whole"] > time.time() - 310


async def test_a_busy_feed_is_not_read_whole_at_every_look(rig: Rig) -> None:
    """Several pages within the last minutes: each look reads the youngest, once a minute all of them."""
    for number in range(350):
        happened(rig, 280 - number // 2, number)
    [page] = await read(rig, place(290))
    assert len(page.news) == 350
    asked = rig.asked("/v1/events")
    young = happened(rig, 1, 999)
    [page] = await read(rig, dict(page.position))
    assert ids([page]) == [young]
    assert rig.asked("/v1/events") - asked == 1
    position = dict(page.position) | {"whole": page.position["whole"] - 70}
    late = happened(rig, 275, 1_000)
    [page] = await read(rig, position)
    assert late in ids([page]), "it was time to read all of them again"


async def test_a_long_way_is_walked_in_windows(rig: Rig) -> None:
    """Oldest first, each window a page with its position, so that a crash on the way costs one window."""
    expected = [happened(rig, 20_000 - number * 50, number) for number in range(390)]
    pages = await read(rig, place(21_000))
    assert ids(pages) == expected
    assert len(pages) > 3
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    places = [page.position["at"] for page in pages]
    assert places == sorted(places)
    for number in (0, len(pages) // 2):
        again = ids(await read(rig, dict(pages[number].position)))
        assert again == ids(pages[number + 1 :])


async def test_a_quiet_month_is_one_request(rig: Rig) -> None:
    """Nothing to walk through where one page holds everything."""
    made = happened(rig, 20 * 86_400)
    assert ids(await read(rig, place(25 * 86_400))) == [made]
    assert rig.asked("/v1/events") == 1


async def test_beyond_thirty_days_there_is_nothing_to_read(rig: Rig) -> None:
    """Then everything is listed anew."""
    with pytest.raises(Gone) as raised:
        await read(rig, place(31 * 86_400))
    assert raised.value.error_code == "feed.expired"
    assert rig.provider.feed is not None
    assert rig.provider.feed.reaches.days == 30


async def test_ties_in_one_second_are_all_given(rig: Rig) -> None:
    """Whole seconds: an event of a second that was read already is not mistaken for one of them."""
    first = happened(rig, 5, 1)
    [page] = await read(rig, place(60))
    second = happened(rig, 5, 2)
    [after] = await read(rig, dict(page.position))
    assert (ids([page]), ids([after])) == ([first], [second])
    told: list[News] = list(after.news)
    assert told[0].observed is None, "nothing tells which of the two came last"


async def test_an_event_that_cannot_be_read_holds_nothing_up(rig: Rig) -> None:
    """It is left out; the others are given."""
    made = happened(rig, 20)
    raw = b'{"id":"evt_broken","object":"event","type":5,"data":{}}'
    rig.books.events.put(Row("evt_broken", (int(time.time()) - 25, 0), raw, raw))
    rig.books.told["evt_broken"] = Told()
    assert ids(await read(rig, place(60))) == [made]
