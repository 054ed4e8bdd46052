"""Poll: ask an API for what has changed since the last look, and commit it with the new watermark.

Reads again a little of what it has read (`overlap`), since rows become visible late; what is known already
changes nothing (P1). Not here: when to look, collections that cannot be asked for changes (`sweep`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from headwater.errors import Halt, Retry
from headwater.kit.budget import Urgency
from headwater.kit.http import Http
from headwater.model.record import Origin
from headwater.providers.provider import Collection, Page, ReadAll, ReadSince, Scope, Since
from headwater.syncs.assignment import Assignment

FOLLOWED: Mapping[str, Callable[[Collection], ReadSince | None]] = {
    "since": lambda collection: None if collection.reads_whole else collection.read_since,
    "removed": lambda collection: collection.read_removed,
}
"""The detectors that ask for changes by time, by the name of their checkpoint.

Shape of a checkpoint: `{"at": µs up to which changes are known, "validators": {…}, "asked": µs}` and, while a
round whose pages come in no order is under way, `"round": {"resume", "highest", "started"}`.
"""

_MICROSECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """A whole look. `started_us`: everything up to then is known. `changed`: how many records it changed."""

    started_us: int
    changed: int


def start_us(work: Assignment, first: Page) -> int:
    """Return the watermark of a collection whose first page has just been asked for: a little before it."""
    return first.asked_us - _overlap_us(work)


def _overlap_us(work: Assignment) -> int:
    return int(work.collection.overlap.total_seconds() * _MICROSECOND)


async def poll(work: Assignment, *, new_scopes: bool) -> Polled:
    """Look once for changes in every scope, by every detector that the collection has.

    `new_scopes`: read whole those that no backfill has seen, since their parent is new.
    Raises: Retry, Halt (what was committed stays; the watermark has moved only as far as it is complete),
    LeaseLost.
    """
    http = work.open(Urgency.CHANGES)
    started_us = work.clock.now_us()
    changed = 0
    async for scope in work.scopes():
        scope_id = "" if scope is None else scope.id
        for detector, read in FOLLOWED.items():
            reader = read(work.collection)
            if reader is not None and (new_scopes or (detector, scope_id) in work.saved):
                try:
                    asked_us, count = await _round(work, detector, scope, http, reader)
                except Halt as error:
                    if not work.gone(error, scope):
                        raise
                    continue
                started_us = min(started_us, asked_us)
                changed += count
    return Polled(started_us=started_us, changed=changed)


async def _round(
    work: Assignment, detector: str, scope: Scope | None, http: Http, read: ReadSince
) -> tuple[int, int]:
    """Read all changes of one scope; return when it was asked for, and how many records changed."""
    scope_id = "" if scope is None else scope.id
    saved: dict[str, Any] = work.saved.get((detector, scope_id)) or {"at": None}
    at: int | None = saved["at"]
    since_us = None if at is None else max(at - _overlap_us(work), 0)
    validators = saved.get("validators") if saved.get("asked") == since_us else None
    started: dict[str, Any] = saved.get("round") or {}
    highest: int | None = started.get("highest", at)
    asked_us: int | None = started.get("started")
    resume: Any = started.get("resume")
    in_order = work.collection.since_in_order and detector == "since"
    latest: list[int] = []
    changed = 0
    last: Page | None = None
    since = Since(updated_us=since_us, validators=validators)
    asking: ReadAll = lambda http, scope, resume: read(http, scope, since, resume)  # noqa: E731
    async for page in work.patiently(asking, http, scope, resume):
        last = page
        if asked_us is None:
            asked_us = page.asked_us
        if page.unchanged:
            break
        times = [one.updated_us for one in page.observed if one.updated_us is not None]
        in_order = in_order and _ascending([*latest, *times])
        latest = times[-1:] or latest
        highest = max(times if highest is None else [highest, *times], default=None)
        # A row dated in the future must not move the watermark past changes that are still to come.
        # Where objects have no update time, the answer itself says until when it knows.
        capped = min(highest, asked_us) if highest is not None and work.versioned else asked_us
        if page.resume is None:
            value: dict[str, Any] = {"at": capped if at is None else max(at, capped)}
            if page.validators:
                value |= {"validators": dict(page.validators), "asked": since_us}
            elif validators:
                value |= {"validators": validators, "asked": since_us}
        elif in_order:
            at = capped if at is None else max(at, capped)
            value = {"at": at}
        else:
            value = {
                "at": at,
                "round": {"resume": page.resume, "highest": highest, "started": asked_us},
            }
        done = await work.ingest([page], Origin.SINCE, [(detector, scope_id, value)])
        changed += len(done.changes)
    if last is None or asked_us is None or last.resume is not None:
        raise Retry("The list of changes ended without a last page.", code="provider.broken_answer")
    return asked_us, changed


def _ascending(times: Sequence[int]) -> bool:
    """Say whether objects really come by ascending update time, as their collection promises."""
    return all(a <= b for a, b in pairwise(times))
