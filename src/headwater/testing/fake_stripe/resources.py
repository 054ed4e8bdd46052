"""What the fake Stripe has: resources with their addresses, and an example object of each. Values.

The examples are those that stripe/openapi publishes (MIT, see LICENSE), completed where a member of the
OpenAPI document of 2025-10-15 was missing; a test holds every answer against that document.
Source: https://github.com/stripe/openapi, https://docs.stripe.com/api. Read 2026-11-24.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import orjson

EXAMPLES: dict[str, dict[str, Any]] = orjson.loads(
    files("headwater.testing.fake_stripe").joinpath("objects.json").read_bytes()
)
"""An object of each class, by its `object`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """A list inside an object: the member, the class of its items, and their member that names the owner.

    `path` has the owner's id as `{id}`.
    """

    member: str
    object: str
    path: str
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A class of objects. `path` has its parent's id as `{parent}` where it is listed below one.

    `owner` is the member that names the parent, `needs` the parameter that a list must have. `events` are
    the types of what happens to an object: made, changed, deleted; None where nothing is told.
    """

    object: str
    path: str
    made: str | None = None
    changed: str | None = None
    deleted: str | None = None
    created: bool = True
    owner: str | None = None
    parent: str | None = None
    needs: str | None = None
    nested: tuple[Nested, ...] = ()
    one: str | None = None
    ghost: bool = False
    """A deleted one answers `{"deleted": true}`; others answer 404."""
    by_user: bool = True
    """It can be made and changed by requests."""


def _of(object: str, path: str, events: str = "", types: str = "created updated", **more: Any) -> Resource:
    """Return a resource whose events begin with `events`."""
    made, changed, deleted = (f"{events}.{name}" for name in (*types.split(), "-", "-")[:3])
    told = {"made": made, "changed": changed, "deleted": deleted} if events else {}
    told = {name: type for name, type in told.items() if not type.endswith("-")}
    return Resource(object=object, path=path, one=more.pop("one", f"{path}/{{id}}"), **told, **more)


_ALL = "created updated deleted"

RESOURCES = (
    _of("customer", "/v1/customers", "customer", _ALL, ghost=True),
    _of("card", "/v1/customers/{parent}/sources", "customer.source", _ALL, created=False, owner="customer",
        parent="customer"),
    _of("payment_method", "/v1/customers/{parent}/payment_methods", "payment_method",
        "attached updated", created=False, owner="customer", parent="customer",
        one="/v1/payment_methods/{id}"),
    _of("tax_id", "/v1/customers/{parent}/tax_ids", "customer.tax_id", _ALL, created=False,
        owner="customer", parent="customer", one="/v1/tax_ids/{id}"),
    _of("subscription", "/v1/subscriptions", "customer.subscription", nested=(
        Nested(member="items", object="subscription_item", path="/v1/subscription_items?subscription={id}",
               owner="subscription"),)),
    _of("subscription_schedule", "/v1/subscription_schedules", "subscription_schedule"),
    _of("invoice", "/v1/invoices", "invoice", _ALL, nested=(
        Nested(member="lines", object="line_item", path="/v1/invoices/{id}/lines", owner="invoice"),)),
    _of("invoiceitem", "/v1/invoiceitems", "invoiceitem", _ALL),
    _of("charge", "/v1/charges", "charge", "succeeded updated"),
    _of("refund", "/v1/refunds", "refund"),
    _of("dispute", "/v1/disputes", "charge.dispute", by_user=False),
    _of("payment_intent", "/v1/payment_intents", "payment_intent", "created succeeded"),
    _of("setup_intent", "/v1/setup_intents", "setup_intent", "created succeeded"),
    _of("setup_attempt", "/v1/setup_attempts", needs="setup_intent", owner="setup_intent",
        parent="setup_intent", by_user=False, one=None),
    _of("checkout.session", "/v1/checkout/sessions", "checkout.session", "- completed"),
    _of("product", "/v1/products", "product", _ALL),
    _of("price", "/v1/prices", "price", _ALL),
    _of("plan", "/v1/plans", "plan", _ALL),
    _of("coupon", "/v1/coupons", "coupon", _ALL),
    _of("promotion_code", "/v1/promotion_codes", "promotion_code"),
    _of("tax_rate", "/v1/tax_rates", "tax_rate"),
    _of("credit_note", "/v1/credit_notes", "credit_note", nested=(
        Nested(member="lines", object="credit_note_line_item", path="/v1/credit_notes/{id}/lines"),)),
    _of("payout", "/v1/payouts", "payout"),
    _of("topup", "/v1/topups", "topup", "created succeeded"),
    _of("transfer", "/v1/transfers", "transfer", nested=(
        Nested(member="reversals", object="transfer_reversal", path="/v1/transfers/{id}/reversals",
               owner="transfer"),)),
    _of("application_fee", "/v1/application_fees", "application_fee", "created refunded", by_user=False,
        nested=(Nested(member="refunds", object="fee_refund", path="/v1/application_fees/{id}/refunds",
                       owner="fee"),)),
    _of("review", "/v1/reviews", "review", "opened closed", by_user=False),
    _of("radar.early_fraud_warning", "/v1/radar/early_fraud_warnings", "radar.early_fraud_warning",
        by_user=False),
    _of("issuing.authorization", "/v1/issuing/authorizations", "issuing_authorization"),
    _of("issuing.card", "/v1/issuing/cards", "issuing_card"),
    _of("issuing.cardholder", "/v1/issuing/cardholders", "issuing_cardholder"),
    _of("issuing.dispute", "/v1/issuing/disputes", "issuing_dispute"),
    _of("issuing.transaction", "/v1/issuing/transactions", "issuing_transaction"),
    _of("account", "/v1/accounts", "account", "- updated"),
    _of("person", "/v1/accounts/{parent}/persons", "person", _ALL, created=False, owner="account",
        parent="account"),
    _of("bank_account", "/v1/accounts/{parent}/external_accounts", "account.external_account", _ALL,
        created=False, owner="account", parent="account"),
    _of("balance_transaction", "/v1/balance_transactions", by_user=False),
    _of("file", "/v1/files"),
    _of("file_link", "/v1/file_links"),
    _of("shipping_rate", "/v1/shipping_rates"),
    _of("radar.value_list", "/v1/radar/value_lists"),
    _of("radar.value_list_item", "/v1/radar/value_list_items", needs="value_list", owner="value_list",
        parent="radar.value_list"),
)  # fmt: skip
"""Every resource that can be listed."""

BY_OBJECT = {resource.object: resource for resource in RESOURCES}
