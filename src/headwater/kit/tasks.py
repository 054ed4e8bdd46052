"""Tasks that must not die unseen: restarted with a growing wait when they crash, and ended cleanly. No
domain words."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_LONGEST = 60.0


def backoff(attempt: int, *, first: float = 1.0, longest: float = _LONGEST) -> float:
    """Return the seconds to wait before try number `attempt` (1 is the first repeat): doubling, with
    jitter."""
    return min(longest, first * 2 ** min(attempt - 1, 16)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


async def supervised(
    work: Callable[[], Awaitable[None]],
    *,
    crashed: Callable[[Exception, int], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run `work` until it returns; when it raises, report to `crashed(error, crashes in a row)` and start it
    again.

    This is the one place that catches whatever comes: what no caller handles is a bug of ours.
    """
    crashes = 0
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await work()
        except Exception as error:
            if asyncio.get_running_loop().time() - started > 10 * _LONGEST:
                crashes = 0
            crashes += 1
            await crashed(error, crashes)
            await sleep(backoff(crashes))
        else:
            return


async def ended(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait until they are over; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)  # a cancel of the caller itself comes through


def heed_cancellation() -> None:
    """Raise CancelledError if this task is to stop, and something that it awaited has swallowed that.

    Python 3.11's `wait_for` can, when what it waits for comes at the same instant; libraries stand on it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def read_ahead(
    items: AsyncIterator[T], *, most: int, size: Callable[[T], int]
) -> AsyncGenerator[list[T]]:
    """Return what an iterator gives in groups: all that is there, up to a total size of `most` or one item.

    The iterator is driven by a task of its own, about `most` before the reader. What it raises comes after
    the items that it gave before.
    """
    ready: list[T] = []
    filled, taken = asyncio.Event(), asyncio.Event()

    async def drive() -> None:
        try:
            async for item in items:
                ready.append(item)
                filled.set()
                while sum(map(size, ready)) >= most:
                    taken.clear()
                    await taken.wait()
        finally:
            filled.set()

    driver = asyncio.create_task(drive())
    try:
        while not driver.done() or ready:
            await filled.wait()
            filled.clear()
            while ready:
                group = [ready.pop(0)]
                total = size(group[0])
                while ready and total + size(ready[0]) <= most:
                    total += size(ready[0])
                    group.append(ready.pop(0))
                taken.set()
                yield group
        await driver
    finally:
        await ended(driver)
