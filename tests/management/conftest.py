"""An office on each database; its streams are in memory, in four partitions."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.management.office import Hands, Office, office

from headwater.store.database import Database
from headwater.streams.memory import MemoryStreams

BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.server))


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/headwater.db"
    return request.getfixturevalue("postgres_database")


@pytest.fixture
async def here(url: str) -> AsyncGenerator[Office]:
    """An office of its own."""
    clock = Hands()
    database = await Database.open(url, clock=clock)
    yield office(database, MemoryStreams(partitions=4, clock=clock), clock)
    await database.close()
