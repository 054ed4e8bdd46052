"""NATS's keys: how a seed tells its public half and signs. Not here: making keys.

A seed is base32 of two bytes that say what it is, the 32 bytes of an Ed25519 key, and a CRC-16.
Source: https://github.com/nats-io/nkeys (read 2026-11-24).
"""

import base64
import binascii
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headwater.errors import Halt
from headwater.model.secret import Secret

_SEED, _USER = 18 << 3, 20 << 3
"""First letters `S` and `U`."""

_SEED_LENGTH, _KEY_BEGINS, _KEY_ENDS = 36, 2, 34
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\s*(\S+)\s*------?END", re.MULTILINE)


class UserKey:
    """The key of a user."""

    def __init__(self, seed: Secret) -> None:
        """Raises: Halt for what is no user's seed."""
        self._key = Ed25519PrivateKey.from_private_bytes(_key_of(seed))

    @property
    def public(self) -> str:
        """The public half, as a server's configuration names it (`U…`)."""
        content = bytes([_USER]) + self._key.public_key().public_bytes_raw()
        return _base32(content + binascii.crc_hqx(content, 0).to_bytes(2, "little"))

    def sign(self, nonce: str) -> bytes:
        """Return the signature of what a server wants signed, in base64."""
        return base64.urlsafe_b64encode(self._key.sign(nonce.encode())).rstrip(b"=")


def credentials(content: Secret) -> tuple[str, Secret]:
    """Return the JWT and the seed of a `.creds` file. Raises: Halt for what is none."""
    blocks = dict(_BLOCK.findall(content.reveal()))
    try:
        return blocks["NATS USER JWT"], Secret(blocks["USER NKEY SEED"])
    except KeyError:
        raise _unreadable("`credentials`") from None  # P8: without what was given


def _key_of(seed: Secret) -> bytes:
    text = seed.reveal().strip()
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        raise _unreadable("`nkey`") from None
    of_user = len(raw) == _SEED_LENGTH and raw[0] & 0xF8 == _SEED
    if not of_user or ((raw[0] & 7) << 5 | raw[1] >> 3) != _USER:
        raise _unreadable("`nkey`")
    if binascii.crc_hqx(raw[:_KEY_ENDS], 0) != int.from_bytes(raw[_KEY_ENDS:], "little"):
        raise _unreadable("`nkey`")
    return raw[_KEY_BEGINS:_KEY_ENDS]


def _base32(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=")


def _unreadable(what: str) -> Halt:
    return Halt(
        f"The target's {what} cannot be read.",
        code="target.refused",
        fix="Give a user's seed (`SU…`) as `nkey`, or the whole content of a `.creds` file as `credentials`.",
    )
