"""A process that can be killed at any of its steps: before, in and after each transaction and each write.

A killed one does nothing any more: no transaction, no call to a target, no cleaning up.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.store.database import Database
from headwater.targets.target import Item, Kind, Mark, Target, TransactionalTarget, Written


class Killed(BaseException):
    """The process is no more. Nothing in it catches this."""


class Fuse:
    """Burns down with every step; then the process is dead."""

    def __init__(self, steps: int | None) -> None:
        """Let so many steps pass; all of them for None."""
        self.left = steps
        self.taken = 0

    @property
    def dead(self) -> bool:
        """Whether it has burnt down."""
        return self.left == 0

    def step(self) -> None:
        """Take a step, or die."""
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1
            if self.left == 0:
                raise Killed
        self.taken += 1


class MortalDatabase:
    """A database as a process sees it that may be killed."""

    def __init__(self, database: Database, fuse: Fuse) -> None:
        self._database, self._fuse = database, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """Give a transaction that is rolled back when the process dies in it."""
        self._fuse.step()
        async with self._database.write() as connection:
            yield connection
            self._fuse.step()
        self._fuse.step()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """Give a transaction that reads."""
        self._fuse.step()
        async with self._database.read() as connection:
            yield connection


class MortalTarget:
    """A target as a process sees it that may be killed."""

    def __init__(self, target: Target, fuse: Fuse) -> None:
        self._target, self._fuse = target, fuse
        self.transactional = target.transactional

    async def check(self) -> None:
        """Ask."""
        await self._target.check()

    async def position(self) -> Mark | None:
        """Return where the consumer stands."""
        self._fuse.step()
        return await cast("TransactionalTarget", self._target).position()

    async def write(self, batch: Sequence[Item], mark: Mark) -> Written:
        """Write; the process may die before it, and before it learns of it."""
        self._fuse.step()
        written = await self._target.write(batch, mark)
        self._fuse.step()
        return written

    async def close(self) -> None:
        """Close."""
        await self._target.close()


def mortal(kind: Kind, fuse: Fuse) -> Kind:
    """Return a kind whose targets are used by a process that may be killed."""
    return replace(kind, open=lambda settings, of: MortalTarget(kind.open(settings, of), fuse))
