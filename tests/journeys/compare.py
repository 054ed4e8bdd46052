"""What must be true after a journey, as functions that return the faults that they find, as sentences.

They know the streams only as a client read them, and the API only by its own truth.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.journeys.entries import Seen, folded

States = Mapping[str, Mapping[str, Sequence[str | None]]]
"""By collection and id: every state that the API showed, in order."""
Key = tuple[str, str]


def stream_equals(objects: Mapping[str, Mapping[str, str]], records: Sequence[Seen]) -> list[str]:
    """The record stream shows every object that exists, byte for byte, once, and nothing else."""
    faults: list[str] = []
    times = Counter(one.key for one in records)
    faults += [f"{key} is {count} times in the record stream" for key, count in times.items() if count > 1]
    shown = {(one.collection, one.upstream_id): one.text for one in records if not one.deleted}
    true = {(name, id): text for name, of in objects.items() for id, text in of.items()}
    faults += [f"{key} exists and is no record" for key in true.keys() - shown.keys()]
    faults += [f"{key} is a record and does not exist" for key in shown.keys() - true.keys()]
    for key in true.keys() & shown.keys():
        if true[key] != shown[key]:
            faults.append(f"{key} is {shown[key]!r} and should be {true[key]!r}")
    return faults


def final_states_have_events(states: States, events: Sequence[Seen]) -> list[str]:
    """The last event of each object tells its last state. One that came and went unseen needs none."""
    last = {(one.collection, one.upstream_id): one for one in events}
    faults: list[str] = []
    for key, of in _flat(states).items():
        event = last.get(key)
        if event is None:
            if of[-1] is not None:
                faults.append(f"{key} has no event")
        elif event.shows != of[-1]:
            faults.append(f"the last event of {key} is {event.shows!r} and should be {of[-1]!r}")
    return faults


def order_holds(states: States, events: Sequence[Seen]) -> list[str]:
    """The events of each object tell some of its states, in their order, none twice."""
    faults: list[str] = []
    flat = _flat(states)
    for key, told in _by_object(events).items():
        matched = match(flat.get(key, ()), told)
        if matched is None:
            faults.append(f"the events of {key} are not in the order of its states")
    return faults


def match(states: Sequence[str | None], events: Sequence[Seen]) -> list[int] | None:
    """Return which state each event tells of; None where the events are no part of the states in order."""
    found: list[int] = []
    at = 0
    for event in events:
        while at < len(states) and states[at] != event.shows:
            at += 1
        if at == len(states):
            return None
        found.append(at)
        at += 1
    return found


def nothing_twice(events: Sequence[Seen]) -> list[str]:
    """No event_id and no position of a sync comes twice, and the positions of a sync ascend."""
    faults: list[str] = []
    ids = Counter(one.event_id for one in events)
    faults += [f"event_id {id} is there {count} times" for id, count in ids.items() if count > 1]
    last: dict[str, int] = {}
    for one in events:
        if one.updated_idx <= last.get(one.sync_id, 0):
            faults.append(f"{one.key}: updated_idx {one.updated_idx} comes after {last[one.sync_id]}")
        last[one.sync_id] = one.updated_idx
    return faults


def events_tell_their_difference(events: Sequence[Seen]) -> list[str]:
    """Kinds follow from what was before; `previous_data` has exactly the fields that differ, as they were."""
    faults: list[str] = []
    for key, told in _by_object(events).items():
        before: Seen | None = None
        for event in told:
            alive = before is not None and before.event != "deleted"
            if event.event not in ({"updated", "deleted"} if alive else {"created"}):
                faults.append(f"{key}: {event.event} after {before.event if before else 'nothing'}")
            elif event.event == "updated" and before is not None:
                expected = difference(value(before.text), value(event.text))
                if not event.previous or _spelled(value(event.previous)) != _spelled(expected):
                    faults.append(f"{key}: previous_data is {event.previous!r}, should be {expected!r}")
            elif event.event == "deleted" and before is not None and before.text != event.text:
                faults.append(f"{key}: deleted with {event.text!r}, not with the data that it had")
            before = event
    return faults


def difference(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `old` that differ in `new`; None for those that are new."""
    names = [*old, *(name for name in new if name not in old)]
    return {name: old.get(name) for name in names if _spelled(old.get(name)) != _spelled(new.get(name))}


def follower_has_everything(followed: Sequence[Seen], whole: Sequence[Seen]) -> list[str]:
    """Whoever followed the cursor of events has each event once, those of a sync in order."""
    faults: list[str] = []
    for sync_id in {one.sync_id for one in [*followed, *whole]}:
        mine = [one.event_id for one in followed if one.sync_id == sync_id]
        all_of_it = [one.event_id for one in whole if one.sync_id == sync_id]
        if mine != all_of_it:
            missing, more = Counter(all_of_it) - Counter(mine), Counter(mine) - Counter(all_of_it)
            faults.append(
                f"{sync_id}: the follower misses {len(missing)}, has {sum(more.values())} too many, of"
                f" {len(all_of_it)}" + ("" if missing or more else ", in another order")
            )
    return faults


def follower_is_up_to_date(followed: Sequence[Seen], records: Sequence[Seen]) -> list[str]:
    """Whoever followed the cursor of records has the last version of each, and got none after a newer one."""
    faults: list[str] = []
    newest: dict[tuple[str, str, str], int] = {}
    for one in followed:
        if one.updated_idx <= newest.get(one.key, 0):
            faults.append(f"the follower got version {one.updated_idx} of {one.key} after {newest[one.key]}")
        newest[one.key] = one.updated_idx
    mine = {key: (one.updated_idx, one.shows) for key, one in folded(followed).items()}
    theirs = {key: (one.updated_idx, one.shows) for key, one in folded(records).items()}
    keys = [key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)]
    return faults + [f"the follower has {mine.get(key)} of {key}, not {theirs.get(key)}" for key in keys]


def lags_ms(
    states: States,
    shown_ms: Mapping[str, Mapping[str, Sequence[int]]],
    events: Sequence[Seen],
    since_ms: int,
) -> list[int]:
    """Return for each state how long after it became visible an event of it, or of a later one, was read.

    Only of states that became visible after an instant: what a backfill finds is no news.
    """
    found: list[int] = []
    for (name, id), told in _by_object(events).items():
        matched = match(states[name][id], told) or []
        for index, shown in enumerate(shown_ms[name][id]):
            later = [event.at_ms for at, event in zip(matched, told, strict=False) if at >= index]
            if later and shown >= since_ms:
                found.append(later[0] - shown)
    return found


def value(text: str) -> Any:
    """Decode JSON with numbers as they are spelled."""
    return json.loads(text, parse_float=Decimal)


def _spelled(found: Any) -> str:
    """Return a text that is equal for equal JSON values only: `true` is not 1, order is nothing."""
    if isinstance(found, dict):
        return "{" + ",".join(f"{name!r}:{_spelled(found[name])}" for name in sorted(found)) + "}"
    if isinstance(found, list):
        return "[" + ",".join(map(_spelled, found)) + "]"
    if isinstance(found, int | Decimal) and not isinstance(found, bool):
        return f"{Decimal(found).normalize():f}" if found else "0"
    return repr(found)


def _flat(states: States) -> dict[Key, Sequence[str | None]]:
    return {(name, id): of for name, by_id in states.items() for id, of in by_id.items()}


def _by_object(events: Sequence[Seen]) -> dict[Key, list[Seen]]:
    found: dict[Key, list[Seen]] = defaultdict(list)
    for one in events:
        found[one.collection, one.upstream_id].append(one)
    return found
