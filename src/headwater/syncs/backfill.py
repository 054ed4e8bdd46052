"""Backfill: list everything there is, resumably, while changes are followed beside it.

The position from which changes are followed is noted before the first page is asked for, so nothing falls
between. Not here: when to start one.
"""

from collections.abc import AsyncIterator
from typing import Any

from headwater.errors import Halt, Retry
from headwater.kit.budget import Urgency
from headwater.kit.tasks import read_ahead
from headwater.model.record import Origin
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
    return None if entry is None or entry.event == 2 else Scope(id=parent_id, data=entry.data)


async def _list(work: Assignment, backfill_id: str, scope: Scope | None, pages: AsyncIterator[Page]) -> None:
    """Ingest one listing, reading ahead while pages are committed."""
    scope_id = "" if scope is None else scope.id
    last: Page | None = None
    async for group in read_ahead(pages, most=_GROUP, size=lambda page: len(page.observed) + 1):
        first, last = group[0], group[-1]
        work.progress.backfill_records += sum(len(page.observed) for page in group)
        if last.estimated_total is not None and scope is None:
            work.progress.estimated_total = last.estimated_total
        checkpoint = {
            "id": backfill_id,
            "scope": scope_id,
            "resume": last.resume,
            "records": work.progress.backfill_records,
        }
        checkpoints = [(DETECTOR, "", checkpoint)]
        for detector, read in FOLLOWED.items():
            if read(work.collection) is not None and (detector, scope_id) not in work.saved:
                checkpoints.append((detector, scope_id, {"at": start_us(work, first)}))
        await work.ingest(group, Origin.BACKFILL, checkpoints)
    if last is None or last.resume is not None:
        raise Retry("The listing ended without a last page.", code="provider.broken_answer")
