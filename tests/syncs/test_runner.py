"""The runner on a real database: starting, pausing, halting, handing over. The API is a shelf in memory.

Leaves out: real processes and real time-outs (journeys).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.syncs.conftest import events, records
from tests.syncs.house import ADMIN, House, housed, provider, until
from tests.syncs.shelf import Shelf

from headwater.errors import Halt, Reject, Retry
from headwater.management.listing import Wanted
from headwater.management.syncs import SyncChange
from headwater.model.sync import CollectionState, HealthStatus, Status
from headwater.store import schema


@pytest.fixture
async def house(tmp_path: Path, shelf: Shelf) -> AsyncGenerator[House]:
    """Return a house with an empty shelf."""
    async with housed(tmp_path, shelf, provider(shelf)) as house:
        yield house


async def test_a_new_sync_is_backfilled_and_followed(house: House) -> None:
    """A sync that is made while the runner runs is found, backfilled, and then follows changes."""
    house.shelf.put("a", n=1)

    async with house.running():
        sync_id = await house.sync()
        await until(house.equal)
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        house.shelf.put("a", n=2)
        house.shelf.drop("a")
        house.shelf.put("b", n=1)
        await until(house.equal)
        view = await house.services.syncs.get(ADMIN, sync_id)
    assert view.sync.initial_backfill_completed_at is not None
    assert view.sync.health.status == HealthStatus.OK
    assert ("a", "created") in await events(house.engine)


async def test_a_paused_sync_asks_nothing(house: House) -> None:
    """After a pause no page is read any more; resuming goes on from where it was."""
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        await house.services.syncs.change(ADMIN, sync_id, SyncChange(status=Status.PAUSED))

        async def quiet() -> bool:
            before = house.shelf.pages
            await asyncio.sleep(0.7)
            return house.shelf.pages == before

        await until(quiet)
        house.shelf.put("late")
        await house.services.syncs.change(ADMIN, sync_id, SyncChange(status=Status.ACTIVE))
        await until(house.equal)


async def test_a_halt_is_told_and_ends_when_a_person_acts(house: House) -> None:
    """A refused credential stops the sync with a note that says what to do; asking to look goes on."""
    house.shelf.failures = [Halt("Refused.", code="provider.credential_refused", fix="Give a new key.")] * 50
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.FAILED))

        async def told() -> bool:
            health = (await house.services.syncs.get(ADMIN, sync_id)).sync.health
            return health.status == HealthStatus.ERROR and "Give a new key." in health.notes[0].text

        await until(told)
        house.shelf.failures.clear()
        house.shelf.put("a")
        await house.services.syncs.check(ADMIN, sync_id)
        await until(house.equal)

        async def well() -> bool:
            return (await house.services.syncs.get(ADMIN, sync_id)).sync.health.status == HealthStatus.OK

        await until(well)


@pytest.mark.parametrize("code", ["provider.credential_refused", "provider.forbidden"])
async def test_what_a_sync_meets_shows_in_its_credentials_health(house: House, code: str) -> None:
    """Refused to a sync, it is in trouble until the API answers again; another sync hides nothing."""

    async def status(credential_id: str) -> str:
        return (await house.services.credentials.get(ADMIN, credential_id)).health["status"]

    async with house.running():
        other = (await house.services.syncs.get(ADMIN, await house.sync())).sync
        await until(lambda: house.is_in(other.id, CollectionState.LIVE))
        house.shelf.failures = [Halt("Refused.", code=code, fix="Give a new key.")] * 50
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.FAILED))

        async def in_trouble() -> bool:
            return await status(other.credential_id) == "error"

        await until(in_trouble)
        [note, *_] = (await house.services.credentials.get(ADMIN, other.credential_id)).health["notes"]
        assert note["code"] == code
        house.shelf.failures.clear()
        for one in (other.id, sync_id):
            await house.services.syncs.check(ADMIN, one)

        async def well() -> bool:
            return await status(other.credential_id) == "ok"

        await until(well)


async def test_a_credential_that_was_not_reachable_when_it_was_entered_is_well_once_a_sync_works(
    house: House,
) -> None:
    """What is said of it is what is known now."""
    async with house.running():
        house.shelf.failures = [Retry("No answer.", after=timedelta(days=1))]
        sync = (await house.services.syncs.get(ADMIN, await house.sync())).sync
        health = {"status": "warn", "notes": [], "since": "2024-11-19T00:00:00.000000Z"}
        async with house.database.write() as connection:
            await connection.execute(update(schema.credentials).values(health=json.dumps(health)))

        async def failed() -> bool:
            return not house.shelf.failures

        await until(failed)
        await house.services.syncs.check(ADMIN, sync.id)

        async def well() -> bool:
            found = await house.services.credentials.get(ADMIN, sync.credential_id)
            return found.health["status"] == "ok"

        await until(well)


@pytest.mark.parametrize("activity", ["backfill", "sweep"])
async def test_what_could_not_be_read_is_forgotten_when_a_whole_listing_does_not_meet_it_again(
    house: House, activity: str
) -> None:
    """Also what has no id; what is still there stays, and the health follows."""
    house.shelf.unreadable = [Reject("It has no id."), *(Reject("Odd.", context={"id": id}) for id in "xy")]
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))

        async def unreadable() -> list[str]:
            page = await house.services.orders.rejected(ADMIN, sync_id, Wanted())
            return sorted(one.upstream_id for one in page.items)

        async def health() -> list[str]:
            notes = (await house.services.syncs.get(ADMIN, sync_id)).sync.health.notes
            return [note.code for note in notes]

        async def listed_again() -> None:
            if activity == "backfill":
                await house.services.orders.backfill(ADMIN, sync_id, None)
            else:
                await house.services.orders.sweep(ADMIN, sync_id, "shelf:thing", confirm=False)

        assert await unreadable() == ["(no id) 1", "x", "y"]
        house.shelf.unreadable.pop()
        house.shelf.unreadable.pop(0)
        await listed_again()
        await until(lambda: _says(unreadable, ["x"]))
        await until(lambda: _says(health, ["objects.rejected"]))
        house.shelf.unreadable.clear()
        await listed_again()
        await until(lambda: _says(unreadable, []))
        await until(lambda: _says(health, []))


async def _says(ask: Callable[[], Awaitable[list[str]]], wanted: list[str]) -> bool:
    return await ask() == wanted


async def test_a_long_wait_is_told_and_ends_when_a_person_looks(house: House) -> None:
    """An API that asks for a day of silence gets it and is told of in the health; "check now" tries again."""
    house.shelf.failures = [
        Retry("Too many requests.", code="provider.rate_limited", after=timedelta(days=1))
    ]
    async with house.running():
        sync_id = await house.sync()

        async def told() -> bool:
            health = (await house.services.syncs.get(ADMIN, sync_id)).sync.health
            return (
                health.status == HealthStatus.WARN
                and "It is tried again by itself at" in health.notes[0].text
            )

        await until(told)
        house.shelf.put("a")
        await house.services.syncs.check(ADMIN, sync_id)
        await until(house.equal)


async def test_p9_stopping_gives_the_leases_back(house: House) -> None:
    """A process that is stopped lets go, so that another one takes over at once and goes on where it was."""
    house.shelf.failures = [Retry(after=timedelta())]
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
    house.shelf.put("a")
    async with house.running():
        await until(house.equal)
    assert await events(house.engine) == [("a", "created")]


async def test_a_lost_lease_stops_the_run(house: House) -> None:
    """When another process has taken a sync over, this one writes nothing of it any more."""
    async with house.running() as runner:
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        async with house.database.write() as connection:
            await connection.execute(
                update(schema.leases).values(epoch=schema.leases.c.epoch + 1, worker_id="other")
            )
            await connection.execute(
                schema.workers.insert().values(
                    worker_id="other", started_us=0, expires_us=2**62, session="other"
                )
            )
        house.shelf.put("a")
        await house.services.syncs.check(ADMIN, sync_id)

        async def gone() -> bool:
            return not runner.running

        await until(gone)
        assert await records(house.engine) == {}


async def test_a_new_backfill_is_run_when_asked_for(house: House) -> None:
    """An order for a backfill reaches the running sync and is noted as completed."""
    house.shelf.put("a")
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        await house.services.orders.backfill(ADMIN, sync_id, None)

        async def done() -> bool:
            backfill = (await house.state(sync_id)).backfill
            return backfill is not None and backfill.outcome == "completed" and backfill.records == 1

        await until(done)


async def test_a_sweep_is_run_when_asked_for(house: House) -> None:
    """A person's sweep finds what vanished without a trace, and says what it did."""
    house.shelf.put("a")
    house.shelf.put("b")
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        await asyncio.sleep(0.1)  # the sweep that follows a backfill is over
        house.shelf.now_us += 10_000_000
        house.shelf.vanish("b")
        await house.services.orders.sweep(ADMIN, sync_id, "shelf:thing", confirm=False)
        await until(house.equal)


