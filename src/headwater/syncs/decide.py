"""What happened to a record? Pure: what is held and what was seen go in, a change comes out or none.

Promises: P1 (the same observation twice changes nothing), P2 (late news never overwrites newer).
"""

from collections.abc import Iterable, Mapping

import msgspec

from headwater.kit import jsonbytes
from headwater.model.record import CHAINED, Change, EventKind, Held, Observed, Origin, Renewal


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What `decide` must know of a collection: its slot, and which members of its objects count.

    `oldest_us`: objects that were updated before are not kept (`max_age_days`); None keeps all.
    """

    slot: int
    nested: str | None = None
    ignore: frozenset[str] = frozenset()
    oldest_us: int | None = None


class Before(msgspec.Struct, frozen=True, gc=False):
    """A record as it was before an observation. `data` is empty where it is not needed to decide."""

    held: Held
    data: bytes = b""


Decision = Change | Renewal | None


def is_late(held: Held, seen: Observed, asked_us: int) -> bool:
    """Say whether an observation is older news than what is held, by two clocks.

    The API's own version decides where both have one; the time at which we asked decides between equals and
    where there is none. A deleted record comes back only by an answer that was asked for later, whatever its
    version.
    """
    if held.version is not None and seen.version is not None:
        if seen.version < held.version:
            return True
        if seen.version > held.version and not held.deleted:
            return False
    return asked_us < held.asked_us


def needs_data(held: Held | None, seen: Observed) -> bool:
    """Say whether `decide` will need the data that is held."""
    return held is not None and not held.deleted and (seen.deleted or seen.fingerprint != held.fingerprint)


def decide(before: Before | None, seen: Observed, asked_us: int, origin: Origin, shape: Shape) -> Decision:
    """Return what an observation changes: nothing (P1), the spelling, or the record.

    Raises: ValueError when the object is no JSON.
    """
    held = before.held if before is not None else None
    if held is not None and is_late(held, seen, asked_us):  # P2: by upstream version, then by when we asked
        return None
    if before is None or held is None or held.deleted:
        if seen.deleted or _too_old(seen, shape):
            return None
        return _change(EventKind.CREATED, held, seen, asked_us, origin, shape, jsonbytes.compact(seen.raw))
    if seen.deleted:
        # A delete by absence keeps the upstream version it had.
        return _change(EventKind.DELETED, held, seen, asked_us, origin, shape, before.data)
    if seen.fingerprint == held.fingerprint:  # P1: equal bytes are an equal object
        return None
    data = jsonbytes.compact(seen.raw)
    previous = jsonbytes.changed(before.data, data, nested=shape.nested, ignore=shape.ignore)
    if previous is None:
        return Renewal(shape.slot, seen.id, held.position, seen.fingerprint)
    return _change(EventKind.UPDATED, held, seen, asked_us, origin, shape, data, previous)


def _too_old(seen: Observed, shape: Shape) -> bool:
    return shape.oldest_us is not None and seen.updated_us is not None and seen.updated_us < shape.oldest_us


def _change(
    event: EventKind,
    held: Held | None,
    seen: Observed,
    asked_us: int,
    origin: Origin,
    shape: Shape,
    data: bytes,
    previous: bytes | None = None,
) -> Change:
    version = seen.version
    if version is None and held is not None:
        version = held.version
    return Change(
        slot=shape.slot,
        upstream_id=seen.id,
        event=event,
        origin=origin,
        expects=None if held is None else held.position,
        fingerprint=held.fingerprint if held is not None and seen.deleted else seen.fingerprint,
        version=version,
        asked_us=asked_us,
        created_us=seen.created_us,
        updated_us=seen.updated_us,
        data=data,
        previous_data=previous,
    )


class Folded(msgspec.Struct):
    """What a batch of observations changes, in order, and which objects could not be read."""

    changes: list[Change]
    renewals: list[Renewal]
    unreadable: list[tuple[str, str]]
    """Upstream ids and reasons."""


def fold(
    known: Mapping[str, Before], seen: Iterable[tuple[Observed, int]], origin: Origin, shape: Shape
) -> Folded:
    """Decide one observation after another, each on what those before it made of the record.

    `seen` are observations, each with the time at which it was asked for. Several real changes of one record
    each become a change of their own.
    """
    folded = Folded([], [], [])
    now: dict[str, Before] = {}
    for observed, asked_us in seen:
        before = now.get(observed.id) or known.get(observed.id)
        try:
            decision = decide(before, observed, asked_us, origin, shape)
        except ValueError as error:
            folded.unreadable.append((observed.id, f"The object is not valid JSON: {error}."))
            continue
        if decision is None:
            continue
        if isinstance(decision, Renewal):
            if decision.expects != CHAINED:
                folded.renewals.append(decision)
            continue
        folded.changes.append(decision)
        now[observed.id] = Before(
            Held(
                CHAINED,
                decision.fingerprint,
                decision.version,
                decision.asked_us,
                decision.event is EventKind.DELETED,
            ),
            decision.data,
        )
    # A renewal whose record changed later in the batch would miss its version.
    folded.renewals = [renewal for renewal in folded.renewals if renewal.upstream_id not in now]
    return folded
