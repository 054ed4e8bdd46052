"""Removing a sync: records kept and still their tenant's, or each deleted with an event."""

import asyncio

import pytest
from sqlalchemy import insert
from tests.management.office import ADMIN, Office, tenant

from headwater.errors import NotFound
from headwater.management import removal
from headwater.model.position import Stream
from headwater.model.record import EventKind
from headwater.store import schema


async def test_kept_records_stay_readable_and_their_tenants(here: Office) -> None:
    """The sync goes with all its work; the slots stay and say whose the records are."""
    view = await here.sync(external_id="org")
    slot = await here.slot(view.sync.id)
    await here.write(slot, "c1", {"n": 1})
    await here.services.removal.remove(ADMIN, view.sync.id, with_records=False)
    for table in ("syncs", "sync_collections", "backfills"):
        assert await here.rows(table) == []
    slots = await here.services.slots.now()
    assert slots.by_number[slot.number].external_id == "org"
    assert await here.engine.record(slot, "c1") is not None
    with pytest.raises(NotFound):
        await here.services.syncs.get(ADMIN, view.sync.id)


async def test_deleted_records_get_an_event_each(here: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """In small steps, each record once, with the data that it had; those deleted before get none."""
    monkeypatch.setattr(removal, "_STEP", 2)
    view = await here.sync()
    slot, other = [await here.slot(view.sync.id, id) for id in ("crm:contact", "crm:deal")]
    for number in range(5):
        await here.write(slot, f"c{number}", {"n": number}, created_us=number + 1)
    await here.write(slot, "c1", None)
    await here.write(other, "d1", {"n": 9})
    before = await here.engine.heads()
    await here.services.removal.remove(ADMIN, view.sync.id, with_records=True)
    events = (await here.engine.read(Stream.EVENTS, before, limit=100)).entries
    assert {(one.slot, one.upstream_id) for one in events} == {
        (slot.number, "c0"),
        (slot.number, "c2"),
        (slot.number, "c3"),
        (slot.number, "c4"),
        (other.number, "d1"),
    }
    assert {one.event for one in events} == {EventKind.DELETED}
    assert {(one.upstream_id, one.data, one.created_us) for one in events} >= {("c3", b'{"n":3}', 4)}
    assert {one.records for one in (await here.engine.count([slot, other])).values()} == {0}


async def test_records_that_were_kept_can_be_deleted_later(here: Office) -> None:
    """By the id of the sync that is gone, with an event each, once; and only by those who may (P12)."""
    view = await here.sync(external_id="org")
    slot = await here.slot(view.sync.id)
    await here.write(slot, "c1", {"n": 1})
    remove = here.services.removal.remove
    await remove(ADMIN, view.sync.id, with_records=False)
    for caller, with_records in ((tenant("other"), True), (ADMIN, False)):
        with pytest.raises(NotFound):
            await remove(caller, view.sync.id, with_records=with_records)
    assert (await here.engine.count([slot]))[slot.number].records == 1
    await remove(tenant("org"), view.sync.id, with_records=True)
    last = await here.engine.record(slot, "c1")
    assert last is not None
    assert last.event == EventKind.DELETED
    with pytest.raises(NotFound):
        await remove(ADMIN, view.sync.id, with_records=True)


async def test_p12_another_tenants_sync_is_not_even_paused(here: Office) -> None:
    """It does not exist for the key."""
    view = await here.sync(external_id="org")
    with pytest.raises(NotFound):
        await here.services.removal.remove(tenant("other"), view.sync.id, with_records=True)
    assert (await here.services.syncs.get(ADMIN, view.sync.id)).sync.status == "active"


async def test_removal_goes_on_where_it_was(here: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash half way the sync is paused, and asking again finishes without doubling an event."""
    monkeypatch.setattr(removal, "_STEP", 1)
    view = await here.sync()
    slot = await here.slot(view.sync.id)
    for number in range(4):
        await here.write(slot, f"c{number}", {"n": number})
    commit, left = here.engine.commit, 2

    async def dying(one):  # type: ignore[no-untyped-def] - passes on what it is given
        nonlocal left
        if not left:
            raise asyncio.CancelledError
        left -= 1
        return await commit(one)

    monkeypatch.setattr(here.engine, "commit", dying)
    with pytest.raises(asyncio.CancelledError):
        await here.services.removal.remove(ADMIN, view.sync.id, with_records=True)
    assert (await here.services.syncs.get(ADMIN, view.sync.id)).sync.status == "paused"
    monkeypatch.setattr(here.engine, "commit", commit)
    await here.services.removal.remove(ADMIN, view.sync.id, with_records=True)
    assert [len(await here.engine.history(slot, f"c{number}", 10)) for number in range(4)] == [2] * 4


async def test_whoever_runs_the_sync_writes_nothing_more(here: Office) -> None:
    """Its lease has moved on before the first record is deleted, and is gone with the sync."""
    view = await here.sync()
    async with here.database.write() as connection:
        await connection.execute(
            insert(schema.leases).values(name=f"sync:{view.sync.id}", worker_id="w", epoch=7)
        )
    slot = await here.slot(view.sync.id)
    await here.write(slot, "c1", {"n": 1})
    epochs: list[int] = []
    commit = here.engine.commit

    async def watching(one):  # type: ignore[no-untyped-def] - passes on what it is given
        epochs.extend(row.epoch for row in await here.rows("leases"))
        return await commit(one)

    here.engine.commit = watching  # type: ignore[method-assign] - looks, and passes on
    await here.services.removal.remove(ADMIN, view.sync.id, with_records=True)
    assert epochs == [8]
    assert await here.rows("leases") == []


async def test_a_change_in_between_is_not_lost(here: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that changes while its deletion is decided is deleted in its newer version."""
    view = await here.sync()
    slot = await here.slot(view.sync.id)
    await here.write(slot, "c1", {"n": 1})
    held, done = here.engine.held, False

    async def between(slot, ids):  # type: ignore[no-untyped-def] - passes on what it is given
        nonlocal done
        found = await held(slot, ids)
        if not done:
            done = True
            await here.write(slot, "c1", {"n": 2})
        return found

    monkeypatch.setattr(here.engine, "held", between)
    await here.services.removal.remove(ADMIN, view.sync.id, with_records=True)
    last = await here.engine.record(slot, "c1")
    assert last is not None
    assert (last.event, last.data) == (EventKind.DELETED, b'{"n":2}')
