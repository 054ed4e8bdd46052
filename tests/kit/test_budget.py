"""The budget in virtual time: never more than allowed, the urgent first, and what the API says is obeyed."""

import asyncio
import bisect
import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.virtual import VirtualClock

from headwater.kit.budget import Bucket, Governor, Limiter, Urgency
from headwater.kit.window import Window


def per_second(allowed: int, **more: object) -> Bucket:
    return Bucket(allowed=allowed, per=timedelta(seconds=1), **more)  # type: ignore[arg-type]


class Caller:
    """Sends requests that take `latency` seconds, and notes when each was let go."""

    def __init__(self, limiter: Limiter, clock: VirtualClock, latency: float = 0.0) -> None:
        self.limiter, self.clock, self.latency = limiter, clock, latency
        self.went: list[tuple[float, Urgency]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def send(
        self, urgency: Urgency = Urgency.CHANGES, *, count: int = 1, bucket: str = "default"
    ) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self._send(urgency, bucket)) for _ in range(count)]
        self.tasks.update(tasks)
        return tasks

    async def _send(self, urgency: Urgency, bucket: str) -> None:
        await self.limiter.acquire(urgency, bucket)
        self.went.append((self.clock.now, urgency))
        try:
            if self.latency:
                await self.clock.sleep(self.latency)
        finally:
            self.limiter.release(bucket)

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.went]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def most_in_a_window(times: list[float], per: float) -> int:
    times = sorted(times)
    return max((bisect.bisect_left(times, at + per - 1e-9) - i for i, at in enumerate(times)), default=0)


# P10: the wall

