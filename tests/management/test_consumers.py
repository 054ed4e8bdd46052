"""Managed consumers: where they start, what they want, how late they are, and whose they are."""

import json
from typing import Any

import pytest
from sqlalchemy import insert, update
from tests.management.office import ADMIN, START_US, Office, tenant

from headwater.errors import Forbidden, Invalid, NotFound
from headwater.kit.clock import from_us, iso
from headwater.management.consumers import ConsumerChange, ConsumersOf
from headwater.management.listing import Wanted
from headwater.model.consumer import Batching, OnGap, Selection
from headwater.model.position import Stream
from headwater.model.record import Slot
from headwater.model.sync import Status
from headwater.store import schema


async def errors(here: Office, **more: object) -> dict[str, str]:
    """Return what is wrong with a consumer, by field."""
    with pytest.raises(Invalid) as refused:
        await here.consumer(**more)
    assert refused.value.fix
    return dict(refused.value.errors)


async def written(here: Office, count: int, **more: Any) -> Slot:
    """Make a sync with some records, a minute after another; return its slot."""
    slot = await here.slot((await here.sync(**more)).sync.id)
    for number in range(count):
        await here.write(slot, f"c{number}", {"n": number})
        here.clock.move(60)
    return slot


async def standing(here: Office, consumer_id: str) -> Any:
    """Return the row that says where a consumer stands."""
    return next(row for row in await here.rows("standings") if row.consumer_id == consumer_id)


def vector(slot: Slot, at: int) -> list[int]:
    """Return a position in the office's four partitions."""
    return [at if number == slot.partition else 0 for number in range(4)]


# --- where they start ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", Stream)
@pytest.mark.parametrize(
    ("start", "at"), [("beginning", 0), ("end", 3), (iso(from_us(START_US + 60_000_000)), 1)]
)
async def test_a_consumer_stands_at_its_start(here: Office, stream: Stream, start: str, at: int) -> None:
    """It has a standing from the first moment."""
    slot = await written(here, 3)
    view = await here.consumer(stream=stream, start=start)
    row = await standing(here, view.consumer.id)
    assert (row.generation, row.lost, view.consumer.start) == (1, 0, start)
    assert json.loads(row.position) == json.loads(row.begin) == vector(slot, at)
    assert view.lag.messages == 3 - at


async def test_a_time_of_another_zone_is_kept_in_ours(here: Office) -> None:
    """So that it can be compared."""
    view = await here.consumer(start="2024-11-19T08:00:00+02:00")
    assert view.consumer.start == "2024-11-19T06:00:00.000000Z"


@pytest.mark.parametrize("start", ["now", "", "2024-11-19", "2024-11-19T08:00:00", "2999-01-01T00:00:00Z"])
async def test_a_start_that_is_none(here: Office, start: str) -> None:
    """No word of ours, a time without its zone, one in the future."""
    assert set(await errors(here, start=start)) == {"start"}
    assert set(await errors(here, start="0001-01-01T00:00:00+14:00")) == {"start"}


async def test_p11_events_that_are_no_longer_kept_are_not_promised(here: Office) -> None:
    """A start before the retention is refused; of records there is no such limit."""
    long_ago = iso(from_us(START_US - 8 * 86_400_000_000))
    assert "Events are kept for 7d" in (await errors(here, stream=Stream.EVENTS, start=long_ago))["start"]
    assert (await here.consumer(stream=Stream.RECORDS, start=long_ago)).consumer.start == long_ago


async def test_a_start_after_trimmed_events_is_no_gap(here: Office) -> None:
    """The position lies not before the trim line, though nothing was committed since."""
    slot = await written(here, 2)
    await here.write(slot, "c0", {"n": "new"})
    here.clock.move(8 * 86_400)
    await here.engine.trim(here.clock.now_us() - 7 * 86_400_000_000, 100)
    yesterday = iso(from_us(here.clock.now_us() - 86_400_000_000))
    for start in (yesterday, "beginning"):
        view = await here.consumer(stream=Stream.EVENTS, start=start)
        assert json.loads((await standing(here, view.consumer.id)).position) == vector(slot, 3)
        assert view.lag.messages == 0


# --- what they want -----------------------------------------------------------------------------------------


