"""Where things lie in Redis. Pure.

Keys that one script touches share their hash tag, the part in braces, and with it their slot of a cluster.
Source: https://redis.io/commands/cluster-keyslot, read 2026-11-24. A brace within an upstream id ends the tag
early, for all keys of that record alike.
"""

from headwater.targets.target import Item


class Keys:
    """The names of keys under one prefix, as bytes: upstream ids may have lone surrogates."""

    def __init__(self, prefix: str) -> None:
        """Begin every key with `prefix` and a colon."""
        self._prefix = prefix.encode()

    def record(self, item: Item) -> bytes:
        """Return the key of a record."""
        return b"%b:record:{%b}" % (self._prefix, text(item.key))

    def gone(self, item: Item) -> bytes:
        """Return the key under which the version of a removed record is remembered."""
        return b"%b:gone:{%b}" % (self._prefix, text(item.key))

    def collection(self, item: Item) -> bytes:
        """Return the key of the hash with the records of a collection."""
        return b"%b:collection:{%b}" % (self._prefix, _collection(item))

    def gone_from_collection(self, item: Item) -> bytes:
        """Return what `gone` is for a record of a hash."""
        return b"%b:gone:{%b}:%b" % (self._prefix, _collection(item), text(item.entry.upstream_id))

    def events(self, item: Item) -> bytes:
        """Return the key of the stream with the events of a collection."""
        return b"%b:events:{%b}" % (self._prefix, _collection(item))

    def late(self, item: Item) -> bytes:
        """Return the key of the ids of those events that came after newer ones."""
        return b"%b:late:{%b}" % (self._prefix, _collection(item))

    def probe(self, what: str) -> bytes:
        """Return a key that only a check uses. All of them share a slot."""
        return b"%b:%b:{check}" % (self._prefix, what.encode())


def text(value: str) -> bytes:
    """Return a text as bytes."""
    return value.encode("utf-8", "surrogatepass")


def _collection(item: Item) -> bytes:
    return f"{item.slot.sync_id}/{item.slot.collection_id}".encode()
