"""The door to the HTTP client, in front of a server that answers right and wrong."""

import asyncio
import gzip
import inspect
import socket
import traceback
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import http_exceptions
from tests.kit.loopback import Answering, Asked, loopback, reply

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.kit.budget import Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Client, Limits, Session, open_session
from headwater.kit.http.client import _Nobody
from headwater.kit.http.wire import mapped_errors, unpacked
from headwater.model.secret import Secret
from headwater.providers import auth

SECRET = "s3cret-token"
PERSON = "someone"


@dataclass
class Ledger:
    """A limiter that lets everybody go, and writes down what it was told."""

    went: list[tuple[Urgency, str]] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    learned: list[dict[str, Any]] = field(default_factory=list)

    async def acquire(self, urgency: Urgency, bucket: str = "default") -> None:
        self.went.append((urgency, bucket))

    def release(self, bucket: str = "default") -> None:
        self.over.append(bucket)

    def learn(self, **said: Any) -> None:
        assert len(self.over) < len(self.went), "an answer is heard before its request is over"
        self.learned.append(said)


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with open_session() as opened:
        yield opened


def open_client(session: Session, url: str, authorizer: Any = None, **more: Any) -> Client:
    given: dict[str, Any] = {"limiter": Ledger(), "urgency": Urgency.CHANGES, "headers": {}} | more
    return Client(url, authorizer=authorizer, clock=SystemClock(), session=session, **given)


async def ask(session: Session, answer: Answering, **more: Any) -> Any:
    """Return what one `get` of `/items` gives."""
    async with loopback(answer) as site:
        return await open_client(session, site.url).get("/items", **more)


async def refused(session: Session, answer: Answering, **more: Any) -> HeadwaterError:
    """Return the error that one `get` of `/items` ends with."""
    with pytest.raises(HeadwaterError) as raised:
        await ask(session, answer, **more)
    return raised.value


def always(answer: bytes | None) -> Answering:
    return lambda _: answer


# Whole answers


async def test_an_answer(session: Session) -> None:
    """Path below the base URL, parameters, headers of the API and of the call; names come in lower case."""
    async with loopback(always(reply(body=b'{"a": 1}', ETag='"x"', Link="<a>"))) as site:
        client = open_client(session, f"{site.url}/v2/", headers={"X-Version": "7"})
        answer = await client.get("/items", query={"q": "a b&c"}, headers={"If-None-Match": '"w"'})
    [asked] = site.asked
    assert (asked.method, asked.target) == ("GET", "/v2/items?q=a%20b%26c")
    assert asked.headers["x-version"] == "7"
    assert asked.headers["if-none-match"] == '"w"'
    assert asked.headers["accept-encoding"] == "gzip, deflate"
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert (answer.headers["etag"], answer.headers["link"]) == ('"x"', "<a>")
    assert answer.url == f"{site.url}/v2/items?q=a%20b%26c"


async def test_a_full_url_is_asked_for_as_it_is_written(session: Session) -> None:
    """A next page's URL may be signed: not one character of it changes."""
    async with loopback(always(reply())) as site:
        target = "/items?cursor=a%2Fb%2B%3D+c&sig=%7E~"
        await open_client(session, f"{site.url}/v2").get(site.url + target)
    assert site.asked[0].target == target


async def test_a_header_that_comes_twice_is_a_list(session: Session) -> None:
    """As RFC 9110 says."""
    raw = b"HTTP/1.1 200 OK\r\nLink: <a>; rel=next\r\nLink: <b>; rel=last\r\nContent-Length: 2\r\n\r\n{}"
    answer = await ask(session, always(raw))
    assert answer.headers["link"] == "<a>; rel=next, <b>; rel=last"


async def test_not_modified_is_an_answer_where_it_is_accepted(session: Session) -> None:
    """A conditional request."""
    answer = await ask(session, always(reply(304, b"")), accept=frozenset({200, 304}))
    assert (answer.status, answer.body) == (304, b"")


async def test_cookies_are_not_carried_over(session: Session) -> None:
    """They would mix up credentials."""
    async with loopback(always(reply(Set_Cookie="login=1"))) as site:
        client = open_client(session, site.url)
        await client.get("/items")
        await client.get("/items")
    assert "cookie" not in site.asked[1].headers


BODY = b'{"items": [%b]}' % b",".join(b"%d" % number for number in range(1000))
RAW_DEFLATE = zlib.compressobj(wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("X-GZip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:500]) + gzip.compress(BODY[500:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush()),
        ("identity", BODY),
    ],
)
async def test_packed_bodies(session: Session, encoding: str, packed: bytes) -> None:
    """In all ways that we say we take."""
    answer = await ask(session, always(reply(body=packed, Content_Encoding=encoding)))
    assert answer.body == BODY


