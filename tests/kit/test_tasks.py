"""Supervision and reading ahead. No real waiting: sleeps are the test's own."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from headwater.kit.tasks import backoff, ended, heed_cancellation, read_ahead, supervised


async def numbers(count: int, given: list[int], *, fails: bool = False) -> AsyncIterator[int]:
    """Give numbers, noting each as it is given."""
    for number in range(count):
        given.append(number)
        yield number
        await asyncio.sleep(0)
    if fails:
        raise ValueError("the end")


async def test_read_ahead_keeps_order_and_leaves_nothing_out() -> None:
    """Every item comes once, in order, in groups that are not too large."""
    groups = [group async for group in read_ahead(numbers(20, []), most=3, size=lambda _: 1)]
    assert [number for group in groups for number in group] == list(range(20))
    assert all(1 <= len(group) <= 3 for group in groups)


async def test_read_ahead_goes_only_so_far() -> None:
    """A reader that is slow holds the iterator up."""
    given: list[int] = []
    reading = read_ahead(numbers(100, given), most=4, size=lambda _: 1)
    await anext(reading)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(given) <= 10
    await reading.aclose()


async def test_an_item_larger_than_the_most_still_comes() -> None:
    """One item alone may be larger than a group."""
    groups = [group async for group in read_ahead(numbers(3, []), most=2, size=lambda _: 5)]
    assert groups == [[0], [1], [2]]


async def test_what_fails_comes_after_what_was_given() -> None:
    """The items before an error are not lost to it."""
    seen: list[int] = []

    async def read() -> None:
        async for group in read_ahead(numbers(5, [], fails=True), most=100, size=lambda _: 1):
            seen.extend(group)

    with pytest.raises(ValueError, match="the end"):
        await read()
    assert seen == list(range(5))


async def test_a_crash_is_reported_and_started_again() -> None:
    """Work that raises is run again after a growing wait; work that returns is over."""
    crashes: list[tuple[str, int]] = []
    waits: list[float] = []

    async def work() -> None:
        if len(crashes) < 3:
            raise RuntimeError(f"crash {len(crashes)}")

    async def crashed(error: Exception, count: int) -> None:
        crashes.append((str(error), count))

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    await supervised(work, crashed=crashed, sleep=sleep)
    assert crashes == [("crash 0", 1), ("crash 1", 2), ("crash 2", 3)]
    assert waits[0] <= 1 < waits[2] <= 4


def test_backoff_grows_to_a_bound() -> None:
    """Waits double, with jitter, up to a minute."""
    assert 0.5 <= backoff(1) <= 1
    assert 4 <= backoff(4) <= 8
    assert 30 <= backoff(100) <= 60


async def test_a_swallowed_cancellation_is_heeded() -> None:
    """Who awaited something that swallowed it stops all the same; who was not told to stop goes on."""
    reached: list[str] = []

    async def swallow() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            reached.append("swallowed")

    async def work() -> None:
        heed_cancellation()
        reached.append("begun")
        await swallow()
        heed_cancellation()
        reached.append("gone on")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert reached == ["begun", "swallowed"]


async def test_ending_tasks_does_not_swallow_the_own_end() -> None:
    """What ended tasks raise is dropped, but a cancel of the one that waits for them comes through."""

    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)

    async def fails() -> None:
        raise ValueError("dropped")

    tasks = [asyncio.create_task(slow_to_end()), asyncio.create_task(fails())]
    await asyncio.sleep(0)
    ending = asyncio.create_task(ended(*tasks))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait([ending])
    assert ending.cancelled()
    again = [asyncio.create_task(slow_to_end()), asyncio.create_task(fails())]
    await asyncio.sleep(0)
    await ended(*again)
    assert all(task.done() for task in again)
