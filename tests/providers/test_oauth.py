"""OAuth 2: what is asked and what the answers mean, against the fake authorization server."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from tests.providers.linked import declared

from headwater.errors import Halt, Invalid, Retry
from headwater.kit.budget import Bucket, Governor, Urgency
from headwater.kit.http import Client, open_session
from headwater.model.secret import Secret
from headwater.providers import oauth
from headwater.providers.oauth import OAuth2, TokenEndpoint
from headwater.testing.clock import FIRST_US, ManualClock
from headwater.testing.fake_oauth import Authority, Running, Switches, serving

BACK = "https://app.example/back"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


@pytest.fixture
async def fake() -> AsyncGenerator[Running]:
    """A fake authorization server."""
    async with serving(Authority()) as running:
        yield running


@pytest.fixture
async def endpoint(fake: Running) -> AsyncGenerator[Any]:
    """Return what makes the token endpoint of the fake, as declared with some differences."""
    session, clock = open_session(), ManualClock()

    def made(secret: str = "client-secret", **more: Any) -> TokenEndpoint:
        there = declared(**more).at({"url": fake.url})
        door = Client(
            there.token_url,
            authorizer=None,
            limiter=Governor((Bucket(allowed=100, per=timedelta(seconds=1)),), clock),
            urgency=Urgency.WRITE,
            clock=clock,
            headers={},
            session=session,
        )
        client = oauth.Client(id="client", secret=Secret(secret))
        return TokenEndpoint(oauth=there, client=client, door=door, clock=clock)

    yield made
    await session.close()


def agreed(fake: Running) -> Secret:
    """Let the user agree; return the code."""
    query = {"redirect_uri": BACK, "code_challenge": oauth.challenge_of(VERIFIER), "scope": "read"}
    return Secret(fake.authority.agree(query))


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    assert oauth.challenge_of(VERIFIER) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_address_where_users_agree() -> None:
    """Scopes by the API's separator, PKCE, further parameters, and the app's config in the address."""
    there = declared(scope_separator=",", authorize_params={"access_type": "offline"})
    there = there.at({"url": "https://api.example"})
    address = oauth.authorize_address(there, "me & co", (), state="s", redirect_uri=BACK, verifier=VERIFIER)
    assert address.startswith("https://api.example/authorize?")
    assert dict(parse_qsl(urlsplit(address).query)) == {
        "access_type": "offline",
        "response_type": "code",
        "client_id": "me & co",
        "redirect_uri": BACK,
        "state": "s",
        "scope": "read,more",
        "code_challenge": oauth.challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }
    plain = OAuth2(authorize_url="https://a.example/x?y=1", token_url="https://a.example/t", pkce=False)
    address = oauth.authorize_address(plain, "c", ("own",), state="s", redirect_uri=BACK, verifier=VERIFIER)
    found = parse_qs(urlsplit(address).query)
    assert (found["y"], found["scope"]) == (["1"], ["own"])
    assert "code_challenge" not in found


def test_addresses_need_what_they_are_made_of() -> None:
    """What the app's config lacks is named; a default counts."""
    with pytest.raises(Invalid) as refused:
        declared().at({})
    assert refused.value.errors == [("config.url", "Is missing.")]
    schema = {"properties": {"url": {"default": "https://usual.example"}}}
    assert declared(config_schema=schema).at({}).token_url == "https://usual.example/token"


@pytest.mark.parametrize("place", ["basic", "body"])
async def test_a_code_becomes_tokens_once(fake: Running, endpoint: Any, place: str) -> None:
    """With its verifier; the second time, or with another verifier, it is refused."""
    fake.authority.switches = Switches(client_in=place)
    here = endpoint(client_in=place)
    code = agreed(fake)
    grant = await here.exchange(code, redirect_uri=BACK, verifier=VERIFIER)
    given = {"access_token", "refresh_token", "scope", "account", "obtained_at", "expires_at"}
    assert grant.properties.keys() == given
    assert fake.authority.whose(grant.properties["access_token"]) is not None
    assert here.oauth.account(grant.answer) == "acme"
    for again, verifier in ((code, VERIFIER), (agreed(fake), "x" * 43)):
        with pytest.raises(oauth.GrantEnded):
            await here.exchange(again, redirect_uri=BACK, verifier=verifier)


async def test_what_a_refresh_does_not_renew_stays(fake: Running, endpoint: Any) -> None:
    """Scope, account and, where it does not rotate, the refresh token; times are the new ones."""
    fake.authority.switches = Switches(rotates=True, token_seconds=100)
    here = endpoint()
    first = (await here.exchange(agreed(fake), redirect_uri=BACK, verifier=VERIFIER)).properties
    here.clock.us += 50_000_000
    second = (await here.refresh(first)).properties
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert {**second, **{name: first[name] for name in ("scope", "account")}} == second
    fake.authority.switches = Switches(token_seconds=None)
    third = (await here.refresh(second)).properties
    assert third["refresh_token"] == second["refresh_token"]
    assert "expires_at" not in third


async def test_lifetimes(fake: Running, endpoint: Any) -> None:
    """In the answer, or declared; none means no end."""
    fake.authority.switches = Switches(token_seconds=60)
    told = await endpoint().exchange(agreed(fake), redirect_uri=BACK, verifier=VERIFIER)
    assert told.properties["expires_at"] == "2023-11-14T22:14:20.000000Z"
    assert FIRST_US == 1_700_000_000_000_000, "of which that is a minute later"
    fake.authority.switches = Switches(token_seconds=None)
    declares = endpoint(lifetime=timedelta(hours=2))
    told = await declares.exchange(agreed(fake), redirect_uri=BACK, verifier=VERIFIER)
    assert told.properties["expires_at"] == "2023-11-15T00:13:20.000000Z"


@pytest.mark.parametrize("status", [400, 401, 200])
async def test_p8_a_refusal_shows_nothing_of_what_was_sent(fake: Running, endpoint: Any, status: int) -> None:
    """Some refuse with 200. An ended grant and a refused app are told apart, and no secret is repeated."""
    fake.authority.switches = Switches(error_status=status)
    with pytest.raises(oauth.GrantEnded) as ended:
        await endpoint().refresh({"refresh_token": "used-up-token"})
    with pytest.raises(Halt) as refused:
        await endpoint(secret="wrong-secret").exchange(agreed(fake), redirect_uri=BACK, verifier=VERIFIER)
    assert not isinstance(refused.value, oauth.GrantEnded)
    assert "Link the account again." in (ended.value.fix or "")
    assert "client secret" in (refused.value.fix or "")
    for error in (ended.value, refused.value):
        assert error.error_code == "provider.credential_refused"
        assert not any(secret in repr(vars(error)) for secret in ("used-up-token", "wrong-secret"))


async def test_a_token_endpoint_that_fails_is_asked_again_later(fake: Running, endpoint: Any) -> None:
    """500 is no refusal."""
    fake.authority.switches = Switches(failures=1)
    with pytest.raises(Retry):
        await endpoint().refresh({"refresh_token": "x"})
