"""A server of its own for each test, on SQLite."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.api.server import Server, serve
from tests.management.office import Hands, office

from headwater.store.database import Database
from headwater.streams.memory import MemoryStreams


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[Server]:
    """A server with an admin key and streams in four partitions."""
    clock = Hands()
    database = await Database.open(f"sqlite:///{tmp_path}/headwater.db", clock=clock)
    async with serve(office(database, MemoryStreams(partitions=4, clock=clock), clock)) as made:
        yield made
    await database.close()