async def test_a_big_packed_body(session: Session) -> None:
    """Unpacked beside the event loop."""
    noise = bytes(number * 7919 % 251 for number in range(400_000))
    body = await asyncio.to_thread(gzip.compress, noise + zlib.compress(noise), 0)
    answer = await ask(session, always(reply(body=body, Content_Encoding="gzip")))
    assert answer.body == noise + zlib.compress(noise)


# Answers that are none


@pytest.mark.parametrize(
    "raw",
    [
        reply(body=b'{"items": [1, 2]}')[:-3],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1, 2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1, 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n[1]\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"",
        reply(body=gzip.compress(BODY)[:-9], Content_Encoding="gzip"),
        reply(body=zlib.compress(BODY)[:-9], Content_Encoding="deflate"),
        reply(body=b"not packed", Content_Encoding="gzip"),
        reply(body=BODY, Content_Encoding="br"),
    ],
    ids=[
        "short", "chunks without end", "half a chunk", "no chunk", "half a header", "no HTTP", "nothing",
        "half a gzip", "half a deflate", "no gzip", "packed in another way",
    ],
)  # fmt: skip
async def test_half_an_answer_is_never_data(session: Session, raw: bytes) -> None:
    """It is asked for again."""
    error = await refused(session, always(raw))
    assert isinstance(error, Retry)
    assert error.error_code in {"provider.broken_answer", "provider.unreachable"}
    assert error.message.startswith("GET /items: ")


async def test_no_answer_in_time(session: Session) -> None:
    """Neither a silent API nor a slow one holds us for ever."""
    async with loopback(always(None)) as site:
        for limits in (Limits(idle=timedelta(seconds=0.05)), Limits(total=timedelta(seconds=0.05))):
            with pytest.raises(Retry) as raised:
                await open_client(session, site.url, limits=limits).get("/items")
            assert raised.value.error_code == "provider.timeout"


async def test_nobody_there(session: Session) -> None:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Retry) as raised:
        await open_client(session, f"http://127.0.0.1:{port}").get("/items")
    assert raised.value.error_code == "provider.unreachable"


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_that_is_too_big(session: Session, packed: bool) -> None:
    """Stops at the limit, packed or not, and says what to do."""
    body = bytes(100_000)
    raw = reply(body=gzip.compress(body), Content_Encoding="gzip") if packed else reply(body=body)
    async with loopback(always(raw)) as site:
        with pytest.raises(Halt) as raised:
            await open_client(session, site.url, limits=Limits(largest_bytes=99_999)).get("/items")
        assert raised.value.error_code == "provider.answer_too_big"
        assert raised.value.fix
        fits = open_client(session, site.url, limits=Limits(largest_bytes=100_000))
        assert (await fits.get("/items")).body == body


def test_a_packed_bomb_is_not_blown_up() -> None:
    """Unpacking stops right after the limit."""
    bomb = gzip.compress(bytes(50_000_000))
    assert unpacked(bomb, "gzip", 1000) is None


async def test_an_address_that_is_none(session: Session) -> None:
    """A person must correct it."""
    with pytest.raises(Halt) as raised:
        await open_client(session, "http://").get("/items")
    assert raised.value.error_code == "provider.address_invalid"


def error_classes() -> list[type[Exception]]:
    """Every exception class that aiohttp's client or its HTTP parser has."""
    found = {
        value
        for module in (aiohttp.client_exceptions, http_exceptions, aiohttp)
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Exception)
        and value.__module__ in ("aiohttp.client_exceptions", "aiohttp.http_exceptions")
    }
    not_ours = {"WSMessageTypeError"}  # of a websocket's messages; we open none
    return sorted((each for each in found if each.__name__ not in not_ours), key=lambda each: each.__name__)


@pytest.mark.parametrize(
    "kind", [*error_classes(), TimeoutError, ConnectionResetError, OSError], ids=lambda k: k.__name__
)
def test_no_error_of_the_client_is_unmapped(kind: type[Exception]) -> None:
    """Each becomes one of ours, and its text, which may hold a URL or a piece of an answer, is not ours."""
    error = kind.__new__(kind)
    with pytest.raises((Retry, Halt)) as raised, mapped_errors("GET /items"):
        raise error
    assert raised.value.message.startswith("GET /items: ")
    assert raised.value.context["error"] == kind.__name__


