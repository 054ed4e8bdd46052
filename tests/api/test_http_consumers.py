"""Consumers over HTTP as workers and owners call them: answers, mistakes, tenants."""

import asyncio
from typing import Any

import pytest
from tests.api.server import Server

PATH = "/v1/http-consumers"


@pytest.fixture
async def slot(server: Server) -> Any:
    """The slot of a sync of the CRM's contacts."""
    return await server.office.slot((await server.office.sync()).sync.id)


async def test_made_shown_changed_listed_removed(server: Server) -> None:
    """With defaults as the contract has them."""
    made = await server.call("POST", PATH, 201, json={"stream": "events", "name": "billing"})
    assert {
        name: made[name] for name in ("ack_wait_ms", "max_deliver", "max_ack_pending", "deliver_policy")
    } == {
        "ack_wait_ms": 30000,
        "max_deliver": -1,
        "max_ack_pending": 1000,
        "deliver_policy": "all",
    }
    path = f"{PATH}/{made['id']}"
    assert await server.get(path) == made
    changed = await server.call(
        "PATCH",
        path,
        json={"ack_wait_ms": 500, "filters": {"event": ["created", "deleted"]}, "max_deliver": 3},
    )
    assert (changed["ack_wait_ms"], changed["filters"]["event"]) == (500, ["created", "deleted"])
    assert (await server.get(PATH, params={"stream": "events"}))["data"] == [changed]
    assert (await server.get(PATH, params={"stream": "records"}))["data"] == []
    assert (await server.call("POST", f"{path}/reset", json={"deliver_policy": "90m"}))[
        "deliver_policy"
    ] == "1h30m"
    await server.call("DELETE", path, 204)
    await server.refused("GET", path, 404, "consumer.not_found")
    await server.refused("POST", f"{path}/next", 404, "consumer.not_found")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"stream": "news"}, "stream"),
        ({}, "stream"),
        ({"stream": "events", "deliver_policy": "soon"}, "deliver_policy"),
        ({"stream": "events", "deliver_policy": "0s"}, "deliver_policy"),
        ({"stream": "events", "deliver_policy": "999999999w"}, "deliver_policy"),
        ({"stream": "events", "filters": {"collection_id": "crm:contcat"}}, "filters.collection_id.0"),
        ({"stream": "events", "filters": {"event": ["made"]}}, "filters.event.0"),
        ({"stream": "records", "filters": {"event": "created"}}, "filters.event"),
        ({"stream": "events", "filters": {"colection_id": "*"}}, "filters.colection_id"),
        ({"stream": "events", "max_deliver": 0}, "max_deliver"),
        ({"stream": "events", "ack_wait_ms": 99}, "ack_wait_ms"),
        ({"stream": "events", "max_ack_pending": 0}, "max_ack_pending"),
        ({"stream": "events", "ack_wait": 5}, "ack_wait"),
    ],
)
async def test_mistakes_are_told_by_field(server: Server, given: dict[str, Any], field: str) -> None:
    """Nothing is made."""
    problem = await server.refused("POST", PATH, 422, "request.invalid", json=given)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert (await server.get(PATH))["data"] == []


async def test_messages_are_fetched_and_settled(server: Server, slot: Any) -> None:
    """By POST and by GET; big numbers are as the API sent them."""
    await server.office.write(slot, "a", {"n": 12345678901234567890})
    await server.office.write(slot, "b", {"n": 2})
    made = await server.call("POST", PATH, 201, json={"stream": "records"})
    path = f"{PATH}/{made['id']}"
    assert (await server.get(f"{path}/peek"))["data"][0].keys() == {"record"}
    first = await server.call("POST", f"{path}/next")
    second = await server.get(f"{path}/next", params={"batch_size": 5, "wait_for": 0})
    assert first["data"][0]["record"]["data"] == {"n": 12345678901234567890}
    assert first["info"] == {"num_pending": 1, "num_ack_pending": 1, "num_pending_is_estimate": True}
    assert second["info"] == {"num_pending": 0, "num_ack_pending": 2, "num_pending_is_estimate": False}
    tokens = [message["ack_token"] for message in first["data"] + second["data"]]
    assert await server.call("POST", f"{path}/extend", json={"ack_tokens": tokens}) == {
        "extended": 2,
        "unknown": [],
    }
    nacked = await server.call("POST", f"{path}/nack", json={"ack_tokens": tokens[:1], "delay_ms": 0})
    assert nacked == {"nacked": 1, "unknown": []}
    assert await server.call("POST", f"{path}/ack", json={"ack_tokens": tokens}) == {
        "acked": 1,
        "unknown": tokens[:1],
    }
    await server.refused("POST", f"{path}/ack", 422, "request.invalid", json={"ack_tokens": []})
    await server.refused("POST", f"{path}/next", 422, "request.invalid", json={"batch_size": 1001})
    await server.refused("GET", f"{path}/next", 422, "request.invalid", params={"wait_for": 60_001})


async def test_head_takes_nothing(server: Server, slot: Any) -> None:
    """A HEAD of what comes next is refused; elsewhere it is a GET without a body."""
    await server.office.write(slot, "a", {"n": 1})
    made = await server.call("POST", PATH, 201, json={"stream": "events"})
    path = f"{PATH}/{made['id']}"
    answer = await server.client.head(f"{path}/next")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert (await server.client.head(f"{path}/peek")).status_code == 200
    assert await server.office.rows("outstanding") == []


