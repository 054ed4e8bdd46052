"""The fake Stripe behaves as the real one: held against its OpenAPI document, and used by its own library."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from tests.testing.stripe_schemas import mistakes

from headwater.testing.fake_stripe import KEY, Running, Switches, World, serving
from headwater.testing.fake_stripe.resources import RESOURCES

OPEN = Switches(limit=0, endpoint_limit=0)


@pytest.fixture
async def fake() -> AsyncGenerator[Running]:
    """A fake Stripe without limits."""
    async with serving(World(1, OPEN)) as running:
        yield running


@pytest.fixture
async def http(fake: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of it."""
    headers = {"Authorization": f"Bearer {fake.key}"}
    async with httpx.AsyncClient(base_url=fake.url, headers=headers) as client:
        yield client


@pytest.fixture
def official(fake: Running) -> stripe.StripeClient:
    """Stripe's own client, told nothing but where the API is."""
    return stripe.StripeClient(fake.key, base_addresses={"api": fake.url}, max_network_retries=0)


async def run(call: Callable[[], Any]) -> Any:
    """Call Stripe's library, which blocks, beside the fake that it calls."""
    return await asyncio.to_thread(call)


# --- shapes ---------------------------------------------------------------------------------------------


async def test_every_answer_has_the_shape_of_the_openapi_document(
    fake: Running, http: httpx.AsyncClient
) -> None:
    """Lists, objects and events of every resource, against Stripe's own schemas."""
    found: list[str] = []
    for resource in RESOURCES:
        made = fake.world.own.create(resource.object, items=12)
        parent = made.get(resource.owner or "")
        query = {resource.needs: parent} if resource.needs else {}
        path = resource.path.replace("{parent}", parent or "")
        page = (await http.get(path, params=query | {"limit": 100})).json()
        assert (page["object"], page["url"], page["has_more"]) == ("list", path, False)
        assert page["data"], resource.object
        found += [fault for one in page["data"] for fault in mistakes(resource.object, one)]
        if resource.one is not None:
            place = resource.one.replace("{parent}", parent or "").replace("{id}", made["id"])
            assert (await http.get(place)).json() in page["data"]
    events = (await http.get("/v1/events", params={"limit": 100})).json()["data"]
    assert len(events) > 30
    found += [fault for one in events for fault in mistakes("event", one)]
    found += mistakes("account", (await http.get("/v1/account")).json())
    assert found == []


def test_the_check_of_shapes_finds_mistakes() -> None:
    """An object without its id, or with another type in it, is not as the document says."""
    assert mistakes("customer", {"object": "customer", "created": "yesterday", "livemode": False})


async def test_refusals_have_the_shape_of_an_error(http: httpx.AsyncClient) -> None:
    """A type, a message, and a code where there is one."""
    for path in ("/v1/customers/none", "/v1/nothing", "/v1/customers?limit=1000", "/v1/customers?strange=1"):
        answer = await http.get(path)
        assert answer.status_code in {400, 404}
        assert mistakes("error", answer.json()) == []


# --- reads ----------------------------------------------------------------------------------------------


async def test_lists_are_newest_first_and_go_on_both_ways(fake: Running, http: httpx.AsyncClient) -> None:
    """`starting_after` goes to older ones, `ending_before` to newer ones, each page newest first."""
    fake.world.own.fill("customer", 25)
    page = (await http.get("/v1/customers")).json()
    assert (len(page["data"]), page["has_more"]) == (10, True)
    times = [one["created"] for one in page["data"]]
    assert times == sorted(times, reverse=True)
    after = {"starting_after": page["data"][-1]["id"], "limit": 15}
    older = (await http.get("/v1/customers", params=after)).json()
    assert (len(older["data"]), older["has_more"]) == (15, False)
    back = (await http.get("/v1/customers", params={"ending_before": older["data"][0]["id"]})).json()
    assert back["data"] == page["data"]


