"""Deliver policies: from where on a consumer over HTTP is given its stream."""

import pytest
from tests.consumers.counter import Counter, bodies, ids_of, open_counter
from tests.management.office import ADMIN, Office

from headwater.errors import Gone
from headwater.management.http_consumers import NewHttpConsumer
from headwater.model.position import Stream

EVERY = list(Stream)


async def begun(here: Office, counter: Counter, policy: str, **more: object) -> Counter:
    """Return another consumer of the same stream that begins by a policy."""
    given = {"stream": counter.consumer.stream, "filters": {}, "metadata": {}, "deliver_policy": policy}
    new = NewHttpConsumer(**(given | more))  # type: ignore[arg-type] - a shorthand of this test
    return Counter(here, await here.services.http_consumers.create(ADMIN, new), counter.slot)


@pytest.mark.parametrize("stream", EVERY)
async def test_all_is_what_there_is(here: Office, stream: Stream) -> None:
    """And what comes."""
    first = await open_counter(here, stream=stream)
    await first.write("a", "b")
    counter = await begun(here, first, "all")
    await first.write("c")
    assert ids_of(await counter.next()) == ["a", "b", "c"]


@pytest.mark.parametrize("stream", EVERY)
async def test_new_is_what_comes_after(here: Office, stream: Stream) -> None:
    """Nothing that was there."""
    first = await open_counter(here, stream=stream)
    await first.write("a")
    counter = await begun(here, first, "new")
    await first.write("b")
    assert ids_of(await counter.next()) == ["b"]


@pytest.mark.parametrize("stream", EVERY)
async def test_last_begins_with_the_newest(here: Office, stream: Stream) -> None:
    """Of all syncs, and of what is wanted."""
    first, other = await open_counter(here, stream=stream), await open_counter(here, stream=stream)
    await first.write("a")
    here.clock.move(1)
    await other.write("b", "c")
    here.clock.move(1)
    await first.write("d")
    counter = await begun(here, first, "last")
    await other.write("e")
    assert sorted(ids_of(await counter.next())) == ["d", "e"]
    narrow = await begun(here, other, "last", filters={"sync_id": [other.slot.sync_id]})
    assert ids_of(await narrow.next()) == ["e"]


async def test_last_of_few_that_are_wanted(here: Office) -> None:
    """It is found behind many that are not."""
    first = await open_counter(here)
    await first.write("a", "b")
    await first.delete("a")
    for number in range(150):
        await first.write("b", n=number)
    counter = await begun(here, first, "last", filters={"event": ["deleted"]})
    assert [body["event"] for body in bodies(await counter.next())] == ["deleted"]


async def test_last_of_nothing_is_what_comes(here: Office) -> None:
    """A stream without entries has no newest one."""
    counter = await open_counter(here, deliver_policy="last")
    await counter.write("a")
    assert ids_of(await counter.next()) == ["a"]


@pytest.mark.parametrize("stream", EVERY)
async def test_a_duration_is_what_is_not_older(here: Office, stream: Stream) -> None:
    """Counted back from its making, and from each reset."""
    first = await open_counter(here, stream=stream)
    await first.write("a")
    here.clock.move(3600)
    await first.write("b")
    counter = await begun(here, first, "30m")
    assert ids_of(await counter.next()) == ["b"]
    await counter.reset("2h")
    assert ids_of(await counter.next()) == ["a", "b"]


async def test_a_duration_beyond_the_retention_is_all_that_is_left(here: Office) -> None:
    """Not a gap: nothing was promised."""
    first = await open_counter(here)
    await first.write("a")
    here.clock.move(8 * 86_400)
    await here.engine.trim(here.clock.now_us(), 100)
    await first.write("b")
    assert ids_of(await (await begun(here, first, "30d")).next()) == ["b"]
    with pytest.raises(Gone):
        await first.next()