REQUESTS = st.lists(
    st.tuples(
        st.floats(0, 5),  # comes
        st.floats(0, 2),  # takes
        st.floats(0, 1),  # is counted by the API at this part of the way
        st.sampled_from(Urgency),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(allowed=st.integers(1, 12), per=st.sampled_from([0.5, 1.0, 3.0]), requests=REQUESTS)
async def test_p10_no_window_holds_more_than_allowed(
    allowed: int, per: float, requests: list[tuple[float, float, float, Urgency]]
) -> None:
    """Whenever the API counts a request, in no window of its time are there more than allowed; and all go."""
    clock = VirtualClock()
    governor = Governor([Bucket(allowed=allowed, per=timedelta(seconds=per))], clock)
    counted: list[float] = []

    async def request(comes: float, takes: float, part: float, urgency: Urgency) -> None:
        await clock.sleep(comes)
        await governor.acquire(urgency)
        await clock.sleep(takes * part)
        counted.append(clock.now)
        await clock.sleep(takes * (1 - part))
        governor.release()

    tasks = [asyncio.create_task(request(*wanted)) for wanted in requests]
    await clock.pass_until(5 + 2 * len(requests) * (per + 2))
    assert all(task.done() for task in tasks)
    assert most_in_a_window(counted, per) <= allowed
    assert sum(governor.spent.values()) == len(requests)
    assert clock.sleeping() == 0


@given(
    allowed=st.sampled_from([1, 7, 1001, 5000]),
    steps=st.lists(st.tuples(st.floats(0, 0.3), st.booleans()), max_size=60),
)
def test_p10_holds_at_the_arithmetic(allowed: int, steps: list[tuple[float, bool]]) -> None:
    """Big buckets remember in grains, and still never let too many go."""
    window, now, sent, open_ = Window(allowed, 1.0, None, 0.0), 0.0, list[float](), 0
    for wait, finish in steps:
        now += wait
        for _ in range(allowed):
            if window.ready_at(now, 0.0) > now:
                break
            window.take(now)
            sent.append(now)
            open_ += 1
        if finish:
            for _ in range(open_):
                window.finish(now)
            open_ = 0
    assert most_in_a_window(sent, 1.0) <= allowed


async def test_a_busy_budget_is_nearly_used_up() -> None:
    """Sparing is not the aim: nine tenths of what is allowed go through, at an even pace."""
    clock = VirtualClock()
    caller = Caller(Governor([per_second(50)], clock), clock)
    caller.send(Urgency.BACKFILL, count=1000)
    await clock.pass_until(20)
    assert 0.88 * 50 * 19 <= len(caller.times) <= 50 * 20
    gaps = [b - a for a, b in itertools.pairwise(caller.times[10:-1])]
    assert max(gaps) < 3 / 50
    await caller.stop()


async def test_a_long_window_is_not_spent_at_once() -> None:
    """An hour's budget asked for in one second still has something for the rest of the hour."""
    clock = VirtualClock()
    caller = Caller(Governor([Bucket(allowed=3600, per=timedelta(hours=1))], clock), clock)
    caller.send(Urgency.CHANGES, count=200)
    await clock.pass_until(60)
    assert len(caller.times) < 100
    urgent = Caller(caller.limiter, clock)
    urgent.send(Urgency.WRITE)
    await clock.pass_seconds(1.5)
    assert len(urgent.times) == 1
    await caller.stop()


async def test_a_second_and_a_day_both_hold() -> None:
    """Several buckets of one name are all kept."""
    clock = VirtualClock()
    governor = Governor([per_second(2), Bucket(allowed=10, per=timedelta(seconds=20))], clock)
    caller = Caller(governor, clock)
    caller.send(count=30)
    await clock.pass_until(60)
    assert most_in_a_window(caller.times, 1) <= 2
    assert most_in_a_window(caller.times, 20) <= 10
    assert len(caller.times) >= 24
    await caller.stop()


async def test_a_request_of_a_named_bucket_spends_from_both() -> None:
    """Search has its own limit below the general one, and blocks nobody else."""
    clock = VirtualClock()
    governor = Governor([per_second(20), per_second(1, name="search")], clock)
    searching, others = Caller(governor, clock), Caller(governor, clock)
    searching.send(Urgency.WRITE, count=10, bucket="search")
    others.send(Urgency.SWEEP, count=10)
    await clock.pass_until(2.5)
    assert most_in_a_window(searching.times, 1) == 1
    assert len(searching.times) == 3
    assert len(others.times) == 10
    with pytest.raises(KeyError):
        await governor.acquire(Urgency.WRITE, "no such bucket")
    await searching.stop()


@pytest.mark.parametrize(
    "governor",
    [
        lambda clock: Governor([], clock, concurrent=3),
        lambda clock: Governor([per_second(99, concurrent=3)], clock),
    ],
)
async def test_only_so_many_at_once(governor: Callable[[VirtualClock], Governor]) -> None:
    """Of the whole, or of a bucket."""
    clock = VirtualClock()
    caller = Caller(governor(clock), clock, latency=10)
    caller.send(Urgency.WRITE, count=7)
    await clock.pass_until(9.9)
    assert len(caller.times) == 3
    await clock.pass_until(10.1)
    assert len(caller.times) == 6
    await caller.stop()


# Order


async def test_the_urgent_overtake() -> None:
    """Whoever came first waits behind who is more urgent; within an urgency first come, first served."""
    clock = VirtualClock()
    governor = Governor([per_second(1)], clock)
    caller = Caller(governor, clock)
    caller.send(Urgency.SWEEP)
    await clock.settle()
    for urgency in (Urgency.SWEEP, Urgency.BACKFILL, Urgency.CHANGES, Urgency.WRITE):
        caller.send(urgency, count=2)
        await clock.settle()
    await clock.pass_until(20)
    assert [urgency for _, urgency in caller.went] == [Urgency.SWEEP, *(u for u in Urgency for _ in range(2))]
    assert governor.spent == {Urgency.WRITE: 2, Urgency.CHANGES: 2, Urgency.BACKFILL: 2, Urgency.SWEEP: 3}


@given(st.lists(st.sampled_from(Urgency), max_size=12))
async def test_waiters_go_by_urgency_then_by_turn(urgencies: list[Urgency]) -> None:
    """For every order of coming."""
    clock = VirtualClock()
    governor = Governor([per_second(1)], clock)
    await governor.acquire(Urgency.WRITE)
    governor.release()
    went: list[tuple[Urgency, int]] = []

    async def wait(urgency: Urgency, number: int) -> None:
        await governor.acquire(urgency)
        went.append((urgency, number))
        governor.release()

    tasks = [asyncio.create_task(wait(urgency, number)) for number, urgency in enumerate(urgencies)]
    await clock.pass_until(100)
    assert all(task.done() for task in tasks)
    assert went == sorted(went)


async def test_a_backfill_leaves_room_for_live_changes() -> None:
    """While a backfill takes all it gets, a poll still goes at once, several in a row."""
    clock = VirtualClock()
    governor = Governor([per_second(100)], clock)
    backfill, polls = Caller(governor, clock), Caller(governor, clock)
    backfill.send(Urgency.BACKFILL, count=2000)
    await clock.pass_until(5)
    polls.send(Urgency.CHANGES, count=3)
    await clock.settle()
    assert polls.times == [clock.now] * 3
    await backfill.stop()


# Leaving


async def test_a_cancelled_waiter_leaves_no_trace() -> None:
    """It spends nothing, holds nobody up, and the last one leaves no timer behind."""
    clock = VirtualClock()
    governor = Governor([per_second(1)], clock)
    caller = Caller(governor, clock)
    caller.send()
    await clock.settle()
    [first] = caller.send()
    [second] = caller.send()
    await clock.settle()
    first.cancel()
    await clock.pass_until(1.5)
    assert second.done()
    assert len(caller.times) == 2
    [third] = caller.send()
    await clock.settle()
    third.cancel()
    await clock.settle()
    assert clock.sleeping() == 0
    assert sum(governor.spent.values()) == 2


async def test_cancelled_at_the_moment_of_its_turn() -> None:
    """What it was given goes to the next."""
    clock = VirtualClock()
    governor = Governor([per_second(100)], clock, concurrent=1)
    await governor.acquire(Urgency.WRITE)
    waiters = [asyncio.create_task(governor.acquire(Urgency.WRITE)) for _ in range(3)]
    await clock.settle()
    waiters[0].cancel()  # its place in the queue is not yet empty when the turn comes
    governor.release()  # lets the second go
    waiters[1].cancel()  # who does not know it yet
    await clock.settle()
    assert [waiter.cancelled() for waiter in waiters] == [True, True, False]
    assert waiters[2].done()
    assert sum(governor.spent.values()) == 2


# What the API says


async def test_a_pause_holds_for_everybody_and_ends_gently() -> None:
    """After `retry_after` nobody goes; then one, two, four, … and not all who wait at once."""
    clock = VirtualClock()
    governor = Governor([], clock)
    caller = Caller(governor, clock, latency=1)
    await governor.acquire(Urgency.CHANGES)
    governor.learn(remaining=None, reset_after=None, retry_after=30)
    governor.release()
    caller.send(Urgency.WRITE, count=100)
    await clock.pass_until(29.9)
    assert caller.times == []
    await clock.pass_until(90)
    went = [len(list(group)) for _, group in itertools.groupby(round(at) for at in caller.times)]
    assert went[:5] == [1, 2, 4, 8, 16]
    assert sum(went) == 100


async def test_a_second_pause_restarts_the_slow_start() -> None:
    """A refusal during the slow start pauses again; a shorter one does not cut a longer short."""
    clock = VirtualClock()
    governor = Governor([], clock)
    caller = Caller(governor, clock, latency=1)
    governor.learn(remaining=None, reset_after=None, retry_after=10)
    governor.learn(remaining=None, reset_after=None, retry_after=1)
    caller.send(count=50)
    await clock.pass_until(12.5)
    assert len(caller.times) == 1 + 2 + 4
    governor.learn(remaining=None, reset_after=None, retry_after=10)
    await clock.pass_until(22)
    assert len(caller.times) == 7
    await clock.pass_until(23)
    assert len(caller.times) == 8
    await caller.stop()


async def test_what_is_left_is_spread_until_the_reset() -> None:
    """Bulk slows down before the wall, and after the reset is free again."""
    clock = VirtualClock()
    governor = Governor([], clock)
    caller = Caller(governor, clock)
    governor.learn(remaining=10, reset_after=100, retry_after=None)
    caller.send(Urgency.BACKFILL, count=30)
    await clock.pass_until(99)
    assert len(caller.times) == 10
    assert min(b - a for a, b in itertools.pairwise(caller.times)) > 5
    await clock.pass_until(101)
    assert len(caller.times) == 30


async def test_the_last_units_are_for_writes() -> None:
    """Polls burst while plenty is left, then slow down; writes go on until nothing is left."""
    clock = VirtualClock()
    governor = Governor([], clock)
    polls, writes = Caller(governor, clock), Caller(governor, clock)
    governor.learn(remaining=100, reset_after=1000, retry_after=None)
    polls.send(Urgency.CHANGES, count=100)
    await clock.settle()
    assert 78 <= len(polls.times) <= 82
    writes.send(Urgency.WRITE, count=30)
    await clock.settle()
    assert len(polls.times) + len(writes.times) == 100
    await clock.pass_until(999)
    assert len(polls.times) + len(writes.times) == 100
    await polls.stop()
    await writes.stop()


async def test_an_api_that_says_nothing_of_its_reset() -> None:
    """Units left without a time change nothing; none left is a short wait."""
    clock = VirtualClock()
    governor = Governor([], clock)
    caller = Caller(governor, clock)
    governor.learn(remaining=1, reset_after=None, retry_after=None)
    caller.send(Urgency.SWEEP, count=5)
    await clock.settle()
    assert len(caller.times) == 5
    governor.learn(remaining=0, reset_after=None, retry_after=None)
    caller.send(Urgency.WRITE)
    await clock.pass_until(0.9)
    assert len(caller.times) == 5
    await clock.pass_until(1.1)
    assert len(caller.times) == 6


async def test_what_is_left_of_one_bucket_does_not_slow_another() -> None:
    """The API's numbers are those of the bucket that the request spent from."""
    clock = VirtualClock()
    governor = Governor([per_second(100), per_second(100, name="search")], clock)
    caller = Caller(governor, clock)
    governor.learn(remaining=0, reset_after=60, retry_after=None, bucket="search")
    [search] = caller.send(bucket="search")
    [other] = caller.send()
    await clock.pass_until(1)
    assert other.done()
    assert not search.done()
    await clock.pass_until(61)
    assert search.done()


# Shares


async def test_a_share_is_a_part_and_spends_from_the_whole() -> None:
    """A sync with a share of a tenth gets a tenth, and others what it leaves."""
    clock = VirtualClock()
    governor = Governor([per_second(100)], clock)
    small, rest = Caller(governor.share(0.1), clock), Caller(governor, clock)
    small.send(Urgency.CHANGES, count=1000)
    rest.send(Urgency.BACKFILL, count=5000)
    await clock.pass_until(10)
    assert most_in_a_window(small.times, 1) <= 10
    assert most_in_a_window(small.times + rest.times, 1) <= 100
    assert len(small.times) > 80
    assert len(rest.times) > 700
    assert governor.spent[Urgency.CHANGES] == len(small.times)
    await small.stop()
    await rest.stop()


async def test_a_small_share_of_a_small_budget() -> None:
    """Less than one request a window is one request in a longer window."""
    clock = VirtualClock()
    caller = Caller(Governor([per_second(2)], clock).share(0.05), clock)
    caller.send(count=10)
    await clock.pass_until(35)
    assert len(caller.times) == 4
    assert most_in_a_window(caller.times, 10) == 1
    await caller.stop()


async def test_a_share_hears_what_the_api_says() -> None:
    """A pause told to one share is a pause of the whole."""
    clock = VirtualClock()
    governor = Governor([per_second(10)], clock)
    governor.share(0.5).learn(remaining=None, reset_after=None, retry_after=5)
    caller = Caller(governor, clock)
    caller.send()
    await clock.pass_until(4.9)
    assert caller.times == []
    await clock.pass_until(5.1)
    assert len(caller.times) == 1


@pytest.mark.parametrize("fraction", [0, -1, 1.1])
def test_a_share_is_more_than_nothing_and_at_most_all(fraction: float) -> None:
    """Other shares are mistakes."""
    with pytest.raises(ValueError, match="share"):
        Governor([], VirtualClock()).share(fraction)
