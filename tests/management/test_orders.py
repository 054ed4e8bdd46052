"""What a person asks of a sync: backfills, sweeps, and the list of what could not be read."""

import pytest
from sqlalchemy import insert, update
from tests.management.office import ADMIN, Office

from headwater.errors import InUse, Invalid
from headwater.management.listing import Wanted
from headwater.model.sync import Status
from headwater.store import schema


async def test_a_restarted_backfill_replaces_the_one_that_runs(here: Office) -> None:
    """Of the named collections only; the history keeps both."""
    view = await here.sync()
    started = await here.services.orders.backfill(ADMIN, view.sync.id, ["crm:deal"])
    assert [one.collection_id for one in started] == ["crm:deal"]
    page = await here.services.orders.backfills(ADMIN, view.sync.id, Wanted())
    deals = [one.outcome for one in page.items if one.collection_id == "crm:deal"]
    assert deals == [None, "replaced"]
    assert [one.outcome for one in page.items if one.collection_id != "crm:deal"] == [None, None]


async def test_all_collections_where_none_is_named(here: Office) -> None:
    """And a finished backfill stays in the history as it was."""
    view = await here.sync()
    async with here.database.write() as connection:
        await connection.execute(
            update(schema.backfills).values(outcome="completed", completed_us=1, started_us=0)
        )
    assert len(await here.services.orders.backfill(ADMIN, view.sync.id, None)) == 3
    page = await here.services.orders.backfills(ADMIN, view.sync.id, Wanted(limit=2))
    assert page.has_more
    rest = await here.services.orders.backfills(ADMIN, view.sync.id, Wanted(after_cursor=page.cursor))
    assert [one.outcome for one in (*page.items, *rest.items)] == [None] * 3 + ["completed"] * 3


async def test_a_paused_sync_takes_no_orders(here: Office) -> None:
    """It would say yes and do nothing."""
    view = await here.sync(status=Status.PAUSED)
    for order in (
        here.services.orders.backfill(ADMIN, view.sync.id, None),
        here.services.orders.sweep(ADMIN, view.sync.id, "crm:contact", confirm=False),
        here.services.orders.sweep(ADMIN, view.sync.id, "crm:contact", confirm=True),
        here.services.syncs.check(ADMIN, view.sync.id),
    ):
        with pytest.raises(InUse) as refused:
            await order
        assert refused.value.error_code == "sync.paused"
        assert "resume" in str(refused.value.fix)
    assert (await here.services.syncs.get(ADMIN, view.sync.id)).sync.checks == 0
    assert await here.rows("sweeps") == []


async def test_an_unknown_collection_is_refused_with_the_nearest(here: Office) -> None:
    """Only collections of this sync can be ordered."""
    view = await here.sync(collection_ids=["crm:contact"])
    with pytest.raises(Invalid) as refused:
        await here.services.orders.backfill(ADMIN, view.sync.id, ["crm:contacts"])
    assert refused.value.errors == [
        ("collection_ids", "There is no such collection; did you mean `crm:contact`?")
    ]
    with pytest.raises(Invalid):
        await here.services.orders.sweep(ADMIN, view.sync.id, "crm:deal", confirm=False)


async def test_a_sweep_is_asked_for_once(here: Office) -> None:
    """A second request while one waits is the same one."""
    view = await here.sync()
    first = await here.services.orders.sweep(ADMIN, view.sync.id, "crm:contact", confirm=False)
    again = await here.services.orders.sweep(ADMIN, view.sync.id, "crm:contact", confirm=False)
    other = await here.services.orders.sweep(ADMIN, view.sync.id, "crm:deal", confirm=False)
    assert first == again
    assert other.id != first.id
    page = await here.services.orders.sweeps(ADMIN, view.sync.id, Wanted())
    assert [one.id for one in page.items] == [other.id, first.id]


async def test_a_halted_sweep_goes_on_when_confirmed(here: Office) -> None:
    """And only a halted one can be confirmed."""
    view = await here.sync()
    sweep = await here.services.orders.sweep(ADMIN, view.sync.id, "crm:contact", confirm=False)
    with pytest.raises(InUse) as refused:
        await here.services.orders.sweep(ADMIN, view.sync.id, "crm:contact", confirm=True)
    assert refused.value.error_code == "sweep.not_halted"
    async with here.database.write() as connection:
        await connection.execute(update(schema.sweeps).values(state="halted", missing=80))
    confirmed = await here.services.orders.sweep(ADMIN, view.sync.id, "crm:contact", confirm=True)
    assert (confirmed.id, confirmed.state, confirmed.confirmed) == (sweep.id, "requested", True)


async def test_rejected_objects_are_listed_page_by_page(here: Office) -> None:
    """By collection and id, with any characters in the id."""
    view = await here.sync()
    contact, deal = [await here.slot(view.sync.id, id) for id in ("crm:contact", "crm:deal")]
    rows = [(contact.number, "a/b"), (contact.number, "ü"), (deal.number, ""), (deal.number, "z")]
    async with here.database.write() as connection:
        await connection.execute(
            insert(schema.rejected),
            [{"slot": slot, "upstream_id": id, "reason": "No id.", "rejected_us": 1} for slot, id in rows],
        )
    seen: list[tuple[str, str]] = []
    cursor = None
    for _ in range(4):
        page = await here.services.orders.rejected(ADMIN, view.sync.id, Wanted(limit=1, after_cursor=cursor))
        seen += [(one.collection_id, one.upstream_id) for one in page.items]
        cursor = page.cursor
    assert seen == [("crm:contact", "a/b"), ("crm:contact", "ü"), ("crm:deal", ""), ("crm:deal", "z")]
    assert not page.has_more
