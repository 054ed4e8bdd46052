"""Stripe's classes of objects: where each is listed, and how its changes show. Values; the rest is made from
them.

Source: https://docs.stripe.com/api (paths, `created` filters, nested lists) and
https://docs.stripe.com/api/events/types (what has events); checked against the OpenAPI document that
stripe/openapi publishes. Read 2026-11-24.
"""

from dataclasses import dataclass, field
from enum import Enum
from importlib.resources import files
from typing import Any

import orjson


class Seen(Enum):
    """How the changes of a class of objects are seen."""

    FEED = "feed"
    """Every change is an event of `/v1/events`."""
    FEED_AND_LISTING = "feed_and_listing"
    """By events, which do not tell everything: it is listed anew every hour, too."""
    FEED_BUT_CREATION = "feed_but_creation"
    """By events, except that it was made: the newest are listed, too."""
    CREATION = "creation"
    """Nothing but new objects, listed by their creation."""
    LISTING = "listing"
    """It has no events: it is listed whole, again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A class of objects. `path` and `params` may name `{parent.id}`; `one` is where a single object is."""

    name: str
    path: str
    objects: tuple[str, ...]
    """Values of the member `object` by which its events are known."""
    description: str
    seen: Seen = Seen.FEED
    created: bool = True
    """The list takes a filter by `created`, so that it can be read in parts at once."""
    params: dict[str, str] = field(default_factory=dict[str, str])
    parent: str | None = None
    owner: str | None = None
    """The member of an object that names its parent, for collections that are read per parent."""
    scoped: bool = False
    """A single object can only be read below its parent, so its upstream id is `<parent id>/<id>`."""
    one: str | None = None
    deletes: bool = False
    """`….deleted` means that the object is gone. (A subscription's only means that it was cancelled.)"""
    volatile: frozenset[str] = frozenset()
    by_default: bool = True
    scope: str = ""
    """The permission of a restricted key that it takes, as the dashboard names it."""


FIELDS: dict[str, dict[str, Any]] = orjson.loads(
    files("headwater.providers.stripe").joinpath("fields.json").read_bytes()
)
"""The members of each collection's objects, with their types: from the OpenAPI document of 2025-10-15 (MIT,
see LICENSE). Later versions of the API add members; they are kept as all others."""


def _kind(name: str, path: str, description: str, *, readable: bool = True, **more: Any) -> Kind:
    """Return a kind whose objects are called as it is, and are read one by one below its list's path."""
    settings: dict[str, Any] = {"objects": (name,), "one": f"{path}/{{id}}" if readable else None, **more}
    return Kind(name=name, path=path, description=description, **settings)


_SIGNED_INVOICE = frozenset({"hosted_invoice_url", "invoice_pdf"})
_SIGNED_CHARGE = frozenset({"receipt_url"})
"""Links with a signature, which may be another one at each read."""

