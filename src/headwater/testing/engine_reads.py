"""Part of the engine suite: readers miss nothing and see nothing twice, beside writers and retention."""

import asyncio
import random

import pytest

from headwater.errors import Conflict, Gone
from headwater.model.position import Stream, Vector, start
from headwater.model.record import Change, Entry, Slot
from headwater.streams.engine import StreamEngine
from headwater.testing.engine_rig import Make, brief, commit, created, deleted, updated, walk

HANG = 60
"""Seconds after which a test that waits for others has hung."""


class ReadTests:
    """Promise P11 as reading and retention can break it."""

    # --- reading ------------------------------------------------------------------------------------------

    async def test_p11_reading_from_any_position_has_no_gap_and_no_repeat(self, make: Make) -> None:
        """From each position, with pages of several sizes, few or many slots, short and long scans."""
        async with make() as rig:
            slots = [await rig.slot(n) for n in range(40)]
            for slot in slots:
                first = await commit(rig.engine, slot, created(slot, "a"), created(slot, "b"))
                await commit(rig.engine, slot, updated(slot, "a", first))
            for stream in Stream:
                everything = await walk(rig.engine, stream, limit=1_000)
                assert len(everything) == (80 if stream is Stream.RECORDS else 120)
                for wanted in (
                    None,
                    {slots[3].number},
                    {slot.number for slot in slots[::2]} | {10**6},
                    set[int](),
                ):
                    chosen = [one for one in everything if wanted is None or one.slot in wanted]
                    for limit, scan in ((1, 1), (7, 20_000), (7, 5), (1_000, 20_000)):
                        assert await walk(rig.engine, stream, slots=wanted, limit=limit, scan=scan) == chosen
                for n in range(0, len(everything), 7):
                    after = list(start(rig.engine.partitions))
                    for entry in everything[: n + 1]:
                        after[entry.partition] = entry.position
                    rest = await walk(rig.engine, stream, tuple(after), limit=11)
                    assert rest == everything[n + 1 :]

    async def test_a_page_ends_after_its_scan_though_it_is_empty(self, make: Make) -> None:
        """A rare slot behind many rows of others costs several short reads, never a long one."""
        async with make() as rig:
            slot, rare = await rig.slot(), [await rig.slot() for _ in range(40)]
            await commit(rig.engine, slot, *(created(slot, str(n)) for n in range(50)))
            await commit(rig.engine, rare[0], created(rare[0], "a"))
            wanted = {one.number for one in rare}
            page = await rig.engine.read(Stream.RECORDS, start(rig.engine.partitions), slots=wanted, scan=10)
            assert (page.entries, page.has_more) == ([], True)
            assert 0 < page.position[slot.partition] < 51
            assert len(await walk(rig.engine, Stream.RECORDS, slots=wanted, scan=10)) == 1

    async def test_p11_a_reader_that_follows_writers_sees_every_entry_once_in_order(self, make: Make) -> None:
        """Six writers, some on the same records, and a reader of each stream that follows its position."""
        async with make() as rig:
            slots = [await rig.slot(n) for n in range(3)]
            writers = [
                asyncio.create_task(_write_at_random(rig.engine, slots[n % 3], random.Random(n)))
                for n in range(6)
            ]
            done = asyncio.Event()
            readers = [
                asyncio.create_task(_follow(rig.engine, stream, done, limit=limit))
                for stream in Stream
                for limit in (3, 100)
            ]
            async with asyncio.timeout(HANG):
                await asyncio.gather(*writers)
                done.set()
                seen = await asyncio.gather(*readers)
            events = await walk(rig.engine, Stream.EVENTS)
            for number, head in enumerate(await rig.engine.heads()):
                positions = [event.position for event in events if event.partition == number]
                assert positions == list(range(1, head + 1)), "gapless"
            for stream, entries in zip([s for s in Stream for _ in range(2)], seen, strict=True):
                if stream is Stream.EVENTS:
                    assert sorted(entries, key=_place) == events
                places = [_place(entry) for entry in entries]
                assert len(places) == len(set(places)), "nothing twice"
                for number in range(rig.engine.partitions):
                    mine = [place for place in places if place[0] == number]
                    assert mine == sorted(mine), "in order"
                newest = {(entry.slot, entry.upstream_id): entry for entry in entries}
                latest = await walk(rig.engine, Stream.RECORDS)
                assert sorted(newest.values(), key=_place) == latest, "each record's last version was seen"

    async def test_a_waiting_reader_is_woken_by_a_commit(self, make: Make) -> None:
        """And gives up after its time; heads that differ already are returned at once."""
        async with make() as rig:
            slot = await rig.slot()
            before = await rig.engine.heads()
            assert await rig.engine.changed(before, 0.01) == before
            waiting = [asyncio.create_task(rig.engine.changed(before, HANG)) for _ in range(3)]
            await asyncio.sleep(0)
            await commit(rig.engine, slot, created(slot, "a"))
            async with asyncio.timeout(HANG / 2):
                after = await asyncio.gather(*waiting)
            assert after == [await rig.engine.heads()] * 3
            assert await rig.engine.changed(before, HANG) == after[0]

    # --- retention ----------------------------------------------------------------------------------------

    async def test_trim_drops_old_events_and_never_a_record(self, make: Make) -> None:
        """In small steps: rows of records stay without `previous_data`, others go, newer ones stay whole."""
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, *(created(slot, id) for id in "abc"))
            await commit(rig.engine, slot, updated(slot, "a", 1), updated(slot, "b", 2))
            records = await walk(rig.engine, Stream.RECORDS)
            rig.clock.us += 1_000
            await commit(rig.engine, slot, updated(slot, "a", 4, b'{"n":3}'))
            steps = 1
            while await rig.engine.trim(rig.clock.us, 2):
                steps += 1
                assert steps < 10
            assert steps >= 3
            assert (await rig.engine.trimmed())[slot.partition] == 5
            assert brief(await walk(rig.engine, Stream.EVENTS)) == [("a", 1, 6)]
            left = await walk(rig.engine, Stream.RECORDS)
            assert brief(left) == [("c", 0, 3), ("b", 1, 5), ("a", 1, 6)]
            assert [entry.previous_data for entry in left] == [None, None, b'{"n":1}']
            assert left[0] == records[0]
            assert await rig.engine.data(slot, [1, 2, 3, 4, 5]) == {3: b'{"n":1}', 5: b'{"n":2}'}
            assert [event.position for event in await rig.engine.history(slot, "a", 9)] == [6]
            assert await rig.engine.history(slot, "b", 9) == []
            all_of = list(range(1, 9))
            of_events = await rig.engine.at(Stream.EVENTS, slot.partition, all_of)
            assert {position: entry.event for position, entry in of_events.items()} == {6: 1}
            of_records = await rig.engine.at(Stream.RECORDS, slot.partition, all_of)
            assert [of_records[position] for position in sorted(of_records)] == left
            assert not await rig.engine.trim(rig.clock.us, 2)
            # A record below the line that changes now leaves nothing behind there.
            await commit(rig.engine, slot, deleted(slot, "c", 3))
            assert await rig.engine.data(slot, [3]) == {}
            assert brief(await walk(rig.engine, Stream.RECORDS)) == [("b", 1, 5), ("a", 1, 6), ("c", 2, 7)]
            assert brief(await walk(rig.engine, Stream.EVENTS)) == [("a", 1, 6), ("c", 2, 7)]

    async def test_p11_a_position_below_the_trim_line_is_told(self, make: Make) -> None:
        """Events are gone there; the record stream can be read from anywhere."""
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "a"), created(slot, "b"))
            while await rig.engine.trim(rig.clock.us + 1, 1):
                pass
            line = await rig.engine.trimmed()
            assert line[slot.partition] == 2
            below = tuple(position - (n == slot.partition) for n, position in enumerate(line))
            with pytest.raises(Gone) as gone:
                await rig.engine.read(Stream.EVENTS, below)
            assert (gone.value.error_code, bool(gone.value.fix)) == ("cursor.expired", True)
            assert (await rig.engine.read(Stream.EVENTS, line)).entries == []
            assert len(await walk(rig.engine, Stream.RECORDS, below)) == 1
            assert len(await walk(rig.engine, Stream.RECORDS)) == 2

    async def test_a_forgotten_record_leaves_the_record_stream_without_an_event(self, make: Make) -> None:
        """Its events stay until they are trimmed; when it is seen again it begins anew."""
        async with make() as rig:
            slot = await rig.slot()
            await commit(rig.engine, slot, created(slot, "a"), created(slot, "b"), created(slot, "c"))
            assert await rig.engine.forget(slot, ["a", "a", "nobody"]) == 1
            assert brief(await walk(rig.engine, Stream.RECORDS)) == [("b", 0, 2), ("c", 0, 3)]
            assert len(await walk(rig.engine, Stream.EVENTS)) == 3
            assert await rig.engine.held(slot, ["a"]) == {}
            assert await rig.engine.record(slot, "a") is None
            while await rig.engine.trim(rig.clock.us + 1, 10):
                pass
            assert await rig.engine.forget(slot, ["b"]) == 1
            assert await rig.engine.data(slot, [1, 2, 3]) == {3: b'{"n":1}'}
            assert await commit(rig.engine, slot, created(slot, "a")) == 4
            assert [event.replaces for event in await rig.engine.history(slot, "a", 9)] == [None]

    async def test_trimming_and_writing_at_once_disturb_nothing(self, make: Make) -> None:
        """Writers go on while retention takes its steps; the records are all there afterwards."""
        async with make() as rig:
            slots = [await rig.slot(n) for n in range(2)]
            writers = [
                asyncio.create_task(_write_at_random(rig.engine, slots[n % 2], random.Random(n)))
                for n in range(4)
            ]
            async with asyncio.timeout(HANG):
                while not all(writer.done() for writer in writers):
                    rig.clock.us += 10
                    await rig.engine.trim(rig.clock.us - 20, 5)
                    await asyncio.sleep(0)
                await asyncio.gather(*writers)
                rig.clock.us += 10
                while await rig.engine.trim(rig.clock.us, 50):
                    pass
            assert await rig.engine.trimmed() == await rig.engine.heads()
            records = await walk(rig.engine, Stream.RECORDS)
            for slot in slots:
                keys = await rig.engine.keys(slot, "", 1_000)
                mine = {entry.upstream_id: entry.position for entry in records if entry.slot == slot.number}
                assert mine == {id: held.position for id, held in keys}
                everything = await rig.engine.data(
                    slot, range(1, (await rig.engine.heads())[slot.partition] + 1)
                )
                assert len(everything) == sum(one.partition == slot.partition for one in records), "no debris"


