"""Who asks GitHub and how fast: addresses, limits of each kind of credential, tokens of an App."""

import json
from datetime import timedelta
from typing import Any, cast

import pytest
from tests.kit.virtual import VirtualClock
from tests.providers.github.opened import opened

from headwater.errors import Halt
from headwater.kit.clock import SystemClock, from_us
from headwater.kit.http import Answer, Opening, Registrar
from headwater.model.secret import Secret
from headwater.providers.github import GITHUB, access
from headwater.providers.github.app import signature
from headwater.testing.fake_github import World
from headwater.testing.fake_github.visitors import APP_ID, Visitors


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (None, "https://api.github.com"),
        ("https://api.github.com/", "https://api.github.com"),
        ("https://github.acme.example", "https://github.acme.example/api/v3"),
        ("https://github.acme.example/api/v3/", "https://github.acme.example/api/v3"),
        ("https://api.acme.ghe.com", "https://api.acme.ghe.com"),
    ],
)
def test_where_the_api_is(given: str | None, address: str) -> None:
    """An Enterprise Server has it below `/api/v3`, Enterprise Cloud at a host of its own."""
    assert access.address({} if given is None else {"base_url": given}) == address


@pytest.mark.parametrize(("kind", "hourly"), [("public", 30), ("token", 2_500), ("app", 2_500)])
def test_half_of_the_quota_is_taken(kind: str, hourly: int) -> None:
    """By kind of credential; and of the points of a minute."""
    provider = GITHUB.configured({}).opened(kind, {"token": "t", "installation_id": "1"})
    hour, minute = provider.budget
    assert (hour.allowed, hour.per) == (hourly, timedelta(hours=1))
    assert (minute.allowed, minute.per) == (450, timedelta(minutes=1))
    assert hour.concurrent is not None
    assert hour.concurrent <= 10


@pytest.fixture
def visitors() -> Visitors:
    """Those of any fake: all of a process have one App."""
    return Visitors(World())


@pytest.mark.parametrize(
    ("kind", "names"), [("public", 1), ("token", 1), ("token", 100), ("app", 0), ("public", 30)]
)
def test_looking_alone_leaves_most_of_the_budget(kind: str, names: int) -> None:
    """While nothing changes, rounds of all collections over all repositories take less than half of it."""
    config = {"repositories": [f"octo/r{number}" for number in range(names)]} if names else {}
    provider = GITHUB.configured(config).opened(kind, {"token": "t", "installation_id": "1"})
    hour = timedelta(hours=1)
    looks = sum(hour / one.poll_every[1] * (names or 20) for one in provider.collections)
    assert looks <= 0.5 * provider.budget[0].allowed
    again = provider.opened(kind, {"token": "t", "installation_id": "1"})
    assert [one.poll_every for one in again.collections] == [one.poll_every for one in provider.collections]


def app(visitors: Visitors, **more: Any) -> dict[str, Any]:
    """Return the properties of the App's installation."""
    known = {"app_id": APP_ID, "private_key": visitors.private_key, "installation_id": "7"}
    return known | more


async def test_an_app_reads_what_its_installation_has(visitors: Visitors) -> None:
    """One token for all requests; the repositories are those of the installation."""
    world = World()
    mine, theirs = (world.make_repo(f"octo/{name}", private=True) for name in ("mine", "theirs"))
    async with opened(world, kind="app", **app(visitors)) as github:
        github.running.visitors.installations[7].repositories = {mine.id}
        assert set(await github.all("repository")) == {str(mine.id)}
        with pytest.raises(Halt) as raised:  # the labels of the other one
            await github.all("label")
        assert raised.value.error_code == "provider.path_not_found"
        world.delete_repo(theirs)
        assert await github.all("label") == world.dump()["label"]
        assert github.running.visitors.issued == 1
        assert github.provider.check is not None
        host = github.running.url.removeprefix("http://")
        assert await github.provider.check(github.http) == f"installation/7@{host}"


async def test_an_app_may_be_narrowed_to_some_repositories(visitors: Visitors) -> None:
    """The token itself is for no more."""
    world = World()
    one, two = (world.make_repo(f"octo/{name}", private=True) for name in ("one", "two"))
    async with opened(world, kind="app", **app(visitors, repositories=["one"])) as github:
        assert set(await github.all("repository")) == {str(one.id)}
        [observed] = (await github.one("repository", str(two.id))).observed
        assert observed.deleted
    async with opened(world, kind="app", **app(visitors, repositories=["none"])) as github:
        with pytest.raises(Halt) as raised:
            await github.all("repository")
        assert raised.value.error_code == "provider.credential_refused"


