"""Reading the two streams by cursor: pages, filters, tenants, long poll, NDJSON, the single record."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from tests.api.server import Server, listening, serve
from tests.management.office import ADMIN, tenant
from tests.management.office import office as another

from headwater.api import export
from headwater.errors import Retry
from headwater.management.syncs import SyncChange
from headwater.model.position import Stream
from headwater.model.record import Origin, Slot
from headwater.streams import reading

NDJSON = {"Accept": "application/x-ndjson"}


async def two_syncs(server: Server) -> tuple[Slot, Slot]:
    """Make two syncs with records in three collections; return two of the slots."""
    office = server.office
    one, two = await office.sync(external_id="org_1"), await office.sync(external_id="org_2")
    contacts, deals = await office.slot(one.sync.id), await office.slot(one.sync.id, "crm:deal")
    others = await office.slot(two.sync.id)
    for number in range(4):
        await office.write(contacts, f"c{number}", {"n": number})
        await office.write(others, f"o{number}", {"n": number})
    await office.write(deals, "d0", {"n": 0})
    return contacts, others


async def everything(server: Server, path: str, **params: Any) -> list[Any]:
    """Follow a stream to its end by small pages."""
    found: list[Any] = []
    cursor = None
    while True:
        given = {**params, "limit": 2} | ({"after_cursor": cursor} if cursor else {})
        page = await server.get(path, params=given)
        found += page.get("records", page.get("events"))
        cursor = page["cursor"]
        if not page["has_more"]:
            return found


async def test_p11_a_reader_that_follows_its_cursor_misses_nothing(server: Server) -> None:
    """While others write between any two pages, in several partitions: each change comes, once, in order."""
    office = server.office
    views = [await office.sync() for _ in range(3)]
    slots = [await office.slot(view.sync.id) for view in views]
    written: list[tuple[str, str, int]] = []

    async def write(round: int) -> None:
        for slot in slots:
            id = f"r{round % 3}"
            written.append((slot.sync_id, id, await office.write(slot, id, {"round": round})))

    await write(0)
    seen: list[tuple[str, str, int]] = []
    cursor = None
    for round in range(1, 60):
        if round < 20:
            await write(round)
        params = {"limit": 2} | ({"after_cursor": cursor} if cursor else {})
        page = await server.get("/v1/events", params=params)
        seen += [(one["sync_id"], one["upstream_id"], one["updated_idx"]) for one in page["events"]]
        cursor = page["cursor"]
    assert not page["has_more"]
    assert sorted(seen) == sorted(written)
    for slot in slots:
        own = [idx for sync_id, _, idx in seen if sync_id == slot.sync_id]
        assert own == sorted(own)


async def test_p11_a_sync_made_while_a_filtered_reader_reads_is_not_stepped_over(server: Server) -> None:
    """A reader of one provider gets the entries of a sync that another process makes just before it reads."""
    office = server.office
    await office.sync()
    cursor = (await server.get("/v1/records", params={"provider": "crm"}))["cursor"]
    read = office.engine.read

    async def reading_late(*given: Any, **more: Any) -> Any:
        office.engine.read = read  # type: ignore[method-assign] - once
        # As another process: its own look-ups, so that ours do not know of it.
        elsewhere = another(office.database, office.engine, office.clock)
        view = await elsewhere.sync()
        slot = await elsewhere.slot(view.sync.id)
        await elsewhere.write(slot, "new", {"n": 1})
        return await read(*given, **more)

    office.engine.read = reading_late  # type: ignore[method-assign] - passes on
    page = await server.get("/v1/records", params={"provider": "crm", "after_cursor": cursor})
    assert [one["upstream_id"] for one in page["records"]] == ["new"]


async def test_p11_an_event_cursor_older_than_the_retention_is_told(server: Server) -> None:
    """410 with the earliest cursor that is left, from which reading goes on; records need no restart."""
    office = server.office
    view = await office.sync()
    slot = await office.slot(view.sync.id)
    await office.write(slot, "a", {"n": 1})
    first = await server.get("/v1/events", params={"limit": 1})
    await office.write(slot, "a", {"n": 2})
    await office.write(slot, "a", {"n": 3})
    office.clock.move(3600)
    while await office.engine.trim(office.clock.now_us() - 1, 100):
        pass
    await office.write(slot, "a", {"n": 4})
    problem = await server.refused(
        "GET", "/v1/events", 410, "cursor.expired", params={"after_cursor": first["cursor"]}
    )
    page = await server.get("/v1/events", params={"after_cursor": problem["earliest_cursor"]})
    assert [one["data"] for one in page["events"]] == [{"n": 4}]
    assert await everything(server, "/v1/events") == page["events"]
    await server.refused(
        "GET", "/v1/events", 410, "cursor.expired", params={"after_cursor": first["cursor"]}, headers=NDJSON
    )
    await server.refused(
        "GET",
        "/v1/events",
        422,
        "request.invalid",
        params={"provider": "nobody", "after_cursor": first["cursor"], "x": 1},
    )


async def test_p12_a_tenants_key_reads_only_its_own(server: Server) -> None:
    """In pages, NDJSON, single records and with any cursor; what is another's is not there."""
    contacts, others = await two_syncs(server)
    key = await server.key("read", external_id="org_1")
    for path, name in (("/v1/records", "records"), ("/v1/events", "events")):
        page = await server.get(path, headers=key)
        assert len(page[name]) == 5
        assert {one["sync_external_id"] for one in page[name]} == {"org_1"}
        answer = await server.client.get(path, headers=key | NDJSON)
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert {one["sync_external_id"] for one in lines[:-1]} == {"org_1"}
        filters = {"sync_id": others.sync_id}
        await server.refused("GET", path, 422, "filter.unknown", headers=key, params=filters)
        everybodys = await server.get(path, params={"limit": 1})
        own = await server.get(path, headers=key, params={"after_cursor": everybodys["cursor"]})
        assert {one["sync_external_id"] for one in own[name]} == {"org_1"}
    record = f"/v1/records/{others.sync_id}/crm:contact/o1"
    assert (await server.get(record))["upstream_id"] == "o1"
    await server.refused("GET", record, 404, "record.not_found", headers=key)
    assert (await server.get(f"/v1/records/{contacts.sync_id}/crm:contact/c1", headers=key))["data"] == {
        "n": 1
    }


