"""Backfill: list everything there is, resumably, while changes are followed beside it.

The position from which changes are followed is noted before the first page is asked for, so nothing falls
between. Not here: when to start one.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from headwater.errors import Halt, Retry
from headwater.kit.budget import Urgency
from headwater.kit.tasks import read_ahead
from headwater.model.record import EventKind, Origin
from headwater.providers.provider import Page, Scope
from headwater.syncs.assignment import Assignment
from headwater.syncs.poll import FOLLOWED, start_us

DETECTOR = "backfill"
_GROUP = 4_000
"""Objects that are committed together at most: small pages that wait share a transaction."""


async def backfill(work: Assignment, backfill_id: str) -> None:
    """List a collection from where this backfill stands to its end.

    Each commit carries the checkpoint behind its last page (P3): a crash costs at most the pages in flight.
    Raises: Retry, Halt (what was committed stays; calling again goes on from there), LeaseLost.
    """
    saved: dict[str, Any] | None = work.saved.get((DETECTOR, ""))
    if saved is None or saved["id"] != backfill_id:
        saved = {"id": backfill_id, "scope": "", "resume": None, "records": 0}
    if saved.get("done"):
        return
    work.progress.backfill_records = saved["records"]
    http = work.open(Urgency.BACKFILL)
    resume: Any = saved["resume"]
    if saved["scope"] and resume is not None:
        scope = await _scope(work, saved["scope"])
        if scope is not None:
            await _list(
                work, backfill_id, scope, work.patiently(work.collection.read_all, http, scope, resume)
            )
        resume = None
    async for scope in work.scopes(after=saved["scope"]):
        try:
            await _list(
                work, backfill_id, scope, work.patiently(work.collection.read_all, http, scope, resume)
            )
        except Halt as error:
            if not work.gone(error, scope):
                raise
    done = {"id": backfill_id, "done": True, "records": work.progress.backfill_records}
    await work.ingest((), Origin.BACKFILL, [(DETECTOR, "", done)])


async def _scope(work: Assignment, parent_id: str) -> Scope | None:
    """Return the parent whose listing was under way; None if it is gone by now."""
    if work.parent is None:
        return None
    entry = await work.engine.record(work.parent, parent_id)
    return None if entry is None or entry.event == EventKind.DELETED else Scope(id=parent_id, data=entry.data)


async def _list(work: Assignment, backfill_id: str, scope: Scope | None, pages: AsyncIterator[Page]) -> None:
    """Ingest one listing, reading ahead while pages are committed."""
    scope_id = "" if scope is None else scope.id
    last: Page | None = None
    groups = read_ahead(pages, most=_GROUP, size=lambda page: len(page.observed) + 1)
    async with aclosing(groups):
        async for group in groups:
            last = group[-1]
            if last.estimated_total is not None and scope is None:
                work.progress.estimated_total = last.estimated_total
            await work.ingest(group, Origin.BACKFILL, _checkpoints(work, backfill_id, scope_id, group))
    if last is None or last.resume is not None:
        raise Retry("The listing ended without a last page.", code="provider.broken_answer")


def _checkpoints(
    work: Assignment, backfill_id: str, scope_id: str, group: Sequence[Page]
) -> list[tuple[str, str, Any]]:
    """Return how far a group of pages brings the backfill and, with the first one, where changes begin."""
    work.progress.backfill_records += sum(len(page.observed) for page in group)
    reached = {
        "id": backfill_id,
        "scope": scope_id,
        "resume": group[-1].resume,
        "records": work.progress.backfill_records,
    }
    begun = [
        (detector, scope_id, {"at": start_us(work, group[0])})
        for detector, read in FOLLOWED.items()
        if read(work.collection) is not None and (detector, scope_id) not in work.saved
    ]
    return [(DETECTOR, "", reached), *begun]
