"""What the tests of targets share."""

from collections.abc import Iterator

import pytest
from tests.plugins.kafka import MISSING, have_kafka
from tests.plugins.servers import Server
from tests.targets.kafka_rig import Broker, running_broker
from tests.targets.postgres_rig import own_server


@pytest.fixture(scope="session")
def target_postgres() -> Iterator[Server]:
    """A PostgreSQL server that tests of the target may kill, if they start it again."""
    with own_server() as server:
        yield server


@pytest.fixture(scope="session")
def target_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka broker that tests of the target may kill, if they start it again."""
    if not have_kafka():
        pytest.skip(MISSING)  # the stand-in has nothing that would come back
    with running_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
