"""Linking accounts over HTTP: by the user's consent, once, in one browser, for one tenant."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import httpx
import pytest
from tests.api.server import Server, serve
from tests.management.office import Hands, office
from tests.providers.linked import linking

from headwater.kit.http import open_session
from headwater.management.doors import Opened
from headwater.management.public import PublicUrl
from headwater.model.secret import MASK
from headwater.store.database import Database
from headwater.streams.memory import MemoryStreams
from headwater.testing.fake_oauth import Running, Switches, serving

PUBLIC = "https://headwater"
BACK = "https://app.example/linked?from=us"


class Place:
    """A server with an OAuth app of the fake API, and users with browsers."""

    def __init__(self, server: Server, fake: Running, app: dict[str, Any]) -> None:
        self.server, self.fake, self.app = server, fake, app

    async def link(self, expect: int = 201, **more: Any) -> Any:
        """Make a link."""
        body = {"oauth_app_id": self.app["id"], "redirect_url": BACK} | more
        return await self.server.call("POST", "/v1/link/token", expect, json=body)

    @asynccontextmanager
    async def browser(self) -> AsyncGenerator[httpx.AsyncClient]:
        """Open a browser, which has cookies and follows nothing by itself."""
        transport = httpx.ASGITransport(self.server.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
            yield client

    async def agree(self, browser: httpx.AsyncClient, link: Any) -> str:
        """Open a link and agree at the API; return the address of the way back."""
        started = await browser.get(link["url"])
        assert started.status_code == 302, started.text
        async with httpx.AsyncClient() as outside:
            agreed = await outside.get(started.headers["location"])
        assert agreed.status_code == 302, agreed.text
        return agreed.headers["location"]

    async def linked(self, **more: Any) -> dict[str, str]:
        """Link an account; return what the user brings to where the link ends."""
        link = await self.link(**more)
        async with self.browser() as browser:
            back = await self.agree(browser, link)
            ended = await browser.get(back)
        assert ended.status_code == 302, ended.text
        assert ended.headers["location"].startswith(BACK)
        found = dict(parse_qsl(urlsplit(ended.headers["location"]).query))
        assert found.pop("from") == "us"
        return found


async def doors_check(made: Any, provider: Any, kind: str, properties: Any) -> str | None:
    """Try a credential for real."""
    return await made.doors.check(provider, Opened(kind=kind, properties=properties))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    """A server that knows its public address, and the fake API."""
    clock, session = Hands(), open_session()
    database = await Database.open(f"sqlite:///{tmp_path}/headwater.db", clock=clock)
    engine = MemoryStreams(partitions=4, clock=clock)
    async with serving() as fake:
        made = office(
            database, engine, clock, providers=(linking(fake.url),), session=session, public_url=PUBLIC,
            check=lambda provider, kind, properties: doors_check(made, provider, kind, properties),
        )  # fmt: skip
        async with serve(made) as server:
            body = {
                "provider": "fake", "client_id": "client", "client_secret": "client-secret",
                "config": {"url": fake.url}, "redirect_urls": [BACK],
            }  # fmt: skip
            app = await server.call("POST", "/v1/oauth-apps", 201, json=body)
            yield Place(server, fake, app)
    await session.close()
    await database.close()


async def test_an_account_is_linked(place: Place) -> None:
    """By PKCE and the app's own callback; the credential is the tenant's, its secrets masked."""
    found = await place.linked(external_id="org_42", name="Acme", metadata={"a": 1})
    assert found["status"] == "ok"
    credential = await place.server.get(f"/v1/credentials/{found['credential_id']}")
    assert credential["kind"] == "oauth2"
    assert credential["oauth_app_id"] == place.app["id"]
    assert (credential["name"], credential["external_id"]) == ("Acme", "org_42")
    assert credential["metadata"] == {"a": 1}
    assert credential["properties"]["access_token"] == MASK
    assert credential["properties"]["refresh_token"] == MASK
    assert credential["properties"]["account"] == "acme"
    (asked,) = place.fake.authority.asked
    assert asked["redirect_uri"] == f"{PUBLIC}/link/callback/fake" == place.app["callback_url"]
    assert asked["scope"] == "read more"
    assert asked["code_challenge_method"] == "S256"
    checked = await place.server.call("POST", f"/v1/credentials/{found['credential_id']}/check")
    assert checked["health"]["status"] == "ok"


async def test_p12_the_same_account_is_one_credential_for_each_tenant(place: Place) -> None:
    """Linked again it is renewed; another tenant's is another one."""
    first = await place.linked(external_id="a")
    again = await place.linked(external_id="a")
    other = await place.linked(external_id="b")
    assert first["credential_id"] == again["credential_id"] != other["credential_id"]
    key = await place.server.key("admin", external_id="a")
    body = {"oauth_app_id": place.app["id"]}
    await place.server.refused("POST", "/v1/link/token", 404, "oauth_app.not_found", json=body, headers=key)
    reader = await place.server.key("read")
    await place.server.refused("POST", "/v1/link/token", 403, "key.scope", json=body, headers=reader)


