"""The fake API does what its switches say, and its truth is what its lists show."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from random import Random
from typing import Any

import aiohttp
import msgspec
import pytest

from headwater.providers.rest.parse import parse
from headwater.testing.fake_api import Running, World, document, serving
from headwater.testing.fake_api.document import Style
from headwater.testing.fake_api.requests import Requests
from headwater.testing.fake_api.world import Objects

OBJECTS = Objects(collections=("contact", "deal"), count=57, size=300)


class Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next_cursor: str | None = None
    has_more: bool = False

    def texts(self) -> list[str]:
        return [bytes(item).decode() for item in self.items]


@pytest.fixture
async def api() -> AsyncIterator[Running]:
    async with serving(World(seed=7, objects=OBJECTS)) as running:
        yield running


@pytest.fixture
async def client(api: Running) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {api.key}"}
    async with aiohttp.ClientSession(api.url, headers=headers) as session:
        yield session


def turn(api: Running, **changes: Any) -> None:
    api.world.switches = api.world.switches.turned(changes)


async def read(client: aiohttp.ClientSession, path: str, **params: str) -> Page:
    async with client.get(path, params=params) as answer:
        assert answer.status == 200
        return msgspec.json.decode(await answer.read(), type=Page)


async def read_all(client: aiohttp.ClientSession, path: str, **params: str) -> list[str]:
    """Page by cursor to the end; bounded."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(200):
        page = await read(client, path, **params, **cursor)
        found += page.texts()
        if page.next_cursor is None:
            return found
        cursor = {"cursor": page.next_cursor}
    raise AssertionError("no end")


async def test_the_lists_show_the_truth(api: Running, client: aiohttp.ClientSession) -> None:
    """By cursor, by link and by offset, through many changes."""
    dice = Random(3)
    for _ in range(500):
        api.world.change(dice, "contact")
    truth = sorted(api.world.rows["contact"].truth().values())
    assert sorted(await read_all(client, "/v1/cursor/contact", limit="10")) == truth
    by_offset: list[str] = []
    for offset in range(0, 1000, 10):
        page = await read(client, "/v1/offset/contact", limit="10", offset=str(offset))
        by_offset += page.texts()
        if not page.has_more:
            break
    assert sorted(by_offset) == truth
    linked: list[str] = []
    url: str | None = "/v1/link/contact?limit=10"
    for _ in range(200):
        async with client.get(url) as answer:
            linked += msgspec.json.decode(await answer.read(), type=Page).texts()
            following = answer.links.get("next")
        if following is None:
            break
        url = str(following["url"])
    assert sorted(linked) == truth


async def test_since_is_inclusive_in_order_and_shows_tombstones(
    api: Running, client: aiohttp.ClientSession
) -> None:
    """From the time of a change on, with the change itself, the oldest first; deletes where asked for."""
    rows = api.world.rows["contact"]
    at = max(rows.at(i).updated_ms for i in range(57))
    seconds = msgspec.json.decode(rows.at(56).text)["updated_at"]
    api.world.delete(Random(1), "contact")
    plain = await read_all(client, "/v1/cursor/contact", updated_since=seconds, limit="1")
    both = await read_all(client, "/v1/cursor/contact", updated_since=seconds, limit="1", tombstones="true")
    times = [msgspec.json.decode(text)["updated_at"] for text in both]
    assert times == sorted(times)
    assert len(both) == len(plain) + 1
    assert msgspec.json.decode(both[-1])["deleted"] is True
    assert all(row.updated_ms >= at for row in [rows.at(56)])
    gone = await read_all(client, "/v1/cursor/contact/deleted", since=seconds)
    assert [msgspec.json.decode(text)["id"] for text in gone] == [msgspec.json.decode(both[-1])["id"]]


async def test_many_share_one_instant(api: Running, client: aiohttp.ClientSession) -> None:
    """A burst puts many objects on one update time, and each is listed once."""
    api.world.burst(Random(5), "contact", 200)
    found = [msgspec.json.decode(text) for text in await read_all(client, "/v1/cursor/contact", limit="7")]
    assert len({one["id"] for one in found}) == len(found) == 57
    times = [one["updated_at"] for one in found]
    assert max(times.count(at) for at in times) > 30


