"""Part of the target suite, for targets that keep our position: every message is stored exactly once."""

import asyncio
import time

import pytest

from headwater.errors import LeaseLost, Retry
from headwater.model.position import Stream
from headwater.targets.target import Mark
from headwater.testing.target_failures import PATIENCE_SECONDS
from headwater.testing.target_rig import Author, Make, assert_holds, delivery, opened, transactional


class MarkTests:
    """What `TransactionalTarget` promises: messages and mark together, and only under the latest lease."""

    async def test_a_position_is_what_was_last_written(self, make: Make, stream: Stream) -> None:
        """None before; then the mark of the last write, also of one without a message, in any generation."""
        async with make() as rig:
            author = Author(stream)
            async with opened(rig, delivery(stream)) as writer:
                target = transactional(writer.target)
                assert await target.position() is None
                marks = [
                    Mark(1, (1, 0, 9_000_000_000_000)),
                    Mark(1, (2, 0, 1)),
                    Mark(2, (0, 0, 0)),
                    Mark(2, (7,) * 64),
                ]
                for mark in marks:
                    items = [author.created(f"at {mark.position}")] if any(mark.position) else []
                    assert await target.write(items, mark) is not None
                    assert await target.position() == mark
            async with opened(rig, delivery(stream, epoch=2)) as writer:
                assert await transactional(writer.target).position() == marks[-1]

    async def test_each_consumer_has_a_position_of_its_own(self, make: Make, stream: Stream) -> None:
        """In the same place."""
        async with make() as rig:
            author = Author(stream)
            one, two = author.created("a"), author.updated("a")
            async with (
                opened(rig, delivery(stream, consumer="one")) as first,
                opened(rig, delivery(stream, consumer="two")) as second,
            ):
                await first.deliver(one)
                await second.deliver(one, two)
                assert await transactional(first.target).position() == first.mark
                assert await transactional(second.target).position() == second.mark
                assert first.mark != second.mark

    async def test_p7_what_is_rejected_leaves_the_position_alone(self, make: Make, stream: Stream) -> None:
        """Nothing of the batch is written; without the rejected items it goes in, and the mark with it."""
        async with make() as rig:
            if rig.refused is None:
                return
            author = Author(stream)
            before = author.created("before")
            batch = [author.created("a"), author.created("bad", rig.refused), author.created("b")]
            async with opened(rig, delivery(stream)) as writer:
                target = transactional(writer.target)
                await writer.deliver(before)
                stood = await target.position()
                written = await writer.write(*batch)
                assert (written.count, [one.index for one in written.rejected]) == (0, [1])
                assert await target.position() == stood
                await assert_holds(rig, stream, [before])
                assert await writer.deliver(*batch) == [batch[1]]
                assert await target.position() == writer.mark
            await assert_holds(rig, stream, [before, batch[0], batch[2]])

    async def test_who_lost_the_lease_writes_nothing(self, make: Make, stream: Stream) -> None:
        """A process that was stopped and wakes up after another one has taken over."""
        async with make() as rig:
            author = Author(stream)
            items = [author.created("a"), author.created("b"), author.created("late"), author.created("c")]
            async with opened(rig, delivery(stream, epoch=3)) as old:
                await old.deliver(items[0])
                async with opened(rig, delivery(stream, epoch=4)) as new:
                    assert new.mark == old.mark
                    with pytest.raises(LeaseLost):
                        await old.write(items[2])
                    with pytest.raises(LeaseLost):
                        await old.write()
                    await new.deliver(items[1])
                    with pytest.raises(LeaseLost):
                        await old.write(items[2])
                    with pytest.raises(LeaseLost):
                        await transactional(old.target).position()
                    await new.deliver(items[3])
                    assert await transactional(new.target).position() == new.mark
            await assert_holds(rig, stream, [items[0], items[1], items[3]])

    async def test_p7_position_and_messages_are_stored_together_or_not_at_all(
        self, make: Make, stream: Stream
    ) -> None:
        """Kill the server while it is written to: what it says of the position is what it holds, exactly."""
        async with make() as rig:
            author = Author(stream)
            batches = [[author.created(f"{batch} {number}") for number in range(60)] for batch in range(12)]
            async with opened(rig, delivery(stream)) as writer:
                await writer.deliver(*batches[0])
                stopping = asyncio.create_task(rig.stop())
                for batch in batches[1:]:
                    try:
                        await writer.deliver(*batch)
                    except Retry:
                        break
                await stopping
            await rig.start()
            until = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    async with opened(rig, delivery(stream, epoch=2)) as writer:
                        stored = writer.mark.position[0]
                except Retry:
                    assert time.monotonic() < until
                    await asyncio.sleep(0.1)
                else:
                    break
            everything = [item for batch in batches for item in batch]
            await assert_holds(rig, stream, [item for item in everything if item.updated_idx <= stored])
            assert stored % 60 == 0
            assert stored >= 60
