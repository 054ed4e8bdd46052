"""Stripe as a provider: what every provider promises, its collections, its keys and its limits."""

import importlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.providers.stripe_rig import Rig, rigged

from headwater.errors import Halt, Retry
from headwater.kit import jsonbytes
from headwater.providers.provider import Scope, Since
from headwater.providers.stripe import STRIPE
from headwater.providers.stripe.kinds import KINDS, Kind, Seen
from headwater.testing.fake_stripe import Switches
from headwater.testing.fake_stripe.resources import EXAMPLES
from headwater.testing.provider_suite import ProviderSuite, Recording
from headwater.testing.recorded_api import Recorded

SCOPES = {
    kind.name: Scope(id=f"{kind.parent}_1", data=b'{"id":"1"}') for kind in KINDS if kind.parent is not None
}
LONGEST = "payment_method"


@pytest.fixture
async def rig() -> AsyncGenerator[Rig]:
    """The provider before a fake without limits."""
    async with rigged() as rig:
        yield rig


def page_of(objects: list[dict[str, Any]], *, more: bool = False) -> Recorded:
    """Return a list as Stripe writes it."""
    body = {"object": "list", "data": objects, "has_more": more, "url": "/v1/recorded"}
    return Recorded(body=json.dumps(body, indent=2).encode())


def address(kind: Kind, after: str | None = None) -> str:
    """Return where a page of a list is."""
    scope = SCOPES.get(kind.name)
    parent = scope.id if scope else ""
    query = {name: value.replace("{parent.id}", parent) for name, value in kind.params.items()}
    query |= {"limit": "100"} | ({"starting_after": after} if after else {})
    path = kind.path.replace("{parent.id}", parent)
    return f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}"


def recorded() -> dict[str, Recorded]:
    """Return a page of example objects of each collection, and three of the longest."""
    answers: dict[str, Recorded] = {}
    for kind in KINDS:
        example = EXAMPLES[kind.objects[0]]
        pages = [[example | {"id": f"{kind.name}_{page}_{one}"} for one in range(2)] for page in range(3)]
        pages = pages if kind.name == LONGEST else pages[:1]
        after: str | None = None
        for number, objects in enumerate(pages, start=1):
            answers[address(kind, after)] = page_of(objects, more=number < len(pages))
            after = objects[-1]["id"]
    return answers


class TestStripe(ProviderSuite):
    """What every provider promises."""

    @pytest.fixture
    def recording(self) -> Recording:
        """Example objects of Stripe's own, in lists."""
        return Recording(provider=STRIPE, answers=recorded(), empty=page_of([]), scopes=SCOPES)


# --- collections ----------------------------------------------------------------------------------------


async def test_every_collection_reads_what_the_api_has(rig: Rig) -> None:
    """Lists, single objects and the fake agree, also where an object is read below another."""
    for kind in KINDS:
        object = kind.objects[-1] if kind.name == "external_account" else kind.objects[0]
        made = rig.books.create(object, items=12)
        scope = Scope(id=made[kind.owner], data=b"{}") if kind.owner else None
        [seen] = await rig.all(kind.name, scope)
        id = f"{scope.id}/{made['id']}" if kind.scoped and scope else made["id"]
        assert (seen.id, seen.deleted, seen.version, seen.updated_us) == (id, False, None, None)
        assert json.loads(seen.raw) == made, kind.name
        created = made.get("created")
        assert seen.created_us == (None if created is None else created * 1_000_000)
        read_one = rig.collection(kind.name).read_one
        if read_one is not None:
            [again] = (await read_one(rig.http, scope, id)).observed
            assert (again.raw, again.fingerprint) == (seen.raw, seen.fingerprint), kind.name


async def test_what_is_gone(rig: Rig) -> None:
    """A customer answers that it is deleted, others are not found; another address is a person's business."""
    for object in ("customer", "coupon"):
        made = rig.books.create(object)
        rig.books.delete(object, made["id"])
        read_one = rig.collection(object).read_one
        assert read_one is not None
        [seen] = (await read_one(rig.http, None, made["id"])).observed
        assert (seen.id, seen.deleted, seen.raw) == (made["id"], True, b"")


