"""Part of the target suite: what is written is there, once, in order, and the newer version stays."""

import asyncio
import random

from headwater.model.position import Stream
from headwater.testing.engine_writes import ODD_DATA, ODD_IDS
from headwater.testing.target_rig import SLOTS, Author, Make, assert_holds, delivery, opened, versions

MORE_DATA = (
    b"{}",
    b'{"null":null,"true":true,"":"","\\ud83d\\ude00":"\\ud83d\\ude00"}',
    b'{"big":9223372036854775807,"bigger":9223372036854775808,"least":-9223372036854775808}',
    b'{"decimal":0.1000000000000000055511151231257827021181583404541015625,"e":1e-7,"zero":-0,"z":-0.0}',
    b'{"deep":' + b"[" * 60 + b"1" + b"]" * 60 + b"}",
    '{"id":"not ours","deleted":"theirs","data":{"data":[]},"größe":"\u2028","\\"quoted\\"":"\\\\"}'.encode(),
    b'{"in\\u0000side":["\\u0000",{"\\udfff":"\\ud800x\\udc00"}],"escaped":"\\\\u0000"}',
)

MORE_IDS = (
    "\0",
    "nul\0inside",
    "\ud800",
    "a/b//c",
    "../..",
    "a:b",
    " ",
    "\t",
    "{}",
    "a" * 2_000,
    "*.>",
    "ä\u0308",
)


class WriteTests:
    """Promises P4 and P5 as a target can break them."""

    async def test_checking_changes_nothing(self, make: Make, stream: Stream) -> None:
        """With and without a consumer, before the first write and after it."""
        async with make() as rig:
            for of in (None, delivery(stream)):
                target = rig.kind.make(rig.settings(), of)
                await target.check()
                await target.check()
                await target.close()
            assert list(await rig.read_back(stream)) == []
            author = Author(stream)
            items = [author.created("a"), author.updated("a")]
            async with opened(rig, delivery(stream)) as writer:
                await writer.deliver(*items)
                await writer.target.check()
                await assert_holds(rig, stream, items)

    async def test_what_is_written_is_there(self, make: Make, stream: Stream) -> None:
        """Every member of every message, whatever its data looks like, also of those that were deleted."""
        async with make() as rig:
            author = Author(stream)
            items = [author.created(f"{number}", data) for number, data in enumerate(ODD_DATA + MORE_DATA)]
            items += [author.created("gone"), author.updated("gone"), author.deleted("gone")]
            async with opened(rig, delivery(stream)) as writer:
                assert await writer.deliver(*items) == []
            await assert_holds(rig, stream, items)

    async def test_odd_ids_are_records_of_their_own(self, make: Make, stream: Stream) -> None:
        """Also in another collection, or of another sync."""
        async with make() as rig:
            author = Author(stream)
            items = [author.created(id, owned=owned) for id in ODD_IDS + MORE_IDS for owned in SLOTS]
            async with opened(rig, delivery(stream)) as writer:
                assert await writer.deliver(*items) == []
            await assert_holds(rig, stream, items)

    async def test_many_messages_in_one_batch(self, make: Make, stream: Stream) -> None:
        """A thousand records, most of them changed in the same batch."""
        async with make() as rig:
            author, dice = Author(stream), random.Random(20261124)
            items = [author.created(f"{number}", owned=SLOTS[number % 3]) for number in range(300)]
            for number in dice.choices(range(300), k=700):
                items.append(author.updated(f"{number}", owned=SLOTS[number % 3]))
            async with opened(rig, delivery(stream)) as writer:
                assert await writer.deliver(*items) == []
            await assert_holds(rig, stream, items)

    async def test_an_empty_batch_is_no_message(self, make: Make, stream: Stream) -> None:
        """A consumer may have moved on without a message for the target."""
        async with make() as rig, opened(rig, delivery(stream)) as writer:
            assert (await writer.write()).count == 0
            assert list(await rig.read_back(stream)) == []

    async def test_p4_the_same_batch_again_changes_nothing(self, make: Make, stream: Stream) -> None:
        """From the same target, and from another process that begins where the first one had not ended."""
        async with make() as rig:
            author = Author(stream)
            items = [author.created("a"), author.created("b"), author.updated("a"), author.deleted("b")]
            later = [author.created("b"), author.updated("a")]
            async with opened(rig, delivery(stream)) as writer:
                await writer.deliver(*items[:3])
                await writer.deliver(*items)
                await writer.deliver(*items, *later)
                await assert_holds(rig, stream, items + later)
            async with opened(rig, delivery(stream, epoch=2)) as writer:
                await writer.deliver(*items[1:], *later)
            await assert_holds(rig, stream, items + later)

    async def test_p4_an_older_version_never_replaces_a_newer_one(self, make: Make, stream: Stream) -> None:
        """A repeat that comes late is seen as what it is: an older version, or not at all."""
        async with make() as rig:
            author = Author(stream)
            old = [author.created("a"), author.created("b"), author.updated("b")]
            new = [author.updated("a"), author.updated("b")]
            async with opened(rig, delivery(stream)) as writer:
                await writer.deliver(*new)
                await writer.deliver(*old)
            await assert_holds(rig, stream, old + new)

    async def test_p4_what_was_deleted_stays_deleted(self, make: Make, stream: Stream) -> None:
        """Though an older upsert is written again; a newer one brings the record back."""
        async with make() as rig:
            author = Author(stream)
            items = [author.created("a"), author.updated("a"), author.deleted("a"), author.created("b")]
            unseen = [author.created("never seen"), author.deleted("never seen")]
            async with opened(rig, delivery(stream)) as writer:
                await writer.deliver(*items)
                await writer.deliver(items[0])
                await writer.deliver(items[1], items[3])
                await writer.deliver(unseen[1])
                await writer.deliver(unseen[0])
                await assert_holds(rig, stream, items + unseen)
            async with opened(rig, delivery(stream, epoch=2)) as writer:
                await writer.deliver(items[0], items[1])
                await assert_holds(rig, stream, items + unseen)
                back = [author.created("a"), author.updated("b")]
                await writer.deliver(*back)
            await assert_holds(rig, stream, items + unseen + back)

    async def test_p5_changes_of_a_record_are_in_order(self, make: Make, stream: Stream) -> None:
        """Within a batch and from batch to batch."""
        async with make() as rig:
            author = Author(stream)
            items = [author.created(id) for id in ("a", "b", "c")]
            items += [author.updated(id) for _ in range(20) for id in ("a", "b", "c")]
            async with opened(rig, delivery(stream)) as writer:
                for begin in range(0, len(items), 9):
                    await writer.deliver(*items[begin : begin + 9])
            await assert_holds(rig, stream, items)
            for seen in (await versions(rig, stream)).values():
                assert list(seen) == sorted(seen)

    async def test_closing_twice_is_fine(self, make: Make, stream: Stream) -> None:
        """Before anything was done as well; no task is left behind."""
        async with make() as rig:
            before = asyncio.all_tasks()
            author = Author(stream)
            for unused in (True, False):
                target = rig.kind.make(rig.settings(), delivery(stream))
                if not unused:
                    async with opened(rig, delivery(stream)) as writer:
                        await writer.deliver(author.created("a"))
                        await writer.target.close()
                    await target.check()
                await target.close()
                await target.close()
            assert asyncio.all_tasks() <= before
