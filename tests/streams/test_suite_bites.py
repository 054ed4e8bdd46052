"""The engine suite finds engines that break their word. A suite that passes everything proves nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.streams.rigs import MemoryRig

from headwater.streams.engine import Commit, Committed, Read
from headwater.streams.memory import MemoryStreams
from headwater.testing.engine_machine import drive
from headwater.testing.engine_rig import Rig
from headwater.testing.engine_suite import EngineSuite


class Unfenced(MemoryStreams):
    async def commit(self, commit: Commit) -> Committed:
        return await super().commit(msgspec.structs.replace(commit, fence=None))


class ForgetsCheckpoints(MemoryStreams):
    async def commit(self, commit: Commit) -> Committed:
        return await super().commit(msgspec.structs.replace(commit, checkpoints=()))


class HalfCommits(MemoryStreams):
    async def commit(self, commit: Commit) -> Committed:
        await super().commit(msgspec.structs.replace(commit, changes=(), fence=None))
        return await super().commit(msgspec.structs.replace(commit, checkpoints=(), rejected=()))


class SkipsOne(MemoryStreams):
    async def read(self, *arguments: Any, **options: Any) -> Read:
        page = await super().read(*arguments, **options)
        return msgspec.structs.replace(page, entries=page.entries[:1] + page.entries[2:])


class NeverTells(MemoryStreams):
    async def read(self, stream: Any, after: Any, **options: Any) -> Read:
        line = await self.trimmed()
        return await super().read(stream, tuple(map(max, after, line)), **options)


class KeepsOldEvents(MemoryStreams):
    async def trim(self, before_us: int, limit: int) -> bool:
        return False


@pytest.mark.parametrize("broken", [Unfenced, ForgetsCheckpoints, HalfCommits, SkipsOne, KeepsOldEvents])
def test_the_state_machine_finds_a_broken_engine(broken: type[MemoryStreams]) -> None:
    """Driven beside the reference, each shows itself."""
    with pytest.raises(AssertionError):
        drive(make_of(broken), walks=200, explain=False)


async def test_examples_find_what_the_machine_does_not_look_for() -> None:
    """A reader below the trim line must be told."""
    with pytest.raises(pytest.fail.Exception):
        await EngineSuite().test_p11_a_position_below_the_trim_line_is_told(make_of(NeverTells))


def make_of(engine: type[MemoryStreams]) -> Callable[[], Any]:
    @asynccontextmanager
    async def make() -> AsyncIterator[Rig]:
        yield MemoryRig(engine)

    return make
