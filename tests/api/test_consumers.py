"""Managed consumers and dead letters over HTTP: what the calls take and give."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import insert
from tests.api.server import Server

from headwater.kit.ids import new_id
from headwater.model.record import Slot
from headwater.store import schema


async def target(server: Server, **more: Any) -> str:
    """Make a target; return its id."""
    body = {"kind": "depot", "settings": {"url": "depot://host"}} | more
    return (await server.call("POST", "/v1/targets", 201, json=body))["id"]


async def consumer(server: Server, **more: Any) -> Any:
    """Make a managed consumer."""
    given = {"target_id": await target(server)} | more
    return await server.call("POST", "/v1/consumers", 201, json=given)


async def test_a_consumer_from_making_to_removal(server: Server) -> None:
    """Filters as a value or a list; `*` where nothing is left out."""
    await server.office.sync()
    made = await consumer(
        server, stream="events", filters={"collection_id": "crm:*", "event": ["created", "updated"]}
    )
    everything = {"provider": "*", "sync_id": "*"}
    wanted = everything | {"collection_id": ["crm:*"], "event": ["created", "updated"]}
    assert (made["filters"], made["start"], made["status"]) == (wanted, "beginning", "active")
    assert (made["lag"], made["dead_letters"]) == ({"messages": 0, "seconds": 0.0}, 0)
    path = f"/v1/consumers/{made['id']}"
    assert made["batch"] == {"max_messages": 1000, "max_bytes": 8000000, "max_wait_ms": 0}
    paused = await server.call("PATCH", path, json={"status": "paused", "batch": {"max_wait_ms": 5}})
    assert (paused["status"], paused["batch"]) == ("paused", made["batch"] | {"max_wait_ms": 5})
    opened = await server.call("PATCH", path, json={"filters": {}, "max_deliver": 3, "on_gap": "skip"})
    assert opened["filters"] == everything | {"collection_id": "*", "event": "*"}
    assert (opened["max_deliver"], opened["on_gap"], opened["status"]) == (3, "skip", "paused")
    again = await server.call("POST", path + "/reset", json={"start": "2024-11-15T08:00:00+01:00"})
    assert again["start"] == "2024-11-15T07:00:00.000000Z"
    assert (await server.get("/v1/consumers"))["data"] == [again] == [await server.get(path)]
    for query, count in (
        (f"target_id={made['target_id']}", 1),
        ("stream=records", 0),
        ("status=active", 0),
        ("status=paused&health.status=ok", 1),
    ):
        assert len((await server.get(f"/v1/consumers?{query}"))["data"]) == count, query
    await server.call("DELETE", path, 204)
    await server.refused("GET", path, 404, "consumer.not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"target_id": "x"}, "target_id"),
        ({"stream": "record"}, "stream"),
        ({"filters": {"providers": "crm"}}, "filters.providers"),
        ({"filters": {"provider": []}}, "filters.provider"),
        ({"filters": {"provider": 5}}, "filters.provider"),
        ({"filters": {"collection_id": ["crm:contact", "crm:contacts"]}}, "filters.collection_id.1"),
        ({"filters": {"event": "created"}}, "filters.event"),
        ({"start": "soon"}, "start"),
        ({"max_deliver": 0}, "max_deliver"),
        ({"max_deliver": -2}, "max_deliver"),
        ({"batch": {"max_messages": 0}}, "batch.max_messages"),
        ({"batch": {"max_message": 1}}, "batch.max_message"),
        ({"on_gap": "ignore"}, "on_gap"),
        ({"external_id": ""}, "external_id"),
        ({"name": "\0"}, "name"),
        ({"targets": 1}, "targets"),
    ],
)
async def test_wrong_consumers_are_refused_by_field(server: Server, body: Any, field: str) -> None:
    """422 with the field, also where a change is wrong."""
    given = {"target_id": await target(server)} | body
    problem = await server.refused("POST", "/v1/consumers", 422, "request.invalid", json=given)
    assert field in [one["field"] for one in problem["errors"]]


async def test_p12_a_tenants_key_has_its_own_targets_and_consumers(server: Server) -> None:
    """Its consumer reads its entries, and writes to its target."""
    a, b = await server.key("admin", external_id="a"), await server.key("admin", external_id="b")
    mine = await server.call(
        "POST", "/v1/targets", 201, headers=a, json={"kind": "depot", "settings": {"url": "depot://a"}}
    )
    body = {"target_id": mine["id"]}
    problem = await server.refused("POST", "/v1/consumers", 422, "request.invalid", headers=b, json=body)
    assert problem["errors"] == [{"field": "target_id", "detail": "There is no such target."}]
    made = await server.call("POST", "/v1/consumers", 201, headers=a, json=body)
    assert (made["external_id"], mine["external_id"]) == ("a", "a")
    for path in (f"/v1/targets/{mine['id']}", f"/v1/consumers/{made['id']}"):
        await server.get(path, headers=a)
        code = path.split("/")[2].removesuffix("s") + ".not_found"
        await server.refused("GET", path, 404, code, headers=b)
        await server.refused("DELETE", path, 404, code, headers=b)
    letters = f"/v1/consumers/{made['id']}/dead-letters"
    await server.refused("GET", letters, 404, "consumer.not_found", headers=b)
    await server.refused(
        "POST", letters + "/discard", 404, "consumer.not_found", headers=b, json={"all": True}
    )
    for family in ("targets", "consumers"):
        assert (await server.get(f"/v1/{family}", headers=b))["data"] == []


# --- dead letters -------------------------------------------------------------------------------------------


async def http_consumer(server: Server, **more: Any) -> Any:
    """Make a consumer over HTTP."""
    return await server.call("POST", "/v1/http-consumers", 201, json={"stream": "records"} | more)


async def buried(server: Server, consumer_id: str, slot: Slot, positions: list[int]) -> list[str]:
    """Let a consumer give messages up; return the ids of the dead letters."""
    ids = [new_id() for _ in positions]
    async with server.office.database.write() as connection:
        for id, position in zip(ids, positions, strict=True):
            entry = (await server.office.engine.at("events", slot.partition, [position]))[position]  # type: ignore[arg-type] - the word
            await connection.execute(
                insert(schema.dead_letters).values(
                    id=id,
                    consumer_id=consumer_id,
                    slot=slot.number,
                    upstream_id=entry.upstream_id,
                    partition=slot.partition,
                    position=position,
                    deliveries=3,
                    code="item.rejected",
                    error="The target refuses it.",
                    payload=msgspec.msgpack.encode(entry),
                    dead_us=server.office.clock.now_us(),
                )
            )
    return ids


@pytest.mark.parametrize("family", ["consumers", "http-consumers"])
async def test_dead_letters_of_both_kinds_of_consumer(server: Server, family: str) -> None:
    """Looked at with the message as it was to be delivered, redriven, discarded."""
    slot = await server.office.slot((await server.office.sync()).sync.id)
    for number in range(4):
        await server.office.write(slot, f"c{number}", {"n": number, "big": 2**70})
    make = consumer if family == "consumers" else http_consumer
    path = f"/v1/{family}/{(await make(server))['id']}/dead-letters"
    other = await make(server)
    ids = await buried(server, path.split("/")[3], slot, [1, 2, 3, 4])
    await buried(server, other["id"], slot, [1])
    page = await server.get(path, params={"limit": 3})
    rest = await server.get(path, params={"after_cursor": page["cursor"]})
    assert [one["id"] for one in page["data"] + rest["data"]] == ids
    assert (page["has_more"], rest["has_more"]) == (True, False)
    one = page["data"][0]
    assert (one["deliveries"], one["code"], one["error"]) == (3, "item.rejected", "The target refuses it.")
    assert (one["updated_idx"], one["redrive"]) == (1, False)
    assert one["record"] == (await server.get("/v1/records"))["records"][0]
    assert await server.get(f"{path}/{ids[0]}") == one
    await server.refused("GET", f"{path}/nothing", 404, "dead_letter.not_found")
    assert await server.call("POST", path + "/redrive", 202, json={"ids": [ids[0], "nothing"]}) == {
        "redriven": 1
    }
    assert (await server.get(f"{path}/{ids[0]}"))["redrive"] is True
    assert await server.call("POST", path + "/discard", json={"ids": ids[:2]}) == {"discarded": 2}
    assert await server.call("POST", path + "/redrive", 202, json={"all": True}) == {"redriven": 2}
    assert await server.call("POST", path + "/discard", json={"all": True}) == {"discarded": 2}
    assert (await server.get(path))["data"] == []
    assert len((await server.get(f"/v1/{family}/{other['id']}/dead-letters"))["data"]) == 1
    for wrong in ({}, {"all": True, "ids": ids}, {"all": False}, {"ids": []}, {"id": "x"}):
        await server.refused("POST", path + "/discard", 422, "request.invalid", json=wrong)


async def test_dead_letters_of_events_show_the_event(server: Server) -> None:
    """Token by token, whatever is in it."""
    slot = await server.office.slot((await server.office.sync()).sync.id)
    await server.office.write(slot, "c1", {"n": 1})
    made = await consumer(server, stream="events")
    await buried(server, made["id"], slot, [1])
    (one,) = (await server.get(f"/v1/consumers/{made['id']}/dead-letters"))["data"]
    assert one["event"] == (await server.get("/v1/events"))["events"][0]
    assert "record" not in one
