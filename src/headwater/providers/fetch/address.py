"""Addresses with placeholders: `/repos/{parent.full_name}/issues`, `/articles/{id}`.

A placeholder is a dotted path and nothing more. In a path its value is percent-encoded: `id` and `parent.id`
whole, so that they stay one segment; other values keep their slashes (`octo/repo` fills two segments). In a
parameter the HTTP client encodes it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from headwater.errors import Halt
from headwater.kit import jsonbytes
from headwater.providers.provider import Scope

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

_ONE_SEGMENT = {"id", "parent.id"}

Values = Callable[[str], str]
"""Returns the text for a placeholder's name."""


def placeholders(template: str) -> Iterator[str]:
    """Return the names of the placeholders in a template."""
    return (found[1] for found in PLACEHOLDER.finditer(template))


def fill_path(template: str, values: Values) -> str:
    """Return a path with its placeholders filled, percent-encoded."""

    def encoded(found: re.Match[str]) -> str:
        return quote(values(found[1]), safe="" if found[1] in _ONE_SEGMENT else "/")

    return PLACEHOLDER.sub(encoded, template)


def fill(template: str, values: Values) -> str:
    """Return a text with its placeholders filled, as they are."""
    return PLACEHOLDER.sub(lambda found: values(found[1]), template)


def fill_all(templates: Mapping[str, str], values: Values) -> dict[str, str]:
    """Return parameters or headers with their placeholders filled."""
    return {name: fill(template, values) for name, template in templates.items()}


def values_of(scope: Scope | None, upstream_id: str | None = None) -> Values:
    """Return the values of `id`, `parent.id` and of the parent's members.

    Raises (when asked): Halt where the parent has no such member, or one that is neither text nor a number.
    """

    def value(name: str) -> str:
        kind, _, path = name.partition(".")
        if name == "id" and upstream_id is not None:
            return upstream_id
        if kind != "parent" or scope is None:
            raise KeyError(name)
        if path == "id":
            return scope.id
        found = jsonbytes.get(scope.data, path.split("."))
        if isinstance(found, bool) or not isinstance(found, (str, int)):
            raise Halt(
                f"The parent record has neither text nor a number at {path}, which the address needs.",
                code="provider.parent_field",
                fix="Name a member that every parent record has.",
                context={"parent_id": scope.id},
            )
        return str(found)

    return value