def test_errors_were_found() -> None:
    """The enumeration is not empty by accident."""
    assert {"ClientPayloadError", "ServerDisconnectedError", "ContentEncodingError"} <= {
        k.__name__ for k in error_classes()
    }


# Refusals

LATER = [(408, "provider.unavailable"), (425, "provider.unavailable"), (429, "provider.rate_limited")]
LATER += [(status, "provider.unavailable") for status in (500, 502, 503, 504, 599)]
NEVER = [
    (401, "provider.credential_refused"), (403, "provider.forbidden"), (404, "provider.path_not_found"),
    (410, "provider.path_not_found"), (400, "provider.request_refused"), (422, "provider.request_refused"),
    (304, "provider.redirected"), (302, "provider.redirected"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code"), [*LATER, (204, "provider.broken_answer")])
async def test_statuses_that_mean_later(session: Session, status: int, code: str) -> None:
    """The same request may work later."""
    error = await refused(session, always(reply(status, b"")))
    assert isinstance(error, Retry)
    assert (error.error_code, error.after) == (code, None)
    assert "GET /items" in error.message
    assert str(status) in error.message


@pytest.mark.parametrize(("status", "code"), NEVER)
async def test_statuses_that_need_a_person(session: Session, status: int, code: str) -> None:
    """With a sentence that says what to do."""
    error = await refused(session, always(reply(status, b"")))
    assert isinstance(error, Halt)
    assert error.error_code == code
    assert error.fix


@pytest.mark.parametrize("status", [404, 410, 500])
async def test_any_status_can_be_an_answer(session: Session, status: int) -> None:
    """Where the caller says so."""
    assert (await ask(session, always(reply(status)), accept=frozenset({status}))).status == status


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry_After": "7"}, 7),
        (503, {"Retry_After": "7"}, 7),
        (403, {"Retry_After": "7"}, 7),
        (403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "9"}, 9),
        (403, {"X_RateLimit_Remaining": "0"}, None),
        (429, {"RateLimit_Reset": "9"}, 9),
        (429, {"Date": "Tue, 24 Nov 2026 08:00:00 GMT", "Retry_After": "Tue, 24 Nov 2026 08:00:30 GMT"}, 30),
    ],
)
async def test_the_wait_that_the_api_asks_for(
    session: Session, status: int, headers: dict[str, str], seconds: int | None
) -> None:
    """Is in the error, and the budget pauses for everybody: for a while even if no time was given."""
    limiter = Ledger()
    async with loopback(always(reply(status, **headers))) as site:
        with pytest.raises(Retry) as raised:
            await open_client(session, site.url, limiter=limiter).get("/items", bucket="search")
    assert raised.value.after == (None if seconds is None else timedelta(seconds=seconds))
    assert limiter.learned[0]["retry_after"] == (1.0 if seconds is None else seconds)
    assert limiter.learned[0]["bucket"] == "search"


async def test_a_limit_of_one_kind_of_request_stops_only_that_kind(session: Session) -> None:
    """Stripe says which of its limits was reached: one of an endpoint's own leaves the others alone."""
    limiter = Ledger()
    reasons = iter(["endpoint-rate", "global-rate"])
    answer: Any = lambda _: reply(429, Stripe_Rate_Limited_Reason=next(reasons))  # noqa: E731
    async with loopback(answer) as site:
        client = open_client(session, site.url, limiter=limiter)
        for reason in ("endpoint-rate", "global-rate"):
            with pytest.raises(Retry) as raised:
                await client.get("/items", bucket="search")
            assert f"({reason})" in raised.value.message
    narrow, wide = limiter.learned
    assert narrow == {"remaining": 0, "reset_after": 1.0, "retry_after": None, "bucket": "search"}
    assert wide["retry_after"] == 1.0


async def test_what_is_left_of_the_quota_is_told_to_the_budget(session: Session) -> None:
    """With every answer that says so, and only with those."""
    limiter = Ledger()
    answers = iter([reply(), reply(X_RateLimit_Remaining="41", X_RateLimit_Reset="60"), reply(500)])
    async with loopback(lambda _: next(answers)) as site:
        client = open_client(session, site.url, limiter=limiter)
        await client.get("/items")
        await client.get("/items")
        with pytest.raises(Retry):
            await client.get("/items")
    assert limiter.learned == [{"remaining": 41, "reset_after": 60, "retry_after": None, "bucket": "default"}]


