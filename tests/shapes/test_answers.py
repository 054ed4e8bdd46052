"""The answers of the API, pinned to files: members, order, spelling of times."""

import json
from typing import Any

from sqlalchemy import update
from tests.api.server import Server
from tests.api.test_consumers import buried
from tests.management.office import START_US, Hands
from tests.shapes.shape import golden

from headwater.api.stream_shapes import Event, Record
from headwater.model.ids import event_id, record_id
from headwater.model.position import Stream
from headwater.model.record import Entry, EventKind, Origin, Slot
from headwater.store import schema
from headwater.streams.render import Renderer
from headwater.streams.slots import Owned, Slots

SYNC = "0190a5c8-6f5e-7d62-8f57-5b1f8a4a2f10"
SLOT = Slot(number=7, partition=0, sync_id=SYNC, collection_id="salesforce:task")
SLOTS = Slots(revision=1, by_number={7: Owned(slot=SLOT, external_id="org_42")}, by_key={})


def entry(**more: Any) -> Entry:
    """Return the entry of the contract's examples."""
    given: dict[str, Any] = {
        "partition": 0,
        "position": 2745327037,
        "slot": 7,
        "upstream_id": "0018b000021BldZAAS",
        "event": EventKind.UPDATED,
        "origin": Origin.SINCE,
        "inserted_us": 1731263942114000,
        "created_us": 1730448000000000,
        "updated_us": 1731263940070453,
        "mutation_id": None,
        "data": b'{"description":"after"}',
        "previous_data": b'{"description":"before"}',
    }
    return Entry(**given | more)


def test_the_record_of_the_contract() -> None:
    """Byte by byte: members, their order, their spelling."""
    (record,) = Renderer().each(Stream.RECORDS, [entry()], SLOTS)
    assert record.decode() == (
        f'{{"id":"{record_id(SYNC, "salesforce:task", "0018b000021BldZAAS")}","sync_id":"{SYNC}",'
        '"sync_external_id":"org_42","provider":"salesforce","collection_id":"salesforce:task",'
        '"upstream_id":"0018b000021BldZAAS","upstream_created_at":"2024-11-01T08:00:00.000000Z",'
        '"upstream_updated_at":"2024-11-10T18:39:00.070453Z","updated_idx":2745327037,'
        '"inserted_at":"2024-11-10T18:39:02.114000Z","data":{"description":"after"},"deleted":false}'
    )
    assert list(Record.model_validate_json(record).model_dump()) == list(json.loads(record))


def test_the_event_of_the_contract() -> None:
    """Byte by byte: members, their order, their spelling."""
    (event,) = Renderer().each(Stream.EVENTS, [entry()], SLOTS)
    id = event_id(record_id(SYNC, "salesforce:task", "0018b000021BldZAAS"), 2745327037)
    assert event.decode() == (
        f'{{"sync_id":"{SYNC}","sync_external_id":"org_42","provider":"salesforce",'
        '"collection_id":"salesforce:task","upstream_id":"0018b000021BldZAAS",'
        '"upstream_updated_at":"2024-11-10T18:39:00.070453Z","updated_idx":2745327037,'
        f'"data":{{"description":"after"}},"event":"updated","event_id":"{id}",'
        '"event_inserted_at":"2024-11-10T18:39:02.114000Z","previous_data":{"description":"before"},'
        '"origin":"since"}'
    )
    assert [name for name in Event.model_validate_json(event).model_dump() if name != "mutation_id"] == list(
        json.loads(event)
    )


def test_members_that_come_and_go() -> None:
    """`previous_data` only on `updated`, `mutation_id` only where there is one; absent times are null."""
    created = entry(event=EventKind.CREATED, origin=Origin.BACKFILL, previous_data=None, mutation_id="m")
    (event,) = map(json.loads, Renderer("inserted").each(Stream.EVENTS, [created], SLOTS))
    assert "previous_data" not in event
    assert (event["event"], event["origin"], event["mutation_id"]) == ("inserted", "backfill", "m")
    (record,) = map(json.loads, Renderer().each(Stream.RECORDS, [entry(created_us=None)], SLOTS))
    assert record["upstream_created_at"] is None


async def test_answers_of_management(server: Server) -> None:
    """Each object of the Management API, as a client sees it."""
    body = {"provider": "crm", "properties": {"token": "s3cr3t", "region": "eu"}, "external_id": "org_42"}
    credential = await server.call("POST", "/v1/credentials", 201, json=body | {"metadata": {"team": "eu"}})
    golden("credential", credential)
    sync = await server.call(
        "POST",
        "/v1/syncs",
        201,
        json={"provider": "crm", "credential_id": credential["id"], "collection_ids": ["crm:contact"]},
    )
    golden("sync", sync)
    async with server.office.database.write() as connection:
        await connection.execute(
            update(schema.sync_collections).values(
                state="backfilling", complete_us=START_US, last_checked_us=START_US + 5
            )
        )
        await connection.execute(
            update(schema.backfills).values(started_us=START_US, records=100, estimated_total=400)
        )
    clock: Hands = server.office.clock
    clock.move(10)
    path = f"/v1/syncs/{sync['id']}"
    golden("sync_backfilling", await server.get(path))
    golden("backfills", await server.get(path + "/backfills") | {"cursor": "…"})
    golden("sweep", await server.call("POST", path + "/sweeps", 202, json={"collection_id": "crm:contact"}))
    golden("api_key", await server.call("POST", "/v1/api-keys", 201, json={"name": "warehouse"}))
    golden("provider", await server.get("/v1/providers/crm"))
    golden("problem", await server.refused("GET", "/v1/syncs?limitt=1", 422, "request.invalid"))