async def test_a_real_sliding_window(api: Running, client: aiohttp.ClientSession) -> None:
    """More than the limit in any window is refused, and the highest number is remembered."""
    turn(api, limit=5, window_ms=60_000)
    statuses: list[int] = []
    for _ in range(8):
        async with client.get("/v1/me") as answer:
            statuses.append(answer.status)
            if answer.status == 429:
                assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert statuses == [200] * 5 + [429] * 3
    assert api.requests.highest(60) == 8


def test_the_highest_number_in_any_window() -> None:
    """Counted over all arrivals, wherever the window begins; a window of a second holds no whole second."""
    requests = Requests()
    for at in (0.0, 0.75, 1.0, 1.25, 1.5, 1.625, 1.75, 3.0):
        requests.arrive(at, "GET /")
    assert requests.highest(1) == 5
    assert requests.highest(0.125) == 1
    assert requests.admit(0.0, 2, 1) is None
    assert requests.admit(0.5, 2, 1) is None
    assert requests.admit(0.75, 2, 1) == pytest.approx(0.25)
    assert requests.admit(1.0, 2, 1) is None


@pytest.mark.parametrize("fault", ["half", "cut"])
async def test_bodies_that_end_early(api: Running, client: aiohttp.ClientSession, fault: str) -> None:
    """With a length or in chunks, a careful client notices."""
    turn(api, **{fault: 1.0})
    with pytest.raises(aiohttp.ClientPayloadError):
        await read(client, "/v1/cursor/contact")


async def test_broken_json_errors_and_no_fault(api: Running, client: aiohttp.ClientSession) -> None:
    """Each switch alone, and off again."""
    turn(api, broken=1.0)
    with pytest.raises(msgspec.DecodeError):
        await read(client, "/v1/cursor/contact")
    turn(api, broken=0.0, errors=1.0)
    async with client.get("/v1/cursor/contact") as answer:
        assert answer.status in {500, 502, 503}
    turn(api, errors=0.0, refuse_next=1)
    async with client.get("/v1/cursor/contact") as answer:
        assert answer.status == 401
    assert len((await read(client, "/v1/cursor/contact")).items) == 50


async def test_an_answer_that_takes_long(api: Running, client: aiohttp.ClientSession) -> None:
    """To a client with less patience it is a time-out."""
    turn(api, hang=1.0, hang_ms=60_000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(client, "/v1/cursor/contact"), 0.05)


async def test_page_tokens_that_come_again(api: Running, client: aiohttp.ClientSession) -> None:
    """The token that was sent is given as the next one."""
    first = await read(client, "/v1/cursor/contact", limit="10")
    assert first.next_cursor is not None
    turn(api, repeat=1.0)
    again = await read(client, "/v1/cursor/contact", limit="10", cursor=first.next_cursor)
    assert again.next_cursor == first.next_cursor


async def test_short_and_shuffled_pages(api: Running, client: aiohttp.ClientSession) -> None:
    """Pages of fewer objects than asked for, in no order, still show everything."""
    turn(api, short=1.0, shuffle=True)
    assert sorted(await read_all(client, "/v1/cursor/contact", limit="20")) == sorted(
        api.world.rows["contact"].truth().values()
    )


async def test_late_rows(api: Running, client: aiohttp.ClientSession) -> None:
    """A change is not visible at once, and then with the time at which it was made."""
    turn(api, late=1.0, late_ms=60_000)
    before = await read_all(client, "/v1/cursor/contact")
    made_ms = api.world.now_ms()
    api.world.update(Random(1), "contact")
    assert await read_all(client, "/v1/cursor/contact") == before
    assert api.world.unseen == 1
    turn(api, clock_ms=120_000)
    after = await read_all(client, "/v1/cursor/contact")
    (changed,) = set(after) - set(before)
    row = api.world.rows["contact"].get(msgspec.json.decode(changed)["id"])
    assert row is not None
    assert abs(row.updated_ms - made_ms) < 1000


async def test_tokens_expire(api: Running, client: aiohttp.ClientSession) -> None:
    """An access token is good until it is ended."""
    async with client.post("/oauth/token") as answer:
        token = (await answer.json())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with client.get("/v1/me", headers=headers) as answer:
        assert answer.status == 200
    await client.post("/_control/expire")
    async with client.get("/v1/me", headers=headers) as answer:
        assert answer.status == 401


