"""Credentials, syncs, orders, keys and providers over HTTP: what the calls take and give."""

from typing import Any

import pytest
from tests.api.server import Server
from tests.management.office import ADMIN
from tests.management.office import office as another
from tests.management.test_providers import DOCUMENT

CREDENTIAL: dict[str, Any] = {
    "provider": "crm",
    "properties": {"token": "s3cr3t"},
    "metadata": {"team": "eu"},
}


async def made(server: Server, **more: Any) -> Any:
    """Make a credential and a sync; return the sync."""
    answer = await server.client.post("/v1/credentials", json=CREDENTIAL)
    body = {"provider": "crm", "credential_id": answer.json()["id"]} | more
    return await server.call("POST", "/v1/syncs", 201, json=body)


async def test_a_credential_from_making_to_removal(server: Server) -> None:
    """201 for a new one, 200 for a renewed one; the secret never comes back."""
    first = await server.call("POST", "/v1/credentials", 201, json=CREDENTIAL)
    again = await server.call("POST", "/v1/credentials", 200, json=CREDENTIAL | {"name": "again"})
    assert (again["id"], again["name"]) == (first["id"], "again")
    path = f"/v1/credentials/{first['id']}"
    changed = await server.call("PATCH", path, json={"properties": {"region": "eu"}})
    assert changed["properties"] == {"token": "********", "region": "eu"}
    limited = await server.call("PATCH", path, json={"rate_limit": {"allowed_requests": 3, "interval": 1}})
    assert limited["rate_limit"] == {"allowed_requests": 3, "interval": 1.0, "max_concurrent_requests": None}
    assert (await server.call("POST", path + "/check"))["health"]["status"] == "ok"
    assert (await server.get("/v1/credentials"))["data"] == [await server.get(path)]
    await server.call("DELETE", path, 204)
    await server.refused("GET", path, 404, "credential.not_found")


async def test_a_sync_from_making_to_removal(server: Server) -> None:
    """With everything that can be asked of it in between."""
    sync = await made(server, collection_ids=["crm:contact"], external_id="org", sync_frequency="15m")
    path = f"/v1/syncs/{sync['id']}"
    assert sync["collections"][0]["state"] == "pending"
    paused = await server.call("PATCH", path, json={"status": "paused", "max_age_days": 30})
    assert (paused["status"], paused["collections"][0]["state"]) == ("paused", "paused")
    cleared = await server.call("PATCH", path, json={"status": "active", "max_age_days": None})
    assert (cleared["max_age_days"], cleared["status"]) == (None, "active")
    assert cleared["sync_frequency"] == "15m"
    assert (await server.call("POST", path + "/check", 202))["id"] == sync["id"]
    started = await server.call("POST", path + "/backfills", 202)
    assert [one["collection_id"] for one in started["data"]] == ["crm:contact"]
    await server.call("POST", path + "/backfills", 202, json={"collection_ids": ["crm:contact"]})
    history = await server.get(path + "/backfills")
    assert [one["outcome"] for one in history["data"]] == [None, "replaced", "replaced"]
    sweep = await server.call("POST", path + "/sweeps", 202, json={"collection_id": "crm:contact"})
    assert (await server.get(path + "/sweeps"))["data"] == [sweep]
    await server.refused(
        "POST",
        path + "/sweeps",
        409,
        "sweep.not_halted",
        json={"collection_id": "crm:contact", "confirm": True},
    )
    assert (await server.get(path + "/rejected"))["data"] == []
    assert (await server.get("/v1/syncs", params={"external_id": "org"}))["data"][0]["id"] == sync["id"]
    await server.call("DELETE", path, 204, params={"records": "delete"})
    await server.refused("GET", path, 404, "sync.not_found")


async def test_lists_take_filters_in_either_form(server: Server) -> None:
    """`metadata[key]=value`, as often as one likes, or one JSON object; `health.status`; pages by cursor."""
    await made(server, metadata={"team": "eu", "tier": 2})
    await made(server, metadata={"team": "us"})
    for query, count in (
        ("metadata[team]=eu", 1),
        ("metadata[team]=eu&metadata[tier]=2", 1),
        ('metadata={"team":"eu","tier":2}', 1),
        ("metadata[team]=fr", 0),
        ("health.status=ok", 2),
        ("health.status=error", 0),
        ("provider=crm&limit=1", 1),
    ):
        assert len((await server.get(f"/v1/syncs?{query}"))["data"]) == count, query
    for query in ("metadata=5", "metadata={", 'metadata={"a":{}}', "health.status=fine", "metadata[team=eu"):
        await server.refused("GET", f"/v1/syncs?{query}", 422, "request.invalid")
    page = await server.get("/v1/syncs?limit=1")
    rest = await server.get("/v1/syncs", params={"after_cursor": page["cursor"]})
    assert (page["has_more"], rest["has_more"], len(rest["data"])) == (True, False, 1)
    await server.refused("GET", "/v1/syncs?after_cursor=nonsense", 400, "cursor.invalid")


async def test_an_api_key_is_shown_once(server: Server) -> None:
    """Made, used, renamed, revoked."""
    key = await server.call("POST", "/v1/api-keys", 201, json={"name": "a", "scopes": ["read"]})
    headers = {"Authorization": f"Bearer {key['key']}"}
    await server.get("/v1/syncs", headers=headers)
    path = f"/v1/api-keys/{key['id']}"
    renamed = await server.call("PATCH", path, json={"name": "b"})
    assert (renamed["name"], renamed["last_used_at"] is not None) == ("b", True)
    assert "key" not in renamed
    assert key["key"] not in (await server.client.get("/v1/api-keys")).text
    await server.call("DELETE", path, 204)
    await server.refused("GET", "/v1/syncs", 401, "key.invalid", headers=headers)


