"""`ingest`: pages into the streams. What `decide` decides is tested there; here is what happens around it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import xxhash
from tests.syncs.conftest import SLOT, events, records

from headwater.errors import Conflict, Reject
from headwater.kit.clock import SystemClock
from headwater.model.record import Observed, Origin, Slot
from headwater.providers.provider import Page
from headwater.streams.engine import Checkpoint, Commit, Committed
from headwater.streams.memory import MemoryStreams
from headwater.syncs.decide import Shape
from headwater.syncs.ingest import ATTEMPTS, Ingested, ingest

SHAPE = Shape(slot=SLOT.number)


def page(*objects: dict[str, Any] | bytes, asked_us: int = 1, rejected: Sequence[Reject] = ()) -> Page:
    """Return a page of objects, whose versions are their member `v`."""
    observed: list[Observed] = []
    for one in objects:
        raw = one if isinstance(one, bytes) else json.dumps(one).encode()
        data = {"id": "broken", "v": 1} if isinstance(one, bytes) else one
        observed.append(
            Observed(
                data["id"], raw, xxhash.xxh3_128_digest(raw), version=data.get("v"), updated_us=data.get("v")
            )
        )
    return Page(observed=observed, asked_us=asked_us, rejected=rejected)


async def into(engine: MemoryStreams, *pages: Page, checkpoints: Sequence[Checkpoint] = ()) -> Ingested:
    """Ingest pages."""
    return await ingest(engine, SLOT, SHAPE, pages, origin=Origin.SINCE, checkpoints=checkpoints)


async def test_p1_the_same_pages_twice_change_nothing(engine: MemoryStreams) -> None:
    """Ingesting again commits no change."""
    pages = [page({"id": "a", "v": 1}, {"id": "b", "v": 1}), page({"id": "a", "v": 2})]
    assert len((await into(engine, *pages)).changes) == 3
    assert not (await into(engine, *pages)).changes
    assert len(await events(engine)) == 3


async def test_p3_p6_changes_and_checkpoint_are_one_commit(engine: MemoryStreams) -> None:
    """The checkpoint is there when the records are, and carries what was given."""
    await into(engine, page({"id": "a", "v": 1}), checkpoints=[Checkpoint(SLOT.number, "since", b"7")])
    assert await records(engine) == {"a": {"id": "a", "v": 1}}
    assert [c.value for c in await engine.checkpoints(SLOT)] == [b"7"]


async def test_a_record_seen_twice_in_a_batch_keeps_its_history(engine: MemoryStreams) -> None:
    """An object that is first as held, then changed, then back again, is two updates."""
    await into(engine, page({"id": "a", "v": 1, "x": 1}))
    done = await into(
        engine, page({"id": "a", "v": 1, "x": 1}, {"id": "a", "v": 2, "x": 2}, {"id": "a", "v": 3, "x": 1})
    )
    assert [json.loads(change.previous_data or b"") for change in done.changes] == [
        {"v": 1, "x": 1},
        {"v": 2, "x": 2},
    ]


async def test_one_bad_object_costs_its_neighbours_nothing(engine: MemoryStreams) -> None:
    """What is no JSON, and what the provider could not read, is rejected with a reason; the rest is kept."""
    bad = Reject("It has no id.", context={"id": "x"})
    done = await into(engine, page({"id": "a", "v": 1}, b'{"id": "broken", "v": \xff}', rejected=[bad]))
    assert set(await records(engine)) == {"a"}
    assert done.rejected == 2
    assert {id for _, id in engine.rejected} == {"broken", "x"}


@pytest.mark.parametrize("id", ["nul \0", "half \ud800", "long " * 300])
async def test_an_id_that_no_database_keeps_is_rejected(engine: MemoryStreams, id: str) -> None:
    """An object with such an id is told, in a spelling that can be stored; its neighbours are kept."""
    done = await into(engine, page({"id": id, "v": 1}, {"id": "a", "v": 1}))
    assert set(await records(engine)) == {"a"}
    assert done.rejected == 1
    ((_, shown),) = engine.rejected
    assert len(shown) <= 201
    assert "\0" not in shown
    shown.encode()


async def test_an_id_that_a_provider_could_not_keep_is_told_with_its_reason(engine: MemoryStreams) -> None:
    """It is not one of those without an id, and not counted among them; two spellings alike are one."""
    why = "Its id at id has a character that no database keeps."
    bad = [Reject(why, context={"id": id}) for id in ("a\0", "a\\u0000", "\ud800")]
    await into(engine, page(rejected=[Reject("It has no id."), *bad, Reject("It is no object.")]))
    assert engine.rejected == {
        (SLOT.number, "(no id) 1"): "It has no id.",
        (SLOT.number, "a\\u0000"): why,
        (SLOT.number, "\\ud800"): why,
        (SLOT.number, "(no id) 2"): "It is no object.",
    }


async def test_objects_without_id_are_told(engine: MemoryStreams) -> None:
    """Each of a page is an entry of the list, by its number among them; the next look tells of them again."""
    for _ in range(2):
        await into(engine, page(rejected=[Reject("It has no id."), Reject("It is no object.")]))
    assert engine.rejected == {
        (SLOT.number, "(no id) 1"): "It has no id.",
        (SLOT.number, "(no id) 2"): "It is no object.",
    }


async def test_p1_two_objects_under_one_id_do_not_replace_each_other_for_ever(engine: MemoryStreams) -> None:
    """Where nothing tells which is newer, the last of a page counts, and the next look changes nothing."""
    both = page({"id": "a", "x": 1}, {"id": "a", "x": 2})
    await into(engine, both)
    for asked_us in range(2, 5):
        await into(engine, replace(both, asked_us=asked_us))
    assert await events(engine) == [("a", "created")]
    assert await records(engine) == {"a": {"id": "a", "x": 2}}


class Rival(MemoryStreams):
    """An engine in which somebody else commits first, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(partitions=1, clock=SystemClock())
        self.times = times

    async def commit(self, commit: Commit) -> Committed:
        """Let the rival win."""
        if self.times:
            self.times -= 1
            held = await self.held(SLOT, ["a"])
            version = (held["a"].version or 0) + 1 if held else 1
            other = page({"id": "a", "v": version, "by": "rival"})
            times, self.times = self.times, 0
            await into(self, other)
            self.times = times
        return await super().commit(commit)


async def test_a_conflict_is_decided_again() -> None:
    """When somebody else's news came first, the decision is made anew on it: nothing is lost or doubled."""
    engine = Rival(times=2)
    await into(engine, page({"id": "a", "v": 10}))
    assert await records(engine) == {"a": {"id": "a", "v": 10}}
    assert await events(engine) == [("a", "created"), ("a", "updated"), ("a", "updated")]


async def test_endless_conflicts_end() -> None:
    """A batch that never wins gives up with an error that can be tried again."""
    engine = Rival(times=ATTEMPTS)
    with pytest.raises(Conflict) as conflict:
        await into(engine, page({"id": "a", "v": 100}))
    assert conflict.value.error_code == "sync.contended"


def test_the_slot_of_the_tests_is_a_slot() -> None:
    """The provider of a slot is the part of its collection before the colon."""
    assert Slot(number=1, partition=0, sync_id="s", collection_id="a:b").provider == "a"
