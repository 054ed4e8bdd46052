"""Long lists of Stripe read in parts: everything once, resumable from every page, with few requests more than
one after another would take.
"""

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.stripe_rig import Rig, rigged

from headwater.errors import Halt, Retry
from headwater.providers.stripe.parts import AT_ONCE, Part
from headwater.providers.stripe.reading import Listed

NOW = 1_790_000_000


@pytest.fixture
async def rig() -> AsyncGenerator[Rig]:
    """The provider before a fake without limits."""
    async with rigged() as rig:
        yield rig


def listed(oldest: int, *, more: bool = True) -> Listed:
    """Return a page whose last object was created in a second."""
    return Listed(observed=(), rejected=(), asked_us=0, has_more=more, last="x", oldest=oldest)


@given(
    low=st.none() | st.integers(0, NOW), length=st.integers(1, 10**8), wanted=st.integers(1, AT_ONCE),
    floor=st.integers(0, NOW), back=st.integers(0, 10**8),
)  # fmt: skip
def test_what_a_page_leaves_is_neither_lost_nor_read_twice(
    low: int | None, length: int, wanted: int, floor: int, back: int
) -> None:
    """The parts lie side by side from the lower end to the page's last object, and no longer overlap."""
    top = (low or 0) + length
    part = Part(low, top + 1)
    rest = part.rest(listed(max(top - back, low or 0)), wanted, floor)
    assert 1 <= len(rest) <= max(wanted, 1)
    by_time = rest[:0:-1]
    ends = [part.low, *(one.high for one in by_time)]
    assert [one.low for one in by_time] == ends[:-1]
    assert (rest[0].low, rest[0].high, rest[0].after) == (ends[-1], part.high, "x")
    assert all(one.low is None or one.high is None or one.low < one.high for one in rest)
    assert part.rest(listed(top, more=False), wanted, floor) == []


@pytest.mark.parametrize("count", [0, 1, 100, 101, 2_345])
async def test_everything_is_read_once(rig: Rig, count: int) -> None:
    """Whatever the length: each object once, and the last page says that it is the last."""
    rig.books.fill("charge", count)
    pages = await rig.pages("charge")
    seen = [one.id for page in pages for one in page.observed]
    assert len(seen) == count
    assert set(seen) == set(rig.books.shelves["charge"].rows)
    assert [page.resume is None for page in pages] == [False] * (len(pages) - 1) + [True]


async def test_parts_cost_few_requests_more(rig: Rig) -> None:
    """Of 5,000 objects, 50 requests could bring them all one after another; parts that end cost some more."""
    rig.books.fill("charge", 5_000)
    pages = await rig.pages("charge")
    assert len(pages) <= math.ceil(5_000 / 100) + 4 * AT_ONCE
    assert rig.asked("/v1/account") == 1


async def test_many_on_one_second(rig: Rig) -> None:
    """An import makes 450 objects in one second: they cannot be cut, and are paged through."""
    for second in (1_000, *[500_000] * 450, 900_000):
        rig.books.create("charge", {"created": second})
    seen = [one.id for one in await rig.all("charge")]
    assert sorted(seen) == sorted(rig.books.shelves["charge"].rows)


async def test_objects_from_before_the_account_and_from_the_future(rig: Rig) -> None:
    """Test clocks make such objects; no end of time leaves them out."""
    rig.books.fill("subscription", 300)
    old = rig.books.create("subscription", {"created": 1_000})
    new = rig.books.create("subscription", {"created": 4_000_000_000})
    assert {old["id"], new["id"]} <= {one.id for one in await rig.all("subscription")}


@pytest.mark.parametrize("seed", range(4))
async def test_killed_and_resumed_at_any_page_it_misses_nothing(rig: Rig, seed: int) -> None:
    """The reader is closed with requests under way, again and again; each time it goes on from a page."""
    dice = Random(seed)
    rig.books.fill("charge", 2_500)
    read_all = rig.collection("charge").read_all
    seen: set[str] = set()
    resume, kills = None, 0
    while True:
        async with aclosing(read_all(rig.http, None, resume)) as pages:  # type: ignore[type-var]
            left = dice.randrange(1, 8)
            async for page in pages:
                seen |= {one.id for one in page.observed}
                resume = page.resume
                left -= 1
                if not left:
                    break
        if resume is None:
            break
        kills += 1
    assert kills > 3
    assert seen == set(rig.books.shelves["charge"].rows)
    assert rig.asked("/v1/charges") <= 25 + 4 * AT_ONCE + kills * AT_ONCE


async def test_what_is_deleted_on_the_way_is_no_stumbling_block(rig: Rig) -> None:
    """Each page's last object, behind which it should go on, is deleted before it goes on."""
    rig.books.fill("customer", 900)
    kept = set(rig.books.shelves["customer"].rows)
    seen: set[str] = set()
    async for page in rig.collection("customer").read_all(rig.http, None, None):
        seen |= {one.id for one in page.observed}
        last = page.observed[-1].id if page.observed else None
        if last in rig.books.shelves["customer"].rows:
            rig.books.delete("customer", last)
            kept.discard(last)
    assert kept <= seen


async def test_a_failed_page_ends_the_reading_and_not_the_list(rig: Rig) -> None:
    """It is told; what came before counts, and the reading goes on from there."""
    rig.books.fill("charge", 1_200)
    switches = rig.fake.world.switches
    seen: set[str] = set()
    resume, failures = None, 0
    for _ in range(200):
        try:
            async for page in rig.collection("charge").read_all(rig.http, None, resume):
                seen |= {one.id for one in page.observed}
                resume = page.resume
                rig.fake.world.turn(switches.turned({"errors": 0.3}))
        except Retry:
            failures += 1
            continue
        break
    assert failures > 0
    assert seen == set(rig.books.shelves["charge"].rows)


async def test_a_refused_key_is_told(rig: Rig) -> None:
    """In the middle of a list, too."""
    rig.books.fill("charge", 500)
    reading = rig.collection("charge").read_all(rig.http, None, None)
    await anext(reading)
    rig.fake.world.keys.roll("sk_live_x", 0)
    with pytest.raises(Halt) as raised:
        await anext(reading)
    assert raised.value.error_code == "provider.credential_refused"