async def test_p10_every_request_asks_the_budget_and_reports_its_end(session: Session) -> None:
    """Answers, refusals, redirects, lost connections, second tries: each is one request of the budget."""
    limiter = Ledger()
    answers = iter([reply(), reply(404), reply(302, Location="/there"), reply(), b"", b""])
    async with loopback(lambda _: next(answers)) as site:
        client = open_client(session, site.url, limiter=limiter)
        await client.get("/items", bucket="search")
        with pytest.raises(Halt):
            await client.get("/items")
        await client.at(Urgency.SWEEP).get("/items")
        with pytest.raises(Retry):
            await client.get("/items")
        assert len(site.asked) == 6
    assert limiter.went == [
        (Urgency.CHANGES, "search"),
        (Urgency.CHANGES, "default"),
        (Urgency.SWEEP, "default"),
        (Urgency.SWEEP, "default"),
        (Urgency.CHANGES, "default"),
        (Urgency.CHANGES, "default"),
    ]
    assert limiter.over == ["search", *["default"] * 5]


async def test_a_dropped_connection_is_replaced_once(session: Session) -> None:
    """An API may close a connection that was idle; only a GET is safe to send again."""
    answers = iter([b"", reply(body=b"[]"), b""])
    async with loopback(lambda _: next(answers)) as site:
        client = open_client(session, site.url)
        assert (await client.get("/items")).body == b"[]"
        with pytest.raises(Retry) as raised:
            await client.post_form("/items", {})
        assert len(site.asked) == 3
    assert raised.value.error_code == "provider.unreachable"


async def test_a_cancelled_request_is_over_too(session: Session) -> None:
    """Else its place would be lost for ever."""
    limiter, arrived = Ledger(), asyncio.Event()

    def arrive(_: Asked) -> None:
        arrived.set()

    async with loopback(arrive) as site:
        task = asyncio.create_task(open_client(session, site.url, limiter=limiter).get("/items"))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert limiter.over == ["default"]


# Redirects


async def test_redirects_on_the_same_origin_are_followed(session: Session) -> None:
    """A relative or a full one, with the credential; parameters are those of the new place."""
    async with loopback(lambda asked: answers[asked.target]) as site:
        answers = {
            "/items?q=1": reply(301, Location="/v2/items?page=1"),
            "/v2/items?page=1": reply(307, Location=f"{site.url}/v3/items"),
            "/v3/items": reply(body=b"[]"),
        }
        client = open_client(session, site.url, auth.bearer(Secret(SECRET)))
        answer = await client.get("/items", query={"q": "1"})
    assert answer.body == b"[]"
    assert answer.url == f"{site.url}/v3/items"
    assert [asked.headers["authorization"] for asked in site.asked] == [f"Bearer {SECRET}"] * 3


async def test_a_redirect_elsewhere_gets_nothing(session: Session) -> None:
    """The credential does not leave its origin, not even for another port of the same host."""
    async with (
        loopback(always(reply())) as elsewhere,
        loopback(always(reply(302, Location=elsewhere.url))) as site,
    ):
        with pytest.raises(Halt) as raised:
            await open_client(session, site.url, auth.bearer(Secret(SECRET))).get("/items")
    assert raised.value.error_code == "provider.foreign_url"
    assert elsewhere.asked == []


async def test_redirects_in_a_circle_end(session: Session) -> None:
    """After five."""
    async with loopback(always(reply(302, Location="/items"))) as site:
        with pytest.raises(Halt) as raised:
            await open_client(session, site.url).get("/items")
    assert raised.value.error_code == "provider.redirected"
    assert len(site.asked) == 6


# Posting


async def test_posting_a_form_and_json(session: Session) -> None:
    """As a token endpoint takes it, and as GraphQL does; a 307 keeps the body."""
    async with loopback(lambda asked: reply(307, Location="/b") if asked.target == "/a" else reply()) as site:
        client = open_client(session, site.url)
        await client.post_form("/a", {"grant": "ä b"})
        await client.post_json("/b", {"query": "{ä}"}, accept=frozenset({200, 201}))
    form, moved, posted = site.asked
    assert form.method == moved.method == posted.method == "POST"
    assert form.body == moved.body == b"grant=%C3%A4+b"
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (posted.body, posted.headers["content-type"]) == ('{"query":"{ä}"}'.encode(), "application/json")


async def test_taking_something_away(session: Session) -> None:
    """A DELETE has no body, and waits for the budget like all requests."""
    limiter = Ledger()
    async with loopback(always(reply())) as site:
        await open_client(session, site.url, limiter=limiter).delete("/hooks/1", bucket="search")
    [asked] = site.asked
    assert (asked.method, asked.target, asked.body) == ("DELETE", "/hooks/1", b"")


