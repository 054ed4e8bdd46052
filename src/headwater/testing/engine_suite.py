"""What every stream engine must do, as tests: subclass `EngineSuite` and supply the fixture `make`.

    class TestAcmeStreams(DurableEngineSuite):
        @pytest.fixture
        def make(self):
            return acme_rig  # an async context manager that gives a fresh rig each time

Engines that keep data on disk pass `DurableEngineSuite`, which crashes them at each step of a commit. Not
here: speed, which `benchmarks/` measures.
"""

import asyncio
from itertools import count

import msgspec

from headwater.errors import HeadwaterError
from headwater.model.position import Stream
from headwater.model.record import CHAINED, Entry, Held, Renewal, Slot
from headwater.streams.engine import Checkpoint, Commit, Count, Rejected
from headwater.testing.engine_machine import drive
from headwater.testing.engine_reads import ReadTests
from headwater.testing.engine_rig import Make, MakeDurable, Rig, brief, commit, created, updated, walk
from headwater.testing.engine_writes import WriteTests


class EngineSuite(WriteTests, ReadTests):
    """All that an engine promises in `streams/engine.py`."""

    def test_it_behaves_like_the_reference(self, make: Make) -> None:
        """Whatever is done to it, in any order, every read is what the engine in memory answers."""
        drive(make)

    async def test_closing_twice_is_fine(self, make: Make) -> None:
        """And leaves no task behind."""
        before = asyncio.all_tasks()
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "a"))
            await rig.engine.changed(await rig.engine.heads(), 0.01)
            await rig.engine.close()
            await rig.engine.close()
        assert asyncio.all_tasks() <= before


class Whole(msgspec.Struct, frozen=True):
    """Everything that one commit may touch."""

    records: list[Entry]
    events: list[Entry]
    held: dict[str, Held]
    count: Count
    checkpoints: list[Checkpoint]
    rejected: dict[str, str]


async def whole(rig: Rig, slot: Slot) -> Whole:
    """Read everything of one slot."""
    return Whole(
        records=await walk(rig.engine, Stream.RECORDS),
        events=await walk(rig.engine, Stream.EVENTS),
        held=dict(await rig.engine.keys(slot, "", 1_000)),
        count=(await rig.engine.count([slot]))[slot.number],
        checkpoints=list(await rig.engine.checkpoints(slot)),
        rejected=await rig.rejected(slot),
    )


class DurableEngineSuite(EngineSuite):
    """Besides: what is on disk is whole, whenever the process or the connection dies."""

    async def test_p3_p6_a_crash_at_any_step_leaves_all_of_a_commit_or_nothing(
        self, make: MakeDurable
    ) -> None:
        """A crash before each step of a commit: records, events, state, counts, checkpoint come together."""
        crashed_without, crashed_with = 0, 0
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "moves"), created(slot, "renewed"))
            for step in count():
                before = await whole(rig, slot)
                one = Commit(
                    partition=slot.partition,
                    changes=[
                        created(slot, f"new {step}"),
                        updated(slot, "moves", before.held["moves"].position, b'{"step":%d}' % step),
                        updated(slot, "moves", CHAINED, b'{"step":%d,"again":1}' % step),
                    ],
                    checkpoints=[Checkpoint(slot.number, "since", b"%d" % step)],
                    rejected=[Rejected(slot.number, f"bad {step}", "No.")],
                    renewals=[
                        Renewal(slot.number, "renewed", before.held["renewed"].position, b"print %d" % step)
                    ],
                )
                committed = False
                with rig.crash_at(step) as crash:
                    try:
                        await rig.engine.commit(one)
                        committed = True
                    except HeadwaterError:
                        assert crash.reached, "nothing but the crash may fail"
                await rig.reopen()
                after = await whole(rig, slot)
                if not committed and after == before:
                    crashed_without += 1
                    continue
                # Everything is there, though the crash may have come before the answer.
                assert len(after.events) == len(before.events) + 3
                assert len(after.records) == len(before.records) + 1
                assert after.count == Count(before.count.records + 1, 0)
                assert after.checkpoints == list(one.checkpoints)
                assert after.rejected == before.rejected | {f"bad {step}": "No."}
                assert after.held["renewed"].fingerprint == b"print %d" % step
                assert after.held["moves"].position == after.events[-1].position
                assert brief(after.records)[-1] == brief(after.events)[-1]
                if not crash.reached:
                    break
                crashed_with += 1
        assert crashed_without >= 3, "a commit has several steps to die at"
        assert crashed_with <= 2, "and is not durable before its last"

    async def test_p9_what_was_committed_is_there_after_reopening(self, make: MakeDurable) -> None:
        """Streams and counts are there; the next position follows."""
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "a"), created(slot, "b"))
            before = await whole(rig, slot)
            await rig.engine.close()
            await rig.reopen()
            assert await whole(rig, slot) == before
            assert await commit(rig.engine, slot, updated(slot, "a", 1)) == 3