async def test_created_filters_cut_a_window_and_ties_share_a_second(
    fake: Running, http: httpx.AsyncClient
) -> None:
    """`gte` and `lt` in whole seconds; objects of one second are all inside or all outside."""
    for second in (100, 200, 200, 200, 300):
        fake.world.own.create("customer", {"created": second})
    for query, count in (("created[gte]=200", 4), ("created[gt]=200", 1), ("created[lt]=200", 1)):
        assert len((await http.get(f"/v1/customers?{query}")).json()["data"]) == count
    between = (await http.get("/v1/customers?created[gte]=101&created[lte]=200&limit=100")).json()
    assert len(between["data"]) == 3
    assert len((await http.get("/v1/customers?created=300")).json()["data"]) == 1


async def test_nested_lists_show_ten_and_have_the_rest_elsewhere(
    fake: Running, http: httpx.AsyncClient
) -> None:
    """An invoice of 23 lines shows ten; its list of lines has all, in the same order."""
    made = fake.world.own.create("invoice", items=23)
    shown = (await http.get(f"/v1/invoices/{made['id']}")).json()["lines"]
    assert (len(shown["data"]), shown["has_more"]) == (10, True)
    whole = (await http.get(shown["url"], params={"limit": 100})).json()
    assert [one["id"] for one in whole["data"]] == [one["id"] for one in made["lines"]["data"]]
    assert whole["data"][:10] == shown["data"]
    assert mistakes("line_item", whole["data"][0]) == []
    subscription = fake.world.own.create("subscription", items=11)
    items = (await http.get(f"/v1/subscription_items?subscription={subscription['id']}")).json()
    assert (len(items["data"]), items["has_more"]) == (10, True)


async def test_objects_are_written_out_where_asked_for(fake: Running, http: httpx.AsyncClient) -> None:
    """In single objects and in lists, but not inside events."""
    customer = fake.world.own.create("customer")
    subscription = fake.world.own.create("subscription", {"customer": customer["id"]})
    one = (await http.get(f"/v1/subscriptions/{subscription['id']}?expand[]=customer")).json()
    assert one["customer"] == customer
    page = (await http.get("/v1/subscriptions?expand[]=data.customer")).json()
    assert page["data"][0]["customer"] == customer
    assert (await http.get("/v1/events?expand[]=data.data.object")).status_code == 400
    assert (await http.get(f"/v1/subscriptions/{subscription['id']}?expand[]=nothing")).status_code == 400


async def test_what_is_deleted(fake: Running, http: httpx.AsyncClient) -> None:
    """A customer stays as a ghost, with 200; others are not found, and neither is a place behind one."""
    customer, coupon = fake.world.own.create("customer"), fake.world.own.create("coupon")
    fake.world.own.delete("customer", customer["id"])
    fake.world.own.delete("coupon", coupon["id"])
    ghost = await http.get(f"/v1/customers/{customer['id']}")
    assert (ghost.status_code, ghost.json()["deleted"]) == (200, True)
    assert mistakes("deleted_customer", ghost.json()) == []
    answer = await http.get(f"/v1/coupons/{coupon['id']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")
    lost = await http.get("/v1/customers", params={"starting_after": customer["id"]})
    assert (lost.status_code, lost.json()["error"]["param"]) == (400, "starting_after")


async def test_cancelled_subscriptions_are_listed_only_where_asked_for(
    fake: Running, http: httpx.AsyncClient
) -> None:
    """As at Stripe: `status=all` has them."""
    made = fake.world.own.create("subscription", {"status": "active"})
    assert (await http.delete(f"/v1/subscriptions/{made['id']}")).json()["status"] == "canceled"
    assert (await http.get("/v1/subscriptions")).json()["data"] == []
    assert len((await http.get("/v1/subscriptions?status=all")).json()["data"]) == 1
    [event, *_] = (await http.get("/v1/events")).json()["data"]
    assert event["type"] == "customer.subscription.deleted"
    assert event["data"]["object"]["status"] == "canceled"


