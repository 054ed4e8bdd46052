"""Stripe's events as news: taken where they are whole and of the pinned version, hints else, none where no
collection has their object.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.providers.stripe_rig import rigged

from headwater.errors import Reject
from headwater.providers.provider import News
from headwater.providers.stripe.access import VERSION
from headwater.providers.stripe.events import news_of, read_event
from headwater.providers.stripe.kinds import KINDS
from headwater.testing.fake_stripe.books import shortened
from headwater.testing.fake_stripe.resources import EXAMPLES

DOCUMENT = Path(__file__).with_name("stripe") / "openapi.json.gz"
SECOND = 1_790_000_000


def event(type: str, object: dict[str, Any], **more: Any) -> list[News]:
    """Return the news of an event; `late` and `account` are for its reader."""
    reader = {name: more.pop(name) for name in ("late", "own") if name in more}
    data = {"object": object} | more.pop("data", {})
    body = {"id": "evt_1", "object": "event", "type": type, "api_version": VERSION, "created": SECOND}
    raw = json.dumps(body | {"data": data} | more, indent=4).encode()
    return news_of(read_event(raw), reader.get("own"), late=reader.get("late", False))


def only(news: list[News]) -> News:
    """Return the only news."""
    [one] = news
    return one


def test_a_whole_object_of_the_pinned_version_is_taken() -> None:
    """In the bytes of a list, with the second in which it was so."""
    news = only(event("customer.updated", EXAMPLES["customer"]))
    assert news.observed is not None
    assert json.loads(news.observed.raw) == EXAMPLES["customer"]
    assert b"\n" not in news.observed.raw
    assert (news.collection, news.at_us, news.exact_us) == ("customer", SECOND * 1_000_000, 1_000_000)


@pytest.mark.parametrize("version", ["2020-08-27", None])
def test_another_version_is_a_hint(version: str | None) -> None:
    """Its shapes may be others."""
    news = only(event("customer.updated", EXAMPLES["customer"], api_version=version))
    assert (news.id, news.observed) == (EXAMPLES["customer"]["id"], None)


def test_late_news_and_cut_off_lists_are_hints() -> None:
    """What shows late may be older than what was taken; an invoice of eleven lines shows ten."""
    assert only(event("customer.updated", EXAMPLES["customer"], late=True)).observed is None
    lines = EXAMPLES["invoice"]["lines"] | {"data": EXAMPLES["invoice"]["lines"]["data"][:1] * 11}
    invoice = shortened(EXAMPLES["invoice"] | {"lines": lines})
    assert only(event("invoice.updated", invoice)).observed is None
    assert only(event("invoice.updated", EXAMPLES["invoice"])).observed is not None


def test_deletes_are_tombstones_in_every_version() -> None:
    """And a cancelled subscription is none: it stays."""
    for kind in KINDS:
        if kind.deletes and kind.parent is None:
            news = only(
                event(f"{kind.objects[0]}.deleted", EXAMPLES[kind.objects[0]], api_version="2020-01-01")
            )
            assert news.observed is not None
            assert (news.observed.deleted, news.observed.raw) == (True, b"")
    cancelled = only(event("customer.subscription.deleted", EXAMPLES["subscription"]))
    assert cancelled.observed is not None
    assert not cancelled.observed.deleted


def test_cards_belong_to_customers_or_to_accounts() -> None:
    """The same object, told apart by its owner; its id is below the owner's."""
    card = EXAMPLES["card"] | {"customer": "cus_1", "account": None}
    news = only(event("customer.source.created", card))
    assert (news.collection, news.id, news.parent_id) == ("customer_source", f"cus_1/{card['id']}", "cus_1")
    external = EXAMPLES["card"] | {"customer": None, "account": "acct_1"}
    news = only(event("account.external_account.deleted", external))
    assert (news.collection, news.id) == ("external_account", f"acct_1/{card['id']}")
    assert news.observed is not None
    assert news.observed.deleted
    assert event("source.chargeable", {"id": "src_1", "object": "source"}) == []


def test_a_detached_payment_method_stays_and_knows_whose_it_was() -> None:
    """Without its customer, and with the one that it had before as its parent."""
    method = EXAMPLES["payment_method"] | {"customer": None}
    before = {"previous_attributes": {"customer": "cus_1"}}
    news = only(event("payment_method.detached", method, data=before))
    assert (news.id, news.parent_id) == (method["id"], "cus_1")
    assert news.observed is not None
    assert not news.observed.deleted


def test_a_part_tells_of_what_it_is_a_part_of() -> None:
    """A discount changes its customer and its subscription, a refund of a fee the fee."""
    discount = {"object": "discount", "id": "di_1", "customer": "cus_1", "subscription": "sub_1"}
    found = {(one.collection, one.id) for one in event("customer.discount.created", discount)}
    assert found == {("customer", "cus_1"), ("subscription", "sub_1")}
    refund = only(event("application_fee.refund.updated", EXAMPLES["fee_refund"] | {"fee": {"id": "fee_1"}}))
    assert (refund.collection, refund.id, refund.observed) == ("application_fee", "fee_1", None)