async def test_filters_are_kept_as_they_are_meant(here: Office) -> None:
    """What is left out wants everything; `*` among others is everything; each value once."""
    sync_id = (await here.sync()).sync.id
    filters = {
        "provider": ["crm", "crm"],
        "collection_id": ["crm:contact", "*"],
        "sync_id": [sync_id],
        "event": ["inserted", "deleted"],
    }
    view = await here.consumer(stream=Stream.EVENTS, filters=filters)
    wanted = Selection(provider=("crm",), sync_id=(sync_id,), event=("inserted", "deleted"))
    assert view.consumer.filters == wanted
    assert (await here.services.consumers.get(ADMIN, view.consumer.id)).consumer.filters == wanted
    assert (await here.consumer(filters={})).consumer.filters == Selection()


async def test_filters_that_would_never_find_anything_are_refused(here: Office) -> None:
    """By field and number, with what was probably meant."""
    filters: dict[str, list[str]] = {
        "provider": ["crm", "crmm"],
        "collection_id": ["crm:contacts", "contact", "shop:order", "billing:*", "crm:*"],
        "sync_id": ["nothing"],
        "event": ["changed"],
        "colour": ["red"],
    }
    assert await errors(here, stream=Stream.EVENTS, filters=filters) == {
        "filters.colour": "There is no such field.",
        "filters.provider.1": "There is no such provider; did you mean `crm`?",
        "filters.collection_id.0": "There is no such collection; did you mean `crm:contact`?",
        "filters.collection_id.1": 'Must be "provider:collection", or "provider:*" for all of a provider.',
        "filters.collection_id.2": "There is no such provider.",
        "filters.collection_id.3": "Is a collection of a provider that the filter on provider leaves out.",
        "filters.sync_id.0": "There is no such sync.",
        "filters.event.0": "Must be one of created, inserted, updated, deleted.",
    }
    assert await errors(here, filters={"event": ["created"], "provider": []}) == {
        "filters.event": "Is for events only: a record is the latest state, whatever led to it.",
        "filters.provider": "Must name something.",
    }


async def test_what_a_removed_sync_has_left_can_be_wanted(here: Office) -> None:
    """Its records are in the stream still."""
    sync_id = (await here.sync()).sync.id
    await here.services.removal.remove(ADMIN, sync_id, with_records=False)
    assert (await here.consumer(filters={"sync_id": [sync_id]})).consumer.filters.sync_id == (sync_id,)


async def test_a_target_takes_the_streams_of_its_kind(here: Office) -> None:
    """A ledger takes events only."""
    ledger = await here.target(kind="ledger", settings={"path": "book"})
    found = await errors(here, target_id=ledger.id, stream=Stream.RECORDS)
    assert found == {"stream": "Ledger takes events only."}
    view = await here.consumer(target_id=ledger.id, stream=Stream.EVENTS)
    assert view.consumer.name == "events to Ledger"
    assert await errors(here, target_id="nothing") == {"target_id": "There is no such target."}


# --- whose they are -----------------------------------------------------------------------------------------


async def test_p12_a_tenants_consumer_is_its_own(here: Office) -> None:
    """Seen, changed, begun anew and removed by its tenant and by those who are bound to none."""
    of_a, of_b, of_none = [await here.consumer(caller) for caller in (tenant("a"), tenant("b"), ADMIN)]
    service, a = here.services.consumers, tenant("a")
    assert (of_a.consumer.external_id, of_none.consumer.external_id) == ("a", None)
    assert [one.consumer.id for one in (await service.page(a, Wanted())).items] == [of_a.consumer.id]
    for other in (of_b.consumer.id, of_none.consumer.id):
        for call in (
            service.get(a, other),
            service.change(a, other, ConsumerChange(name="mine")),
            service.reset(a, other, "end"),
            service.delete(a, other),
        ):
            with pytest.raises(NotFound):
                await call
    assert len((await service.page(ADMIN, Wanted())).items) == 3
    with pytest.raises(Forbidden):
        await here.consumer(a, external_id="b")


async def test_p12_a_target_is_written_for_its_tenant_only(here: Office) -> None:
    """Not for another's consumer, and not for everybody's; one of nobody serves whom its owner likes."""
    of_a, of_none = await here.target(tenant("a")), await here.target()
    assert (await here.consumer(target_id=of_a.id)).consumer.external_id == "a"
    assert await errors(here, target_id=of_a.id, external_id="b") == {
        "external_id": "Is not the external_id of the target."
    }
    for target in (of_a, of_none):
        with pytest.raises(Invalid, match="target does not exist"):
            await here.consumer(tenant("b"), target_id=target.id)
    assert (await here.consumer(target_id=of_none.id, external_id="b")).consumer.external_id == "b"