async def test_nothing_has_changed(api: Running, client: aiohttp.ClientSession) -> None:
    """An ETag gets a 304 until something changes."""
    async with client.get("/v1/cursor/contact") as answer:
        asked = {"If-None-Match": answer.headers["ETag"]}
    async with client.get("/v1/cursor/contact", headers=asked) as answer:
        assert answer.status == 304
    api.world.update(Random(1), "contact")
    async with client.get("/v1/cursor/contact", headers=asked) as answer:
        assert answer.status == 200


async def test_the_truth_has_all_states(api: Running, client: aiohttp.ClientSession) -> None:
    """Every state that was shown, in order; the last one is the object."""
    await client.post("/_control/run", params={"changes_per_second": "2000", "seconds": "0.2"})
    await asyncio.sleep(0.3)
    async with client.get("/_control/truth") as answer:
        truth = await answer.json()
    assert not truth["running"]
    assert sum(truth["made"].values()) > 100
    for name, objects in truth["objects"].items():
        states = truth["states"][name]
        assert objects == {id: of[-1] for id, of in states.items() if of[-1] is not None}
        assert all(one != other for of in states.values() for one, other in pairwise(of))


async def test_white_space_changes_no_token(api: Running, client: aiohttp.ClientSession) -> None:
    """Bodies with spaces hold the same values."""
    plain = await read(client, "/v1/cursor/deal", limit="3")
    turn(api, spaces=True)
    spaced = await read(client, "/v1/cursor/deal", limit="3")
    assert spaced.texts() != plain.texts()
    assert [msgspec.json.decode(t) for t in spaced.texts()] == [msgspec.json.decode(t) for t in plain.texts()]


async def test_single_objects(api: Running, client: aiohttp.ClientSession) -> None:
    """As in the list; 404 for strangers, 410 for those that are gone."""
    row = api.world.rows["deal"].at(0)
    async with client.get(f"/v1/cursor/deal/{row.id}") as answer:
        assert await answer.text() == row.text
    async with client.get("/v1/cursor/deal/nobody") as answer:
        assert answer.status == 404
    for _ in range(56):
        api.world.delete(Random(1), "deal")
    gone = next(id for id, states in api.world.rows["deal"].states.items() if states[-1] is None)
    async with client.get(f"/v1/cursor/deal/{gone}") as answer:
        assert answer.status == 410


async def test_switches_over_http(api: Running, client: aiohttp.ClientSession) -> None:
    """They are turned by name; a wrong name is refused."""
    async with client.patch("/_control/switches", json={"errors": 0.25}) as answer:
        assert (await answer.json())["errors"] == 0.25
    async with client.patch("/_control/switches", json={"erors": 0.25}) as answer:
        assert answer.status == 400


def test_two_worlds_of_one_seed() -> None:
    """Same seed, same objects and changes."""

    def told(world: World) -> list[tuple[str, int, bool]]:
        dice = Random(9)
        for _ in range(300):
            world.change(dice)
        rows = world.rows["contact"]
        return [(row.id, row.revision, row.deleted) for row in map(rows.at, range(len(rows)))]

    random_ids = Objects(count=20, random_ids=True)
    assert told(World(4, random_ids)) == told(World(4, random_ids))
    assert told(World(4, random_ids)) != told(World(5, random_ids))


@pytest.mark.parametrize("paging", ["cursor", "link", "offset"])
@pytest.mark.parametrize("deletes", ["tombstones", "list", "none"])
@pytest.mark.parametrize("since", [True, False])
def test_its_documents_are_good(paging: Any, deletes: Any, since: bool) -> None:
    """Every style is a document that Headwater takes."""
    style = Style(paging=paging, deletes=deletes, since=since)
    text = msgspec.json.encode(document("http://127.0.0.1:1", {"contact": style}, oauth=since)).decode()
    assert parse(text).name == "fake"


def test_the_program() -> None:
    """Its first line is the port, and it ends with its parent's wish."""
    command = [
        sys.executable,
        "-m",
        "headwater.testing.fake_api",
        "--switches",
        '{"limit": 3}',
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        process.terminate()
        assert process.wait(20) == 0
