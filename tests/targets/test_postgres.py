"""The PostgreSQL target passes the suite in each of its layouts."""

import pytest
from tests.plugins.servers import Server
from tests.targets.postgres_rig import postgres_rig

from headwater.testing.target_rig import Make
from headwater.testing.target_suite import TransactionalTargetSuite

pytestmark = pytest.mark.server


class TestSingleTable(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, target_postgres: Server) -> Make:
        return lambda: postgres_rig(target_postgres)


class TestSingleTableWithHardDeletes(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, target_postgres: Server) -> Make:
        return lambda: postgres_rig(target_postgres, deletes="hard", prefix='odd "%s" name;  ')


class TestTablePerCollection(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, target_postgres: Server) -> Make:
        return lambda: postgres_rig(target_postgres, style="per_collection")


class TestTablePerCollectionWithHardDeletes(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, target_postgres: Server) -> Make:
        return lambda: postgres_rig(target_postgres, style="per_collection", deletes="hard", prefix="")
