"""The parameters that lists of management take, and pages of what is in memory."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar, cast

from fastapi import Depends, Query, Request

from headwater.errors import Invalid
from headwater.management import listing
from headwater.management.listing import Page, Wanted

T = TypeVar("T")

After = Annotated[str | None, Query(max_length=2048, description="The `cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Metadata = Annotated[
    str | None,
    Query(
        max_length=8192,
        description="A JSON object whose members must all be there; or one member as `metadata[key]=value`.",
        examples=['{"team": "eu"}'],
    ),
]
HealthWord = Annotated[Literal["ok", "warn", "error"] | None, Query(alias="health.status")]


def paged(after_cursor: After = None, limit: Limit = 100) -> Wanted:
    """Return which page is wanted."""
    return Wanted(limit=limit, after_cursor=after_cursor)


def owned(
    request: Request,
    page: Annotated[Wanted, Depends(paged)],
    external_id: str | None = None,
    metadata: Metadata = None,
) -> Wanted:
    """Return which page is wanted, and whose."""
    return replace(page, external_id=external_id, metadata=_metadata(metadata) | _bracketed(request))


def described(page: Annotated[Wanted, Depends(owned)], health: HealthWord = None) -> Wanted:
    """Return which page is wanted, and whose, of things that have a health."""
    return replace(page, health=health)


def filtered(page: Annotated[Wanted, Depends(described)], provider: str | None = None) -> Wanted:
    """Return which page is wanted, and whose, of things that have a health and are of a provider."""
    return replace(page, provider=provider)


def of_provider(page: Annotated[Wanted, Depends(owned)], provider: str | None = None) -> Wanted:
    """Return which page is wanted, and whose, of things that are of a provider."""
    return replace(page, provider=provider)


Paged = Annotated[Wanted, Depends(paged)]
Owned = Annotated[Wanted, Depends(owned)]
Described = Annotated[Wanted, Depends(described)]
Filtered = Annotated[Wanted, Depends(filtered)]
OfProvider = Annotated[Wanted, Depends(of_provider)]


def sliced(items: Sequence[T], wanted: Wanted, name: Callable[[T], str]) -> Page[T]:
    """Return a page of something that is in memory, ordered by name."""
    after = "" if wanted.after_cursor is None else listing.key_of(wanted.after_cursor)
    return listing.page_of(wanted, [item for item in items if name(item) > after], name)


def _metadata(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _wrong("Must be a JSON object, or be written as metadata[key]=value.")
    members = cast("dict[str, Any]", value)
    if any(isinstance(member, (dict, list)) for member in members.values()):
        raise _wrong("Compares texts, numbers and true or false, nothing deeper.")
    return {
        name: member if isinstance(member, str) else json.dumps(member) for name, member in members.items()
    }


def _bracketed(request: Request) -> dict[str, str]:
    return {
        name[len("metadata[") : -1]: value
        for name, value in request.query_params.multi_items()
        if name.startswith("metadata[") and name.endswith("]")
    }


def _wrong(detail: str) -> Invalid:
    return Invalid(
        "The filter on metadata cannot be read.",
        errors=[("metadata", detail)],
        fix='Write it as metadata[team]=eu or as metadata={"team": "eu"}.',
    )
