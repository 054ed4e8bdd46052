"""Commit what pages of observations change, with the checkpoint that they complete: one read, one decision,
one write.

All detectors end here. Not here: asking the API, choosing what to ask.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat

import msgspec

from headwater.errors import Conflict
from headwater.model.lease import Fence
from headwater.model.record import Change, Held, Observed, Origin, Slot
from headwater.providers.provider import Page
from headwater.streams.engine import Checkpoint, Commit, Rejected, StreamEngine
from headwater.syncs.decide import Before, Shape, fold, needs_data

ATTEMPTS = 5
_NO_ID = "(no id)"
_LONGEST_ID = 1_024
"""Bytes of an upstream id: what fits into a key of every database."""
_UNKEEPABLE = (
    "Its id is longer than 1,024 bytes, or holds NUL or half a surrogate pair: no database keeps it."
)
_SHOWN = 200


class Ingested(msgspec.Struct, frozen=True):
    """What a batch changed: the changes in order, and the position of the first (they follow one another)."""

    changes: Sequence[Change]
    first: int
    inserted_us: int
    rejected: int
    held: Mapping[str, Held]
    """What was held of the observed records before."""


async def ingest(
    engine: StreamEngine,
    slot: Slot,
    shape: Shape,
    pages: Sequence[Page],
    *,
    origin: Origin,
    checkpoints: Sequence[Checkpoint] = (),
    fence: Fence | None = None,
) -> Ingested:
    """Commit what pages of observations of one collection change, with their checkpoints.

    Safe to repeat: the same pages a second time commit no change (P1). Where nothing changed and there is no
    checkpoint, nothing is written at all.
    Raises: Conflict (code `sync.contended`) if other writers won `ATTEMPTS` times; LeaseLost.
    """
    pages, unkeepable = _keepable(pages)
    for _ in range(ATTEMPTS):
        known = await _before(engine, slot, pages)
        if known is None:
            continue
        held = {id: before.held for id, before in known.items()}
        folded = fold(known, _suspicious(known, pages), origin, shape)
        rejected = _rejected(slot, pages, [*unkeepable, *folded.unreadable])
        commit = Commit(
            partition=slot.partition,
            changes=folded.changes,
            renewals=folded.renewals,
            checkpoints=checkpoints,
            rejected=rejected,
            fence=fence,
        )
        if not (commit.changes or commit.renewals or commit.checkpoints or commit.rejected):
            return Ingested((), 0, 0, 0, held)
        try:
            committed = await engine.commit(commit)  # P3, P6: all of it or nothing
        except Conflict:
            continue  # someone else's news came first: look again, decide again
        return Ingested(folded.changes, committed.first, committed.inserted_us, len(rejected), held)
    raise Conflict(
        "Other writers changed the same records again and again.",
        code="sync.contended",
        context={"sync_id": slot.sync_id, "collection_id": slot.collection_id},
    )


async def _before(engine: StreamEngine, slot: Slot, pages: Sequence[Page]) -> dict[str, Before] | None:
    """Return what is held of a page's records, with the data of those that seem to have changed.

    None when a version was replaced between the two reads.
    """
    ids = [observed.id for page in pages for observed in page.observed]
    held = await engine.held(slot, ids)
    if not held:
        return {}
    wanted = {
        held[observed.id].position
        for page in pages
        for observed in page.observed
        if observed.id in held and needs_data(held[observed.id], observed)
    }
    if len(ids) != len(set(ids)):  # a record seen twice may need its data for the second decision only
        wanted |= {one.position for one in held.values() if not one.deleted}
    data: Mapping[int, bytes] = await engine.data(slot, sorted(wanted)) if wanted else {}
    if len(data) != len(wanted):
        return None
    return {id: Before(one, data.get(one.position, b"")) for id, one in held.items()}


def _suspicious(known: dict[str, Before], pages: Sequence[Page]) -> Iterable[tuple[Observed, int]]:
    """Return the observations that may change something, each with the time at which it was asked for.

    An observation with the fingerprint that is held says nothing new, unless others of its record come
    before it.
    """
    everything = list(
        chain.from_iterable(zip(_last_said(page), repeat(page.asked_us), strict=False) for page in pages)
    )
    if not known:
        return everything
    doubtful = {
        observed.id
        for observed, _ in everything
        if (before := known.get(observed.id)) is None
        or before.held.deleted
        or observed.deleted
        or before.held.fingerprint != observed.fingerprint
    }
    return [sighting for sighting in everything if sighting[0].id in doubtful] if doubtful else []


def _last_said(page: Page) -> Iterable[Observed]:
    """Return a page's observations, of several that show one version of one object only the last.

    Nothing tells which of them is newer; two objects under one id would replace each other at every look.
    """
    last = {(one.id, one.version): one for one in page.observed}
    return page.observed if len(last) == len(page.observed) else last.values()


def _keepable(pages: Sequence[Page]) -> tuple[Sequence[Page], list[tuple[str, str]]]:
    """Return the pages without the objects whose ids no database keeps, and those ids with the reason."""
    ids = [observed.id for page in pages for observed in page.observed]
    if _can_keep("".join(ids)) and max(map(len, ids), default=0) <= _LONGEST_ID // 4:
        return pages, []
    bad = {id for id in ids if not _can_keep(id) or len(id.encode()) > _LONGEST_ID}
    kept = [replace(page, observed=[one for one in page.observed if one.id not in bad]) for page in pages]
    return kept, [(id, _UNKEEPABLE) for id in sorted(bad)]


def _can_keep(text: str) -> bool:
    """Say whether a text is UTF-8 without NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _rejected(slot: Slot, pages: Sequence[Page], unreadable: Iterable[tuple[str, str]]) -> list[Rejected]:
    """Return the objects that could not be read, each id once, in a spelling that can be stored."""
    reasons: dict[str, str] = {}
    nameless = 0
    for reject in (one for page in pages for one in page.rejected):
        id = reject.context.get("id")
        nameless += id is None
        reasons[f"{_NO_ID} {nameless}" if id is None else _shown(id)] = reject.message
    reasons.update((_shown(id), reason) for id, reason in unreadable)
    return [Rejected(slot.number, id, reason) for id, reason in reasons.items()]


def _shown(id: str) -> str:
    shown = id.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
