"""One process on one file: an exclusive lock on `<file>.lock`, gone with the process however it ends.

Knows nothing of databases. On PostgreSQL many processes share the work, so nothing is locked there.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Self

from headwater.errors import Halt


class LockFile:
    """A lock against other processes on `guarded`, held from `take` to `release`."""

    def __init__(self, guarded: Path) -> None:
        self._guarded = guarded
        self._descriptor: int | None = None

    def take(self) -> None:
        """Lock.

        Raises: Halt `database.in_use` when somebody has it.
        """
        path = self._guarded.with_name(self._guarded.name + ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise Halt(
                f"Another process{f' ({holder})' if holder else ''} is using {self._guarded}.",
                code="database.in_use",
                fix="Stop it, give this one another file, or use PostgreSQL, which many processes can share.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Unlock. The file stays: were it removed, two processes could lock two of one name."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