async def test_too_many_waits_are_refused(server: Server) -> None:
    """429, and when to come back."""
    made = await server.call("POST", PATH, 201, json={"stream": "records"})
    path = f"{PATH}/{made['id']}/next"
    waiting = [asyncio.create_task(server.client.post(path, json={"wait_for": 60_000})) for _ in range(20)]
    async with asyncio.timeout(30):
        while server.office.services.pulls.waiting(made["id"]) < 20:  # noqa: ASYNC110 - none tells
            await asyncio.sleep(0)
    answer = await server.client.post(path, json={"wait_for": 60_000})
    assert (answer.status_code, answer.json()["code"]) == (429, "consumer.too_many_waiting")
    assert int(answer.headers["retry-after"]) >= 1
    server.parts.stopping.set()
    assert {(await one).status_code for one in waiting} == {200}


async def test_a_consumer_that_fell_behind_says_so(server: Server, slot: Any) -> None:
    """410 with the number, until it is reset."""
    made = await server.call("POST", PATH, 201, json={"stream": "events"})
    await server.office.write(slot, "a", {"n": 1})
    server.office.clock.move(8 * 86_400)
    await server.office.engine.trim(server.office.clock.now_us(), 100)
    path = f"{PATH}/{made['id']}"
    problem = await server.refused("POST", f"{path}/next", 410, "consumer.gap")
    assert "up to 1 events" in problem["detail"]
    assert f"POST {path}/reset" in problem["fix"]
    await server.call("POST", f"{path}/reset")
    assert (await server.call("POST", f"{path}/next"))["data"] == []


async def test_p12_a_tenants_key_has_its_own_consumers(server: Server) -> None:
    """It sees no others, and its own hand out its own entries only, whoever made them."""
    own = await server.office.slot((await server.office.sync(external_id="one")).sync.id)
    other = await server.office.slot((await server.office.sync(external_id="two")).sync.id)
    one, two = [await server.key("admin", external_id=name) for name in ("one", "two")]
    made = await server.call("POST", PATH, 201, json={"stream": "events"}, headers=one)
    assert made["external_id"] == "one"
    path = f"{PATH}/{made['id']}"
    await server.refused(
        "POST", PATH, 422, "request.invalid", headers=two,
        json={"stream": "events", "filters": {"sync_id": own.sync_id}},
    )  # fmt: skip
    await server.refused(
        "POST", PATH, 403, "key.tenant", headers=two, json={"stream": "events", "external_id": "one"}
    )
    await server.office.write(own, "a", {"n": 1})
    await server.office.write(other, "b", {"n": 2})
    await server.call("POST", f"{path}/next", headers=one)
    for call in ("next", "ack", "nack", "extend", "reset"):
        body = {"ack_tokens": ["x"]} if call in ("ack", "nack", "extend") else None
        await server.refused("POST", f"{path}/{call}", 404, "consumer.not_found", headers=two, json=body)
    for call in ("", "/peek", "/next"):
        await server.refused("GET", f"{path}{call}", 404, "consumer.not_found", headers=two)
    await server.refused("PATCH", path, 404, "consumer.not_found", headers=two, json={"name": "x"})
    await server.refused("DELETE", path, 404, "consumer.not_found", headers=two)
    assert (await server.get(PATH, headers=two))["data"] == []
    assert (await server.call("POST", f"{path}/next", headers=one))["data"] == []


async def test_p12_a_record_that_became_another_tenants_is_not_handed_out_again(server: Server) -> None:
    """Nor told of in any other way."""
    sync = await server.office.sync(external_id=None)
    slot = await server.office.slot(sync.sync.id)
    await server.call("PATCH", f"/v1/syncs/{sync.sync.id}", json={"external_id": "one"})
    one = await server.key("admin", external_id="one")
    made = await server.call("POST", PATH, 201, json={"stream": "events"}, headers=one)
    path = f"{PATH}/{made['id']}"
    await server.office.write(slot, "a", {"n": 1})
    assert len((await server.call("POST", f"{path}/next", headers=one))["data"]) == 1
    await server.call("PATCH", f"/v1/syncs/{sync.sync.id}", json={"external_id": "two"})
    server.office.clock.move(60)
    assert (await server.call("POST", f"{path}/next", headers=one))["data"] == []
    assert await server.office.rows("outstanding") == []


async def test_p12_scopes(server: Server) -> None:
    """Workers need `read`; making, changing and beginning anew need `admin`."""
    reader = await server.key("read")
    made = await server.call("POST", PATH, 201, json={"stream": "events"})
    path = f"{PATH}/{made['id']}"
    await server.call("POST", f"{path}/next", headers=reader)
    await server.call("POST", f"{path}/ack", json={"ack_tokens": ["x"]}, headers=reader)
    await server.refused("POST", PATH, 403, "key.scope", json={"stream": "events"}, headers=reader)
    await server.refused("PATCH", path, 403, "key.scope", json={"name": "x"}, headers=reader)
    await server.refused("POST", f"{path}/reset", 403, "key.scope", headers=reader)
    await server.refused("DELETE", path, 403, "key.scope", headers=reader)
    writer = await server.key("write")
    await server.refused("POST", f"{path}/next", 403, "key.scope", headers=writer)
