"""Messages as calls of scripts. Pure: what is sent, in which order; not the sending.

Rounds go out one after another, each after the answers to the one before. Calls that write to one key of
many records (a hash, a stream) are in rounds of their own, so that a failure leaves a beginning of them and
never a hole (P5). Calls of one round may come in any order.
"""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha1

import msgspec

from headwater.targets.redis import scripts
from headwater.targets.redis.keys import Keys, text
from headwater.targets.redis.settings import RedisSettings
from headwater.targets.target import Item

MESSAGES, BYTES = 200, 1_000_000
"""Of one call: Redis does nothing else meanwhile, here for about a millisecond."""


class Script(msgspec.Struct, frozen=True):
    """A script by its text, and by the name that Redis gives it."""

    text: str
    name: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """Return a script: Redis names it by its SHA-1."""
        return cls(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


BY_KEY, IN_HASH, EVENTS, REMOVE = map(
    Script.of, (scripts.RECORDS_BY_KEY, scripts.RECORDS_IN_HASH, scripts.EVENTS, scripts.REMOVE)
)


class Call(msgspec.Struct):
    """One call of a script, with the indexes of its messages in the batch."""

    script: Script
    keys: list[bytes]
    args: list[bytes | int | str]
    indexes: list[int] = []
    size: int = 0

    def is_full(self, following: bytes) -> bool:
        """Say whether one more message belongs into another call."""
        return len(self.indexes) >= MESSAGES or (bool(self.indexes) and self.size + len(following) > BYTES)

    def add(self, index: int, json: bytes) -> None:
        """Note a message whose keys and arguments have been added."""
        self.indexes.append(index)
        self.size += len(json)


Rounds = list[list[Call]]
Numbered = Sequence[tuple[int, Item]]
"""Messages with their indexes in the batch."""


class Calls:
    """Makes calls as a target's settings want them."""

    def __init__(self, settings: RedisSettings) -> None:
        """Read the settings."""
        self._keys, self._layout, self._cluster = Keys(settings.prefix), settings.layout, settings.cluster
        self._removes = settings.deletes == "hard"
        self._ttl = 0 if settings.ttl is None else _ms(settings.ttl)
        self._tombstone_ttl = _ms(settings.tombstone_ttl)
        self._most_events = settings.max_events or 0

    def records(self, items: Numbered) -> Rounds:
        """Return what writes versions of records."""
        return self._in_hashes(items) if self._layout == "hash" else self._by_key(items)

    def events(self, items: Numbered) -> Rounds:
        """Return what appends events."""
        rounds = _ByFirstKey()
        for index, item in items:
            keys = [self._keys.events(item), self._keys.late(item)]
            call = rounds.call(EVENTS, keys, [self._most_events], item.json)
            call.args += (item.updated_idx, item.message_id, item.json)
            call.add(index, item.json)
        return rounds.made

    def check_records(self) -> Rounds:
        """Return what writes a record and removes it, with a tombstone of a millisecond."""
        gone, json = self._keys.probe("gone"), b'{"checks":true,"updated_idx":1}'
        if self._layout == "hash":
            keys = [self._keys.probe("collection"), gone]
            return [
                [Call(IN_HASH, keys, [1, b"check", 1, json])],
                [Call(IN_HASH, keys, [1, b"check", 2, b""])],
            ]
        keys = [self._keys.probe("record"), gone]
        return [[Call(BY_KEY, keys, [1_000, 1, 1, json])], [Call(BY_KEY, keys, [1_000, 1, 2, b""])]]

    def check_events(self) -> Rounds:
        """Return what appends an event and removes the stream, both of the check alone."""
        keys = [self._keys.probe("events"), self._keys.probe("late")]
        return [[Call(EVENTS, keys, [1, 1, b"check", b"{}"])], [Call(REMOVE, keys, [])]]

    def _by_key(self, items: Numbered) -> Rounds:
        """Return one round: in whatever order it comes, the versions decide."""
        calls: list[Call] = []
        for index, item in items:
            json = self._json(item)
            # Two records are in different slots of a cluster, and no call may mix these.
            if not calls or self._cluster or calls[-1].is_full(json):
                calls.append(Call(BY_KEY, [], [self._ttl, self._tombstone_ttl]))
            calls[-1].keys += (self._keys.record(item), self._keys.gone(item))
            calls[-1].args += (item.updated_idx, json)
            calls[-1].add(index, json)
        return [calls] if calls else []

    def _in_hashes(self, items: Numbered) -> Rounds:
        rounds = _ByFirstKey()
        for index, item in items:
            json = self._json(item)
            call = rounds.call(IN_HASH, [self._keys.collection(item)], [self._tombstone_ttl], json)
            call.keys.append(self._keys.gone_from_collection(item))
            call.args += (text(item.entry.upstream_id), item.updated_idx, json)
            call.add(index, json)
        return rounds.made

    def _json(self, item: Item) -> bytes:
        """Return what is to be there; nothing if that is no record any more."""
        return b"" if item.deleted and self._removes else item.json


class _ByFirstKey:
    """Calls one after another for each first key: its first in the first round, its second in the second."""

    def __init__(self) -> None:
        self.made: Rounds = []
        self._last: dict[bytes, tuple[int, Call]] = {}

    def call(self, script: Script, keys: list[bytes], args: list[bytes | int | str], json: bytes) -> Call:
        """Return the call that the next message of the first key belongs to."""
        known = self._last.get(keys[0])
        if known is not None and not known[1].is_full(json):
            return known[1]
        number, call = 0 if known is None else known[0] + 1, Call(script, keys, args)
        if number == len(self.made):
            self.made.append([])
        self.made[number].append(call)
        self._last[keys[0]] = number, call
        return call


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
