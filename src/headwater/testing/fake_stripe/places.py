"""Addresses of the fake Stripe, and what is at each. Values."""

import re
from dataclasses import dataclass
from typing import Literal

from headwater.testing.fake_stripe.resources import RESOURCES, Nested, Resource

What = Literal["list", "one", "nested", "events", "event", "account", "endpoints", "endpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is at an address. Together with the method, `template` is an operation with a limit of its own."""

    template: str
    what: What
    resource: Resource | None = None
    nested: Nested | None = None

    def match(self, path: str) -> dict[str, str] | None:
        """Return the ids in a path; None if it is another address."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict()


def _places() -> tuple[Place, ...]:
    found: list[Place] = []
    for resource in RESOURCES:
        found.append(Place(template=resource.path, what="list", resource=resource))
        if resource.one is not None:
            found.append(Place(template=resource.one, what="one", resource=resource))
        for nested in resource.nested:
            template = nested.path.partition("?")[0]
            found.append(Place(template=template, what="nested", resource=resource, nested=nested))
    return (
        Place(template="/v1/account", what="account"),
        Place(template="/v1/events", what="events"),
        Place(template="/v1/events/{id}", what="event"),
        Place(template="/v1/webhook_endpoints", what="endpoints"),
        Place(template="/v1/webhook_endpoints/{id}", what="endpoint"),
        *sorted(found, key=lambda place: place.template.count("{")),
    )


PLACES = _places()


def place_of(path: str) -> tuple[Place, dict[str, str]] | None:
    """Return what is at a path, with the ids in it."""
    for place in PLACES:
        if (ids := place.match(path)) is not None:
            return place, ids
    return None
