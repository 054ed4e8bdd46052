"""The webhook target passes the suite of all targets, with one message in a request and with many."""

from functools import partial
from pathlib import Path

import pytest
from tests.targets.webhook_rig import webhook_rig

from headwater.testing.target_rig import Make
from headwater.testing.target_suite import TargetSuite


class TestWebhookTarget(TargetSuite):
    @pytest.fixture(params=[False, True], ids=["single", "batch"])
    def make(self, request: pytest.FixtureRequest, tmp_path: Path) -> Make:
        return partial(webhook_rig, tmp_path, batch=request.param)
