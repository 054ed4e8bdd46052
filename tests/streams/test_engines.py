"""Every engine passes the same suite."""

import pytest
from tests.streams.rigs import memory_rig, postgres_rig, sqlite_rig

from headwater.testing.engine_rig import Make, MakeDurable
from headwater.testing.engine_suite import DurableEngineSuite, EngineSuite


class TestMemoryStreams(EngineSuite):
    @pytest.fixture
    def make(self) -> Make:
        return memory_rig


class TestSqliteStreams(DurableEngineSuite):
    @pytest.fixture
    def make(self) -> MakeDurable:
        return sqlite_rig


class TestPostgresStreams(DurableEngineSuite):
    @pytest.fixture
    def make(self, postgres_database: str) -> MakeDurable:
        return lambda: postgres_rig(postgres_database)