async def test_lists_below_a_parent(fake: Running, http: httpx.AsyncClient) -> None:
    """Only the parent's; no such parent is a 404, a needed parameter a 400."""
    one, other = fake.world.own.create("customer"), fake.world.own.create("customer")
    fake.world.own.create("card", parent=one["id"])
    assert len((await http.get(f"/v1/customers/{one['id']}/sources")).json()["data"]) == 1
    assert (await http.get(f"/v1/customers/{other['id']}/sources")).json()["data"] == []
    assert (await http.get("/v1/customers/none/sources")).status_code == 404
    assert (await http.get("/v1/setup_attempts")).status_code == 400


# --- events ---------------------------------------------------------------------------------------------


async def test_events_show_up_late_and_out_of_order(fake: Running, http: httpx.AsyncClient) -> None:
    """An older event appears behind younger ones; until then only `unseen` tells of it."""
    books = fake.world.own
    fake.world.turn(OPEN.turned({"late": 1.0, "late_ms": 50}))
    late = books.create("customer")
    fake.world.turn(OPEN)
    books.create("product")
    assert books.unseen == 1
    shown = (await http.get("/v1/events")).json()["data"]
    assert [one["type"] for one in shown] == ["product.created"]
    deadline = time.monotonic() + 10
    while books.unseen and time.monotonic() < deadline:
        shown = (await http.get("/v1/events")).json()["data"]
    assert [one["data"]["object"]["id"] for one in shown if one["type"] == "customer.created"] == [late["id"]]


async def test_events_are_filtered_and_rendered_at_their_own_version(
    fake: Running, http: httpx.AsyncClient
) -> None:
    """By type with a wildcard, by up to twenty types; in the version of when they happened."""
    fake.world.turn(OPEN.turned({"account_version": "2020-08-27"}))
    books = fake.world.own
    customer = books.create("customer")
    fake.world.turn(OPEN)
    books.change("customer", customer["id"], {"name": "Ann"})
    books.create("product")
    for query, count in (("type=customer.*", 2), ("types[]=product.created&types[]=customer.updated", 2)):
        assert len((await http.get(f"/v1/events?{query}")).json()["data"]) == count
    many = "&".join(f"types[]=a{number}" for number in range(21))
    assert (await http.get(f"/v1/events?{many}")).status_code == 400
    answer = await http.get("/v1/events?type=customer.*", headers={"Stripe-Version": "2025-09-30.clover"})
    newer, older = answer.json()["data"]
    assert (older["api_version"], newer["api_version"]) == ("2020-08-27", "2025-09-30.clover")
    assert newer["data"]["previous_attributes"] == {"name": None}


# --- who asks, and how often --------------------------------------------------------------------------------


async def test_keys(fake: Running, http: httpx.AsyncClient) -> None:
    """None, a wrong one, one that has ended, one that may not: each is refused in its own way."""
    assert (await http.get("/v1/account", headers={"Authorization": ""})).status_code == 401
    wrong = await http.get("/v1/account", headers={"Authorization": "Bearer sk_live_wrong"})
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "invalid_request_error")
    new = fake.world.keys.roll(KEY, 0)
    ended = await http.get("/v1/account")
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "api_key_expired")
    fake.world.keys.restricted[new] = frozenset({"customer"})
    headers = {"Authorization": f"Bearer {new}"}
    assert (await http.get("/v1/customers", headers=headers)).status_code == 200
    assert (await http.get("/v1/products", headers=headers)).status_code == 403
    assert (await http.get("/v1/customers", headers={"Authorization": ""}, auth=(new, ""))).status_code == 200


async def test_versions_and_accounts(fake: Running, http: httpx.AsyncClient) -> None:
    """The answer names its version; a connected account has its own objects."""
    assert (await http.get("/v1/account")).headers["stripe-version"] == "2025-09-30.clover"
    headers = {"Stripe-Version": "2026-10-28.endive"}
    assert (await http.get("/v1/account", headers=headers)).headers["stripe-version"] == "2026-10-28.endive"
    assert (await http.get("/v1/account", headers={"Stripe-Version": "latest"})).status_code == 400
    books = fake.world.connect()
    made = books.create("customer")
    connected = {"Stripe-Account": books.account}
    assert (await http.get("/v1/account", headers=connected)).json()["id"] == books.account
    assert (await http.get("/v1/customers", headers=connected)).json()["data"] == [made]
    assert (await http.get("/v1/customers")).json()["data"] == []
    assert (await http.get("/v1/customers", headers={"Stripe-Account": "acct_none"})).status_code == 403