async def test_a_user_who_declines(place: Place) -> None:
    """Nothing is linked, and the user comes back."""
    place.fake.authority.switches = Switches(denies=True)
    assert await place.linked() == {"status": "denied"}
    assert (await place.server.get("/v1/credentials"))["data"] == []


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        (Switches(failures=1), "provider.unavailable"),
        (Switches(client_in="basic"), "provider.credential_refused"),
        (Switches(token_seconds=-1), "provider.credential_refused"),
    ],
    ids=["the token endpoint fails", "the app is refused", "the token does not work"],
)
async def test_what_goes_wrong_at_the_api(place: Place, switches: Switches, code: str) -> None:
    """The user comes back with a code, and nothing is kept."""
    place.fake.authority.switches = switches
    assert await place.linked() == {"status": "failed", "code": code}
    assert (await place.server.get("/v1/credentials"))["data"] == []


async def test_a_state_works_once_for_five_minutes(place: Place) -> None:
    """The way back a second time, too late, changed, or at another provider's address leads nowhere."""
    link = await place.link()
    async with place.browser() as browser:
        back = await place.agree(browser, link)
        changed = back.replace("state=", "state=x")
        elsewhere = back.replace("/callback/fake", "/callback/other")
        assert (await browser.get(changed)).status_code == 400
        assert (await browser.get(back)).status_code == 302
        again = await browser.get(back)
        assert again.status_code == 400
        assert "link.state_unknown" in again.text
        back = await place.agree(browser, link)
        place.server.office.clock.move(301)
        assert (await browser.get(back)).status_code == 400
        back = await place.agree(browser, link)
        assert (await browser.get(back.replace("/callback/fake", "/callback/other"))).status_code == 400
        assert (await browser.get(back)).status_code == 400, "a state that was misused is used up"
        assert (await browser.get(elsewhere)).status_code == 400
        assert (await browser.get("/link/callback/fake?code=x")).status_code == 400
    assert place.fake.authority.exchanges == 1
    assert await place.server.office.rows("link_states") == []


async def test_a_link_ends_in_the_browser_where_it_began(place: Place) -> None:
    """Nobody can have somebody else's account linked to his own tenant by sending the way back."""
    link = await place.link()
    async with place.browser() as attacker, place.browser() as victim:
        back = await place.agree(attacker, link)
        refused = await victim.get(back)
        assert refused.status_code == 403
        assert "link.other_browser" in refused.text
        assert (await attacker.get(back)).status_code == 400
    assert place.fake.authority.exchanges == 0


async def test_a_link_expires_and_cannot_be_forged(place: Place) -> None:
    """After half an hour, or with another token, a page says so."""
    link = await place.link()
    async with place.browser() as browser:
        for token in ("", "x", link["token"][:-4] + "AAAA", "gAAAA\x7f"):
            assert (await browser.get("/link/start", params={"token": token})).status_code == 400
        sealed = place.server.office.vault.seal(b'{"client_secret":"x"}').decode()
        assert (await browser.get("/link/start", params={"token": sealed})).status_code == 400
        place.server.office.clock.move(1801)
        late = await browser.get(link["url"])
        assert late.status_code == 400
        assert "link.token_invalid" in late.text
        assert late.headers["content-type"].startswith("text/html")


async def test_a_link_ends_only_where_the_app_allows(place: Place) -> None:
    """Letter by letter, also when the list has changed since; without an address a page says how it went."""
    for url in (BACK + "x", BACK[:-1], "https://evil.example", BACK.upper()):
        problem = await place.server.refused(
            "POST", "/v1/link/token", 422, "request.invalid",
            json={"oauth_app_id": place.app["id"], "redirect_url": url},
        )  # fmt: skip
        assert problem["errors"][0]["field"] == "redirect_url"
    link = await place.link()
    await place.server.call("PATCH", f"/v1/oauth-apps/{place.app['id']}", json={"redirect_urls": []})
    async with place.browser() as browser:
        ended = await browser.get(await place.agree(browser, link))
        assert ended.status_code == 200
        assert "The account is linked." in ended.text
    assert "location" not in ended.headers