async def test_p12_filters_do_not_tell_of_other_tenants_syncs(here: Office) -> None:
    """Another's sync is refused like one that is not there."""
    of_a = (await here.sync(tenant("a"))).sync.id
    with pytest.raises(Invalid) as refused:
        await here.consumer(tenant("b"), filters={"sync_id": [of_a]})
    assert refused.value.errors == [("filters.sync_id.0", "There is no such sync.")]
    assert await here.consumer(tenant("a"), filters={"sync_id": [of_a]})
    assert await errors(here, external_id="b", filters={"sync_id": [of_a]})


# --- changing and beginning anew ----------------------------------------------------------------------------


async def test_changing_a_consumer_leaves_it_where_it_stands(here: Office) -> None:
    """What is not given stays, also within the batch."""
    slot = await written(here, 2)
    view = await here.consumer(batch=Batching(max_messages=10))
    change = ConsumerChange(
        name="n",
        filters={"provider": ["crm"]},
        on_gap=OnGap.SKIP,
        max_deliver=3,
        batch={"max_wait_ms": 50},
        status=Status.PAUSED,
        metadata={"a": 1},
    )
    await here.engine.heads()
    changed = (await here.services.consumers.change(ADMIN, view.consumer.id, change)).consumer
    assert (changed.name, changed.on_gap, changed.max_deliver) == ("n", OnGap.SKIP, 3)
    assert (changed.status, changed.metadata) == (Status.PAUSED, {"a": 1})
    assert changed.batch == Batching(max_messages=10, max_wait_ms=50)
    assert changed.filters == Selection(provider=("crm",))
    assert changed.updated_at > view.consumer.updated_at
    row = await standing(here, view.consumer.id)
    assert (row.generation, json.loads(row.position)) == (1, vector(slot, 0))
    again = await here.services.consumers.change(ADMIN, changed.id, ConsumerChange())
    assert again.consumer.batch == changed.batch
    with pytest.raises(Invalid):
        await here.services.consumers.change(ADMIN, changed.id, ConsumerChange(filters={"provider": ["no"]}))


async def test_a_reset_begins_anew(here: Office) -> None:
    """Another generation, a new position, nothing out; dead letters stay, and the gap is forgiven."""
    slot = await written(here, 3)
    view = await here.consumer(start="end")
    consumer_id = view.consumer.id
    await outstanding(here, consumer_id, slot, 2)
    await dead_letter(here, consumer_id, slot, 1)
    gap = {"status": "error", "notes": [{"code": "consumer.gap", "text": "Lost."}], "since": iso(from_us(0))}
    async with here.database.write() as connection:
        await connection.execute(update(schema.consumers).values(health=json.dumps(gap)))
        await connection.execute(update(schema.standings).values(lost=7))
    start = iso(from_us(START_US + 90_000_000))
    again = await here.services.consumers.reset(ADMIN, consumer_id, start)
    row = await standing(here, consumer_id)
    assert (row.generation, row.lost) == (2, 0)
    assert json.loads(row.position) == json.loads(row.begin) == vector(slot, 2)
    assert await here.rows("outstanding") == []
    assert (again.dead_letters, again.lag.messages, again.consumer.start) == (1, 1, start)
    assert again.consumer.health.status == "ok"
    with pytest.raises(Invalid):
        await here.services.consumers.reset(ADMIN, consumer_id, "yesterday")


async def test_a_removed_consumer_leaves_nothing(here: Office) -> None:
    """Neither its standing nor what was out; whoever runs it has its lease no more."""
    slot = await written(here, 2)
    keep, gone = await here.consumer(), await here.consumer()
    for view in (keep, gone):
        await outstanding(here, view.consumer.id, slot, 1)
        await dead_letter(here, view.consumer.id, slot, 2)
        async with here.database.write() as connection:
            name = f"consumer:{view.consumer.id}"
            await connection.execute(insert(schema.leases).values(name=name, worker_id="w", epoch=1))
    await here.services.consumers.delete(ADMIN, gone.consumer.id)
    for name in ("standings", "outstanding", "dead_letters"):
        assert [row.consumer_id for row in await here.rows(name)] == [keep.consumer.id], name
    assert [row.name for row in await here.rows("leases")] == [f"consumer:{keep.consumer.id}"]
    with pytest.raises(NotFound):
        await here.services.consumers.get(ADMIN, gone.consumer.id)