KINDS = (
    _kind("customer", "/v1/customers", "Who buys.", deletes=True, scope="Customers"),
    _kind(
        "customer_source", "/v1/customers/{parent.id}/sources",
        "Cards and bank accounts of customers, as they were kept before payment methods.",
        objects=("card", "bank_account", "source"), created=False, parent="customer", owner="customer",
        scoped=True, deletes=True, by_default=False, scope="Customers",
    ),
    _kind(
        "payment_method", "/v1/customers/{parent.id}/payment_methods",
        "What customers pay with. A detached one stays, without its customer.",
        created=False, parent="customer", owner="customer", by_default=False, scope="Payment Methods",
        one="/v1/payment_methods/{id}",
    ),
    _kind(
        "tax_id", "/v1/customers/{parent.id}/tax_ids", "Tax numbers of customers.",
        created=False, parent="customer", owner="customer", deletes=True, by_default=False,
        one="/v1/tax_ids/{id}", scope="Tax IDs",
    ),
    _kind(
        "subscription", "/v1/subscriptions", "Subscriptions with their items. Cancelled ones stay.",
        params={"status": "all"}, scope="Subscriptions",
    ),
    _kind("subscription_schedule", "/v1/subscription_schedules", "Planned changes of subscriptions.",
          scope="Subscriptions"),
    _kind("invoice", "/v1/invoices", "Invoices with all their lines. Only drafts can be deleted.",
          deletes=True, volatile=_SIGNED_INVOICE, scope="Invoices"),
    _kind("invoiceitem", "/v1/invoiceitems", "What an invoice will hold.", deletes=True, scope="Invoices"),
    _kind("charge", "/v1/charges", "Attempts to take money.", volatile=_SIGNED_CHARGE, scope="Charges"),
    _kind("refund", "/v1/refunds", "Money given back.", scope="Charges"),
    _kind("dispute", "/v1/disputes", "Charges that a bank has been asked to take back.", scope="Disputes"),
    _kind("payment_intent", "/v1/payment_intents", "Payments from intent to end.", scope="Payment Intents"),
    _kind("setup_intent", "/v1/setup_intents", "Payment methods being set up.", scope="Setup Intents"),
    _kind(
        "setup_attempt", "/v1/setup_attempts", "Each try to set a payment method up.",
        readable=False, created=False, params={"setup_intent": "{parent.id}"}, parent="setup_intent",
        owner="setup_intent", seen=Seen.LISTING, by_default=False, scope="Setup Intents",
    ),
    _kind(
        "checkout_session", "/v1/checkout/sessions", "Visits to a checkout page.",
        objects=("checkout.session",), seen=Seen.FEED_BUT_CREATION, scope="Checkout Sessions",
    ),
    _kind("product", "/v1/products", "What is sold.", deletes=True, scope="Products"),
    _kind("price", "/v1/prices", "What products cost.", deletes=True, scope="Prices"),
    _kind("plan", "/v1/plans", "Prices in their older form.", deletes=True, scope="Plans"),
    _kind("coupon", "/v1/coupons", "Discounts.", deletes=True, scope="Coupons"),
    _kind("promotion_code", "/v1/promotion_codes", "Codes that customers type in for a coupon.",
          scope="Promotion Codes"),
    _kind("tax_rate", "/v1/tax_rates", "Tax rates.", scope="Tax Rates"),
    _kind("credit_note", "/v1/credit_notes", "Invoices corrected, with all lines.", scope="Credit Notes"),
    _kind("payout", "/v1/payouts", "Money paid to the account's bank.", scope="Payouts"),
    _kind("topup", "/v1/topups", "Money paid in.", scope="Top-ups"),
    _kind("transfer", "/v1/transfers", "Money moved to connected accounts.", scope="Transfers"),
    _kind("application_fee", "/v1/application_fees", "Fees of a platform, with their refunds.",
          by_default=False, scope="Application Fees"),
    _kind("review", "/v1/reviews", "Payments that a person should look at.", scope="Reviews"),
    _kind("early_fraud_warning", "/v1/radar/early_fraud_warnings", "What card networks suspect.",
          objects=("radar.early_fraud_warning",), scope="Radar"),
    _kind("issuing_authorization", "/v1/issuing/authorizations", "Uses of issued cards.",
          objects=("issuing.authorization",), by_default=False, scope="Issuing Authorizations"),
    _kind("issuing_card", "/v1/issuing/cards", "Issued cards.", objects=("issuing.card",), by_default=False,
          scope="Issuing Cards"),
    _kind("issuing_cardholder", "/v1/issuing/cardholders", "Who holds issued cards.",
          objects=("issuing.cardholder",), by_default=False, scope="Issuing Cardholders"),
    _kind("issuing_dispute", "/v1/issuing/disputes", "Disputes over uses of issued cards.",
          objects=("issuing.dispute",), by_default=False, scope="Issuing Disputes"),
    _kind("issuing_transaction", "/v1/issuing/transactions", "Money moved by issued cards.",
          objects=("issuing.transaction",), by_default=False, scope="Issuing Transactions"),
    _kind("account", "/v1/accounts", "Connected accounts of a platform.", seen=Seen.FEED_AND_LISTING,
          by_default=False, scope="Connect"),
    _kind(
        "person", "/v1/accounts/{parent.id}/persons", "People behind connected accounts.",
        created=False, parent="account", owner="account", scoped=True, deletes=True,
        seen=Seen.FEED_AND_LISTING, by_default=False, scope="Connect",
    ),
    _kind(
        "external_account", "/v1/accounts/{parent.id}/external_accounts",
        "Where connected accounts are paid.", objects=("card", "bank_account"), created=False,
        parent="account", owner="account", scoped=True, deletes=True, seen=Seen.FEED_AND_LISTING,
        by_default=False, scope="Connect",
    ),
    _kind("balance_transaction", "/v1/balance_transactions", "Every movement of the balance.",
          seen=Seen.CREATION, scope="Balance Transactions"),
    _kind("file", "/v1/files", "Uploaded files: what is known of them, not their content.",
          seen=Seen.CREATION, scope="Files"),
    _kind("file_link", "/v1/file_links", "Public links to files.", seen=Seen.LISTING, scope="Files"),
    _kind("shipping_rate", "/v1/shipping_rates", "What delivery costs.", seen=Seen.LISTING,
          scope="Shipping Rates"),
    _kind("value_list", "/v1/radar/value_lists", "Lists that rules against fraud use.",
          objects=("radar.value_list",), seen=Seen.LISTING, by_default=False, scope="Radar"),
    _kind(
        "value_list_item", "/v1/radar/value_list_items", "What is on those lists.",
        objects=("radar.value_list_item",), seen=Seen.LISTING, created=False,
        params={"value_list": "{parent.id}"}, parent="value_list", owner="value_list", by_default=False,
        scope="Radar",
    ),
)  # fmt: skip
"""Every class of objects that is a collection, in the order in which they are listed."""
