"""Raw objects into observations: id, times and version decoded, the fingerprint taken, the rest left as
bytes.

The hot path. An object goes through it in a few microseconds, changed or not; whatever the fast decoder does
not take goes through `_careful`, alone, and becomes a `Reject` if it cannot be read as declared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import xxhash

from headwater.errors import Reject
from headwater.kit import jsonbytes
from headwater.model.record import Observed
from headwater.providers import paging
from headwater.providers.fetch.cut import Cut
from headwater.providers.fetch.instants import ISO, InstantFormat
from headwater.providers.fetch.structs import NONE, struct_of

SCOPED = "/"
"""Between the parent's id and the object's, in the upstream id of a collection whose ids are unique per
parent.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """A member that holds an instant."""

    path: str
    format: InstantFormat = ISO


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A member that says that the object is deleted: by the value `equals`, or by any but null and false."""

    path: str
    equals: str | int | bool | None = None

    def says_deleted(self, value: Any) -> bool:
        """Say whether the member's value means deleted."""
        if self.equals is None:
            return value is not None and value is not False
        return type(value) is type(self.equals) and value == self.equals


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What is read of an object: dotted paths of its members.

    `version`: a whole number that grows with each change; where there is none, the update time is the
    version. `scoped`: ids are unique below one parent only, so the upstream id is `<parent id>/<id>`.
    """

    id: str = "id"
    created_at: Instant | None = None
    updated_at: Instant | None = None
    version: str | None = None
    deleted: Mark | None = None
    volatile: frozenset[str] = frozenset()
    scoped: bool = False


@dataclass(slots=True)
class Sighted:
    """The objects of a page: those that could be read, and those that could not."""

    observed: list[Observed]
    rejected: list[Reject]


Reader = Callable[[Cut, str], Sighted]
"""`(page, prefix of the ids)`. Raises nothing."""

_NO_DECODING = (msgspec.DecodeError, UnicodeDecodeError, AttributeError, TypeError, ValueError, OverflowError)
"""What the fast way may raise for an object; the careful way decides what it means."""


@lru_cache(maxsize=1024)
def reader(fields: Fields, *, bodies: bool = True, gone: bool = False) -> Reader:
    """Return what reads the objects of a page.

    `bodies=False` leaves `raw` and fingerprint empty, for listings of ids. `gone`: whatever is listed was
    deleted. Raises: ValueError when the paths contradict each other.
    """
    careful = _careful(fields, bodies=bodies, gone=gone)
    fast = _fast(fields, careful, bodies=bodies, gone=gone)

    def read(page: Cut, prefix: str) -> Sighted:
        sighted = Sighted([], [])
        if page.doubtful:
            for raw in page.items:
                careful(bytes(raw), prefix, sighted)
        else:
            fast(page.items, prefix, sighted)
        return sighted

    return read


def check_fields(fields: Fields) -> None:
    """Raise ValueError when the paths of the fields contradict each other."""
    struct_of(_wires(fields), required=fields.id)


_Careful = Callable[[bytes, str, Sighted], None]
_Fast = Callable[[Sequence[msgspec.Raw | bytes], str, Sighted], None]


def _wires(fields: Fields) -> dict[str, Any]:
    """Return the paths to decode, each with the type that the decoder makes of it."""
    wires: dict[str, Any] = {fields.id: int | str}
    for instant in (fields.updated_at, fields.created_at):
        if instant is not None:
            wires[instant.path] = instant.format.wire if wires.get(instant.path, instant) is instant else Any
    for path, wire in ((fields.version, int | str | None), (fields.deleted and fields.deleted.path, Any)):
        if path:
            wires[path] = wire if path not in wires else Any  # one member in two roles: checked by the roles
    return wires


def _fast(fields: Fields, careful: _Careful, *, bodies: bool, gone: bool) -> _Fast:
    struct, attributes = struct_of(_wires(fields), required=fields.id)
    decode = msgspec.json.Decoder(struct).decode
    updated, created = fields.updated_at, fields.created_at
    pick = attrgetter(
        attributes[fields.id],
        attributes[updated.path] if updated else NONE,
        attributes[created.path] if created else NONE,
        attributes[fields.version] if fields.version else NONE,
        attributes[fields.deleted.path] if fields.deleted else NONE,
    )
    updated_from = updated.format.from_wire if updated else int
    created_from = created.format.from_wire if created else int
    versioned, mark, volatile = fields.version is not None, fields.deleted, fields.volatile
    fingerprint = xxhash.xxh3_128_digest

    def read(raws: Sequence[msgspec.Raw | bytes], prefix: str, sighted: Sighted) -> None:
        add = sighted.observed.append
        for raw in raws:
            try:
                id, updated_at, created_at, version, marked = pick(decode(raw))
                if type(id) is int:
                    id = str(id)
                elif not id:
                    raise ValueError
                updated_us = None if updated_at is None else updated_from(updated_at)
                created_us = None if created_at is None else created_from(created_at)
                version = _whole(version) if versioned else updated_us
                if prefix:
                    id = prefix + id
                if gone or (mark is not None and mark.says_deleted(marked)):
                    add(Observed(id, b"", b"", version, created_us, updated_us, True))
                elif bodies:
                    body = bytes(raw)
                    digest = fingerprint(jsonbytes.lasting(body, volatile) if volatile else body)
                    add(Observed(id, body, digest, version, created_us, updated_us))
                else:
                    add(Observed(id, b"", b"", version, created_us, updated_us))
            except _NO_DECODING:
                careful(bytes(raw), prefix, sighted)

    return read


def _careful(fields: Fields, *, bodies: bool, gone: bool) -> _Careful:
    """Return what reads one object of which nothing is sure, and rejects it where it is not as declared."""

    def read(raw: bytes, prefix: str, sighted: Sighted) -> None:
        id = ""
        try:
            id = prefix + _id(raw, fields.id)
            if "\0" in id or not _storable(id):
                raise _Unreadable(f"Its id at {fields.id} has a character that no database keeps.")
            jsonbytes.compact(raw)
            updated = _instant(raw, fields.updated_at)
            created = _instant(raw, fields.created_at)
            version = updated if fields.version is None else _version(raw, fields.version)
            deleted = gone or (
                fields.deleted is not None and fields.deleted.says_deleted(_get(raw, fields.deleted.path))
            )
            whole = bodies and not deleted
            sighted.observed.append(
                Observed(
                    id,
                    raw if whole else b"",
                    xxhash.xxh3_128_digest(
                        jsonbytes.lasting(raw, fields.volatile) if fields.volatile else raw
                    )
                    if whole
                    else b"",
                    version,
                    created,
                    updated,
                    deleted,
                )
            )
        except _Unreadable as error:
            sighted.rejected.append(_reject(id, str(error)))
        except (ValueError, RecursionError):
            sighted.rejected.append(_reject(id, "The object is not valid JSON in UTF-8."))

    return read


class _Unreadable(Exception):
    """The object is not as declared; the message says how, without its content (P8)."""


def _reject(id: str, reason: str) -> Reject:
    return Reject(reason, code="item.unreadable", context={"id": id} if id else {})


def _get(raw: bytes, path: str) -> Any:
    return jsonbytes.get(raw, paging.steps(path))


def _id(raw: bytes, path: str) -> str:
    if raw.lstrip(b" \t\r\n")[:1] != b"{":
        raise _Unreadable("It is not an object.")
    id = _get(raw, path)
    if isinstance(id, bool) or not isinstance(id, (str, int)) or id == "":
        raise _Unreadable(f"It has neither text nor a whole number at {path}, where its id should be.")
    return str(id)


def _storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _instant(raw: bytes, instant: Instant | None) -> int | None:
    if instant is None or (value := _get(raw, instant.path)) is None:
        return None
    try:
        return instant.format.read(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise _Unreadable(f"It has no time in the format {instant.format.name} at {instant.path}.") from error


def _version(raw: bytes, path: str) -> int | None:
    try:
        return _whole(_get(raw, path))
    except ValueError as error:
        raise _Unreadable(f"It has no whole number at {path}, where its version should be.") from error


def _whole(value: Any) -> int | None:
    """Return a version, also one that is written as text. Raises: ValueError for anything else."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise ValueError("not a whole number")
