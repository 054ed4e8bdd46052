"""Syncs: made with slots and backfills in one piece, changed, listed, scoped to their tenant."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from tests.management.office import ADMIN, START_US, Office, tenant

from headwater.errors import Forbidden, Invalid, NotFound
from headwater.management.caller import Caller, Permission
from headwater.management.credentials import NewCredential
from headwater.management.listing import Wanted
from headwater.management.syncs import NewSync, SyncChange
from headwater.model.sync import CollectionState, Status
from headwater.store import schema
from headwater.streams.slots import partition_of


async def test_a_new_sync_has_slots_and_backfills_of_all_its_collections(here: Office) -> None:
    """All of the provider's collections where none is named; all slots in the sync's partition."""
    view = await here.sync()
    assert view.sync.collection_ids == ("crm:contact", "crm:deal", "crm:note")
    slots = await here.rows("slots")
    assert {row.partition for row in slots} == {partition_of(view.sync.id, 4)}
    backfills = await here.rows("backfills")
    assert {row.slot for row in backfills} == {row.slot for row in slots}
    assert {(row.requested_us, row.started_us, row.outcome) for row in backfills} == {(START_US, None, None)}
    assert [one.state for one in view.collections] == [CollectionState.PENDING] * 3
    assert await here.revision("syncs") > 0


@given(st.uuids(), st.integers(1, 64))
def test_a_sync_lives_in_one_partition(sync_id: Any, partitions: int) -> None:
    """The partition is in range and always the same."""
    place = partition_of(str(sync_id), partitions)
    assert 0 <= place < partitions
    assert place == partition_of(str(sync_id), partitions)


def test_the_partition_of_a_sync_never_changes() -> None:
    """Another version of the program must find the same."""
    assert partition_of("0190a5c8-6f5e-7d62-8f57-5b1f8a4a2f10", 16) == 2


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"collection_ids": ["crm:contct"]}, "collection_ids.0"),
        ({"collection_ids": []}, "collection_ids"),
        ({"collection_ids": ["crm:note"]}, "collection_ids.0"),
        ({"sync_frequency": "often"}, "sync_frequency"),
        ({"sync_frequency": "0s"}, "sync_frequency"),
        ({"sync_frequency": "9999d"}, "sync_frequency"),
        ({"config": {"siet": "x"}}, "config.siet"),
        ({"config": {"site": 5}}, "config.site"),
        ({"credential_id": "nobody's"}, "credential_id"),
    ],
)
async def test_mistakes_are_named_and_nothing_is_made(
    here: Office, given: dict[str, Any], field: str
) -> None:
    """A sync that could not run is refused whole."""
    with pytest.raises(Invalid) as refused:
        await here.sync(**given)
    assert [name for name, _ in refused.value.errors] == [field]
    assert await here.rows("syncs") == await here.rows("slots") == await here.rows("backfills") == []


async def test_a_credential_of_another_provider_is_refused(here: Office) -> None:
    """The credential must be of the sync's provider."""
    new = NewCredential(
        provider="billing",
        kind=None,
        name=None,
        properties={},
        rate_limit=None,
        external_id=None,
        metadata={},
    )
    other, _ = await here.services.credentials.put(ADMIN, new)
    with pytest.raises(Invalid, match="another provider"):
        await here.sync(credential_id=other.id)


async def test_an_unknown_provider_is_a_wrong_field(here: Office) -> None:
    """As any other; the fix has the name that was probably meant."""
    with pytest.raises(Invalid) as refused:
        await here.services.syncs.create(
            ADMIN, NewSync(provider="crmm", credential_id="x", config={}, metadata={})
        )
    assert [name for name, _ in refused.value.errors] == ["provider"]
    assert "Did you mean crm?" in str(refused.value.fix)


async def test_a_parent_and_its_children_are_chosen_together(here: Office) -> None:
    """With its parent a collection that is read below it can be chosen."""
    view = await here.sync(collection_ids=["crm:note", "crm:deal"])
    assert view.sync.collection_ids == ("crm:deal", "crm:note")


