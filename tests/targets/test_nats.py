"""The NATS target passes the suite of all targets on a real server that is killed."""

from collections.abc import Iterator
from functools import partial

import pytest
from tests.plugins.servers import Server
from tests.targets.nats_rig import nats_in, nats_rig

from headwater.testing.target_rig import Make
from headwater.testing.target_suite import TargetSuite

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests here: each has a stream of its own, and a killed one comes back with what it had."""
    with nats_in(tmp_path_factory.mktemp("nats")).running() as server:
        yield server


class TestNatsTarget(TargetSuite):
    @pytest.fixture
    def make(self, server: Server) -> Make:
        return partial(nats_rig, server)
