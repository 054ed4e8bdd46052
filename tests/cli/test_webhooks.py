"""`headwater webhook` and `headwater oauth-app`, against the real API in this process."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from tests.api.server import listening
from tests.api.test_hooks import PUBLIC, Place, by_hand, for_app, place
from tests.cli.conftest import Outcome

from headwater.cli.failures import Exit
from headwater.cli.program import run
from headwater.model.secret import MASK

__all__ = ["by_hand", "for_app", "place"]

Headwater = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncGenerator[Callable[[Place], Any]]:
    """Return what serves a place and gives the command line as a function."""
    serving: list[Any] = []

    async def at(place: Place) -> Headwater:
        server = listening(place.server.app)
        monkeypatch.setenv("HEADWATER_URL", await server.__aenter__())
        serving.append(server)
        monkeypatch.setenv(
            "HEADWATER_API_KEY", place.server.client.headers["authorization"].removeprefix("Bearer ")
        )

        async def headwater(*arguments: str) -> Outcome:
            code = await asyncio.to_thread(run, list(arguments))
            shown = capsys.readouterr()
            return Outcome(code, shown.out, shown.err)

        return headwater

    yield at
    for server in serving:
        await server.__aexit__(None, None, None)


async def test_a_webhook_by_hand(command: Any, by_hand: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must be pasted is printed once; then it is rolled, given by the API, and ended."""
    headwater, sync = await command(by_hand), by_hand.sync_id
    assert "state\toff\n" in (await headwater("webhook", "show", sync)).out
    made = await headwater("webhook", "create", sync)
    facts = dict(line.split("\t") for line in made.out.splitlines())
    assert facts["url"] == f"{PUBLIC}/webhooks/{sync}/crm"
    assert await by_hand.push(facts["secret"]) == 200
    assert f"Paste `{facts['url']}` and `{facts['secret']}`." in made.err
    shown = (await headwater("webhook", "show", sync)).out
    assert facts["secret"] not in shown
    rolled = (await headwater("webhook", "rotate", sync, "--json")).json
    assert rolled["secret"] != facts["secret"]
    monkeypatch.setenv("GIVEN", "given-by-the-api")
    given = await headwater("webhook", "create", sync, "--secret", "env:GIVEN")
    assert "given-by-the-api" not in given.out + given.err
    assert "older secret counts until" in given.out
    assert await by_hand.push("given-by-the-api", "2") == 200
    assert (await headwater("webhook", "delete", sync, "--yes")).code == 0
    assert (await headwater("webhook", "show", sync, "--json")).json["state"] == "off"


async def test_a_webhook_of_an_api_that_is_told(command: Any, place: Place) -> None:
    """Nothing is to be pasted; `--by-hand` leaves the API alone; a refusal is a refusal."""
    headwater, sync = await command(place), place.sync_id
    assert (await headwater("webhook", "create", sync, "--by-hand", "--json")).json["state"] == "by_hand"
    assert place.api.registered == {}
    assert (await headwater("webhook", "create", sync, "--json")).json["state"] == "registered"
    place.api.refuses = True
    refused = await headwater("webhook", "rotate", sync)
    assert refused.code == Exit.FAILED
    assert "Grant the right." in refused.err


async def test_oauth_apps_and_links(command: Any, for_app: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entered, shown masked, changed, linked with, forgotten."""
    headwater = await command(for_app)
    monkeypatch.setenv("SECRET", "client-secret")
    made = await headwater(
        "oauth-app", "create", "crm", "--client-id", "c", "--client-secret", "env:SECRET", "--name", "Ours"
    )
    assert f"{PUBLIC}/link/callback/crm" in made.err
    assert "client-secret" not in made.out + made.err
    (listed,) = (await headwater("oauth-app", "list", "--json")).json
    assert (listed["name"], listed["client_secret"]) == ("Ours", MASK)
    back = "https://app.example/linked"
    changed = await headwater(
        "oauth-app", "update", "Ours", "--redirect-url", back, "--scope", "a", "--scope", "b", "--json"
    )
    assert (changed.json["redirect_urls"], changed.json["scopes"]) == ([back], ["a", "b"])
    assert (await headwater("oauth-app", "update", "Ours")).code == Exit.USAGE
    assert "client_id\tc\n" in (await headwater("oauth-app", "show", "Ours")).out
    link = (await headwater("oauth-app", "link", "Ours", "--redirect-url", back, "--external-id", "a")).out
    assert link.startswith(f"{PUBLIC}/link/start?token=")
    answer = (await headwater("oauth-app", "link", "Ours", "--json")).json
    assert answer["url"].endswith(quote(answer["token"], safe=""))
    assert (await headwater("oauth-app", "delete", "Ours", "--yes")).code == 0
    assert (await headwater("oauth-app", "list")).out == ""
