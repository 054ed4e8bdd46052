"""What the tests of targets share."""

from collections.abc import Iterator

import pytest
from tests.plugins.servers import Server
from tests.targets.postgres_rig import own_server


@pytest.fixture(scope="session")
def target_postgres() -> Iterator[Server]:
    """A PostgreSQL server that tests of the target may kill, if they start it again."""
    with own_server() as server:
        yield server
