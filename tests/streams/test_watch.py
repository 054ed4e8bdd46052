import asyncio

import pytest

from headwater.errors import Retry
from headwater.model.position import Vector
from headwater.streams.watch import Watch


class Heads:
    """The heads as a database would tell them; `fails` times it cannot."""

    def __init__(self) -> None:
        self.now: Vector = (0, 0)
        self.looks, self.fails = 0, 0

    async def look(self) -> Vector:
        self.looks += 1
        if self.fails:
            self.fails -= 1
            raise Retry
        return self.now


async def test_one_look_serves_all_who_wait() -> None:
    """However many wait, the database is asked by one task, and by none afterwards."""
    heads = Heads()
    watch = Watch(heads.look, (0, 0), every=0)
    waiting = [asyncio.create_task(watch.changed((0, 0), 10)) for _ in range(100)]
    for _ in range(210):
        await asyncio.sleep(0)
    assert heads.looks < 350, "each looks once when it comes, then one for all"
    heads.now = (0, 1)
    assert set(await asyncio.gather(*waiting)) == {(0, 1)}
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    looks = heads.looks
    for _ in range(10):
        await asyncio.sleep(0)
    assert heads.looks <= looks + 1
    await watch.close()


async def test_a_commit_of_this_process_needs_no_look() -> None:
    """It wakes those who wait, and late news of the database does not undo it."""
    heads = Heads()
    watch = Watch(heads.look, (0, 0), every=3600)
    waiting = asyncio.create_task(watch.changed((0, 0), 10))
    await asyncio.sleep(0)
    watch.committed(1, 5)
    assert await waiting == (0, 5)
    watch.saw((3, 4))
    assert await watch.changed((0, 5), 10) == (3, 5)
    await watch.close()


async def test_a_database_that_cannot_be_asked_is_asked_again() -> None:
    """Whoever comes first is told; whoever waits already goes on waiting."""
    heads = Heads()
    watch = Watch(heads.look, (0, 0), every=0)
    heads.fails = 1
    with pytest.raises(Retry):
        await watch.changed((0, 0), 10)
    waiting = asyncio.create_task(watch.changed((0, 0), 10))
    await asyncio.sleep(0)
    heads.fails = 3
    heads.now = (1, 0)
    assert await waiting == (1, 0)
    assert heads.fails == 0
    await watch.close()
