"""What the fake Stripe answers to writes: made, changed, deleted; once for each idempotency key.

Source: https://docs.stripe.com/api/idempotent_requests, https://docs.stripe.com/api/subscriptions/cancel,
https://docs.stripe.com/api/invoices/delete. Read 2026-11-24.
"""

from typing import Any

from headwater.testing.fake_stripe.books import Books, Object, shortened
from headwater.testing.fake_stripe.form import like
from headwater.testing.fake_stripe.problems import Problem, missing, unknown
from headwater.testing.fake_stripe.resources import EXAMPLES, Resource

_LONGEST_KEY = 255
_NOT_GIVEN = frozenset({"id", "object", "created", "livemode"})


class Replies:
    """Answers that were given to idempotency keys."""

    def __init__(self) -> None:
        self._given: dict[str, tuple[object, Any]] = {}

    def known(self, key: str | None, asked: object) -> Any | None:
        """Return the answer that a key was given. Raises: Problem where it was given for something else."""
        if key is None:
            return None
        if len(key) > _LONGEST_KEY:
            raise Problem(400, "Idempotency keys are at most 255 characters.", type="idempotency_error")
        if key not in self._given:
            return None
        before, answer = self._given[key]
        if before != asked:
            message = "Keys for idempotent requests can only be used with the same parameters."
            raise Problem(400, message, type="idempotency_error")
        return answer

    def keep(self, key: str | None, asked: object, answer: Any) -> None:
        """Keep what a key was given."""
        if key is not None:
            self._given[key] = (asked, answer)


def create(books: Books, resource: Resource, form: Object, parent: str | None) -> Object:
    """Make an object. Raises: Problem."""
    if not resource.by_user:
        raise unknown("POST", resource.path)
    if resource.parent is not None and parent not in books.shelves[resource.parent].rows:
        raise missing(resource.parent, str(parent))
    form = {name: value for name, value in form.items() if name != "expand"}
    items: list[Any] = form.pop("items", []) if resource.object == "subscription" else []
    made = books.create(resource.object, _changes(resource, form), parent=parent, items=max(1, len(items)))
    return shortened(made)


def update(books: Books, resource: Resource, id: str, form: Object) -> Object:
    """Change an object. Raises: Problem."""
    held = books.get(resource.object, id)
    if held is None:
        raise missing(resource.object, id)
    changes = _changes(resource, {name: value for name, value in form.items() if name != "expand"})
    if "metadata" in changes:
        merged: Object = {**(held.get("metadata") or {}), **(changes["metadata"] or {})}
        changes["metadata"] = {name: value for name, value in merged.items() if value}
    return shortened(books.change(resource.object, id, changes))


def delete(books: Books, resource: Resource, id: str) -> Object:
    """Delete an object; a subscription is cancelled, and stays. Raises: Problem."""
    held = books.get(resource.object, id)
    if held is None:
        raise missing(resource.object, id)
    if resource.object == "subscription":
        ended = {"status": "canceled", "canceled_at": held["created"], "ended_at": held["created"]}
        return shortened(books.change(resource.object, id, ended, "customer.subscription.deleted"))
    if resource.object == "invoice" and held.get("status") != "draft":
        raise Problem(400, "You can only delete draft invoices.", code="invoice_not_editable")
    if resource.deleted is None or resource.object == "price":
        raise unknown("DELETE", resource.path)
    books.delete(resource.object, id)
    return {"id": id, "object": resource.object, "deleted": True}


def _changes(resource: Resource, form: Object) -> Object:
    """Return what a form says, in the kinds of values that objects have. Raises: Problem."""
    example, changes = EXAMPLES[resource.object], Object()
    for name, value in form.items():
        if name not in example or name in _NOT_GIVEN:
            raise Problem(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
        try:
            changes[name] = like(example[name], value)
        except ValueError:
            raise Problem(400, f"Invalid value: {name}", param=name) from None
    return changes
