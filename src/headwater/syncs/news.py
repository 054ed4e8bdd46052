"""News of a feed or a push, brought into the streams: what carries its object is taken, the rest is fetched.

A hint that comes late or twice does no harm: the version rule of `decide` holds for it as for everything.
Not here: where news come from (`feed`, `inbox`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headwater.errors import Halt
from headwater.kit.budget import Urgency
from headwater.model.record import Held, Observed, Origin
from headwater.providers.provider import News, Page, ReadMany, ReadOne, Scope
from headwater.syncs.assignment import Assignment
from headwater.syncs.sweep import SCOPED

_MANY = 100
"""Objects that one request reads at most, where the API can read several."""
_TOGETHER = 20
"""Single reads that are committed together."""


async def take_in(
    works: Mapping[str, Assignment],
    news: Sequence[News],
    origin: Origin,
    *,
    asked_us: int,
    checkpoint: tuple[str, Any] | None = None,
) -> int:
    """Commit what news of several collections change; return how many records that were.

    `works` are the collections by name; news of others are not for this sync. `checkpoint` (detector and
    value) is committed for each collection with the last of its news (P3).
    Raises: Retry, Halt (what was committed stays), LeaseLost.
    """
    changed = 0
    by_collection: dict[str, list[News]] = {}
    for one in news:
        if one.collection in works:
            by_collection.setdefault(one.collection, []).append(one)
    for name, of_collection in by_collection.items():
        work = works[name]
        carried, hints = await _sorted(work, of_collection, origin)
        changed += await _take(work, carried, asked_us, origin)
        changed += await _fetch(work, hints, origin)
        if checkpoint is not None:
            detector, value = checkpoint
            await work.ingest((), origin, [(detector, "", value)])
    return changed


async def _sorted(work: Assignment, news: Sequence[News], origin: Origin) -> tuple[list[News], list[News]]:
    """Return the news whose objects can be taken as they are, and those whose objects are fetched.

    An object without a version is fetched where what is held was asked for within the instant of the news,
    and is another (P2); so is one of which several news are of one instant, since nothing tells which of them
    is the last; and one that is pushed and not held, since pushes come in any order: it may be deleted.
    """
    held: Mapping[str, Held] = {}
    if dated := [one.id for one in news if one.at_us is not None]:
        held = await work.engine.held(work.slot, dated)
    instants = Counter((one.id, one.at_us) for one in news)
    carried: list[News] = []
    hints: list[News] = []
    for one in news:
        if one.observed is None:
            hints.append(one)
        elif one.at_us is None or one.observed.version is not None:
            carried.append(one)
        elif instants[one.id, one.at_us] > 1 or _doubtful(one, one.observed, held.get(one.id), origin):
            hints.append(one)
        else:
            carried.append(one)
    return carried, hints


def _doubtful(one: News, observed: Observed, held: Held | None, origin: Origin) -> bool:
    """Say whether nothing tells which is newer, an object without a version or what is held of it."""
    if held is None:
        return origin is Origin.WEBHOOK and not observed.deleted
    if observed.deleted if held.deleted else observed.fingerprint == held.fingerprint:
        return False  # it is held as it is
    at_us = one.at_us or 0
    return at_us <= held.asked_us < at_us + one.exact_us


async def _take(work: Assignment, carried: Sequence[News], asked_us: int, origin: Origin) -> int:
    by_time: defaultdict[int, list[Observed]] = defaultdict(list)
    for one in carried:
        at_us = asked_us if one.at_us is None else one.at_us + one.exact_us - 1
        if one.observed is not None:
            by_time[at_us].append(one.observed)
    if not by_time:
        return 0
    pages = [Page(observed=observed, asked_us=at_us) for at_us, observed in sorted(by_time.items())]
    return len((await work.ingest(pages, origin)).changes)


async def _fetch(work: Assignment, hints: Iterable[News], origin: Origin) -> int:
    """Read the objects that hints speak of, each once; where the API cannot, the next poll finds them."""
    read_many, read_one = work.collection.read_many, work.collection.read_one
    if read_many is None and read_one is None:
        return 0
    by_parent: dict[str | None, dict[str, None]] = {}
    for hint in hints:
        by_parent.setdefault(hint.parent_id, {})[hint.id] = None
    changed = 0
    for parent_id, ids in by_parent.items():
        scope = await _scope(work, parent_id, next(iter(ids)))
        if work.parent is not None and scope is None:
            continue  # the parent is not known yet: its backfill will bring the object
        try:
            changed += await _read(work, scope, list(ids), read_many, read_one, origin)
        except Halt as error:
            if not work.gone(error, scope):
                raise
    return changed


async def _read(
    work: Assignment,
    scope: Scope | None,
    ids: Sequence[str],
    read_many: ReadMany | None,
    read_one: ReadOne | None,
    origin: Origin,
) -> int:
    http = work.open(Urgency.CHANGES)
    changed = 0
    if read_many is not None and (len(ids) > 1 or read_one is None):
        for start in range(0, len(ids), _MANY):
            page = await work.persistently(
                lambda some=ids[start : start + _MANY]: read_many(http, scope, some)
            )
            changed += len((await work.ingest([page], origin)).changes)
    elif read_one is not None:
        for start in range(0, len(ids), _TOGETHER):
            pages = [await work.read_one(read_one, http, scope, id) for id in ids[start : start + _TOGETHER]]
            changed += len((await work.ingest(pages, origin)).changes)
    return changed


async def _scope(work: Assignment, parent_id: str | None, id: str) -> Scope | None:
    """Return the parent record below which an object is read."""
    if work.parent is None:
        return None
    named = parent_id if parent_id is not None else id.rpartition(SCOPED)[0]
    entry = await work.engine.record(work.parent, named)
    return None if entry is None else Scope(id=entry.upstream_id, data=entry.data)
