"""Sweep: list everything that exists and compare it with what we hold: finds deletes and silent changes.

A missing id is a candidate, not a delete: it is verified by a read of its own where the API has one, and
otherwise must be missing from two sweeps. A page that keeps failing voids the sweep. When more is missing
than can be believed, the sweep stops and waits for a person. Not here: when to sweep.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap64

from headwater.errors import Halt, Retry
from headwater.kit.budget import Urgency
from headwater.kit.http import Http
from headwater.model.record import Held, Observed, Origin
from headwater.providers.provider import Page, ReadAll, ReadOne, Scope, Since
from headwater.syncs.assignment import Assignment

SCOPED = "/"
"""What stands between the parent's id and the object's own in ids that are unique only below a parent."""
WHOLE = "whole"
"""Name of the checkpoint with the validators of the last whole list in which everything was as we hold it."""
_KEYS = 5_000
_DELETES = 500
_VERIFIED = 20
BRAKE_SHARE = 0.1
BRAKE_COUNT = 50
EMPTIED = 10
"""From how many records on a listing that shows none of them at all is not believed without a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """What the sweep before missed, by upstream id with the version it had; and how to keep the next."""

    known: Callable[[Sequence[str]], Awaitable[dict[str, int]]]
    replace: Callable[[dict[str, int]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a whole sweep found. `braked`: it stopped before deleting, because too much was missing.

    `read`: it read every object, not only ids, and not only that nothing had changed.
    """

    started_us: int
    seen: int
    missing: int
    deleted: int
    changed: int
    braked: bool = False
    read: bool = False


async def sweep(
    work: Assignment, suspects: Suspects, *, urgency: Urgency = Urgency.SWEEP, confirmed: bool = False
) -> Swept:
    """List a collection whole, ingest what changed, delete what is verified to be gone.

    `confirmed`: a person has said that what is missing is deleted.
    Raises: Retry, Halt (the sweep is void; what was verified before is deleted), LeaseLost.
    """
    http = work.open(urgency)
    listed = await _list(work, http)
    if listed.unchanged:
        return Swept(started_us=listed.started_us, seen=0, missing=0, deleted=0, changed=0)
    missing = await _missing(work, listed)
    held = (await work.engine.count([work.slot])).get(work.slot.number)
    records = held.records if held is not None else 0
    too_many = len(missing) >= BRAKE_COUNT and len(missing) > BRAKE_SHARE * records
    too_many = too_many or (not listed.positions and len(missing) >= EMPTIED)
    braked, settled, deleted = False, True, 0
    if confirmed:
        deleted = await _delete(work, dict.fromkeys(missing, listed.started_us))
    elif work.collection.read_one is not None and not (too_many and not listed.positions):
        deleted = await _verify(work, http, work.collection.read_one, missing, listed)
    elif too_many:
        braked, settled = True, False
    else:
        before = await suspects.known(sorted(missing)) if missing else {}
        again = {id for id, held in missing.items() if before.get(id) == held.position}
        await suspects.replace({id: held.position for id, held in missing.items() if id not in again})
        deleted = await _delete(work, dict.fromkeys(again, listed.started_us))
        settled = len(again) == len(missing)
    await work.ingest((), Origin.SWEEP, [(WHOLE, "", listed.validators if settled else None)])
    return Swept(
        started_us=listed.started_us,
        seen=len(listed.positions),
        missing=len(missing),
        deleted=deleted,
        changed=listed.changed,
        braked=braked,
        read=work.collection.read_ids is None or _conditionally(work) is not None,
    )


@dataclass(slots=True)
class _Listed:
    """A whole listing: the positions of the records that it showed."""

    started_us: int = 0
    positions: BitMap64 = field(default_factory=BitMap64)
    changed: int = 0
    unchanged: bool = False
    validators: dict[str, str] | None = None
    skipped: set[str] = field(default_factory=set[str])
    """Ids of parents that were not there: what is below them was not looked at."""


async def _list(work: Assignment, http: Http) -> _Listed:
    """Read everything; ingest it where the listing shows whole objects."""
    listed = _Listed()
    async for scope in work.scopes():
        try:
            await _list_one(work, http, scope, listed)
        except Halt as error:
            if scope is None or not work.gone(error, scope):
                raise
            listed.skipped.add(scope.id)
    listed.started_us = listed.started_us or work.clock.now_us()
    return listed


async def _list_one(work: Assignment, http: Http, scope: Scope | None, listed: _Listed) -> None:
    """Read one listing to its end."""
    read = _conditionally(work) or work.collection.read_ids or work.collection.read_all
    last: Page | None = None
    async for page in work.patiently(read, http, scope):
        last = page
        if not listed.started_us:
            listed.started_us, listed.unchanged = page.asked_us, page.unchanged
            listed.validators = dict(page.validators) if page.validators and scope is None else None
        if read is work.collection.read_ids:
            await _note(work, http, scope, page, listed)
            continue
        done = await work.ingest([page], Origin.SWEEP)
        listed.positions.update(held.position for held in done.held.values())
        listed.changed += len(done.changes)
    if last is None or last.resume is not None:
        raise Retry("The listing ended without a last page.", code="provider.broken_answer")


def _conditionally(work: Assignment) -> ReadAll | None:
    """Return what reads the whole list unless nothing has changed since it was last as we hold it."""
    read = work.collection.read_since
    if read is None or not work.collection.reads_whole or work.parent is not None:
        return None
    since = Since(validators=work.saved.get((WHOLE, "")))
    return lambda http, scope, resume: read(http, scope, since, resume)


async def _note(work: Assignment, http: Http, scope: Scope | None, page: Page, listed: _Listed) -> None:
    """Note the records of a page of ids, and read those that we do not hold."""
    held = await work.engine.held(work.slot, [one.id for one in page.observed])
    listed.positions.update(one.position for one in held.values())
    if work.collection.read_one is None:
        return
    for one in page.observed:
        if one.id not in held or held[one.id].deleted:
            found = await work.read_one(work.collection.read_one, http, scope, one.id)
            listed.changed += len((await work.ingest([found], Origin.SWEEP)).changes)


async def _missing(work: Assignment, listed: _Listed) -> dict[str, Held]:
    """Return the records that the listing did not show, by upstream id.

    Only those last heard of before it began: what came in meanwhile may not have been there for its pages.
    Where parents were not there, only children of those that were.
    """
    missing: dict[str, Held] = {}
    after = ""
    while keys := await work.engine.keys(work.slot, after, _KEYS):
        for id, held in keys:
            if held.deleted or held.asked_us >= listed.started_us or held.position in listed.positions:
                continue
            if not listed.skipped or (SCOPED in id and id.rpartition(SCOPED)[0] not in listed.skipped):
                missing[id] = held
        after = keys[-1][0]
    return missing


async def _verify(
    work: Assignment, http: Http, read_one: ReadOne, missing: dict[str, Held], listed: _Listed
) -> int:
    """Read each missing record by itself, and delete those that the API says are gone; return how many.

    Those it shows are ingested. Each is verified by its own answer, so what is found is committed on the way.
    Before a mass of refusals is believed, a record that the listing showed must be readable in the same way.
    """
    if len(missing) >= BRAKE_COUNT:
        await _try_known(work, http, read_one, missing, listed)
    ids, deleted = list(missing), 0
    for start in range(0, len(ids), _VERIFIED):
        gone: dict[str, int] = {}
        for id in ids[start : start + _VERIFIED]:
            page = await work.read_one(read_one, http, await _scope_of(work, id), id)
            if page.observed and page.observed[0].deleted:
                gone[id] = page.asked_us
            else:
                await work.ingest([page], Origin.SWEEP)
        deleted += await _delete(work, gone)
    return deleted


async def _try_known(
    work: Assignment, http: Http, read_one: ReadOne, missing: dict[str, Held], listed: _Listed
) -> None:
    """Raise Halt when a record that was just listed cannot be read: then a 404 says nothing."""
    after = ""
    while keys := await work.engine.keys(work.slot, after, _KEYS):
        for id, held in keys:
            if id not in missing and held.position in listed.positions:
                page = await work.read_one(read_one, http, await _scope_of(work, id), id)
                if page.observed and page.observed[0].deleted:
                    raise Halt(
                        "The API lists objects that it says do not exist when they are read one by one.",
                        code="sweep.unverifiable",
                        fix="Check the credential's scopes and the path for single objects.",
                    )
                return
        after = keys[-1][0]


async def _scope_of(work: Assignment, id: str) -> Scope | None:
    """Return the parent below which a record is read: the part of its id before the last slash."""
    if work.parent is None:
        return None
    entry = await work.engine.record(work.parent, id.rpartition(SCOPED)[0])
    return None if entry is None else Scope(id=entry.upstream_id, data=entry.data)


async def _delete(work: Assignment, gone: Mapping[str, int]) -> int:
    """Commit the deletes. One that was asked about before its record's last news changes nothing (P2)."""
    ids, deleted = sorted(gone), 0
    for start in range(0, len(ids), _DELETES):
        pages = [
            Page(observed=[Observed(id, b"", b"", deleted=True)], asked_us=gone[id])
            for id in ids[start : start + _DELETES]
        ]
        deleted += len((await work.ingest(pages, Origin.SWEEP)).changes)
    return deleted