async def test_a_token_is_renewed_when_it_has_ended(visitors: Visitors) -> None:
    """A 401 fetches another and the request is made once more: nobody notices."""
    world = World()
    world.make_repo("octo/hello")
    async with opened(world, kind="app", **app(visitors)) as github:
        for issued in (1, 2, 3):
            assert len(await github.all("label")) == 1
            assert github.running.visitors.issued == issued
            github.running.visitors.expire()


class Door:
    """Gives tokens of an hour, as GitHub does, by the time of a clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.given = clock, 0

    async def post_json(self, url: str, value: Any, **_more: Any) -> Answer:
        self.given += 1
        ends = from_us(self.clock.now_us()) + timedelta(hours=1)
        grant = {"token": f"ghs_{self.given}", "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
        body, asked_us = json.dumps(grant).encode(), self.clock.now_us()
        return Answer(status=201, headers={}, body=body, url=url, asked_us=asked_us)


async def test_a_token_is_renewed_before_its_hour_ends(visitors: Visitors) -> None:
    """One that ends while a request may still wait is used no more."""
    clock = VirtualClock()
    door = Door(clock)
    authorizer = access.authorize("app", app(visitors))
    assert isinstance(authorizer, Opening)
    opened_by = authorizer.through(lambda _url: cast("Registrar", door), clock)
    sent: list[str] = []
    for minute in (0, 58, 59.5, 61):
        await clock.pass_until(minute * 60)
        headers = dict[str, str]()
        await opened_by.apply(headers, {})
        sent.append(headers["Authorization"])
    assert sent == ["Bearer ghs_1", "Bearer ghs_1", "Bearer ghs_2", "Bearer ghs_2"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"app_id": "another"}, "provider.credential_refused"),
        ({"installation_id": "8"}, "provider.credential_refused"),
        ({"private_key": "-----BEGIN RSA PRIVATE KEY-----\nno\n"}, "provider.credential_invalid"),
    ],
)
async def test_a_wrong_app_is_told(visitors: Visitors, wrong: dict[str, str], code: str) -> None:
    """A person is called, and nothing of the key is told (P8)."""
    world = World()
    world.make_repo("octo/hello")
    properties = app(visitors) | wrong
    async with opened(world, kind="app", **properties) as github:
        with pytest.raises(Halt) as raised:
            await github.all("label")
    assert raised.value.error_code == code
    assert raised.value.fix
    told = f"{raised.value} {raised.value.context} {raised.value!r} {raised.value.__cause__!r}"
    assert properties["private_key"] not in told
    assert "PRIVATE KEY" not in repr(access.authorize("app", properties))


def test_a_signature_lasts_for_minutes(visitors: Visitors) -> None:
    """It begins a minute ago, and is over before GitHub's ten are: a clock may be off by a little."""
    now_us = SystemClock().now_us()
    for skew, lets_in in ((0, True), (-30, True), (30, True), (-700, False), (700, False)):
        signed = signature(APP_ID, Secret(visitors.private_key), now_us + skew * 1_000_000)
        found = visitors.who(f"Bearer {signed}")
        assert (found is not None) is lets_in, skew


async def test_whose_quota_a_token_spends() -> None:
    """Two tokens of one person share it; one that is nobody's is a credential like any other."""
    async with opened(World()) as github:
        assert github.provider.check is not None
        me, host = github.world.me["id"], github.running.url.removeprefix("http://")
        assert await github.provider.check(github.http) == f"user/{me}@{host}"
    async with opened(World(), kind="public") as public:
        assert public.provider.check is not None
        host = public.running.url.removeprefix("http://")
        assert await public.provider.check(public.http) == f"public@{host}"


async def test_a_refused_token_calls_a_person() -> None:
    """401 without anything to renew."""
    async with opened(World(), token="wrong") as github:
        assert github.provider.check is not None
        with pytest.raises(Halt) as raised:
            await github.provider.check(github.http)
        assert raised.value.error_code == "provider.credential_refused"