async def test_answers_of_consumers_and_targets(server: Server) -> None:
    """Each as a client sees it; the settings of a kind as JSON Schema."""
    kinds = await server.get("/v1/target-kinds")
    golden("target_kind", next(one for one in kinds["data"] if one["kind"] == "ledger"))
    body = {"kind": "depot", "settings": {"url": "depot://u:pw@host"}, "external_id": "org_42"}
    target = await server.call("POST", "/v1/targets", 201, json=body | {"metadata": {"team": "eu"}})
    golden("target", target)
    view = await server.office.sync(external_id="org_42")
    slot = await server.office.slot(view.sync.id)
    await server.office.write(slot, "c1", {"name": "Ada"}, created_us=START_US, origin=Origin.BACKFILL)
    clock: Hands = server.office.clock
    clock.move(10)
    given = {"target_id": target["id"], "stream": "events", "filters": {"collection_id": "crm:*"}}
    consumer = await server.call("POST", "/v1/consumers", 201, json=given)
    await buried(server, consumer["id"], slot, [1])
    path = f"/v1/consumers/{consumer['id']}"
    golden("consumer", await server.get(path))
    letters = await server.get(path + "/dead-letters")
    letters["data"][0]["event"]["event_id"] = "…"
    golden("dead_letters", letters | {"cursor": "…"})


async def test_answers_of_consumers_over_http(server: Server) -> None:
    """The consumer, a batch of its messages, what became of their tokens."""
    view = await server.office.sync(external_id="org_42")
    slot = await server.office.slot(view.sync.id)
    await server.office.write(slot, "c1", {"name": "Ada"}, created_us=START_US, origin=Origin.BACKFILL)
    given = {"stream": "events", "filters": {"collection_id": "crm:*"}, "external_id": "org_42"}
    consumer = await server.call("POST", "/v1/http-consumers", 201, json=given)
    golden("http_consumer", consumer)
    path = f"/v1/http-consumers/{consumer['id']}"
    batch = await server.call("POST", f"{path}/next", json={"batch_size": 10})
    tokens = [message["ack_token"] for message in batch["data"]]
    batch["data"][0]["ack_token"] = batch["data"][0]["event"]["event_id"] = "…"
    golden("next", batch)
    golden("acked", await server.call("POST", f"{path}/ack", json={"ack_tokens": [*tokens, "used"]}))


async def test_answers_of_the_streams(server: Server) -> None:
    """A page of each stream; cursors are opaque and left out."""
    view = await server.office.sync(external_id="org_42")
    slot = await server.office.slot(view.sync.id)
    await server.office.write(slot, "c1", {"name": "Ada"}, created_us=START_US, origin=Origin.BACKFILL)
    await server.office.write(slot, "c1", {"name": "Grace"}, previous_data=b'{"name":"Ada"}')
    await server.office.write(slot, "c1", None, origin=Origin.SWEEP)
    for name in ("records", "events"):
        page = await server.get(f"/v1/{name}")
        derived = {"id": "…", "event_id": "…"}
        entries = [one | {key: value for key, value in derived.items() if key in one} for one in page[name]]
        golden(name, page | {name: entries, "cursor": "…"})


async def test_the_openapi_document(server: Server) -> None:
    """Every call with its parameters, bodies, answers and problems. What is in it is a promise to clients."""
    answer = await server.client.get("/openapi.json", headers={"Authorization": ""})
    golden("openapi", answer.json())


async def test_every_call_documents_its_problems(server: Server) -> None:
    """Each as problem+json with an example; each body with one."""
    document = (await server.client.get("/openapi.json")).json()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            problems = {status for status in call["responses"] if int(status) >= 400}
            for status in problems:
                answer = call["responses"][status]
                if "$ref" in answer:
                    answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
                content = answer["content"]
                assert list(content) == ["application/problem+json"], (method, path, status)
                assert content["application/problem+json"]["example"]["fix"]
            assert problems >= {"400", "422"}, (method, path)
            if path.startswith("/v1/"):
                assert problems >= {"401", "403"}, (method, path)
                assert call["security"] == [{"ApiKey": []}]
            if "requestBody" in call:
                assert problems >= {"413", "415"}, (method, path)
    for name, model in document["components"]["schemas"].items():
        if name.endswith(("Input", "Patch")) and name != "RateLimitInput":
            assert model["examples"], name
            assert model["additionalProperties"] is False, name