async def test_p12_records_of_a_removed_sync_stay_their_tenants(server: Server) -> None:
    """And everybody else's key that is bound still does not see them."""
    view = await server.office.sync(tenant("org_1"))
    await server.office.write(await server.office.slot(view.sync.id), "c", {"n": 1})
    await server.call("DELETE", f"/v1/syncs/{view.sync.id}", 204)
    for external_id, count in (("org_1", 1), ("org_2", 0)):
        page = await server.get("/v1/records", headers=await server.key("read", external_id=external_id))
        assert len(page["records"]) == count
    moved = await server.get(f"/v1/records/{view.sync.id}/crm:contact/c")
    assert moved["sync_external_id"] == "org_1"


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({}, ["c0", "c1", "c2", "c3", "d0", "o0", "o1", "o2", "o3"]),
        ({"provider": "crm"}, ["c0", "c1", "c2", "c3", "d0", "o0", "o1", "o2", "o3"]),
        ({"provider": "billing"}, []),
        ({"provider": ["billing", "crm"], "collection_id": "crm:deal"}, ["d0"]),
        ({"collection_id": "crm:*", "upstream_id": "c1"}, ["c1"]),
        ({"collection_id": ["crm:deal", "crm:note"]}, ["d0"]),
        ({"collection_id": "*", "upstream_id": ["c1", "o1"]}, ["c1", "o1"]),
        ({"sync_id": "*", "upstream_id": "c1"}, ["c1"]),
        ({"deleted": "true"}, []),
        ({"deleted": "false", "collection_id": "crm:deal"}, ["d0"]),
    ],
)
async def test_filters(server: Server, params: dict[str, Any], ids: list[str]) -> None:
    """Each may be repeated; `*` is none; `crm:*` is all of a provider's collections."""
    await two_syncs(server)
    for path in ("/v1/records", "/v1/events"):
        found = await everything(server, path, **params)
        assert sorted(one["upstream_id"] for one in found) == ids


