"""Entries of the log as JSON bytes: a Record or an Event each. The hot path of every reader.

`data` and `previous_data` go through as they lie in the log; what is the same for all entries of a slot is
made once. The order of the members is the contract's. Not here: which entries (`reading`).
"""

import json
from collections.abc import Iterable

import msgspec
import orjson

from headwater.kit.clock import from_us
from headwater.model.ids import RecordIds, event_id
from headwater.model.position import Stream
from headwater.model.record import Entry, EventKind, Origin
from headwater.streams.slots import Owned, Slots

_ORIGINS = tuple(b'"%b"' % origin.name.lower().encode() for origin in Origin)
_UPDATED = int(EventKind.UPDATED)
_DELETED = int(EventKind.DELETED)
_DAY = 86_400
_EARLIEST_US, _LATEST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 and 9999: what ISO 8601 can say."""


class _Face(msgspec.Struct, frozen=True):
    """What is the same for all entries of a slot.

    `key`: its members from `sync_id` up to `upstream_id`'s value.
    """

    ids: RecordIds
    key: bytes


class Renderer:
    """Renders entries. Safe to share between requests of one event loop."""

    def __init__(self, created_event_name: str = "created") -> None:
        """`created_event_name`: the word for a new record, `created` or `inserted`."""
        words = {
            EventKind.CREATED: created_event_name,
            EventKind.UPDATED: "updated",
            EventKind.DELETED: "deleted",
        }
        self._words = tuple(b'"%b"' % words[kind].encode() for kind in EventKind)
        self._slots: Slots | None = None
        self._faces: dict[int, _Face] = {}

    def each(self, stream: Stream, entries: Iterable[Entry], slots: Slots) -> list[bytes]:
        """Return one JSON object for each entry. `slots` must know the slots of all of them."""
        if slots is not self._slots:
            self._slots, self._faces = slots, {}
        return self._records(entries, slots) if stream is Stream.RECORDS else self._events(entries, slots)

    def _records(self, entries: Iterable[Entry], slots: Slots) -> list[bytes]:
        faces, rendered = self._faces, list[bytes]()
        for entry in entries:
            face = faces.get(entry.slot) or self._face(entry.slot, slots)
            rendered.append(
                b'{"id":"%b",%b%b,"upstream_created_at":%b,"upstream_updated_at":"%b","updated_idx":%d'
                b',"inserted_at":"%b","data":%b,"deleted":%b}'
                % (
                    face.ids.record(entry.upstream_id).encode(),
                    face.key,
                    quoted(entry.upstream_id),
                    b"null" if entry.created_us is None else b'"%b"' % instant(entry.created_us),
                    instant(entry.updated_us),
                    entry.position,
                    instant(entry.inserted_us),
                    entry.data,
                    b"true" if entry.event == _DELETED else b"false",
                )
            )
        return rendered

    def _events(self, entries: Iterable[Entry], slots: Slots) -> list[bytes]:
        faces, rendered = self._faces, list[bytes]()
        for entry in entries:
            face = faces.get(entry.slot) or self._face(entry.slot, slots)
            previous = b""
            if entry.event == _UPDATED and entry.previous_data is not None:
                previous = b',"previous_data":%b' % entry.previous_data
            mutation = b"" if entry.mutation_id is None else b',"mutation_id":%b' % quoted(entry.mutation_id)
            rendered.append(
                b'{%b%b,"upstream_updated_at":"%b","updated_idx":%d,"data":%b,"event":%b,"event_id":"%b"'
                b',"event_inserted_at":"%b"%b,"origin":%b%b}'
                % (
                    face.key,
                    quoted(entry.upstream_id),
                    instant(entry.updated_us),
                    entry.position,
                    entry.data,
                    self._words[entry.event],
                    event_id(face.ids.record(entry.upstream_id), entry.position).encode(),
                    instant(entry.inserted_us),
                    previous,
                    _ORIGINS[entry.origin],
                    mutation,
                )
            )
        return rendered

    def word(self, entry: Entry) -> str:
        """Return the word for what happened."""
        return self._words[entry.event][1:-1].decode()

    def _face(self, number: int, slots: Slots) -> _Face:
        face = _face(slots.by_number[number])
        self._faces[number] = face
        return face


def _face(owned: Owned) -> _Face:
    slot = owned.slot
    key = b'"sync_id":%b,"sync_external_id":%b,"provider":%b,"collection_id":%b,"upstream_id":' % (
        quoted(slot.sync_id),
        b"null" if owned.external_id is None else quoted(owned.external_id),
        quoted(slot.provider),
        quoted(slot.collection_id),
    )
    return _Face(RecordIds(slot.sync_id, slot.collection_id), key)


def quoted(text: str) -> bytes:
    """Return a text as a JSON string, also one with a lone surrogate."""
    try:
        return orjson.dumps(text)
    except TypeError:
        return json.dumps(text).encode()


def instant(instant_us: int) -> bytes:
    """Return microseconds since 1970 as `2024-11-10T18:39:00.070453Z`; times without a year are cut."""
    seconds, micros = divmod(instant_us, 1_000_000)
    begin = _seconds.get(seconds)
    if begin is None:
        if not _EARLIEST_US <= instant_us <= _LATEST_US:
            return instant(max(_EARLIEST_US, min(instant_us, _LATEST_US)))
        if len(_seconds) >= _KNOWN_SECONDS:
            _seconds.clear()
        day, second = divmod(seconds, _DAY)
        begin = _seconds[seconds] = b"%bT%02d:%02d:%02d." % (
            _date(day),
            second // 3600,
            second // 60 % 60,
            second % 60,
        )
    return b"%b%06dZ" % (begin, micros)


def _date(day: int) -> bytes:
    date = _dates.get(day)
    if date is None:
        if len(_dates) >= _KNOWN_SECONDS:
            _dates.clear()
        date = _dates[day] = from_us(day * _DAY * 1_000_000).date().isoformat().encode()
    return date


_KNOWN_SECONDS = 20_000
_seconds: dict[int, bytes] = {}
_dates: dict[int, bytes] = {}