async def test_adding_a_collection_starts_its_backfill(here: Office) -> None:
    """Only that of the added one; removed ones keep slot and records, and come back with a new backfill."""
    view = await here.sync(collection_ids=["crm:contact"])
    change = SyncChange(collection_ids=["crm:contact", "crm:deal"])
    changed = await here.services.syncs.change(ADMIN, view.sync.id, change)
    assert changed.sync.collection_ids == ("crm:contact", "crm:deal")
    assert len(await here.rows("backfills")) == 2

    removed = await here.services.syncs.change(ADMIN, view.sync.id, SyncChange(collection_ids=["crm:deal"]))
    assert removed.sync.collection_ids == ("crm:deal",)
    slots = {row.collection_id: row.slot for row in await here.rows("slots")}
    outcomes = {row.slot: row.outcome for row in await here.rows("backfills")}
    assert outcomes == {slots["crm:contact"]: "replaced", slots["crm:deal"]: None}

    await here.services.syncs.change(ADMIN, view.sync.id, change)
    assert {row.collection_id: row.slot for row in await here.rows("slots")} == slots
    assert len(await here.rows("backfills")) == 3


async def test_every_field_can_be_changed(here: Office) -> None:
    """And a null takes out what may be absent."""
    view = await here.sync(max_age_days=3)
    change = SyncChange(
        name="renamed",
        rate_share=0.5,
        status=Status.PAUSED,
        max_age_days=7,
        sync_frequency="15m",
        config={"site": "a"},
        metadata={"team": "eu"},
    )
    changed = (await here.services.syncs.change(ADMIN, view.sync.id, change)).sync
    assert (changed.name, changed.rate_share, changed.status) == ("renamed", 0.5, Status.PAUSED)
    assert (changed.max_age_days, changed.sync_frequency) == (7, "15m")
    assert (changed.config, changed.metadata) == ({"site": "a"}, {"team": "eu"})
    assert changed.updated_at > view.sync.updated_at
    cleared = await here.services.syncs.change(ADMIN, view.sync.id, SyncChange(max_age_days=None))
    assert cleared.sync.max_age_days is None
    assert cleared.sync.name == "renamed"


async def test_a_paused_sync_shows_its_collections_as_paused(here: Office) -> None:
    """What they were doing comes back when it goes on."""
    view = await here.sync(status=Status.PAUSED)
    assert {one.state for one in view.collections} == {CollectionState.PAUSED}
    active = await here.services.syncs.change(ADMIN, view.sync.id, SyncChange(status=Status.ACTIVE))
    assert {one.state for one in active.collections} == {CollectionState.PENDING}


async def test_a_sync_shows_progress_lag_and_counts(here: Office) -> None:
    """From the tables that runners write, and the engine's counts."""
    view = await here.sync(collection_ids=["crm:contact"])
    slot = await here.slot(view.sync.id)
    for number in range(3):
        await here.write(slot, f"c{number}", {"n": number})
    await here.write(slot, "c0", None)
    async with here.database.write() as connection:
        await connection.execute(
            update(schema.sync_collections).values(
                state="backfilling", complete_us=START_US, last_checked_us=START_US
            )
        )
        await connection.execute(
            update(schema.backfills).values(started_us=START_US, records=100, estimated_total=400)
        )
    here.clock.move(10)
    (shown,) = (await here.services.syncs.get(ADMIN, view.sync.id)).collections
    assert (shown.records, shown.lag and shown.lag.total_seconds()) == (2, 10.0)
    assert shown.backfill is not None
    assert (shown.backfill.records_per_second, shown.backfill.eta) == (10.0, timedelta(seconds=30))


