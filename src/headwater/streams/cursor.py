"""Cursors: positions of a reader as text that means nothing to anybody else.

A cursor carries the stream, a digest of the filters and the position in each partition, encrypted and
authenticated: readable, it would show how much other tenants have. The same position always gives the same
text, so a reader at the end can see that it is. Whether what a cursor points at is still there is the
engine's to say.
Source: RFC 5297 (AES-SIV), read 2026-11-24.
"""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from headwater.errors import InUse, Refused
from headwater.model.position import Stream, Vector, covers
from headwater.store.vault import Vault

VERSION = 1
_STREAMS = {Stream.RECORDS: 0, Stream.EVENTS: 1}
_LONGEST = 4_000
"""Characters of the longest text that is looked at: more than a thousand partitions."""


class Cursors:
    """Makes and reads the cursors of one installation."""

    def __init__(self, vault: Vault) -> None:
        """Use the vault's keys; a cursor lives for as long as the key that it was made with."""
        self._vault = vault
        self._keys: tuple[bytes, ...] = ()
        self._ciphers: list[AESSIV] = []

    def encode(self, stream: Stream, filters: str, position: Vector) -> str:
        """Return the cursor of a position. `filters` is the same text for the same filters."""
        sealed = self._current()[0].encrypt(_head(stream, filters) + _varints(position), None)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def decode(self, text: str, stream: Stream, filters: str) -> Vector:
        """Return the position of a cursor.

        Raises: Refused `cursor.invalid` when it is not ours, `cursor.filter_changed` when it was made for
        another stream or other filters.
        """
        content = self._open(text)
        head = _head(stream, filters)
        if content[0] != VERSION:
            raise _invalid()
        if content[: len(head)] != head:
            raise Refused(
                "This cursor was made for another stream or other filters.",
                code="cursor.filter_changed",
                fix="Repeat the filters of the request that gave it, or start without a cursor.",
            )
        return _positions(content[len(head) :])

    def _open(self, text: str) -> bytes:
        if len(text) > _LONGEST:
            raise _invalid()
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _invalid() from None
        for cipher in self._current():
            try:
                return cipher.decrypt(sealed, None)
            except (InvalidTag, ValueError):
                continue
        raise _invalid()

    def _current(self) -> list[AESSIV]:
        keys = self._vault.derived(b"cursor")
        if keys is not self._keys:
            self._keys, self._ciphers = keys, [AESSIV(key) for key in keys]
        return self._ciphers


def check_not_ahead(position: Vector, heads: Vector) -> None:
    """Refuse a position that the stream has not reached.

    Raises: InUse `cursor.ahead`, Refused `cursor.invalid` when the number of partitions differs.
    """
    if len(position) != len(heads):
        raise _invalid()
    if not covers(heads, position):
        raise InUse(
            "The cursor is ahead of the stream: the database is older than the cursor.",
            code="cursor.ahead",
            fix="After a backup has been restored, readers start again without a cursor.",
        )


def _invalid() -> Refused:
    return Refused(
        "This is no cursor of this installation.",
        code="cursor.invalid",
        fix="Pass the `cursor` of an earlier answer as it was, or start without one.",
    )


def _head(stream: Stream, filters: str) -> bytes:
    digest = hashlib.blake2b(filters.encode(), digest_size=8).digest()
    return bytes((VERSION, _STREAMS[stream])) + digest


def _varints(position: Vector) -> bytes:
    """Return the numbers as LEB128, seven bits a byte, the lowest first."""
    encoded = bytearray()
    for number in position:
        left = number
        while left > 0x7F:
            encoded.append(left & 0x7F | 0x80)
            left >>= 7
        encoded.append(left)
    return bytes(encoded)


def _positions(encoded: bytes) -> Vector:
    numbers, number, shift = list[int](), 0, 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    return tuple(numbers)
