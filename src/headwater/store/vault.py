"""The vault: what seals secrets before they are stored, and opens them again. Keeps none itself.

Keys are a file with one key a line, made at the first start, or they are given. The first one seals, all of
them open, so keys are rotated while everything runs: put a new one on top, seal anew what is stored
(`rotate`), remove the old. A changed file is noticed at the next use.
Source: cryptography.io/en/latest/fernet (MultiFernet), RFC 5869 for derived keys (read 2026-11-24).
"""

import base64
import binascii
import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headwater.errors import Halt

DERIVED_BYTES = 64


class Vault:
    """Seals and opens secrets. Made by `in_file` or `with_keys`."""

    def __init__(self, keys: Sequence[str], path: Path | None = None) -> None:
        self._path, self._stamp = path, _stamp(path)
        self._generation = 0
        self._take(keys)

    def __repr__(self) -> str:
        return f"Vault({len(self._keys)} keys)"

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """Use the keys in a file, making it with a new key if it is not there.

        Raises: Halt `vault.key_invalid`, `vault.key_missing` when the file cannot be read or made.
        """
        try:
            if not path.exists():
                _make(path)
            return cls(_read(path), path)
        except OSError as error:
            message = f"The key file {path} cannot be read: {error.strerror}."
            fix = "Let the user that runs Headwater read it, or set HEADWATER_SECRET_KEYS."
            raise Halt(message, code="vault.key_missing", fix=fix) from error

    @classmethod
    def with_keys(cls, keys: Sequence[str]) -> Self:
        """Use these keys, the newest first."""
        return cls(keys)

    def seal(self, content: bytes) -> bytes:
        """Encrypt with the newest key."""
        return self._current().encrypt(content)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt what `seal` gave, with whichever key it was.

        Raises: Halt `vault.key_missing` when none of the keys fits.
        """
        try:
            return self._current().decrypt(sealed)
        except InvalidToken:
            raise _no_key() from None

    def rotate(self, sealed: bytes) -> bytes:
        """Return the same secret, sealed with the newest key.

        Raises: Halt `vault.key_missing` when none of the keys fits.
        """
        try:
            return self._current().rotate(sealed)
        except InvalidToken:
            raise _no_key() from None

    def is_newest(self, sealed: bytes) -> bool:
        """Say whether the newest key has sealed this."""
        self._current()
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    @property
    def generation(self) -> int:
        """How often the keys have changed since the start."""
        self._current()
        return self._generation

    def derived(self, name: bytes) -> tuple[bytes, ...]:
        """Return keys of 64 bytes for another use, one for each key of the vault, the newest first."""
        self._current()
        if name not in self._derived:
            self._derived[name] = tuple(_derive(key, name) for key in self._keys)
        return self._derived[name]

    def _current(self) -> MultiFernet:
        """Return the keys as they are now: another process, or a person, may have changed the file."""
        stamp = _stamp(self._path)
        if stamp is not None and stamp != self._stamp and self._path is not None:
            self._take(_read(self._path))
            self._stamp = stamp
        return self._fernet

    def _take(self, keys: Sequence[str]) -> None:
        try:
            each = [Fernet(key) for key in keys]
            fernet = MultiFernet(each)
            self._keys = [base64.urlsafe_b64decode(key) for key in keys]
        except (ValueError, binascii.Error):  # without the text that was no key (P8)
            message = "The secret keys are empty or malformed."
            fix = "Each is 32 bytes in URL-safe base64. `headwater key secret` prints a new one."
            raise Halt(message, code="vault.key_invalid", fix=fix) from None
        self._fernet, self._newest, self._derived = fernet, each[0], dict[bytes, tuple[bytes, ...]]()
        self._generation += 1


def new_key() -> str:
    """Return a new key."""
    return Fernet.generate_key().decode()


def _no_key() -> Halt:
    return Halt(
        "A stored secret was sealed with a key that is not here.",
        code="vault.key_missing",
        fix="Put the key back into secret.key or HEADWATER_SECRET_KEYS, or give the secrets anew.",
    )


def _derive(key: bytes, name: bytes) -> bytes:
    return HKDF(SHA256(), DERIVED_BYTES, salt=None, info=b"headwater " + name).derive(key)


def _read(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _stamp(path: Path | None) -> tuple[int, int] | None:
    """Return what changes when a file does; None without one."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _make(path: Path) -> None:
    """Make a key file that only this user may read. Of two processes at once, one makes it and both use
    it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())  # before anything is sealed with it
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
