"""The PostgreSQL target passes the suite in each of its layouts."""

from collections.abc import Iterator

import pytest
from tests.plugins.servers import Server
from tests.targets.postgres_rig import own_server, postgres_rig

from headwater.testing.target_rig import Make
from headwater.testing.target_suite import TransactionalTargetSuite

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with own_server() as server:
        yield server


class TestSingleTable(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, server: Server) -> Make:
        return lambda: postgres_rig(server)


class TestSingleTableWithHardDeletes(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, server: Server) -> Make:
        return lambda: postgres_rig(server, deletes="hard", prefix='odd "%s" name;  ')


class TestTablePerCollection(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, server: Server) -> Make:
        return lambda: postgres_rig(server, style="per_collection")


class TestTablePerCollectionWithHardDeletes(TransactionalTargetSuite):
    @pytest.fixture
    def make(self, server: Server) -> Make:
        return lambda: postgres_rig(server, style="per_collection", deletes="hard", prefix="")