async def test_check_now_counts_requests(here: Office) -> None:
    """Each is a number that the runner compares."""
    view = await here.sync()
    before = await here.revision("syncs")
    assert (await here.services.syncs.check(ADMIN, view.sync.id)).sync.checks == 1
    assert (await here.services.syncs.check(ADMIN, view.sync.id)).sync.checks == 2
    assert await here.revision("syncs") == before + 2


async def test_p12_a_tenant_sees_and_changes_only_its_own_syncs(here: Office) -> None:
    """Another tenant's sync does not exist for it, in any call."""
    a, b = await here.sync(tenant("a")), await here.sync(external_id="b")
    assert (a.sync.external_id, b.sync.external_id) == ("a", "b")
    syncs, orders = here.services.syncs, here.services.orders
    assert [one.sync.id for one in (await syncs.page(tenant("a"), Wanted())).items] == [a.sync.id]
    id = b.sync.id
    for call in (
        syncs.get(tenant("a"), id),
        syncs.change(tenant("a"), id, SyncChange(name="x")),
        syncs.check(tenant("a"), id),
        orders.backfill(tenant("a"), id, None),
        orders.backfills(tenant("a"), id, Wanted()),
        orders.sweep(tenant("a"), id, "crm:contact", confirm=False),
        orders.sweeps(tenant("a"), id, Wanted()),
        orders.rejected(tenant("a"), id, Wanted()),
        here.services.removal.remove(tenant("a"), id, with_records=True),
        here.services.removal.remove(tenant("a"), id, with_records=False),
    ):
        with pytest.raises(NotFound) as refused:
            await call
        assert refused.value.error_code == "sync.not_found"
    assert (await syncs.get(ADMIN, id)).sync.name == b.sync.name


async def test_p12_a_tenants_credential_serves_no_other_tenant(here: Office) -> None:
    """Neither by another tenant's key nor by one that rules all."""
    of_b = await here.credential(tenant("b"))
    with pytest.raises(Invalid):
        await here.sync(tenant("a"), credential_id=of_b.id)
    with pytest.raises(Invalid):
        await here.sync(credential_id=of_b.id, external_id="a")
    with pytest.raises(Forbidden):
        await here.sync(tenant("a"), external_id="b")
    assert (await here.sync(credential_id=of_b.id)).sync.external_id == "b"


async def test_a_sync_given_to_another_tenant_takes_its_records_along(here: Office) -> None:
    """The slots, by which readers are scoped, move with it."""
    shared = await here.credential()
    view = await here.sync(credential_id=shared.id, external_id="a")
    await here.services.syncs.change(ADMIN, view.sync.id, SyncChange(external_id="b"))
    assert {row.external_id for row in await here.rows("slots")} == {"b"}
    slots = await here.services.slots.now()
    assert {owned.external_id for owned in slots.by_number.values()} == {"b"}


async def test_changes_need_the_admin_scope(here: Office) -> None:
    """A key that reads changes nothing."""
    view = await here.sync()
    reader = Caller(key_id="r", permissions=frozenset({Permission.READ}))
    assert (await here.services.syncs.get(reader, view.sync.id)).sync.id == view.sync.id
    with pytest.raises(Forbidden):
        await here.services.syncs.change(reader, view.sync.id, SyncChange(name="x"))
    with pytest.raises(Forbidden):
        await here.services.syncs.check(reader, view.sync.id)


async def test_a_page_of_syncs_costs_as_many_statements_as_one(here: Office) -> None:
    """What is read does not grow with the number of syncs."""
    credential = await here.credential()

    async def statements() -> int:
        counted = 0
        before = here.database.read

        def counting() -> Any:
            nonlocal counted
            counted += 1
            return before()

        here.database.read = counting  # type: ignore[method-assign] - counts and passes on
        await here.services.syncs.page(ADMIN, Wanted())
        here.database.read = before  # type: ignore[method-assign] - as it was
        return counted

    await here.sync(credential_id=credential.id)
    one = await statements()
    for _ in range(4):
        await here.sync(credential_id=credential.id)
    assert await statements() == one
