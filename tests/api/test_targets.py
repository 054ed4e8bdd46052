"""Targets and the catalogue of their kinds over HTTP: what the calls take and give."""

from typing import Any

import pytest
from tests.api.server import Server

from headwater.targets.table import KINDS

TARGET: dict[str, Any] = {
    "kind": "depot",
    "settings": {"url": "depot://u:s3cr3t@host", "shelf": "a"},
    "metadata": {"team": "eu"},
}


async def test_a_target_from_making_to_removal(server: Server) -> None:
    """The secret never comes back; a mask keeps it."""
    made = await server.call("POST", "/v1/targets", 201, json=TARGET)
    assert made["settings"] == {"url": "********", "shelf": "a"}
    path = f"/v1/targets/{made['id']}"
    patch = {"settings": {"url": "********", "shelf": None, "level": 3}, "name": "Store"}
    changed = await server.call("PATCH", path, json=patch)
    assert (changed["name"], changed["settings"]) == ("Store", {"url": "********", "level": 3})
    assert server.office.depots.checked[-1].url.reveal() == "depot://u:s3cr3t@host"
    checked = await server.call("POST", path + "/check")
    assert (await server.get("/v1/targets"))["data"] == [checked] == [await server.get(path)]
    assert (await server.get("/v1/targets?kind=ledger"))["data"] == []
    assert len((await server.get("/v1/targets?metadata[team]=eu&health.status=ok"))["data"]) == 1
    await server.refused("GET", "/v1/targets?provider=crm", 422, "request.invalid")
    await server.call("DELETE", path, 204)
    await server.refused("GET", path, 404, "target.not_found")


async def test_a_target_by_its_url_and_used_again(server: Server) -> None:
    """201 for a new one, 200 for one that there is."""
    body = {"url": "depot://host", "reuse": True}
    made = await server.call("POST", "/v1/targets", 201, json=body)
    assert (made["kind"], made["name"]) == ("depot", "Depot at host")
    assert await server.call("POST", "/v1/targets", 200, json=body) == made


async def test_how_a_target_is_prepared(server: Server) -> None:
    """By its kind and settings; nothing where there is nothing to do."""
    depot = await server.call("POST", "/v1/targets", 201, json=TARGET)
    ledger = await server.call("POST", "/v1/targets", 201, json={"url": "ledger://book"})
    assert await server.get(f"/v1/targets/{depot['id']}/setup") == {"setup": "BUILD a;\nPAINT a;"}
    assert await server.get(f"/v1/targets/{ledger['id']}/setup") == {"setup": None}
    await server.refused("GET", "/v1/targets/x/setup", 404, "target.not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "depot"}, "settings.url"),
        ({"kind": "dept", "settings": {}}, "kind"),
        ({"kind": "depot", "settings": {"url": "x", "shelve": "y"}}, "settings.shelve"),
        ({"kind": "depot", "settings": {"url": "********"}}, "settings.url"),
        ({"url": "gopher://x"}, "url"),
        ({"kind": "depot", "settings": {"url": "x", "level": "s3cr3t"}}, "settings.level"),
        ({"kind": "depot", "settings": [], "colour": 1}, "settings"),
    ],
)
async def test_p8_wrong_targets_are_refused_by_field(server: Server, body: Any, field: str) -> None:
    """422 with the field; never with what was given."""
    problem = await server.refused("POST", "/v1/targets", 422, "request.invalid", json=body)
    assert field in [one["field"] for one in problem["errors"]]
    assert "s3cr3t" not in str(problem)


async def test_a_target_in_use_is_not_removed(server: Server) -> None:
    """409 until its consumers have gone."""
    target = await server.call("POST", "/v1/targets", 201, json=TARGET)
    consumer = await server.call("POST", "/v1/consumers", 201, json={"target_id": target["id"]})
    path = f"/v1/targets/{target['id']}"
    await server.refused("DELETE", path, 409, "target.in_use")
    await server.call("DELETE", f"/v1/consumers/{consumer['id']}", 204)
    await server.call("DELETE", path, 204)


async def test_the_catalogue_of_kinds(server: Server) -> None:
    """With the JSON Schema of their settings, and what is missing to use one."""
    page = await server.get("/v1/target-kinds?limit=1")
    depot, (ledger,) = (
        page["data"][0],
        (await server.get("/v1/target-kinds", params={"after_cursor": page["cursor"]}))["data"],
    )
    assert (depot["kind"], depot["installed"], depot["install"]) == ("depot", True, None)
    assert depot["streams"] == ["events", "records"]
    assert depot["secret"] == ["doors", "url"]
    assert depot["settings"]["properties"]["url"] == {
        "type": "string",
        "format": "password",
        "writeOnly": True,
        "title": "Url",
        "description": "Where it is: `depot://host/place`.",
    }
    assert (ledger["installed"], ledger["streams"]) == (False, ["events"])
    assert ledger["install"] == "pip install 'headwater[ledger]'"


def test_no_made_up_kind_is_in_the_catalogue() -> None:
    """Only kinds that write somewhere."""
    assert not {kind.name for kind in KINDS} & {"memory", "fake", "depot", "ledger", "test"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/targets"),
        ("PATCH", "/v1/targets/x"),
        ("DELETE", "/v1/targets/x"),
        ("POST", "/v1/targets/x/check"),
        ("POST", "/v1/consumers"),
        ("PATCH", "/v1/consumers/x"),
        ("DELETE", "/v1/consumers/x"),
        ("POST", "/v1/consumers/x/reset"),
        ("POST", "/v1/consumers/x/dead-letters/redrive"),
        ("POST", "/v1/consumers/x/dead-letters/discard"),
        ("POST", "/v1/http-consumers/x/dead-letters/redrive"),
        ("POST", "/v1/http-consumers/x/dead-letters/discard"),
    ],
)
async def test_p12_changes_need_the_admin_scope(server: Server, method: str, path: str) -> None:
    """A key that reads and writes rules nothing."""
    await server.refused(method, path, 403, "key.scope", headers=await server.key("read", "write"), json={})
    if method == "POST" and path.count("/") == 2:
        await server.refused("GET", path, 403, "key.scope", headers=await server.key("write"))