async def test_running_processes_notice_each_change(here: Office) -> None:
    """The revision counts up."""
    target = await here.target()
    seen = [await here.revision("consumers")]
    consumer_id = (await here.consumer(target_id=target.id)).consumer.id
    service = here.services.consumers
    seen.append(await here.revision("consumers"))
    await service.change(ADMIN, consumer_id, ConsumerChange(status=Status.PAUSED))
    seen.append(await here.revision("consumers"))
    await service.reset(ADMIN, consumer_id, "end")
    seen.append(await here.revision("consumers"))
    await service.delete(ADMIN, consumer_id)
    seen.append(await here.revision("consumers"))
    assert seen == sorted(set(seen))


# --- how late they are --------------------------------------------------------------------------------------


async def test_lag_is_what_is_to_come_and_what_waits(here: Office) -> None:
    """In messages, and since when the oldest of them lies there."""
    slot = await written(here, 3)
    late = await here.consumer(start=iso(from_us(START_US + 60_000_000)))
    assert (late.lag.messages, late.lag.behind.total_seconds()) == (2, 120)
    done = await here.consumer(start="end")
    assert (done.lag.messages, done.lag.behind.total_seconds()) == (0, 0)
    await outstanding(here, done.consumer.id, slot, 1, held=[2, 3])
    view = await here.services.consumers.get(ADMIN, done.consumer.id)
    assert (view.lag.messages, view.lag.behind.total_seconds()) == (3, 180)


async def test_lag_of_records_counts_from_the_first_change_that_is_missing(here: Office) -> None:
    """The target has been out of date since then, whatever was replaced meanwhile, and however long ago."""
    slot = await written(here, 2)
    view = await here.consumer()
    await here.write(slot, "c0", {"n": "new"})
    lag = (await here.services.consumers.get(ADMIN, view.consumer.id)).lag
    assert (lag.messages, lag.behind.total_seconds()) == (3, 120)
    here.clock.move(8 * 86_400)
    await here.engine.trim(here.clock.now_us() - 7 * 86_400_000_000, 2)  # the first version has left the log
    lag = (await here.services.consumers.get(ADMIN, view.consumer.id)).lag
    assert (lag.messages, lag.behind.total_seconds()) == (3, 60 + 8 * 86_400)


async def test_lag_of_events_does_not_count_what_is_lost(here: Office) -> None:
    """It will not come any more; the gap is told elsewhere."""
    slot = await written(here, 3)
    view = await here.consumer(stream=Stream.EVENTS)
    here.clock.move(8 * 86_400)
    await here.engine.trim(here.clock.now_us() - 7 * 86_400_000_000, 2)
    await here.write(slot, "c9", {})
    lag = (await here.services.consumers.get(ADMIN, view.consumer.id)).lag
    assert lag.messages == 2


async def test_a_list_is_narrowed(here: Office) -> None:
    """By target, stream and status, besides what every list has."""
    one = await here.consumer(stream=Stream.EVENTS)
    two = await here.consumer(status=Status.PAUSED, metadata={"team": "eu"})
    page = here.services.consumers.page

    async def found(only: ConsumersOf, wanted: Wanted | None = None) -> list[str]:
        return [view.consumer.id for view in (await page(ADMIN, wanted or Wanted(), only)).items]

    assert await found(ConsumersOf(stream=Stream.EVENTS)) == [one.consumer.id]
    assert await found(ConsumersOf(status=Status.PAUSED)) == [two.consumer.id]
    assert await found(ConsumersOf(target_id=one.consumer.target_id)) == [one.consumer.id]
    assert await found(ConsumersOf(), Wanted(metadata={"team": "eu"})) == [two.consumer.id]
    assert await found(ConsumersOf(), Wanted(health="error")) == []


async def outstanding(here: Office, consumer_id: str, slot: Slot, at: int, held: Any = ()) -> None:
    """Let a message be out."""
    async with here.database.write() as connection:
        await connection.execute(
            insert(schema.outstanding).values(
                consumer_id=consumer_id,
                slot=slot.number,
                upstream_id=f"c{at - 1}",
                partition=slot.partition,
                position=at,
                deliveries=1,
                due_us=0,
                held=json.dumps(list(held)),
            )
        )


async def dead_letter(here: Office, consumer_id: str, slot: Slot, at: int) -> None:
    """Let a message be given up."""
    async with here.database.write() as connection:
        await connection.execute(
            insert(schema.dead_letters).values(
                id=f"{consumer_id[:30]}{at}",
                consumer_id=consumer_id,
                slot=slot.number,
                upstream_id=f"c{at - 1}",
                partition=slot.partition,
                position=at,
                deliveries=1,
                code="item.rejected",
                error="No.",
                payload=b"",
                dead_us=0,
            )
        )