async def test_a_document_that_is_stored_anew_is_taken_over(house: House) -> None:
    """A running sync goes on with the new version of its provider, and tells of a collection that it lost."""
    house.shelf.put("a")
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
        new = Shelf(now_us=house.shelf.now_us)
        new.put("b")
        house.catalogue.replace(provider(new))
        await house.services.syncs.check(ADMIN, sync_id)

        async def both() -> bool:
            return set(await records(house.engine)) >= {"b"}

        await until(both)
        house.catalogue.replace(replace(provider(new), collections=()))
        await house.services.syncs.check(ADMIN, sync_id)

        async def told() -> bool:
            notes = (await house.services.syncs.get(ADMIN, sync_id)).sync.health.notes
            return any(note.code == "collection.not_found" for note in notes)

        await until(told)


async def test_a_restart_alone_lists_nothing_anew(house: House) -> None:
    """When everything was last listed is written down; a sweep comes when it is due, and not before."""
    house.shelf.put("a")
    house.shelf.put("b")
    async with house.running():
        sync_id = await house.sync()
        await until(lambda: house.is_in(sync_id, CollectionState.LIVE))
    house.shelf.now_us += 10_000_000
    house.shelf.vanish("b")
    house.shelf.put("c")
    async with house.running():

        async def polled() -> bool:
            return "c" in await records(house.engine)

        await until(polled)
        await asyncio.sleep(0.2)
        assert set(await records(house.engine)) == {"a", "b", "c"}
        due = replace(house.shelf.collection(one=True), sweep_every=timedelta())
        house.catalogue.replace(provider(house.shelf, due))
        await house.services.syncs.check(ADMIN, sync_id)
        await until(house.equal)