def _place(entry: Entry) -> tuple[int, int]:
    return entry.partition, entry.position


async def _write_at_random(engine: StreamEngine, slot: Slot, dice: random.Random) -> None:
    """Commit thirty times one to five changes of a few records; whoever loses a race decides again."""
    for _ in range(30):
        ids = dice.sample("abcdefghij", dice.randint(1, 5))
        while True:
            held = await engine.held(slot, ids)
            changes: list[Change] = []
            for id in ids:
                one = held.get(id)
                if one is None or one.deleted:
                    changes.append(created(slot, id, after=one))
                elif dice.random() < 0.3:
                    changes.append(deleted(slot, id, one.position))
                else:
                    changes.append(updated(slot, id, one.position))
            try:
                await commit(engine, slot, *changes)
            except Conflict:
                continue
            break


async def _follow(engine: StreamEngine, stream: Stream, done: asyncio.Event, limit: int) -> list[Entry]:
    """Read a stream from its start, on and on, until the writers are done and everything has been read."""
    after: Vector = start(engine.partitions)
    seen: list[Entry] = []
    while True:
        last_round = done.is_set()
        page = await engine.read(stream, after, limit=limit)
        seen += page.entries
        after = page.position
        if page.has_more:
            continue
        if last_round:
            return seen
        await engine.changed(after, 0.05)
