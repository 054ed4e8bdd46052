"""The fake target passes the suite of the real ones, or it would be none."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.target import TargetSettings
from headwater.testing.fake_target import FakeServer, FakeSettings
from headwater.testing.target_rig import Make, Rig
from headwater.testing.target_suite import TargetSuite, TransactionalTargetSuite


class FakeRig:
    faithful = deduplicates = compares = keeps_deleted = True
    refused: bytes | None = b'{"n":"refused"}'
    held: bytes | None = b'{"n":"held"}'

    def __init__(self, *, transactional: bool) -> None:
        self.server = FakeServer(refuses={'{"n":"refused"}'})
        if transactional:
            self.held = None
        else:
            self.server.holds.add('{"n":"held"}')
        self.kind = self.server.kind(transactional=transactional)
        self.secrets: Sequence[str] = (self.server.password, "wrong-password")

    def settings(self) -> TargetSettings:
        return FakeSettings(password=Secret(self.server.password))

    def wrong(self) -> Mapping[str, tuple[TargetSettings, type[HeadwaterError]]]:
        return {
            "password": (FakeSettings(password=Secret("wrong-password")), Halt),
            "address": (FakeSettings(password=Secret(self.server.password), address="there"), Retry),
        }

    def kept(self, value: bytes) -> bytes:
        return value

    async def read_back(self, stream: Stream) -> Sequence[bytes]:
        return self.server.read_back(stream)

    async def stop(self) -> None:
        self.server.dies_after = 200
        for _ in range(50):
            await asyncio.sleep(0)
        self.server.down = True

    async def start(self) -> None:
        self.server.down, self.server.dies_after = False, None

    async def release(self) -> None:
        self.server.holds.clear()


@asynccontextmanager
async def plain_rig() -> AsyncIterator[Rig]:
    yield FakeRig(transactional=False)


@asynccontextmanager
async def transactional_rig() -> AsyncIterator[Rig]:
    yield FakeRig(transactional=True)


class TestFakeTarget(TargetSuite):
    @pytest.fixture
    def make(self) -> Make:
        return plain_rig


class TestTransactionalFakeTarget(TransactionalTargetSuite):
    @pytest.fixture
    def make(self) -> Make:
        return transactional_rig