@pytest.mark.parametrize(
    ("key", "paths", "let_in", "reason"),
    [
        ("sk_live_x", ["/v1/customers"], 25, "endpoint-rate"),
        ("sk_live_x", [one.path for one in RESOURCES if one.parent is None], 100, "global-rate"),
        ("sk_test_x", [one.path for one in RESOURCES if one.parent is None], 25, "global-rate"),
    ],
)
async def test_limits_say_which_was_reached(key: str, paths: list[str], let_in: int, reason: str) -> None:
    """100 a second in live mode, 25 in test mode, 25 of each operation; no header says how long to wait."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        serving(World(key=key)) as fake,
        httpx.AsyncClient(base_url=fake.url, headers=headers) as http,
    ):
        fake.world.used.all.admit = _frozen(fake.world.used.all.admit)  # type: ignore[method-assign]
        for path in paths:
            used = fake.world.used.operation(f"GET {path}")
            used.admit = _frozen(used.admit)  # type: ignore[method-assign]
        answers = [await http.get(paths[number % len(paths)]) for number in range(let_in + 1)]
    assert [answer.status_code for answer in answers] == [200] * let_in + [429]
    assert answers[-1].headers["stripe-rate-limited-reason"] == reason
    assert "retry-after" not in answers[-1].headers
    assert answers[-1].json()["error"]["code"] == "rate_limit"
    assert fake.world.used.limited == {reason: 1}


def _frozen(
    admit: Callable[[float, int, float], float | None],
) -> Callable[[float, int, float], float | None]:
    """Return an admission for which all requests come at one instant."""
    return lambda _now, limit, window: admit(1_000.0, limit, window)


async def test_errors_and_cut_answers(fake: Running, http: httpx.AsyncClient) -> None:
    """By switch: 500 and 503, and bodies that end before their length."""
    fake.world.turn(OPEN.turned({"errors": 1}))
    answer = await http.get("/v1/account")
    assert (answer.status_code, answer.json()["error"]["type"]) in {(500, "api_error"), (503, "api_error")}
    fake.world.turn(OPEN.turned({"cut": 1}))
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get("/v1/account")


# --- writes ---------------------------------------------------------------------------------------------


async def test_a_write_is_done_once_for_each_idempotency_key(fake: Running, http: httpx.AsyncClient) -> None:
    """The same key and form give the same answer; another form is refused."""
    headers = {"Idempotency-Key": "once"}
    first = await http.post("/v1/customers", data={"name": "Ann"}, headers=headers)
    again = await http.post("/v1/customers", data={"name": "Ann"}, headers=headers)
    assert first.json() == again.json()
    assert len(fake.world.own.shelves["customer"]) == 1
    other = await http.post("/v1/customers", data={"name": "Bob"}, headers=headers)
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    wrong = await http.post("/v1/customers", data={"strange": "Ann"})
    assert wrong.json()["error"]["code"] == "parameter_unknown"


# --- Stripe's own library -----------------------------------------------------------------------------------


async def test_the_official_library_lists_to_the_end(fake: Running, official: stripe.StripeClient) -> None:
    """Auto-paging reads every object once."""
    fake.world.own.fill("customer", 230)
    found: list[Any] = await run(lambda: list(official.v1.customers.list({"limit": 100}).auto_paging_iter()))
    assert {one.id for one in found} == set(fake.world.own.shelves["customer"].rows)
    assert len(found) == 230


async def test_the_official_library_writes(fake: Running, official: stripe.StripeClient) -> None:
    """Make, read, change, delete; each is an event."""
    customers = official.v1.customers
    made = await run(
        lambda: customers.create({"name": "Ann", "metadata": {"a": "1"}}, {"idempotency_key": "k"})
    )
    assert (await run(lambda: customers.retrieve(made.id))).name == "Ann"
    changed = await run(lambda: customers.update(made.id, {"name": "Bob", "metadata": {"a": "", "b": "2"}}))
    assert (changed.name, changed.metadata.to_dict()) == ("Bob", {"b": "2"})
    assert (await run(lambda: customers.delete(made.id))).deleted
    assert (await run(lambda: customers.retrieve(made.id))).deleted
    events = await run(lambda: official.v1.events.list())
    assert [one.type for one in events.data] == ["customer.deleted", "customer.updated", "customer.created"]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await run(lambda: official.v1.coupons.retrieve("none"))
    assert raised.value.code == "resource_missing"


async def test_the_official_library_makes_an_endpoint_and_verifies_what_comes(
    fake: Running, official: stripe.StripeClient
) -> None:
    """Its verifier takes what is pushed, also while the secret is rolled."""
    came: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        came.put_nowait((await reader.readexactly(int(lines["Content-Length"])), lines["Stripe-Signature"]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        made = await run(
            lambda: official.v1.webhook_endpoints.create({"url": url, "enabled_events": ["customer.*"]})
        )
        assert made.secret.startswith("whsec_")
        shown = await run(lambda: official.v1.webhook_endpoints.retrieve(made.id))
        assert "secret" not in shown
        fake.world.endpoints[made.id].secrets.insert(0, "whsec_newer")
        await run(lambda: official.v1.customers.create({"name": "Ann"}))
        body, signature = await came.get()
        for secret in (made.secret, "whsec_newer"):
            event = official.construct_event(body, signature, secret)
            assert (event.type, event.data.object["name"]) == ("customer.created", "Ann")
        with pytest.raises(stripe.SignatureVerificationError):
            official.construct_event(body, signature, "whsec_other")
        await run(lambda: official.v1.webhook_endpoints.delete(made.id))
        assert fake.world.endpoints == {}


async def test_lost_deliveries_show_as_such(fake: Running, http: httpx.AsyncClient) -> None:
    """`delivery_success=false` has the events that did not arrive."""
    fake.world.turn(OPEN.turned({"lose": 1}))
    form = {"url": "http://127.0.0.1:1/hook", "enabled_events[]": "*"}
    await http.post("/v1/webhook_endpoints", data=form)
    await http.post("/v1/customers", data={"name": "Ann"})
    [event] = (await http.get("/v1/events?delivery_success=false")).json()["data"]
    assert (event["type"], event["pending_webhooks"]) == ("customer.created", 1)
    assert (await http.get("/v1/events?delivery_success=true")).json()["data"] == []


async def test_control(http: httpx.AsyncClient) -> None:
    """A test in another process fills it, lets things happen, and hears the truth."""
    await http.post("/_control/fill?object=customer&count=30")
    await http.post("/_control/happen?object=customer&count=40&seed=3&deletes=0.3")
    truth = (await http.get("/_control/truth")).json()
    made = truth["made"]
    assert sum(made.values()) == 40
    assert len(truth["objects"]["customer"]) == 30 + made["created"] - made["deleted"]
    listed = (await http.get("/v1/customers?limit=100")).json()["data"]
    assert {one["id"]: one for one in listed} == truth["objects"]["customer"]
    used = (await http.get("/_control/requests")).json()
    assert used["operations"]["GET /v1/customers"] == {"count": 1, "highest": 1}
    assert (await http.patch("/_control/switches", json={"no": 1})).status_code == 400


def test_the_licence_is_beside_what_it_is_for() -> None:
    """The examples and the document are Stripe's, under MIT."""
    for folder in ("src/headwater/testing/fake_stripe", "tests/providers/stripe"):
        assert "MIT License" in (Path(__file__).parents[2] / folder / "LICENSE").read_text()