async def test_a_document_becomes_a_provider(server: Server) -> None:
    """As YAML or JSON; 201 for a new one; its mistakes with their places."""
    yaml = {"content-type": "application/yaml"}
    made = await server.call("PUT", "/v1/providers/shop", 201, content=DOCUMENT, headers=yaml)
    assert made["collections"][0]["collection_id"] == "shop:order"
    assert (await server.call("PUT", "/v1/providers/shop", content=DOCUMENT + "# x\n", headers=yaml))[
        "version"
    ] == 2
    assert await server.get("/v1/providers/shop") in (await server.get("/v1/providers"))["data"]
    broken = DOCUMENT.replace("path:", "pth:")
    problem = await server.refused(
        "PUT", "/v1/providers/shop", 422, "provider.document_invalid", content=broken, headers=yaml
    )
    assert problem["errors"]
    await server.refused("PUT", "/v1/providers/shop", 400, "request.malformed", content=b"\xff", headers=yaml)
    await server.refused("PUT", "/v1/providers/shop", 415, "request.media_type", content=b"x")
    await server.call("DELETE", "/v1/providers/shop", 204)
    problem = await server.refused("GET", "/v1/providers/crmm", 404, "provider.not_found")
    assert "Did you mean crm?" in problem["fix"]


async def test_the_catalogue_says_how_changes_are_seen(server: Server) -> None:
    """By collection, with the lag to expect; the same by credential."""
    provider = await server.get("/v1/providers/crm")
    seen = {one["collection_id"]: (one["changes"], one["deletes"]) for one in provider["collections"]}
    assert seen == {
        "crm:contact": ("since", "tombstones"),
        "crm:deal": ("since", "list"),
        "crm:note": ("list", "sweep"),
    }
    credential = await server.call("POST", "/v1/credentials", 201, json=CREDENTIAL)
    page = await server.get(f"/v1/collections/{credential['id']}", params={"limit": 2})
    assert (len(page["data"]), page["has_more"]) == (2, True)
    rest = await server.get(f"/v1/collections/{credential['id']}", params={"after_cursor": page["cursor"]})
    assert page["data"] + rest["data"] == provider["collections"]


async def test_collections_are_found_out_anew(server: Server) -> None:
    """What another process has stored a moment ago is there, without waiting for it to be noticed."""
    document = "name: shop\nbase_url: https://shop.example\ncollections:\n  order: {path: /orders}\n"
    yaml = {"content-type": "application/yaml"}
    await server.call("PUT", "/v1/providers/shop", 201, content=document, headers=yaml)
    made = await server.call("POST", "/v1/credentials", 201, json={"provider": "shop"})
    path = f"/v1/collections/{made['id']}"
    await server.get(path)
    other = another(server.office.database, server.office.engine, server.office.clock).services
    await other.providers.put(ADMIN, "shop", document + "  refund: {path: /refunds}\n")
    assert [one["collection_id"] for one in (await server.get(path))["data"]] == ["shop:order"]
    anew = await server.call("POST", f"{path}/refresh")
    assert [one["collection_id"] for one in anew["data"]] == ["shop:order", "shop:refund"]
    assert await server.get(path) == anew
    assert (await server.call("POST", f"{path}/refresh?limit=1"))["has_more"]
    await server.refused("POST", "/v1/collections/x/refresh", 404, "credential.not_found")
    tenant = await server.key("admin", external_id="org_1")
    await server.refused("POST", f"{path}/refresh", 404, "credential.not_found", headers=tenant)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/credentials"),
        ("POST", "/v1/syncs"),
        ("PATCH", "/v1/syncs/x"),
        ("DELETE", "/v1/syncs/x"),
        ("POST", "/v1/syncs/x/check"),
        ("POST", "/v1/syncs/x/backfills"),
        ("POST", "/v1/syncs/x/sweeps"),
        ("PATCH", "/v1/credentials/x"),
        ("DELETE", "/v1/credentials/x"),
        ("POST", "/v1/credentials/x/check"),
        ("POST", "/v1/collections/x/refresh"),
        ("PUT", "/v1/providers/x"),
        ("DELETE", "/v1/providers/x"),
        ("GET", "/v1/api-keys"),
        ("POST", "/v1/api-keys"),
        ("GET", "/v1/api-keys/x"),
        ("PATCH", "/v1/api-keys/x"),
        ("DELETE", "/v1/api-keys/x"),
    ],
)
async def test_changes_need_the_admin_scope(server: Server, method: str, path: str) -> None:
    """A key that reads and writes rules nothing, and is told so before anything else."""
    await server.refused(method, path, 403, "key.scope", headers=await server.key("read", "write"), json={})


async def test_reading_needs_the_read_scope(server: Server) -> None:
    """A key that only writes reads nothing; `admin` includes it."""
    writer = await server.key("write")
    for path in ("/v1/records", "/v1/events", "/v1/syncs", "/v1/records/tail", "/v1/providers"):
        await server.refused("GET", path, 403, "key.scope", headers=writer)
    await server.get("/v1/records", headers=await server.key("admin"))