async def test_cancelled_subscriptions_and_inactive_prices_are_there(rig: Rig) -> None:
    """Stripe leaves cancelled ones out unless it is asked for all."""
    rig.books.create("subscription", {"status": "canceled"})
    rig.books.create("price", {"active": False})
    assert len(await rig.all("subscription")) == len(await rig.all("price")) == 1


async def test_nested_lists_are_completed(rig: Rig) -> None:
    """An invoice has all its lines, in their order; whole ones cost no request."""
    for items in (3, 250):
        rig.books.create("invoice", items=items)
    made = {
        one["id"]: one for row in rig.books.shelves["invoice"].rows.values() if (one := json.loads(row.whole))
    }
    for seen in await rig.all("invoice"):
        assert json.loads(seen.raw) == made[seen.id]
    assert rig.asked("/v1/invoices/{id}/lines") == 3
    subscription = rig.books.create("subscription", items=30)
    [seen] = await rig.all("subscription")
    assert len(json.loads(seen.raw)["items"]["data"]) == 30
    assert json.loads(seen.raw) == subscription


async def test_new_objects_are_read_by_their_creation(rig: Rig) -> None:
    """What has no events is asked for since an instant, newest first, to the end."""
    for second in range(1_000, 1_250):
        rig.books.create("balance_transaction", {"created": second})
    read_since = rig.collection("balance_transaction").read_since
    assert read_since is not None
    since = Since(updated_us=1_100 * 1_000_000)
    pages = [page async for page in read_since(rig.http, None, since, None)]
    assert [len(page.observed) for page in pages] == [100, 50]
    rest = [page async for page in read_since(rig.http, None, Since(updated_us=0), pages[0].resume)]
    assert [len(page.observed) for page in rest] == [50], "a reading that goes on asks what it asked at first"


async def test_a_place_that_was_deleted_is_left_for_the_beginning(rig: Rig) -> None:
    """The object behind which a list should go on is gone: what was read is read again, nothing is missed."""
    customer = rig.books.create("customer")["id"]
    for _ in range(150):
        rig.books.create("tax_id", parent=customer)
    scope = Scope(id=customer, data=b"{}")
    seen: set[str] = set()
    reading = rig.collection("tax_id").read_all(rig.http, scope, None)
    first = await anext(reading)
    rig.books.delete("tax_id", first.observed[-1].id)
    async for page in reading:
        seen |= {one.id for one in page.observed}
    assert seen == set(rig.books.shelves["tax_id"].rows)


def test_the_table_says_how_changes_are_seen() -> None:
    """By the feed; by creation; by listing; both for sessions of a checkout, which no event announces."""
    seen = {kind.name: kind.seen for kind in KINDS}
    for collection in STRIPE.collections:
        fed = seen[collection.name] not in {Seen.CREATION, Seen.LISTING}
        assert collection.fed is fed, collection.name
        creation = seen[collection.name] in {Seen.CREATION, Seen.FEED_BUT_CREATION}
        assert (collection.read_since is not None) is creation
    assert seen["checkout_session"] is Seen.FEED_BUT_CREATION


def test_every_source_has_an_address_and_a_date() -> None:
    """What is claimed about Stripe says from where it is."""
    for name in ("access", "events", "feed", "kinds", "nested", "parts", "reading", "webhook"):
        module = importlib.import_module(f"headwater.providers.stripe.{name}")
        text = " ".join((module.__doc__ or "").split())
        assert "Source: https://" in text, name
        assert "Read 2026-11-24" in text, name


# --- keys, accounts, limits -----------------------------------------------------------------------------


async def test_a_credential_tells_its_account(rig: Rig) -> None:
    """Test mode is an account of its own: other data, other limits."""
    assert rig.provider.check is not None
    assert await rig.provider.check(rig.http) == rig.books.account
    async with rigged(key="rk_test_x") as other:
        assert other.provider.check is not None
        assert await other.provider.check(other.http) == f"{other.books.account}/test"