async def test_p8_nothing_of_the_way_is_kept_or_shown(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Neither code nor token nor verifier is in an answer, an address of ours, an open row or a log."""
    caplog.set_level("DEBUG")
    link = await place.link()
    async with place.browser() as browser:
        started = await browser.get(link["url"])
        (state,) = await place.server.office.rows("link_states")
        assert "verifier" not in str(state.payload)
        for answer in (started,):
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"
        cookie = started.headers["set-cookie"].lower()
        assert all(
            word in cookie for word in ("httponly", "secure", "samesite=lax", "path=/link", "max-age=300")
        )
        async with httpx.AsyncClient() as outside:
            back = (await outside.get(started.headers["location"])).headers["location"]
        ended = await browser.get(back)
    code = parse_qs(urlsplit(back).query)["code"][0]
    said = ended.text + str(ended.headers)
    secrets = [code, *place.fake.authority.access, *place.fake.authority.refresh]
    assert not any(secret in said for secret in secrets)
    (row,) = await place.server.office.rows("credentials")
    assert not any(secret in str(row) for secret in secrets)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    assert not any(secret in line for line in ours for secret in secrets)


async def test_a_browser_keeps_its_proof_below_the_public_address(place: Place) -> None:
    """Also where that has a path of its own: a proxy may have put us below one."""
    links = place.server.office.services.links
    below = replace(links, public=PublicUrl(f"{PUBLIC}/base"))
    object.__setattr__(place.server.office.services, "links", below)
    token = (await place.link())["token"]
    async with place.browser() as browser:
        started = await browser.get("/link/start", params={"token": token})
    assert "path=/base/link;" in started.headers["set-cookie"].lower()
    assert quote(f"{PUBLIC}/base/link/callback/fake", safe="") in started.headers["location"]


async def test_oauth_apps_are_kept_with_their_secrets_sealed(place: Place) -> None:
    """Made, listed, changed, removed; secrets are never shown, masked ones are kept."""
    server, path = place.server, f"/v1/oauth-apps/{place.app['id']}"
    assert place.app["client_secret"] == MASK
    (row,) = await server.office.rows("oauth_apps")
    assert "client-secret" not in str(row)
    changed = await server.call("PATCH", path, json={"client_secret": MASK, "name": "New", "scopes": ["x"]})
    assert (changed["name"], changed["scopes"]) == ("New", ["x"])
    found = await place.linked()
    assert found["status"] == "ok"
    assert (await server.get("/v1/oauth-apps", params={"provider": "fake"}))["data"] == [changed]
    await server.refused("DELETE", path, 409, "oauth_app.in_use")
    await server.call("DELETE", f"/v1/credentials/{found['credential_id']}", 204)
    await server.call("DELETE", path, 204)
    await server.refused("GET", path, 404, "oauth_app.not_found")


async def test_oauth_apps_with_mistakes_are_refused(place: Place) -> None:
    """Config, addresses, providers without OAuth; each mistake with its field."""
    good = {
        "provider": "fake",
        "client_id": "c",
        "client_secret": "s",
        "config": {"url": "https://x.example"},
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"config": {}}, "config.url"),
        ({"config": {"url": 1}}, "config.url"),
        ({"redirect_urls": ["http://app.example"]}, "redirect_urls.0"),
        ({"redirect_urls": ["https://ok.example", "javascript:alert(1)"]}, "redirect_urls.1"),
        ({"redirect_urls": ["https://a.example/#x"]}, "redirect_urls.0"),
        ({"redirect_urls": ["https://me@a.example/"]}, "redirect_urls.0"),
        ({"client_secret": ""}, "client_secret"),
        ({"clientid": "x"}, "clientid"),
    ]
    for more, field in wrong:
        problem = await place.server.refused(
            "POST", "/v1/oauth-apps", 422, "request.invalid", json=good | more
        )
        assert problem["errors"][0]["field"] == field
    made = await place.server.call(
        "POST", "/v1/oauth-apps", 201, json=good | {"redirect_urls": ["http://localhost:3000/back"]}
    )
    assert made["redirect_urls"] == ["http://localhost:3000/back"]


async def test_a_credential_may_be_imported_for_an_app(place: Place) -> None:
    """Tokens from elsewhere are renewed by the app that they name; an app of another provider is refused."""
    place.fake.authority.agree({"redirect_uri": "x"})
    await place.linked()
    token = next(iter(place.fake.authority.access))
    body = {"provider": "fake", "kind": "oauth2", "properties": {"access_token": token}}
    made = await place.server.call(
        "POST", "/v1/credentials", 200, json=body | {"oauth_app_id": place.app["id"]}
    )
    assert made["oauth_app_id"] == place.app["id"]
    await place.server.refused(
        "POST", "/v1/credentials", 422, "request.invalid", json=body | {"oauth_app_id": "none"}
    )


async def test_without_a_public_address_there_are_no_links(server: Server) -> None:
    """And it says what to set."""
    problem = await server.refused(
        "POST", "/v1/link/token", 409, "server.public_url", json={"oauth_app_id": "x"}
    )
    assert "HEADWATER_PUBLIC_URL" in problem["fix"]
