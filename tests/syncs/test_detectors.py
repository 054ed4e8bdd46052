"""Backfill, poll and sweep against a shelf of objects: resuming, ties, late rows, deletes, the brake."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.syncs.conftest import Assign, events, records
from tests.syncs.shelf import Shelf

from headwater.errors import LeaseLost, Retry
from headwater.kit.clock import SystemClock
from headwater.streams.memory import MemoryStreams
from headwater.syncs.assignment import Assignment
from headwater.syncs.backfill import backfill
from headwater.syncs.poll import poll
from headwater.syncs.sweep import Suspects, sweep


def no_suspects() -> Suspects:
    """Return a memory of suspects that lasts as long as it is used."""
    kept: dict[str, int] = {}

    async def known(ids: object) -> dict[str, int]:
        return dict(kept)

    async def replace(missing: dict[str, int]) -> None:
        kept.clear()
        kept.update(missing)

    return Suspects(known=known, replace=replace)


async def test_backfill_lists_everything(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """All pages of a listing become records, and the backfill knows that it is done."""
    for number in range(8):
        shelf.put(f"o{number}", n=number)
    work = await assign(shelf.collection())
    await backfill(work, "b1")
    assert await records(engine) == shelf.alive()
    pages = shelf.pages
    await backfill(await assign(shelf.collection()), "b1")
    assert shelf.pages == pages


async def test_p3_backfill_resumes_behind_what_is_committed(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """A page that fails keeps the pages before it; the next try goes on behind them and misses nothing."""
    for number in range(12):
        shelf.put(f"o{number:02}", n=number)
    shelf.failures = [None, None, *[Retry()] * 5]
    with pytest.raises(Retry):
        await backfill(await assign(shelf.collection()), "b1")
    assert len(await records(engine)) == 6
    await backfill(await assign(shelf.collection()), "b1")
    assert await records(engine) == shelf.alive()
    assert len(await events(engine)) == 12
    assert shelf.pages == 2 + 5 + 2


async def test_new_backfill_starts_over(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """Another backfill reads everything again and changes nothing (P1)."""
    shelf.put("a")
    work = await assign(shelf.collection())
    await backfill(work, "b1")
    await backfill(work, "b2")
    assert shelf.pages == 2
    assert await events(engine) == [("a", "created")]


async def test_changes_during_a_backfill_are_found(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """The watermark is noted before the first page, so what changes behind the reader is polled
    afterwards."""
    for number in range(6):
        shelf.put(f"o{number}", n=number)
    shelf.failures = [None, *[Retry()] * 5]
    work = await assign(shelf.collection())
    with pytest.raises(Retry):
        await backfill(work, "b1")
    shelf.put("o0", n=100)
    shelf.drop("o1")
    await backfill(work, "b1")
    await poll(work, new_scopes=True)
    assert await records(engine) == shelf.alive()


async def live(shelf: Shelf, assign: Assign, **how: bool) -> Assignment:
    """Return a collection that has been backfilled and polled once."""
    work = await assign(shelf.collection(**how))
    await backfill(work, "b1")
    if work.collection.read_since is not None:
        await poll(work, new_scopes=True)
    return work


@pytest.mark.parametrize("in_order", [True, False])
async def test_poll_sees_creates_updates_and_deletes(
    shelf: Shelf, engine: MemoryStreams, assign: Assign, in_order: bool
) -> None:
    """Every kind of change is found by a look, in the order in which it happened."""
    shelf.put("a", n=1)
    shelf.put("b", n=1)
    work = await live(shelf, assign, in_order=in_order)
    shelf.put("a", n=2)
    shelf.put("c", n=1)
    shelf.drop("b")
    polled = await poll(work, new_scopes=True)
    assert polled.changed == 3
    assert (await events(engine))[2:] == [("a", "updated"), ("c", "created"), ("b", "deleted")]
    assert (await poll(work, new_scopes=True)).changed == 0


@pytest.mark.parametrize("in_order", [True, False])
async def test_p3_failed_page_never_moves_the_watermark_too_far(
    shelf: Shelf, engine: MemoryStreams, assign: Assign, in_order: bool
) -> None:
    """Whatever page fails, the next look finds what the failed one would have shown."""
    work = await live(shelf, assign, in_order=in_order)
    for number in range(10):
        shelf.put(f"o{number}", n=number)
    shelf.failures = [None, None, *[Retry()] * 5]
    with pytest.raises(Retry):
        await poll(work, new_scopes=True)
    await poll(await assign(work.collection), new_scopes=True)
    assert await records(engine) == shelf.alive()


async def test_ties_on_one_timestamp_are_all_read(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """More objects with one update time than fit on a page are all found, and looks come to an end."""
    work = await live(shelf, assign)
    shelf.put("t")
    for number in range(10):
        shelf.objects[f"o{number}"] = {"id": f"o{number}", "updated": shelf.now_us}
    await poll(work, new_scopes=True)
    assert await records(engine) == shelf.alive()


async def test_late_rows_are_found_within_the_overlap(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """A row that becomes visible behind the watermark is read by the next look."""
    work = await live(shelf, assign)
    shelf.put("late")
    shelf.hidden.add("late")
    shelf.put("early")
    await poll(work, new_scopes=True)
    assert await records(engine) == shelf.alive()
    shelf.hidden.clear()
    await poll(work, new_scopes=True)
    assert "late" in await records(engine)


async def test_a_row_from_the_future_hides_nothing(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """An update time years ahead does not move the watermark past what is still to come."""
    work = await live(shelf, assign)
    shelf.put("wrong")
    shelf.objects["wrong"]["updated"] = shelf.now_us + 10**15
    await poll(work, new_scopes=True)
    shelf.now_us += 60_000_000
    shelf.put("right")
    await poll(work, new_scopes=True)
    assert await records(engine) == shelf.alive()


async def test_unchanged_look_writes_nothing(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """A look that finds nothing new makes no commit at all."""
    shelf.put("a")
    work = await live(shelf, assign)
    engine.leases.clear()  # any commit would fail now
    await poll(work, new_scopes=True)


async def test_a_lost_lease_writes_nothing(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """When the lease has changed hands, a look raises and its news is not committed."""
    work = await live(shelf, assign)
    shelf.put("a")
    engine.leases["sync:s"] = 2
    with pytest.raises(LeaseLost):
        await poll(work, new_scopes=True)
    assert await records(engine) == {}


async def test_sweep_verifies_before_it_deletes(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """An object that is missing from the listing is deleted once its own read says that it is gone."""
    shelf.put("a")
    shelf.put("b")
    work = await live(shelf, assign, one=True)
    shelf.now_us += 1
    shelf.vanish("a")
    swept = await sweep(work, no_suspects())
    assert (swept.missing, swept.deleted) == (1, 1)
    assert await records(engine) == shelf.alive()


async def test_verifying_goes_on_where_it_failed(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """Single reads that fail are made again; what was verified before one kept failing stays deleted."""
    for number in range(49):
        shelf.put(f"o{number:02}")
    work = await live(shelf, assign, one=True)
    shelf.now_us += 1
    for number in range(30):
        shelf.vanish(f"o{number:02}")
    shelf.refusals = [None] * 10 + [Retry()] * 3 + [None] * 15 + [Retry()] * 20
    with pytest.raises(Retry):
        await sweep(work, no_suspects())
    assert len(await records(engine)) == 29
    shelf.refusals = []
    await sweep(work, no_suspects())
    assert await records(engine) == shelf.alive()


async def test_sweep_without_single_reads_needs_two(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """Where nothing can verify it, a record must be missing from two sweeps."""
    shelf.put("a")
    shelf.put("b")
    work = await live(shelf, assign)
    suspects = no_suspects()
    shelf.vanish("a")
    assert (await sweep(work, suspects)).deleted == 0
    assert (await sweep(work, suspects)).deleted == 1
    assert await records(engine) == shelf.alive()


async def test_suspect_that_comes_back_is_no_suspect(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """A record that one sweep missed and the next one showed starts anew."""
    shelf.put("a")
    work = await live(shelf, assign)
    suspects = no_suspects()
    shelf.hidden.add("a")
    shelf.now_us += 1
    await sweep(work, suspects)
    shelf.hidden.clear()
    await sweep(work, suspects)
    shelf.hidden.add("a")
    assert (await sweep(work, suspects)).deleted == 0


async def test_failed_page_voids_a_sweep(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """A listing whose page keeps failing deletes nothing."""
    for number in range(6):
        shelf.put(f"o{number}")
    work = await live(shelf, assign, one=True)
    shelf.now_us += 1
    shelf.vanish("o5")
    shelf.failures = [None, *[Retry()] * 20]
    with pytest.raises(Retry):
        await sweep(work, no_suspects())
    assert len(await records(engine)) == 6


async def test_a_page_that_fails_is_read_again(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """A page that fails a few times costs a sweep only that page, not what was read before."""
    for number in range(9):
        shelf.put(f"o{number}")
    work = await live(shelf, assign, one=True)
    shelf.now_us += 1
    shelf.vanish("o5")
    pages = shelf.pages
    shelf.failures = [None, Retry(), Retry(), None, Retry()]
    assert (await sweep(work, no_suspects())).deleted == 1
    assert shelf.pages == pages + 6 + 1


async def test_brake_stops_mass_deletes_until_confirmed(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """When far too much is missing nothing is deleted, until a person says that it is right."""
    for number in range(80):
        shelf.put(f"o{number:02}")
    work = await live(shelf, assign)
    shelf.now_us += 1
    for number in range(60):
        shelf.vanish(f"o{number:02}")
    suspects = no_suspects()
    for _ in range(2):
        swept = await sweep(work, suspects)
        assert (swept.braked, swept.deleted) == (True, 0)
    assert (await sweep(work, suspects, confirmed=True)).deleted == 60
    assert await records(engine) == shelf.alive()


async def test_empty_listing_is_not_believed(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """An API that shows nothing at all any more, and denies every object, has more likely lost a right."""
    for number in range(60):
        shelf.put(f"o{number}")
    work = await live(shelf, assign, one=True)
    shelf.now_us += 1
    shelf.objects.clear()
    assert (await sweep(work, no_suspects())).braked
    assert len(await records(engine)) == 60


@pytest.mark.parametrize(("held", "braked"), [(9, False), (10, True)])
async def test_a_small_collection_does_not_vanish_by_an_empty_list(
    shelf: Shelf, engine: MemoryStreams, assign: Assign, held: int, braked: bool
) -> None:
    """Ten records and more are never deleted by lists that show nothing, however often; fewer are by two."""
    for number in range(held):
        shelf.put(f"o{number}")
    work = await live(shelf, assign)
    shelf.now_us += 1
    shelf.objects.clear()
    suspects = no_suspects()
    for _ in range(2):
        shelf.now_us += 1
        assert (await sweep(work, suspects)).braked is braked
    assert len(await records(engine)) == (held if braked else 0)


async def test_sweep_finds_silent_changes(shelf: Shelf, engine: MemoryStreams, assign: Assign) -> None:
    """A change that did not move the update time is found by the listing."""
    shelf.put("a", n=1)
    work = await live(shelf, assign)
    shelf.now_us += 1
    shelf.objects["a"]["n"] = 2
    assert (await poll(work, new_scopes=True)).changed in (0, 1)
    await sweep(work, no_suspects())
    assert await records(engine) == shelf.alive()


async def test_objects_without_versions(engine: MemoryStreams, assign: Assign) -> None:
    """Where objects have no update time, whole listings find every change."""
    shelf = Shelf(versions=False)
    shelf.put("a", n=1)
    shelf.put("b", n=1)
    work = await assign(shelf.collection(since=False))
    await backfill(work, "b1")
    suspects = no_suspects()
    shelf.put("a", n=2)
    shelf.vanish("b")
    await sweep(work, suspects)
    await sweep(work, suspects)
    assert await events(engine) == [("a", "created"), ("b", "created"), ("a", "updated"), ("b", "deleted")]


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "vanish", "hide", "poll", "fail", "sweep"]), st.integers(0, 5)),
    max_size=30,
)


@given(STEPS, st.booleans(), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_happens_the_streams_end_equal_to_the_api(
    assign: Assign, steps: list[tuple[str, int]], in_order: bool, one: bool
) -> None:
    """After any history of changes and failures a look and two sweeps leave the records equal to the API."""
    shelf = Shelf()
    engine = MemoryStreams(partitions=1, clock=SystemClock())
    engine.leases["sync:s"] = 1
    work = await assign(shelf.collection(one=one, in_order=in_order))
    work.engine = engine
    suspects = no_suspects()
    await backfill(work, "b1")
    for step, number in steps:
        id = f"o{number}"
        shelf.now_us += 1
        if step == "put":
            shelf.put(id, n=shelf.now_us)
        elif step == "drop":
            shelf.drop(id)
        elif step == "vanish" and id in shelf.objects:
            shelf.vanish(id)
        elif step == "hide":
            shelf.hidden ^= {id}
        elif step == "fail":
            shelf.failures = [None] * (number % 3) + [Retry()] * number
        elif step == "sweep" and not shelf.failures:
            await sweep(work, suspects)
        elif step == "poll":
            try:
                await poll(work, new_scopes=True)
            except Retry:
                await poll(work, new_scopes=True)
    shelf.failures, shelf.hidden = [], set()
    shelf.now_us += 1
    await poll(work, new_scopes=True)
    for _ in range(2):
        shelf.now_us += 1
        await sweep(work, suspects)
    assert await records(engine) == shelf.alive()


async def test_whole_list_that_has_not_changed_costs_one_request(
    shelf: Shelf, engine: MemoryStreams, assign: Assign
) -> None:
    """With validators a whole list is read again only when something changed, and deletes are still found."""
    for number in range(7):
        shelf.put(f"o{number}")
    work = await assign(shelf.whole())
    await backfill(work, "b1")
    suspects = no_suspects()
    await sweep(work, suspects)
    pages = shelf.pages
    await sweep(work, suspects)
    assert shelf.pages == pages + 1
    shelf.vanish("o3")
    for _ in range(2):
        await sweep(work, suspects)
    assert await records(engine) == shelf.alive()
