"""Authorizers, and the tokens of client credentials in front of a token endpoint that counts."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from tests.kit.loopback import Asked, Loopback, loopback, reply

from headwater.errors import Halt, Retry
from headwater.kit.budget import Bucket, Governor, Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Authorizer, Client, Session, open_session
from headwater.model.secret import Secret
from headwater.providers import auth

SECRET = "s3cret/ü"


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with open_session() as opened:
        yield opened


@pytest.mark.parametrize(
    ("authorizer", "headers", "query"),
    [
        (auth.Open(), {}, {}),
        (auth.bearer(Secret("t")), {"Authorization": "Bearer t"}, {}),
        (
            auth.basic("Aladdin", Secret("open sesame")),
            {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
            {},
        ),
        (auth.Header("X-Key", Secret("k")), {"X-Key": "k"}, {}),
        (auth.Header("Authorization", Secret("k"), "Token "), {"Authorization": "Token k"}, {}),
        (auth.Query("api_key", Secret("k")), {}, {"api_key": "k"}),
    ],
)
async def test_what_an_authorizer_adds(
    authorizer: Authorizer, headers: dict[str, str], query: dict[str, str]
) -> None:
    """To headers or parameters; and a fixed secret cannot be renewed."""
    added_headers, added_query = dict[str, str](), dict[str, str]()
    await authorizer.apply(added_headers, added_query)
    assert (added_headers, added_query) == (headers, query)
    assert not await authorizer.refused()


def asking(url: str = "https://api.test/token", **more: object) -> auth.ClientCredentials:
    return auth.ClientCredentials(token_url=url, client_id="me:1", client_secret=Secret(SECRET), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "authorizer",
    [
        auth.bearer(Secret(SECRET)),
        auth.basic("me", Secret(SECRET)),
        auth.Query("key", Secret(SECRET)),
        asking(),
    ],
)
def test_p8_no_secret_in_a_repr(authorizer: object) -> None:
    """Whatever prints an authorizer."""
    assert SECRET not in f"{authorizer!r} {authorizer}"
    assert base64.b64encode(f"me:{SECRET}".encode()).decode() not in repr(authorizer)


class Clock(SystemClock):
    """The machine's clock, which a test can move on."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@dataclass
class Api:
    """An API with a token endpoint: tokens are numbers, and the test says which is the only good one."""

    grants: list[Asked] = field(default_factory=list)
    good: str | None = None
    grant: dict[str, object] = field(default_factory=lambda: {"token_type": "Bearer", "expires_in": 3600})
    refusal: bytes | None = None
    site: Loopback = field(init=False)

    def answer(self, asked: Asked) -> bytes:
        if asked.target == "/token":
            self.grants.append(asked)
            token = f"token-{len(self.grants)}"
            granted = reply(body=json.dumps({"access_token": token, **self.grant}).encode())
            return granted if self.refusal is None else self.refusal
        token = asked.headers["authorization"].removeprefix("Bearer ")
        return reply(200 if token == (self.good or f"token-{len(self.grants)}") else 401)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api()
    async with loopback(api.answer) as api.site:
        yield api


def open_client(session: Session, api: Api, clock: Clock | None = None, **more: object) -> Client:
    """Open the API by client credentials, on a budget that lets one request at a time go."""
    clock = clock or Clock()
    return Client(
        api.site.url,
        authorizer=asking(f"{api.site.url}/token", **more),
        limiter=Governor([], clock, concurrent=1),
        urgency=Urgency.CHANGES,
        clock=clock,
        headers={},
        session=session,
    )


async def test_a_token_is_fetched_once_for_many_waiters(session: Session, api: Api) -> None:
    """On first use, whatever the urgency, and then kept."""
    client = open_client(session, api)
    await asyncio.gather(*(client.at(urgency).get("/items") for urgency in [*Urgency] * 5))
    assert len(api.grants) == 1
    assert len(api.site.asked) == 21


async def test_p10_the_token_request_spends_from_the_budget(session: Session, api: Api) -> None:
    """As a write, which goes first."""
    clock = Clock()
    governor = Governor([Bucket(allowed=10, per=timedelta(seconds=1))], clock)
    await Client(
        api.site.url,
        authorizer=asking(f"{api.site.url}/token"),
        limiter=governor,
        urgency=Urgency.SWEEP,
        clock=clock,
        headers={},
        session=session,
    ).get("/items")
    assert governor.spent == {Urgency.WRITE: 1, Urgency.CHANGES: 0, Urgency.BACKFILL: 0, Urgency.SWEEP: 1}