@pytest.mark.parametrize(
    ("params", "errors"),
    [
        ({"sync_id": "nobody's"}, [("sync_id", "There is no such sync.")]),
        ({"provider": "crn"}, [("provider", "There is no such provider; did you mean `crm`?")]),
        (
            {"collection_id": ["crm:contact", "crm:contacts"]},
            [("collection_id", "There is no such collection; did you mean `crm:contact`?")],
        ),
        (
            {"collection_id": "contact", "sync_id": ["a", "b"], "upstream_id": "c1"},
            [
                ("sync_id", "There is no such sync."),
                ("collection_id", 'Must be "provider:collection", or "provider:*" for all of a provider.'),
            ],
        ),
    ],
)
async def test_filters_that_name_what_is_not_here_are_refused(
    server: Server, params: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    """A typing mistake is no empty stream, in pages, as lines, and in tails."""
    await two_syncs(server)
    for path in ("/v1/records", "/v1/events", "/v1/records/tail", "/v1/events/tail"):
        problem = await server.refused("GET", path, 422, "filter.unknown", params=params)
        assert [(one["field"], one["detail"]) for one in problem["errors"]] == errors
    await server.refused("GET", "/v1/records", 422, "filter.unknown", params=params, headers=NDJSON)


async def test_what_a_removed_sync_has_left_can_still_be_asked_for(server: Server) -> None:
    """By its tenant, and by keys that are bound to none (P12)."""
    view = await server.office.sync(tenant("org_1"))
    await server.office.write(await server.office.slot(view.sync.id), "c", {"n": 1})
    await server.call("DELETE", f"/v1/syncs/{view.sync.id}", 204)
    params = {"sync_id": view.sync.id, "collection_id": "crm:contact", "upstream_id": "c"}
    for headers in ({}, await server.key("read", external_id="org_1")):
        assert len((await server.get("/v1/records", params=params, headers=headers))["records"]) == 1
    other = await server.key("read", external_id="org_2")
    await server.refused("GET", "/v1/records", 422, "filter.unknown", params=params, headers=other)


async def test_named_records_are_found_at_once_however_long_the_stream_is(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their keys: no empty pages before them; where they may be in too many places, by a look at all."""
    contacts, others = await two_syncs(server)
    monkeypatch.setattr(reading, "_SCAN", 1)
    monkeypatch.setattr(reading, "_AT_LEAST", 1)
    await server.office.write(contacts, "c1", {"n": 11})
    await server.office.write(others, "o0", None)
    params: dict[str, Any] = {"upstream_id": ["c1", "c3", "o0", "d0", "nobody's"]}
    page = await server.get("/v1/records", params=params)
    assert {one["upstream_id"] for one in page["records"]} == {"c1", "c3", "o0", "d0"}
    assert not page["has_more"]
    assert sorted(one["upstream_id"] for one in await everything(server, "/v1/records", **params)) == [
        "c1",
        "c3",
        "d0",
        "o0",
    ]
    present = await server.get("/v1/records", params=params | {"deleted": "false", "sync_id": others.sync_id})
    assert present["records"] == []
    follow = params | {"after_cursor": page["cursor"]}
    assert (await server.get("/v1/records", params=follow))["records"] == []
    await server.office.write(contacts, "c3", {"n": 33})
    await server.office.write(contacts, "c2", {"n": 22})
    (changed,) = (await server.get("/v1/records", params=follow))["records"]
    assert (changed["upstream_id"], changed["data"]) == ("c3", {"n": 33})
    monkeypatch.setattr(reading, "_LOOKUPS", 1)
    assert len(await everything(server, "/v1/records", **params)) == 4


async def test_p11_a_named_record_that_changes_while_it_is_looked_up_is_not_stepped_over(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each version comes now or with the next page, also when another record changes in between."""
    contacts, _ = await two_syncs(server)
    record, changes = server.office.engine.record, iter([("c0", 100), ("c1", 101), ("c0", 102)])

    async def moving(slot: Slot, id: str) -> Any:
        found = await record(slot, id)
        for changed, number in changes:
            await server.office.write(contacts, changed, {"n": number})
            break
        return found

    monkeypatch.setattr(server.office.engine, "record", moving)
    params: dict[str, Any] = {"upstream_id": ["c0", "c1"], "collection_id": "crm:contact"}
    seen: dict[str, int] = {}
    for _ in range(6):
        page = await server.get("/v1/records", params=params)
        seen |= {one["upstream_id"]: one["data"]["n"] for one in page["records"]}
        params["after_cursor"] = page["cursor"]
    assert seen == {"c0": 102, "c1": 101}


async def test_event_filter_takes_both_words_for_created(server: Server) -> None:
    """And `deleted` shows as itself."""
    contacts, _ = await two_syncs(server)
    await server.office.write(contacts, "c0", {"n": 10}, previous_data=b'{"n":0}')
    await server.office.write(contacts, "c1", None)
    counts = {}
    for word in ("created", "inserted", "updated", "deleted"):
        counts[word] = len(await everything(server, "/v1/events", event=word))
    assert counts == {"created": 9, "inserted": 9, "updated": 1, "deleted": 1}
    (updated,) = await everything(server, "/v1/events", event="updated")
    assert (updated["previous_data"], updated["data"]) == ({"n": 0}, {"n": 10})
    (deleted,) = await everything(server, "/v1/records", deleted="true")
    assert (deleted["upstream_id"], deleted["data"]) == ("c1", {"n": 1})


async def test_an_update_moves_a_record_to_the_end(server: Server) -> None:
    """A reader of records gets what changed after its cursor, once."""
    contacts, _ = await two_syncs(server)
    page = await server.get("/v1/records", params={"sync_id": contacts.sync_id})
    await server.office.write(contacts, "c0", {"n": 10})
    after = await server.get(
        "/v1/records", params={"sync_id": contacts.sync_id, "after_cursor": page["cursor"]}
    )
    assert [(one["upstream_id"], one["data"]) for one in after["records"]] == [("c0", {"n": 10})]
    last = await server.get(
        "/v1/records", params={"sync_id": contacts.sync_id, "after_cursor": after["cursor"]}
    )
    assert (last["records"], last["has_more"], last["cursor"]) == ([], False, after["cursor"])


async def test_a_page_that_finds_nothing_moves_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that leaves much out costs a bounded look a page; the cursor passes what was left out."""
    view = await server.office.sync()
    slot = await server.office.slot(view.sync.id)
    for number in range(30):
        await server.office.write(slot, f"c{number}", {"n": number})
    monkeypatch.setattr(reading, "_SCAN", 10)
    monkeypatch.setattr(reading, "_AT_LEAST", 5)
    params: dict[str, Any] = {"upstream_id": "c29", "limit": 1}
    pages: list[int] = []
    has_more = True
    while has_more:
        page = await server.get("/v1/events", params=params)
        pages.append(len(page["events"]))
        params["after_cursor"], has_more = page["cursor"], page["has_more"]
    assert pages == [0, 0, 1]


async def test_cursors_are_bound_and_checked(server: Server) -> None:
    """To their stream, their filters, this installation, and what the stream has reached."""
    contacts, _ = await two_syncs(server)
    cursor = (await server.get("/v1/records"))["cursor"]
    for path, params, status, code in (
        ("/v1/events", {}, 400, "cursor.filter_changed"),
        ("/v1/records", {"provider": "crm"}, 400, "cursor.filter_changed"),
        ("/v1/records", {"after_cursor": "nonsense"}, 400, "cursor.invalid"),
        ("/v1/records", {"after_cursor": cursor[:-2] + "AA"}, 400, "cursor.invalid"),
        ("/v1/records", {"after_cursor": "ü"}, 400, "cursor.invalid"),
    ):
        await server.refused("GET", path, status, code, params={"after_cursor": cursor} | params)
    ahead = server.parts.cursors.encode(Stream.RECORDS, "{}", (999, 0, 0, 0))
    await server.refused("GET", "/v1/records", 409, "cursor.ahead", params={"after_cursor": ahead})
    short = server.parts.cursors.encode(Stream.RECORDS, "{}", (0,))
    await server.refused("GET", "/v1/records", 400, "cursor.invalid", params={"after_cursor": short})
    assert contacts.sync_id not in cursor


async def test_data_goes_through_token_by_token(server: Server) -> None:
    """Key order, number spelling, escapes and emoji are the API's."""
    raw = (
        '{"b":1e2,"a":1.10,"big":12345678901234567890123,"u":"\\u0000","e":"😀","d":{"z":[],"y":{}}}'.encode()
    )
    view = await server.office.sync()
    slot = await server.office.slot(view.sync.id)
    await server.office.write(slot, 'q"\\/ü', {}, data=raw)
    for path in ("/v1/records", "/v1/events"):
        answer = await server.client.get(path)
        assert raw in answer.content
        (one,) = next(iter(answer.json().values()))
        assert one["upstream_id"] == 'q"\\/ü'


async def test_a_long_poll_answers_when_something_comes(server: Server) -> None:
    """And at once when there is something already."""
    view = await server.office.sync()
    slot = await server.office.slot(view.sync.id)
    polling = asyncio.create_task(server.get("/v1/events", params={"wait_for": 60_000}))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not polling.done()
    await server.office.write(slot, "late", {"n": 1})
    page = await asyncio.wait_for(polling, 10)
    assert [one["upstream_id"] for one in page["events"]] == ["late"]
    again = await server.get("/v1/events", params={"wait_for": 60_000})
    assert again["events"] == page["events"]


async def test_a_long_poll_ends_when_the_process_stops(server: Server) -> None:
    """With an empty page, so that the process can go."""
    polling = asyncio.create_task(server.get("/v1/events", params={"wait_for": 60_000}))
    for _ in range(50):
        await asyncio.sleep(0)
    server.parts.stopping.set()
    page = await asyncio.wait_for(polling, 10)
    assert (page["events"], page["has_more"]) == ([], False)


async def test_ndjson_has_everything_and_the_cursor_last(server: Server) -> None:
    """As many lines as entries, then a trailer from which a page goes on."""
    contacts, _ = await two_syncs(server)
    for path, name in (("/v1/records", "records"), ("/v1/events", "events")):
        answer = await server.client.get(path, headers=NDJSON)
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        *lines, trailer = [json.loads(line) for line in answer.text.splitlines()]
        assert lines == (await server.get(path))[name]
        await server.office.write(contacts, name, {"n": 1})
        page = await server.get(path, params={"after_cursor": trailer["cursor"]})
        assert [one["upstream_id"] for one in page[name]] == [name]


async def test_ndjson_ends_at_the_head_as_it_was_at_the_start(server: Server) -> None:
    """What is committed while it streams comes after its cursor."""
    office = server.office
    contacts, _ = await two_syncs(server)
    read, count = office.engine.read, 0

    async def writing_meanwhile(*given: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        await office.write(contacts, f"late {count}", {"n": count})
        return await read(*given, **more)

    office.engine.read = writing_meanwhile  # type: ignore[method-assign] - passes on
    answer = await server.client.get("/v1/records", headers=NDJSON, params={"sync_id": contacts.sync_id})
    office.engine.read = read  # type: ignore[method-assign] - as it was
    *lines, trailer = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["upstream_id"] for one in lines if one["upstream_id"].startswith("late")] == []
    params = {"sync_id": contacts.sync_id, "after_cursor": trailer["cursor"]}
    page = await server.get("/v1/records", params=params)
    assert [one["upstream_id"] for one in page["records"]] == [f"late {n + 1}" for n in range(count)]


async def test_p11_ndjson_that_breaks_off_has_no_trailer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nobody takes a part for the whole."""
    monkeypatch.setattr(export, "_FIRST_READ", 2)
    monkeypatch.setattr(export, "_LARGEST_READ", 2)
    await two_syncs(server)
    read, left = server.office.engine.read, 3

    async def failing(*given: Any, **more: Any) -> Any:
        nonlocal left
        left -= 1
        if not left:
            raise Retry("The database is busy.", code="database.busy")
        return await read(*given, **more)

    monkeypatch.setattr(server.office.engine, "read", failing)
    answer = await server.client.get("/v1/records", headers=NDJSON)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert 0 < len(lines) < 9
    assert all("upstream_id" in line for line in lines)


async def test_ndjson_takes_no_limit(server: Server) -> None:
    """A parameter that has no meaning is refused."""
    problem = await server.refused(
        "GET", "/v1/records", 422, "request.invalid", params={"limit": 5}, headers=NDJSON
    )
    assert problem["errors"] == [{"field": "limit", "detail": "Has no meaning together with NDJSON."}]


async def test_one_record(server: Server) -> None:
    """By its key, with slashes in its id; deleted ones too."""
    view = await server.office.sync()
    slot = await server.office.slot(view.sync.id)
    await server.office.write(slot, "a/b?c", {"n": 1}, origin=Origin.BACKFILL)
    path = f"/v1/records/{view.sync.id}/crm:contact/a%2Fb%3Fc"
    record = await server.get(path)
    assert (record["upstream_id"], record["deleted"]) == ("a/b?c", False)
    assert (await server.get("/v1/records"))["records"] == [record]
    await server.office.write(slot, "a/b?c", None)
    assert (await server.get(path))["deleted"] is True
    for missing in (f"/v1/records/{view.sync.id}/crm:contact/x", "/v1/records/x/crm:contact/y"):
        await server.refused("GET", missing, 404, "record.not_found")


async def test_the_word_for_created_can_be_switched(server: Server) -> None:
    """For clients that were built on `inserted`."""
    await two_syncs(server)
    async with serve(server.office, created_event_name="inserted") as switched:
        page = await switched.get("/v1/events", params={"event": "created"})
    assert {one["event"] for one in page["events"]} == {"inserted"}


async def test_a_changed_tenant_shows_in_records(server: Server) -> None:
    """What is the same for all records of a slot is made anew when it changes."""
    shared = await server.office.credential()
    view = await server.office.sync(credential_id=shared.id, external_id="a")
    await server.office.write(await server.office.slot(view.sync.id), "c", {"n": 1})
    assert (await server.get("/v1/records"))["records"][0]["sync_external_id"] == "a"
    await server.office.services.syncs.change(ADMIN, view.sync.id, SyncChange(external_id="b"))
    assert (await server.get("/v1/records"))["records"][0]["sync_external_id"] == "b"


async def test_ndjson_over_a_real_connection(server: Server) -> None:
    """In chunks, through the real server."""
    view = await server.office.sync()
    slot = await server.office.slot(view.sync.id)
    for number in range(300):
        await server.office.write(slot, f"c{number}", {"n": number})
    async with (
        listening(server.app) as address,
        httpx.AsyncClient(headers=server.client.headers) as client,
        client.stream("GET", f"{address}/v1/records", headers=NDJSON) as answer,
    ):
        lines = [json.loads(line) async for line in answer.aiter_lines()]
    assert [one.get("upstream_id") for one in lines] == [f"c{n}" for n in range(300)] + [None]
