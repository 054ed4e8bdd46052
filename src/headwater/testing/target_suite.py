"""What every target must do, as tests: subclass `TargetSuite` and supply the fixture `make`.

    class TestAcmeTarget(TargetSuite):
        @pytest.fixture
        def make(self, acme_server) -> Make:
            return lambda: acme_rig(acme_server)  # an async context manager: a fresh `Rig` each time

Every test runs for both streams. A target that keeps our position passes `TransactionalTargetSuite`. The rig
says what the target can: where it cannot compare, repeats are looked for by their id. Not here: speed.
"""

import pytest

from headwater.model.position import Stream
from headwater.testing.target_failures import FailureTests
from headwater.testing.target_marks import MarkTests
from headwater.testing.target_rig import Make
from headwater.testing.target_writes import WriteTests


class TargetSuite(WriteTests, FailureTests):
    """All that a target promises in `targets/target.py`."""

    @pytest.fixture
    def make(self) -> Make:
        """A fresh rig each time. To be supplied."""
        raise NotImplementedError

    @pytest.fixture(params=list(Stream), ids=list(Stream))
    def stream(self, request: pytest.FixtureRequest) -> Stream:
        """Each of the two streams."""
        return Stream(request.param)


class TransactionalTargetSuite(TargetSuite, MarkTests):
    """Besides: messages and position are stored together or not at all."""
