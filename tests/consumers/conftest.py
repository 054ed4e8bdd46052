"""Both databases, each fresh and empty for its test, with their engine behind them."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.management.office import Hands, Office, office

from headwater.kit.clock import SystemClock
from headwater.store.database import Database
from headwater.streams.memory import MemoryStreams

BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.server))


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place where no database of ours is yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/headwater.db"
    return request.getfixturevalue("postgres_database")


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    """An open, migrated database."""
    opened = await Database.open(url, clock=SystemClock(), partitions=2 if "postgres" in url else None)
    yield opened
    await opened.close()


@pytest.fixture
async def here(url: str) -> AsyncGenerator[Office]:
    """All of management on each database, with streams in memory."""
    clock = Hands()
    opened = await Database.open(url, clock=clock)
    yield office(opened, MemoryStreams(partitions=4, clock=clock), clock)
    await opened.close()
