"""The made-up CRM's HTTP API: pages, deletes in three ways, key, limit and bad moments."""

from typing import Any

import httpx
import pytest

from headwater.demo.api import make_app
from headwater.demo.life import Life, begin
from headwater.demo.manners import Manners, Window

KEY = {"Authorization": "Bearer demo-key"}


@pytest.fixture
def life() -> Life:
    return begin(seed=1, objects=300, pace=1)


def client_of(life: Life, **manners: Any) -> httpx.AsyncClient:
    app = make_app(life, Manners(**{"faults": 0.0, "per_second": 1000, **manners}))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://crm", headers=KEY)


@pytest.fixture
def crm(life: Life) -> httpx.AsyncClient:
    return client_of(life)


async def every(crm: httpx.AsyncClient, path: str, **params: Any) -> list[Any]:
    found: list[Any] = []
    params |= {"limit": 7}
    while True:
        page = (await crm.get(path, params=params)).json()
        assert len(page["items"]) <= 7
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


async def truth(crm: httpx.AsyncClient) -> Any:
    return (await crm.get("/_control/state")).json()["objects"]


def go_on(life: Life, steps: int) -> None:
    from headwater.demo.life import now_ms

    for step in range(steps):
        life.world.step(now_ms() + step)
        life.world.settle(now_ms() + step)
    life.world.settle(now_ms() + steps + 1000)


async def test_pages_hold_everything_once_across_ties(crm: httpx.AsyncClient) -> None:
    """A page may end within objects of one update time; the next goes on there."""
    objects = await truth(crm)
    for plural, kind in (("companies", "company"), ("contacts", "contact"), ("deals", "deal")):
        assert await every(crm, f"/v1/{plural}") == objects[kind]
        first = (await crm.get(f"/v1/{plural}")).json()
        assert first["total"] == len(objects[kind])


async def test_changed_since_is_inclusive(crm: httpx.AsyncClient) -> None:
    """Everything of that very millisecond comes again, and nothing older."""
    contacts = (await truth(crm))["contact"]
    middle = contacts[len(contacts) // 2]["updated_at"]
    found = await every(crm, "/v1/contacts", updated_since=middle)
    assert found == [one for one in contacts if one["updated_at"] >= middle]


async def test_deletes_show_in_three_ways(life: Life, crm: httpx.AsyncClient) -> None:
    """Companies leave tombstones, contacts a list of their own, deals nothing."""
    before = await truth(crm)
    go_on(life, 3000)
    after = await truth(crm)
    gone = {kind: {one["id"] for one in before[kind]} - {one["id"] for one in after[kind]} for kind in before}
    assert all(gone.values())
    tombstones = await every(crm, "/v1/companies", updated_since="2000-01-01T00:00:00Z")
    assert gone["company"] <= {one["id"] for one in tombstones if one.get("deleted")}
    assert await every(crm, "/v1/companies") == after["company"]
    notices = await every(crm, "/v1/contacts/deleted")
    assert gone["contact"] <= {one["id"] for one in notices}
    late = notices[-1]["deleted_at"]
    assert await every(crm, "/v1/contacts/deleted", since=late) == [
        one for one in notices if one["deleted_at"] >= late
    ]
    assert not any(one.get("deleted") for one in await every(crm, "/v1/deals"))
    for plural, kind, status in (
        ("companies", "company", 410),
        ("contacts", "contact", 404),
        ("deals", "deal", 404),
    ):
        assert (await crm.get(f"/v1/{plural}/{min(gone[kind])}")).status_code == status


async def test_a_single_object_looks_as_in_the_list(crm: httpx.AsyncClient) -> None:
    """Byte for byte."""
    for plural in ("companies", "contacts", "deals"):
        listed = await crm.get(f"/v1/{plural}", params={"limit": 1})
        single = await crm.get(f"/v1/{plural}/{listed.json()['items'][0]['id']}")
        assert single.content in listed.content
    assert (await crm.get("/v1/deals/dea_999999")).status_code == 404


async def test_the_tag_of_the_deals_covers_the_whole_list(life: Life, crm: httpx.AsyncClient) -> None:
    """Equal tags: not one deal has changed, on whatever page."""
    tag = (await crm.get("/v1/deals")).headers["etag"]
    assert (await crm.get("/v1/deals", headers={"If-None-Match": tag})).status_code == 304
    go_on(life, 50)
    changed = await crm.get("/v1/deals", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_the_key_is_needed(life: Life) -> None:
    """Except by those who tell it what to do."""
    async with client_of(life, key="another") as crm:
        assert (await crm.get("/v1/me")).status_code == 401
        assert (await crm.get("/_control/state")).status_code == 200


async def test_the_limit_says_when_to_come_again(life: Life) -> None:
    """429 with Retry-After, and the quota on every answer."""
    async with client_of(life, per_second=3) as crm:
        answers = [await crm.get("/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[-1].headers["retry-after"] == "1"


def test_a_window_opens_again() -> None:
    """A second after its first request."""
    window = Window(1)
    assert window.take(10.0)[0]
    assert window.take(10.9) == (False, 0, pytest.approx(0.1))
    assert window.take(11.0)[0]


async def test_bad_requests_are_told(crm: httpx.AsyncClient) -> None:
    """A cursor, time or limit that is none is no reason to fall over."""
    for path in (
        "/v1/companies?cursor=x",
        "/v1/companies?cursor=WzFd",
        "/v1/companies?updated_since=noon",
        "/v1/companies?limit=0",
        "/v1/companies?limit=9999",
    ):
        assert (await crm.get(path)).status_code == 400, path
    assert (await crm.get("/v1/unicorns")).status_code == 404


async def test_it_stops_and_goes_on_when_told(crm: httpx.AsyncClient) -> None:
    """The control is for demonstrations and tests."""
    assert (await crm.post("/_control/stop")).json()["stopped"] is True
    assert (await crm.post("/_control/start")).json()["stopped"] is False
