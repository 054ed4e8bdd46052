"""The Redis target passes the suite of all targets, in both layouts, on a real server."""

from functools import partial

import pytest
from tests.plugins.servers import Server
from tests.targets.redis_rig import redis_rig

from headwater.testing.target_rig import Make
from headwater.testing.target_suite import TargetSuite


class TestRedisTarget(TargetSuite):
    @pytest.fixture(params=["key", "hash"])
    def make(self, request: pytest.FixtureRequest, killable_redis: Server, own_name: str) -> Make:
        return partial(redis_rig, killable_redis, own_name, layout=request.param)
