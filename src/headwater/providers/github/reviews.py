"""Reviews of a pull request: looked for only where the pull request has changed since it was last looked at.

A review moves its pull request's `updated_at`, so a thousand quiet ones cost nothing.

Source: https://docs.github.com/rest/pulls/reviews#list-reviews-for-a-pull-request. Read 2026-11-24.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

from headwater.kit import jsonbytes
from headwater.kit.http import Http
from headwater.providers.fetch import ISO
from headwater.providers.github.walk import Listing, whole
from headwater.providers.provider import JSON, Page, ReadSince, Scope, Since

_NOT_ASKED_US = 2**62
"""Nothing was asked: the pull request vouches for its reviews, up to when it was read itself."""
_OF = "pull_request"
_SETTLED_US = 5_000_000
"""Update times are whole seconds, and clocks differ a little."""


def where_changed(listing: Listing) -> ReadSince:
    """Return what reads a pull request's reviews if it has changed since they were last read."""

    async def read(http: Http, scope: Scope | None, since: Since, resume: JSON | None) -> AsyncIterator[Page]:
        updated = "" if scope is None else str(jsonbytes.get(scope.data, ["updated_at"]) or "")
        known = (since.validators or {}).get(_OF)
        if resume is None and updated and (updated == known or (known is None and _before(updated, since))):
            yield Page(observed=(), asked_us=_NOT_ASKED_US, unchanged=True)
            return
        async for page in whole(http, scope, listing, resume):
            settled = updated if _past(updated, page.asked_us) else ""
            yield page if page.resume is not None else replace(page, validators={_OF: settled})

    return read


def _before(updated: str, since: Since) -> bool:
    """Say whether the pull request last changed before the time from which changes are asked for."""
    return since.updated_us is not None and ISO.read(updated) < since.updated_us


def _past(updated: str, asked_us: int) -> bool:
    """Say whether a second review of the same second would have been seen."""
    return bool(updated) and asked_us > ISO.read(updated) + _SETTLED_US