async def test_a_restricted_key_may_not_know_its_account(rig: Rig) -> None:
    """Then it is its own; a wrong or an ended key is a person's business."""
    assert rig.provider.check is not None
    rig.fake.world.keys.restricted["sk_live_x"] = frozenset({"customer"})
    assert await rig.provider.check(rig.http) is None
    with pytest.raises(Halt) as raised:
        await rig.all("product")
    assert raised.value.error_code == "provider.forbidden"
    rig.fake.world.keys.roll("sk_live_x", 0)
    with pytest.raises(Halt) as raised:
        await rig.provider.check(rig.http)
    assert raised.value.error_code == "provider.credential_refused"


async def test_a_connected_account_that_is_not_ours_is_told() -> None:
    """It would else look like a key that may not read its own account."""
    async with rigged(account="acct_none") as rig:
        assert rig.provider.check is not None
        with pytest.raises(Halt) as raised:
            await rig.provider.check(rig.http)
        assert raised.value.error_code == "provider.forbidden"


async def test_the_version_is_pinned(rig: Rig) -> None:
    """Whatever the account's own default is."""
    rig.fake.world.turn(rig.fake.world.switches.turned({"account_version": "2019-12-03"}))
    answer = await rig.http.get("/v1/account", bucket="account.own")
    assert answer.headers["stripe-version"] == STRIPE.headers["Stripe-Version"]


async def test_a_connected_account_by_credential_or_config() -> None:
    """Both name it in every request; its events are this sync's, others' are not."""
    async with rigged() as rig:
        books = rig.fake.world.connect()
        made = books.create("customer")
        rig.books.create("customer")
        configured = rig.provider.configured({"account": books.account})
        assert configured.headers["Stripe-Account"] == books.account
        answer = await rig.http.get(
            "/v1/customers", headers={"Stripe-Account": books.account}, bucket="customer.list"
        )
        assert [one["id"] for one in json.loads(answer.body)["data"]] == [made["id"]]
        credential = {"api_key": "k", "account": books.account}
        headers: dict[str, str] = {}
        await rig.provider.authorize("key", credential).apply(headers, {})
        assert headers == {"Authorization": "Bearer k", "Stripe-Account": books.account}
        assert STRIPE.opened("key", credential).feed is not STRIPE.feed


def test_the_budget_is_half_of_what_the_api_allows() -> None:
    """Of all requests, and of each kind; a sandbox allows a quarter."""
    live = {bucket.name: bucket.allowed for bucket in STRIPE.budget}
    assert (live["default"], live["customer.list"], live["customer.read"], live["file.list"]) == (
        50,
        12,
        12,
        10,
    )
    test = {bucket.name: bucket.allowed for bucket in STRIPE.opened("key", {"api_key": "sk_test_1"}).budget}
    assert test == live | {"default": 12}
    assert {f"{kind.name}.{what}" for kind in KINDS for what in ("list", "read", "nested")} < set(live)


async def test_p10_a_backfill_stays_inside_the_budget() -> None:
    """Twelve a second of one kind, though eight parts are read at once; the fake refuses none."""
    async with rigged(Switches(), buckets=True) as rig:
        rig.books.fill("charge", 1_700)
        assert len(await rig.all("charge")) >= 1_700
        assert rig.fake.world.used.operation("GET /v1/charges").highest(1.0) <= 12
        assert rig.fake.world.used.limited == {}


async def test_a_limit_is_told_with_its_reason() -> None:
    """The error says which of Stripe's limits it was."""
    async with rigged(Switches(endpoint_limit=1)) as rig:
        await rig.all("charge")
        with pytest.raises(Retry) as raised:
            await rig.all("charge")
        assert raised.value.error_code == "provider.rate_limited"
        assert "endpoint-rate" in raised.value.message


def test_objects_have_the_same_bytes_wherever_they_stand() -> None:
    """A list indents deeper than a single object; the white space is no part of either."""
    pretty = json.dumps({"data": [{"id": "a"}]}, indent=2).encode()
    assert jsonbytes.compact(pretty) == b'{"data":[{"id":"a"}]}'