def test_an_upcoming_invoice_is_no_news() -> None:
    """It does not exist yet, and has no id."""
    upcoming = {name: value for name, value in EXAMPLES["invoice"].items() if name != "id"}
    assert event("invoice.upcoming", upcoming) == []
    assert event("invoice.upcoming", EXAMPLES["invoice"]) == []


def test_new_types_of_known_objects_are_changes() -> None:
    """Stripe adds types all the time; those of unknown objects are nothing to us."""
    news = only(event("invoice.turned_upside_down", EXAMPLES["invoice"]))
    assert news.observed is not None
    assert not news.observed.deleted
    assert event("quantum.entangled", {"object": "quantum", "id": "qu_1"}) == []
    assert event("balance.available", {"object": "balance"}) == []


def test_events_of_connected_accounts_are_not_the_platforms() -> None:
    """Their objects are in their own books; what the platform lists of them is read there."""
    customer, account = EXAMPLES["customer"], EXAMPLES["account"]
    assert event("customer.updated", customer, account="acct_2") == []
    assert only(event("customer.updated", customer, account="acct_2", own="acct_2")).observed is not None
    news = only(event("account.updated", account, account=account["id"]))
    assert (news.collection, news.observed) == ("account", None)


def test_thin_events_are_hints() -> None:
    """They name their object and do not carry it."""
    body = {
        "id": "evt_1",
        "object": "v2.core.event",
        "type": "v2.core.account.updated",
        "created": "2026-11-24",
    }
    related = {"id": "acct_1", "type": "v2.core.account", "url": "/v2/core/accounts/acct_1"}
    news = only(news_of(read_event(json.dumps(body | {"related_object": related}).encode())))
    assert (news.collection, news.id, news.observed) == ("account", "acct_1", None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id": 1, "type": "x"}', b"\xff", b'{"type": "x"}'])
def test_what_is_no_event_is_rejected(body: bytes) -> None:
    """Without repeating any of it."""
    with pytest.raises(Reject) as raised:
        read_event(body)
    assert raised.value.error_code == "item.unreadable"


NOBODYS = {
    "account.application", "balance", "billing_portal", "cash_balance", "customer_cash_balance_transaction",
    "financial_connections", "identity", "mandate", "order", "payment_link", "quote", "recipient",
    "reporting", "sigma", "sku", "source", "terminal", "test_helpers", "treasury",
}  # fmt: skip
"""Beginnings of the types whose objects are in no collection."""


async def test_every_type_of_event_is_known() -> None:
    """Each type that Stripe documents tells of a collection, or is listed above."""
    document = json.loads(gzip.decompress(DOCUMENT.read_bytes()))
    form = document["paths"]["/v1/webhook_endpoints"]["post"]["requestBody"]["content"]
    types = form["application/x-www-form-urlencoded"]["schema"]["properties"]["enabled_events"]["items"][
        "enum"
    ]
    objects = {
        "customer.source": "card", "customer.subscription": "subscription", "customer.tax_id": "tax_id",
        "customer.discount": "discount", "charge.dispute": "dispute", "charge.refund": "refund",
        "account.external_account": "card", "checkout.session": "checkout.session",
        "application_fee.refund": "fee_refund", "radar.early_fraud_warning": "radar.early_fraud_warning",
    }  # fmt: skip
    silent: set[str] = set()
    for type in types:
        if type == "*" or any(type.startswith(f"{name}.") for name in NOBODYS):
            continue
        prefix = type.rpartition(".")[0]
        name = objects.get(prefix, prefix.replace("issuing_", "issuing."))
        owner = {"account": "acct_1"} if prefix.startswith("account") else {"customer": "cus_1"}
        if name in {"capability", "discount"}:
            object = {"object": name, "id": "x_1", "customer": "cus_1", "account": "acct_1"}
        else:
            object = EXAMPLES[name] | (owner if name == "card" else {})
            object |= {"account": None} if name == "card" and "customer" in owner else {}
        if not event(type, object):
            silent.add(type)
    assert silent == {"invoice.upcoming"}


async def test_the_events_of_the_fake_are_all_understood() -> None:
    """Everything that happens there is news, and carries its object in the list's own bytes."""
    async with rigged() as rig:
        for kind in KINDS:
            if kind.parent is None:
                rig.books.create(kind.objects[0])
        for row in rig.books.events.below(len(rig.books.events)):
            [news] = news_of(read_event(row.shown))
            assert news.observed is not None
            read_one = rig.collection(news.collection).read_one
            assert read_one is not None
            [seen] = (await read_one(rig.http, None, news.id)).observed
            assert (seen.raw, seen.fingerprint) == (news.observed.raw, news.observed.fingerprint)