async def test_a_post_is_not_turned_into_a_get(session: Session) -> None:
    """A 302 after a POST would lose what was posted."""
    async with loopback(always(reply(302, Location="/b"))) as site:
        with pytest.raises(Halt):
            await open_client(session, site.url).post_form("/a", {})
    assert len(site.asked) == 1


# Authentication


class Renewing(_Nobody):
    """Has another token after each refusal."""

    def __init__(self, *, gives_up: bool = False) -> None:
        self.gives_up, self.token, self.refusals = gives_up, 0, 0

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        headers["Authorization"] = str(self.token)

    async def refused(self) -> bool:
        self.token, self.refusals = self.token + 1, self.refusals + 1
        return not self.gives_up


@pytest.mark.parametrize(
    ("gives_up", "accepted", "requests", "refusals"),
    [(False, "1", 2, 1), (False, "2", 2, 1), (True, "1", 1, 1), (False, "0", 1, 0)],
    ids=["renewed", "refused again", "nothing to renew", "fresh"],
)
async def test_a_401_is_tried_once_more_with_a_renewed_credential(
    session: Session, gives_up: bool, accepted: str, requests: int, refusals: int
) -> None:
    """Once, and only if the authorizer has something new."""
    authorizer = Renewing(gives_up=gives_up)
    async with loopback(
        lambda asked: reply(200 if asked.headers["authorization"] == accepted else 401)
    ) as site:
        client = open_client(session, site.url, authorizer)
        if str(authorizer.token + (requests - 1)) == accepted:
            await client.get("/items")
        else:
            with pytest.raises(Halt) as raised:
                await client.get("/items")
            assert raised.value.error_code == "provider.credential_refused"
    assert (len(site.asked), authorizer.refusals) == (requests, refusals)


WRONG: list[bytes | None] = [
    reply(400, SECRET.encode()), reply(401), reply(403), reply(429), reply(500), reply(302, Location="https://x.test"),
    reply()[:-1], b"junk " + SECRET.encode(), reply(body=b"x", Content_Encoding="gzip"),
]  # fmt: skip


@pytest.mark.parametrize("raw", WRONG)
@pytest.mark.parametrize(
    "authorizer",
    [auth.bearer(Secret(SECRET)), auth.basic("me", Secret(SECRET)), auth.Query("key", Secret(SECRET))],
    ids=["bearer", "basic", "query"],
)  # fmt: skip
async def test_p8_no_secret_nor_payload_in_an_error(session: Session, authorizer: Any, raw: bytes) -> None:
    """Neither in the message nor in the context nor in the traceback that a log would show."""
    async with loopback(always(raw)) as site:
        with pytest.raises(HeadwaterError) as raised:
            await open_client(session, site.url, authorizer).get("/items", query={"email": PERSON})
    asked = site.asked[-1]
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + str(raised.value.context)
    values = [SECRET, asked.headers.get("authorization", SECRET).split()[-1], PERSON]
    assert not [value for value in values if value in shown]


async def test_p8_a_key_in_the_query_does_not_show_in_the_answer(session: Session) -> None:
    """Next pages are made from the answer's URL, and stored."""
    async with loopback(always(reply())) as site:
        answer = await open_client(session, site.url, auth.Query("key", Secret(SECRET))).get(
            "/items?a=1&key=old"
        )
    assert site.asked[0].target == f"/items?a=1&key={SECRET}"
    assert answer.url == f"{site.url}/items?a=1&key=old"


async def test_a_secret_with_a_line_break_is_refused(session: Session) -> None:
    """It would end the header and begin another."""
    with pytest.raises(Halt) as raised:
        await open_client(session, "http://127.0.0.1:1", auth.bearer(Secret("a\r\nX-Evil: 1"))).get("/items")
    assert raised.value.error_code == "provider.credential_invalid"


# Time


async def test_asked_at_is_in_the_apis_clock(session: Session) -> None:
    """An API whose clock is a year ahead."""
    clock = SystemClock()
    before = clock.now_us()

    def is_ours() -> bool:
        return before <= answer.asked_us <= clock.now_us()

    answer = await ask(session, always(reply()))
    assert is_ours()
    now = aiohttp.helpers.rfc822_formatted_time()
    answer = await ask(session, always(reply(Date=now)))
    assert is_ours()
    answer = await ask(session, always(reply(Date="Thu, 01 Jan 2037 00:00:00 GMT")))
    assert abs(answer.asked_us - 2_114_380_800_000_000) < 2_000_000
    answer = await ask(session, always(reply(Date="Thu, 01 Jan 2037 00:00:00 GMT", Age="60")))
    assert is_ours()
