"""Whether the two streams say the same as an API's whole truth. Pure: it is given everything as values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Key = tuple[str, str]
"""Collection id, upstream id."""
Objects = dict[Key, Any]


def truth(provider: str, state: Mapping[str, list[Any]]) -> Objects:
    """Return what an API holds, by key. Shape: `{"company": [{"id", …}, …], …}`"""
    return {(f"{provider}:{kind}", one["id"]): one for kind, objects in state.items() for one in objects}


def held(records: Iterable[Any]) -> Objects:
    """Return what the record stream says exists, by key."""
    return {key_of(record): record["data"] for record in records if not record["deleted"]}


def key_of(entry: Any) -> Key:
    """Return the key of a record or event within its sync."""
    return entry["collection_id"], entry["upstream_id"]


def differences(found: Objects, wanted: Objects) -> list[str]:
    """Return what differs, a sentence for each object."""
    said = [f"{name(key)} is missing." for key in wanted.keys() - found.keys()]
    said += [f"{name(key)} should be gone." for key in found.keys() - wanted.keys()]
    said += [
        f"{name(key)} differs in {', '.join(fields_that_differ(found[key], wanted[key]))}."
        for key in wanted.keys() & found.keys()
        if found[key] != wanted[key]
    ]
    return sorted(said)


def fields_that_differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that are not the same in both."""
    return sorted(
        f for f in one.keys() | other.keys() if one.get(f) != other.get(f) or (f in one) != (f in other)
    )


def name(key: Key) -> str:
    """Return a key for people."""
    return f"{key[0]} {key[1]}"


@dataclass(slots=True, kw_only=True)
class Replay:
    """What the event stream says happened, one event after another.

    `mistakes` are events that cannot be true: an update of what is not there, an old value that was never
    there, a repeated id, a version that went back.
    """

    objects: Objects = field(default_factory=dict[Key, Any])
    counts: dict[str, int] = field(default_factory=lambda: {"created": 0, "updated": 0, "deleted": 0})
    mistakes: list[str] = field(default_factory=list[str])
    _seen: set[str] = field(default_factory=set[str])
    _versions: dict[Key, int] = field(default_factory=dict[Key, int])

    def take(self, event: Any) -> None:
        """Let an event happen."""
        key, kind = key_of(event), event["event"]
        self.counts[kind] += 1
        if event["event_id"] in self._seen:
            self._mistake(event, "came twice")
        self._seen.add(event["event_id"])
        if event["updated_idx"] <= self._versions.get(key, 0):
            self._mistake(event, "has a version that is not above the last one")
        self._versions[key] = event["updated_idx"]
        before = self.objects.get(key)
        if kind == "created":
            if before is not None:
                self._mistake(event, "was there already")
            self.objects[key] = event["data"]
        elif before is None:
            self._mistake(event, "was not there")
        elif kind == "updated":
            self._updated(event, before)
        else:
            if event["data"] != before:
                self._mistake(event, "was deleted with other data than it had")
            del self.objects[key]

    def _updated(self, event: Any, before: Any) -> None:
        # The new data overlaid with the prior values is the old data; a field that was absent reads null.
        if present({**event["data"], **event["previous_data"]}) != present(before):
            self._mistake(event, "had other values before than its update says")
        self.objects[key_of(event)] = event["data"]

    def _mistake(self, event: Any, what: str) -> None:
        self.mistakes.append(f"{name(key_of(event))} {what} (event {event['event_id']}).")


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are not null."""
    return {name: value for name, value in fields.items() if value is not None}


def replay(events: Iterable[Any]) -> Replay:
    """Let events happen in their order."""
    happened = Replay()
    for event in events:
        happened.take(event)
    return happened


def lags(events: Iterable[Any]) -> list[float]:
    """Return how many seconds after its time in the API each change came, without those of backfills."""
    return [
        seconds_between(event["upstream_updated_at"], event["event_inserted_at"])
        for event in events
        if event["origin"] != "backfill"
    ]


def seconds_between(earlier: str, later: str) -> float:
    """Return the seconds between two ISO times."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def quantile(values: list[float], part: float) -> float | None:
    """Return the value that a part of the others does not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None
