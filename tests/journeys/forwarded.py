"""What must be in a target that both streams were forwarded to, as functions that return the faults."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
from tests.journeys.entries import Seen

from headwater.kit import jsonbytes
from headwater.model.position import Stream
from headwater.testing.target_rig import Rig


def faults_of_events(rig: Rig, found: Iterable[bytes], events: Sequence[Seen]) -> list[str]:
    """Every event is there, as it is in the stream, those of a record in their order."""
    there = _read(found, Stream.EVENTS)
    faults = _repeats(rig, there)
    if rig.kind.name != "postgres":  # rows of a table have no order but that of `updated_idx`
        faults += _disorder(there)
    shown = {one.event_id: one for one in there}
    true = {one.event_id: one for one in events}
    faults += [f"event {id} of {true[id].key} is not there" for id in true.keys() - shown.keys()]
    faults += [f"event {id} of {shown[id].key} is no event" for id in shown.keys() - true.keys()]
    for id in true.keys() & shown.keys():
        faults += _difference(rig, true[id], shown[id])
    return faults


def faults_of_records(rig: Rig, found: Iterable[bytes], records: Sequence[Seen]) -> list[str]:
    """The last version of every record is there; where all are, each record's in their order."""
    there = _read(found, Stream.RECORDS)
    faults = list[str]() if rig.compares else _disorder(there)
    if rig.compares:
        faults += [f"{key} is there {count} times" for key, count in _times(there) if count > 1]
    shown = {one.key: one for one in sorted(there, key=lambda one: one.updated_idx)}
    true = {one.key: one for one in records if rig.keeps_deleted or not one.deleted}
    faults += [f"{key} is not there" for key in true.keys() - shown.keys()]
    faults += [f"{key} is no record" for key in shown.keys() - true.keys()]
    for key in true.keys() & shown.keys():
        if true[key].updated_idx != shown[key].updated_idx:
            faults.append(f"{key} is there in version {shown[key].updated_idx}, not {true[key].updated_idx}")
        else:
            faults += _difference(rig, true[key], shown[key])
    return faults


def _read(found: Iterable[bytes], stream: Stream) -> list[Seen]:
    """Decode messages of one stream; a place may have those of both."""
    everything = [msgspec.json.decode(one, type=Seen) for one in found]
    return [one for one in everything if bool(one.event_id) == (stream is Stream.EVENTS)]


def _times(found: Sequence[Seen]) -> Iterable[tuple[tuple[str, str, str], int]]:
    return Counter(one.key for one in found).items()


def _repeats(rig: Rig, found: Sequence[Seen]) -> list[str]:
    """P4: where the target can tell, a message that was written again is there once."""
    if not rig.deduplicates:
        return []
    ids = Counter(one.event_id for one in found)
    return [f"event {id} is there {count} times" for id, count in ids.items() if count > 1]


def _disorder(found: Sequence[Seen]) -> list[str]:
    """P5: apart from repeats, the messages of a record come in their order."""
    newest: dict[tuple[str, str, str], int] = {}
    known: set[tuple[tuple[str, str, str], int]] = set()
    faults: list[str] = []
    for one in found:
        if (one.key, one.updated_idx) in known:
            continue
        known.add((one.key, one.updated_idx))
        if one.updated_idx < newest.get(one.key, 0):
            faults.append(f"version {one.updated_idx} of {one.key} comes after {newest[one.key]}")
        newest[one.key] = max(newest.get(one.key, 0), one.updated_idx)
    return faults


def _difference(rig: Rig, true: Seen, shown: Seen) -> list[str]:
    kept, there = rig.kept(bytes(true.data)), bytes(shown.data)
    if (there == kept) if rig.faithful else jsonbytes.same(_floats(kept), _floats(there)):
        return []
    return [f"{true.key} version {true.updated_idx} is {shown.text!r} there, and should be {kept!r}"]


def _floats(value: bytes) -> bytes:
    """Return JSON whose numbers are as exact as those of a rig that had to change a text in it."""
    return json.dumps(json.loads(value)).encode()
