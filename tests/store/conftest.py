"""Both databases, each fresh and empty for its test."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from headwater.kit.clock import SystemClock
from headwater.store.database import Database

BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.server))


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place where no database of ours is yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/headwater.db"
    return request.getfixturevalue("postgres_database")


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    """An open, migrated database."""
    opened = await Database.open(url, clock=SystemClock())
    yield opened
    await opened.close()