@pytest.mark.parametrize(
    ("client_in", "authorization", "client_in_form"),
    [
        ("basic", "Basic " + base64.b64encode(b"me%3A1:s3cret%2F%C3%BC").decode(), {}),
        ("body", None, {"client_id": "me:1", "client_secret": SECRET}),
    ],
)
async def test_the_token_request(
    session: Session, api: Api, client_in: str, authorization: str | None, client_in_form: dict[str, str]
) -> None:
    """Says who asks in its header or its form, and what for."""
    client = open_client(session, api, scopes=("read", "list"), params={"audience": "a"}, client_in=client_in)
    await client.get("/items")
    [grant] = api.grants
    form = dict(parse_qsl(grant.body.decode(), strict_parsing=True))
    wanted = {"grant_type": "client_credentials", "scope": "read list", "audience": "a"}
    assert form == wanted | client_in_form
    assert grant.headers.get("authorization") == authorization
    assert grant.headers["accept"] == "application/json"


@pytest.mark.parametrize(("life", "until"), [(3600, 3540), (10, 8), ("3600", 3540)])
async def test_a_token_is_renewed_shortly_before_it_expires(
    session: Session, api: Api, life: object, until: float
) -> None:
    """A minute, or a fifth of a short life."""
    api.grant["expires_in"] = life
    clock = Clock()
    client = open_client(session, api, clock)
    await client.get("/items")
    clock.ahead = until - 1
    await client.get("/items")
    assert len(api.grants) == 1
    clock.ahead = until + 0.1
    await client.get("/items")
    assert len(api.grants) == 2


async def test_a_token_without_an_end_is_kept(session: Session, api: Api) -> None:
    """Until it is refused."""
    del api.grant["expires_in"]
    clock = Clock()
    client = open_client(session, api, clock)
    await client.get("/items")
    clock.ahead = 1e9
    await client.get("/items")
    assert len(api.grants) == 1


async def test_a_refused_token_is_renewed_once_for_all(session: Session, api: Api) -> None:
    """However many requests are refused with it, the late ones included."""
    client = open_client(session, api)
    await client.get("/items")
    api.good = "token-2"
    await asyncio.gather(*(client.get("/items") for _ in range(10)))
    assert len(api.grants) == 2


async def test_a_renewed_token_that_is_refused_too_halts(session: Session, api: Api) -> None:
    """A person must look."""
    api.good = "none"
    with pytest.raises(Halt) as raised:
        await open_client(session, api).get("/items")
    assert raised.value.error_code == "provider.credential_refused"
    assert len(api.grants) == 2


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (reply(401, b'{"error": "invalid_client", "error_description": "s3cret/"}'), "401 (invalid_client)"),
        (reply(400, b'{"error": "invalid_scope"}'), "400 (invalid_scope)"),
        (reply(403, b"s3cret/ is wrong"), "403"),
        (reply(400, b'{"error": "s3cret/"}'), "400"),
    ],
)
async def test_a_refusal_of_the_token_endpoint_halts(
    session: Session, api: Api, refusal: bytes, said: str
) -> None:
    """With what the standard lets it say, and nothing else of its answer (P8)."""
    api.refusal = refusal
    with pytest.raises(Halt) as raised:
        await open_client(session, api).get("/items")
    assert raised.value.error_code == "provider.credential_refused"
    assert raised.value.message == f"The API refused a token for this credential with {said}."
    assert raised.value.fix


@pytest.mark.parametrize("refusal", [reply(500), reply(429), reply(200, b"<html>"), reply(200, b"{}"), b""])
async def test_a_token_endpoint_that_fails_is_asked_again_later(
    session: Session, api: Api, refusal: bytes
) -> None:
    """By the next request, and not by each of those that waited for this try."""
    api.refusal = refusal
    client = open_client(session, api)
    outcomes = await asyncio.gather(*(client.get("/items") for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, Retry) for outcome in outcomes)
    assert len(api.grants) == 1
    api.refusal = None
    assert (await client.get("/items")).status == 200


async def test_a_cancelled_waiter_does_not_cost_the_others_their_token(session: Session, api: Api) -> None:
    """The next in line fetches it."""
    client = open_client(session, api)
    first = asyncio.create_task(client.get("/items"))
    others = [asyncio.create_task(client.get("/items")) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(*others)
    assert first.cancelled()
    assert len(api.grants) <= 2
