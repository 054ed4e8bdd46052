"""Part of the engine suite: what a commit does to records, events, counts, checkpoints, and who wins."""

import asyncio
import json
import random

import pytest

from headwater.errors import Conflict, LeaseLost
from headwater.kit.jsonbytes import changed
from headwater.model.position import Stream, start
from headwater.model.record import CHAINED, Entry, EventKind, Renewal
from headwater.streams.engine import Checkpoint, Commit, Count, Fence, Rejected
from headwater.testing.engine_rig import Make, brief, change, commit, created, deleted, updated, walk

ODD_IDS = (
    "0",
    "a b",
    "A",
    "a",
    "ä",
    "日本",
    "😀",
    "'; --",
    "\\",
    "%_",
    '"',
    "\n",
    "\x7f",
    "\uffff",
    "x" * 500,
)
ODD_DATA = (
    b'{"n":12345678901234567890123456789,"d":1.10,"e":1E+2}',
    b'{"z":"\\u0000","a":"\\ud800"}',
    '{"emoji":"😀","ü":["\\n"]}'.encode(),
    b'{"big":"' + b"x" * 1_000_000 + b'"}',
    b"[]",
)


class WriteTests:
    """Promises P2, P5, P6 and P9 as a commit can break them."""

    # --- records and events -------------------------------------------------------------------------------

    async def test_a_record_is_in_the_record_stream_once_and_moves_to_the_end(self, make: Make) -> None:
        """Create two, change the first, delete the second: each stands once, where it last changed."""
        async with make() as rig:
            slot = await rig.slot()
            assert await commit(rig.engine, slot, created(slot, "a"), created(slot, "b")) == 1
            assert brief(await walk(rig.engine, Stream.RECORDS)) == [("a", 0, 1), ("b", 0, 2)]
            assert await commit(rig.engine, slot, updated(slot, "a", 1)) == 3
            assert brief(await walk(rig.engine, Stream.RECORDS)) == [("b", 0, 2), ("a", 1, 3)]
            assert await commit(rig.engine, slot, deleted(slot, "b", 2)) == 4
            assert brief(await walk(rig.engine, Stream.RECORDS)) == [("a", 1, 3), ("b", 2, 4)]
            held = await rig.engine.held(slot, ["a", "b", "c"])
            assert {id: (one.position, one.deleted) for id, one in held.items()} == {
                "a": (3, False),
                "b": (4, True),
            }

    async def test_p5_the_events_of_a_record_are_complete_and_in_order(self, make: Make) -> None:
        """A record's whole life, with its return after a delete, is in the event stream as it happened."""
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "a"))
            await commit(rig.engine, slot, updated(slot, "a", 1), created(slot, "b"))
            await commit(rig.engine, slot, deleted(slot, "a", 2))
            held = await rig.engine.held(slot, ["a"])
            await commit(rig.engine, slot, created(slot, "a", after=held["a"]))
            events = await walk(rig.engine, Stream.EVENTS)
            assert brief(events) == [("a", 0, 1), ("a", 1, 2), ("b", 0, 3), ("a", 2, 4), ("a", 0, 5)]
            assert [event.replaces for event in events] == [None, 1, None, 2, 4]
            history = await rig.engine.history(slot, "a", 10)
            assert [event.position for event in history] == [5, 4, 2, 1]
            assert [event.position for event in await rig.engine.history(slot, "a", 2)] == [5, 4]

    async def test_several_changes_of_one_record_in_one_commit_are_a_chain(self, make: Make) -> None:
        """Each is an event of its own; only the last is the record."""
        async with make() as rig:
            slot, other = await rig.slot(), await rig.slot()
            await commit(
                rig.engine,
                slot,
                created(slot, "a"),
                created(other, "a"),
                updated(slot, "a", CHAINED, b'{"n":2}'),
                deleted(slot, "a", CHAINED),
            )
            await commit(
                rig.engine,
                slot,
                change(EventKind.CREATED, slot, "a", expects=4),
                updated(slot, "a", CHAINED, b'{"n":3}'),
            )
            events = await walk(rig.engine, Stream.EVENTS, slots={slot.number})
            assert brief(events) == [("a", 0, 1), ("a", 1, 3), ("a", 2, 4), ("a", 0, 5), ("a", 1, 6)]
            assert [event.replaces for event in events] == [None, 1, 3, 4, 5]
            assert brief(await walk(rig.engine, Stream.RECORDS)) == [("a", 0, 2), ("a", 1, 6)]
            assert (await rig.engine.count([slot]))[slot.number] == Count(1, 0)

    async def test_what_goes_in_comes_out(self, make: Make) -> None:
        """Every field survives, byte by byte, whatever ids and data look like."""
        async with make() as rig:
            slot = await rig.slot()
            data = dict(zip(ODD_IDS, ODD_DATA * 3, strict=True))
            first = await commit(rig.engine, slot, *(created(slot, id, data[id]) for id in ODD_IDS))
            entries = await walk(rig.engine, Stream.RECORDS)
            assert {entry.upstream_id: entry.data for entry in entries} == data
            positions = range(first, first + len(ODD_IDS))
            assert await rig.engine.data(slot, positions) == dict(zip(positions, data.values(), strict=True))
            one = updated(slot, "a", first + ODD_IDS.index("a"))
            rig.clock.us += 5
            position = await commit(rig.engine, slot, one)
            assert await rig.engine.record(slot, "a") == Entry(
                partition=slot.partition,
                position=position,
                slot=slot.number,
                upstream_id="a",
                event=1,
                origin=4,
                inserted_us=rig.clock.us,
                created_us=3_000,
                updated_us=4_000,
                mutation_id=one.mutation_id,
                data=b'{"n":2}',
                previous_data=b'{"n":1}',
                replaces=one.expects,
            )
            held = (await rig.engine.held(slot, ["a"]))["a"]
            assert (held.position, held.fingerprint, held.version) == (position, one.fingerprint, 7_002)
            assert (held.asked_us, held.deleted) == (2, False)
            assert await rig.engine.record(slot, "never seen") is None

    async def test_keys_come_in_code_point_order(self, make: Make) -> None:
        """A sweep walks the keys of one slot in an order that does not hang on a locale."""
        async with make() as rig:
            slot, other = await rig.slot(), await rig.slot()
            await commit(rig.engine, slot, *(created(slot, id) for id in ODD_IDS))
            await commit(rig.engine, other, *(created(other, id) for id in ODD_IDS))
            found: list[str] = []
            while page := await rig.engine.keys(slot, found[-1] if found else "", 4):
                assert len(page) <= 4
                found += [id for id, _ in page]
            assert found == sorted(ODD_IDS)

    async def test_previous_data_replays(self, make: Make) -> None:
        """New data overlaid with `previous_data` is the old data, absent and null alike."""
        dice = random.Random(20261124)
        async with make() as rig:
            slot = await rig.slot()
            old = _random_object(dice)
            position = await commit(rig.engine, slot, created(slot, "a", old))
            for _ in range(60):
                new = _random_object(dice)
                previous = changed(old, new)
                if previous is None:
                    continue
                one = change(EventKind.UPDATED, slot, "a", expects=position, data=new, previous_data=previous)
                position = await commit(rig.engine, slot, one)
                old = new
            newest, *older = await rig.engine.history(slot, "a", 100)
            assert len(older) > 20
            for before in older:
                assert newest.previous_data is not None
                overlaid = {**json.loads(newest.data), **json.loads(newest.previous_data)}
                assert _without_nulls(overlaid) == _without_nulls(json.loads(before.data))
                newest = before

    async def test_times_of_a_partition_never_go_back(self, make: Make) -> None:
        """A clock that is turned back, or another machine's that is behind, does not show in the log."""
        async with make() as rig:
            slot = await rig.slot()
            for id, step in (("a", 0), ("b", 10), ("c", -1_000), ("d", 2_000)):
                rig.clock.us += step
                await commit(rig.engine, slot, created(slot, id))
            start_us = (await walk(rig.engine, Stream.EVENTS))[0].inserted_us
            times = [event.inserted_us - start_us for event in await walk(rig.engine, Stream.EVENTS)]
            assert times == [0, 10, 10, 1_010]
            at = [
                (await rig.engine.position_at(start_us + us))[slot.partition] for us in (0, 1, 10, 11, 9_000)
            ]
            assert at == [0, 1, 1, 3, 4]

    async def test_counts_follow_records_without_counting(self, make: Make) -> None:
        """Create, delete, come back, be forgotten: the counts are right after each."""
        async with make() as rig:
            slot, other = await rig.slot(), await rig.slot()

            async def counts() -> list[Count]:
                found = await rig.engine.count([slot, other])
                return [found[slot.number], found[other.number]]

            await commit(rig.engine, slot, created(slot, "a"), created(slot, "b"), created(slot, "c"))
            assert await counts() == [Count(3, 0), Count(0, 0)]
            await commit(rig.engine, slot, deleted(slot, "a", 1), updated(slot, "b", 2))
            assert await counts() == [Count(2, 1), Count(0, 0)]
            held = await rig.engine.held(slot, ["a"])
            await commit(rig.engine, slot, created(slot, "a", after=held["a"]), deleted(slot, "c", 3))
            assert await counts() == [Count(2, 1), Count(0, 0)]
            assert await rig.engine.forget(slot, ["a", "c", "nobody"]) == 2
            assert await counts() == [Count(1, 0), Count(0, 0)]

    # --- one wins -----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("expects", [None, 1, 3, 99])
    async def test_p2_a_change_of_another_version_than_is_held_conflicts(
        self, make: Make, expects: int | None
    ) -> None:
        """Nothing of such a commit is written: no good neighbour, no checkpoint, no rejected object."""
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "a"))
            await commit(rig.engine, slot, updated(slot, "a", 1))
            late = Commit(
                partition=slot.partition,
                changes=[created(slot, "good"), change(EventKind.UPDATED, slot, "a", expects=expects)],
                checkpoints=[Checkpoint(slot.number, "since", b'"later"')],
                rejected=[Rejected(slot.number, "bad", "No.")],
            )
            with pytest.raises(Conflict):
                await rig.engine.commit(late)
            assert brief(await walk(rig.engine, Stream.EVENTS)) == [("a", 0, 1), ("a", 1, 2)]
            assert await rig.engine.held(slot, ["good"]) == {}
            assert await rig.engine.checkpoints(slot) == []
            assert await rig.rejected(slot) == {}
            assert (await rig.engine.count([slot]))[slot.number] == Count(1, 0)
            assert await commit(rig.engine, slot, created(slot, "next")) == 3, "no position is lost"

    async def test_a_change_of_a_record_that_nobody_holds_conflicts(self, make: Make) -> None:
        """It was forgotten between the decision and the commit."""
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "a"))
            await rig.engine.forget(slot, ["a"])
            with pytest.raises(Conflict):
                await commit(rig.engine, slot, updated(slot, "a", 1))

    async def test_of_concurrent_changes_of_one_version_one_wins(self, make: Make) -> None:
        """Eight try at once, for a new record and then for an old one."""
        async with make() as rig:
            slot = await rig.slot()
            for make_change in (lambda: created(slot, "a"), lambda: updated(slot, "a", 1)):
                tries = [commit(rig.engine, slot, make_change()) for _ in range(8)]
                results = await asyncio.gather(*tries, return_exceptions=True)
                assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 7 + ["int"]
            assert brief(await walk(rig.engine, Stream.EVENTS)) == [("a", 0, 1), ("a", 1, 2)]

    @pytest.mark.parametrize("epoch", [1, 3])
    async def test_p9_a_commit_under_another_epoch_writes_nothing(self, make: Make, epoch: int) -> None:
        """A process that lost its lease while it slept can write neither records nor checkpoints."""
        async with make() as rig:
            slot = await rig.slot()
            await rig.lease("sync:1", 2)
            one = Commit(
                partition=slot.partition,
                changes=[created(slot, "a")],
                checkpoints=[Checkpoint(slot.number, "since", b"1")],
                rejected=[Rejected(slot.number, "bad", "No.")],
                fence=Fence("sync:1", epoch),
            )
            for late in (
                one,
                Commit(partition=slot.partition, checkpoints=one.checkpoints, fence=one.fence),
                Commit(partition=slot.partition, checkpoints=one.checkpoints, fence=Fence("no lease", 1)),
            ):
                with pytest.raises(LeaseLost):
                    await rig.engine.commit(late)
            assert await walk(rig.engine, Stream.EVENTS) == []
            assert await rig.engine.checkpoints(slot) == []
            assert await rig.rejected(slot) == {}
            await rig.lease("sync:1", epoch)
            assert (await rig.engine.commit(one)).first == 1

    # --- what else a commit carries -----------------------------------------------------------------------

    async def test_checkpoints_are_written_moved_and_removed(self, make: Make) -> None:
        """By slot, detector and scope; without a change they need no partition."""
        async with make() as rig:
            slot, other = await rig.slot(), await rig.slot()

            async def write(*checkpoints: Checkpoint) -> list[Checkpoint]:
                await rig.engine.commit(Commit(partition=slot.partition, checkpoints=checkpoints))
                return sorted(await rig.engine.checkpoints(slot), key=lambda one: one.scope)

            one, two = (
                Checkpoint(slot.number, "since", '{"ü":1}'.encode()),
                Checkpoint(slot.number, "since", b"2", "p"),
            )
            assert await write(one, two, Checkpoint(other.number, "since", b"3")) == [one, two]
            moved = Checkpoint(slot.number, "since", b"4")
            assert await write(moved) == [moved, two]
            gone = Checkpoint(slot.number, "since", None)
            assert await write(gone) == [two]
            assert await write(gone) == [two]
            assert (await rig.engine.heads()) == start(rig.engine.partitions)

    async def test_a_renewal_changes_the_fingerprint_and_nothing_else(self, make: Make) -> None:
        """One that comes too late, or for a record that nobody holds, does nothing."""
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "a"), created(slot, "b"))
            renewals = [
                Renewal(slot.number, "a", 1, b"n" * 16),
                Renewal(slot.number, "b", 1, b"n" * 16),
                Renewal(slot.number, "c", 1, b"n" * 16),
            ]
            before = await rig.engine.held(slot, ["a", "b"])
            await rig.engine.commit(Commit(partition=slot.partition, renewals=renewals))
            after = await rig.engine.held(slot, ["a", "b", "c"])
            assert after["a"].fingerprint == b"n" * 16
            assert (after["a"].position, after["a"].version) == (1, before["a"].version)
            assert after["b"] == before["b"]
            assert "c" not in after
            assert len(await walk(rig.engine, Stream.EVENTS)) == 2

    async def test_a_rejected_object_leaves_the_list_once_it_can_be_read(self, make: Make) -> None:
        """The newest reason stands until then; other objects' reasons stay."""
        async with make() as rig:
            slot = await rig.slot()
            for reason in ("First.", "Second."):
                bad = [Rejected(slot.number, "a", reason), Rejected(slot.number, "b", reason)]
                await rig.engine.commit(Commit(partition=slot.partition, rejected=bad))
            assert await rig.rejected(slot) == {"a": "Second.", "b": "Second."}
            await commit(rig.engine, slot, created(slot, "a"))
            assert await rig.rejected(slot) == {"b": "Second."}

    async def test_an_empty_commit_is_fine(self, make: Make) -> None:
        """It writes nothing and moves nothing."""
        async with make() as rig:
            slot = await rig.slot()
            await rig.engine.commit(Commit(partition=slot.partition))
            assert await rig.engine.heads() == start(rig.engine.partitions)
            assert await rig.engine.held(slot, []) == {}
            assert await rig.engine.data(slot, []) == {}
            assert await rig.engine.count([]) == {}
            assert await rig.engine.forget(slot, []) == 0


def _random_object(dice: random.Random) -> bytes:
    values = (None, True, 1, 1.5, "ü", [1, None], {"x": None, "y": [2]})
    names = dice.sample("abcdef", dice.randrange(7))
    return json.dumps({name: dice.choice(values) for name in names}).encode()


def _without_nulls(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
