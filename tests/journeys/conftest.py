"""What every journey gets: its seed, its length, the database it runs on, and a place for its results."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

LATEST = Path(__file__).with_name("latest.json")
LONG = os.environ.get("HEADWATER_JOURNEYS") == "long"


@pytest.fixture
def long() -> bool:
    """Whether the journeys go their whole way (`HEADWATER_JOURNEYS=long`)."""
    return LONG


@pytest.fixture
def seed() -> int:
    """The seed of everything random in a journey. `HEADWATER_JOURNEY_SEED=N` repeats one."""
    chosen = os.environ.get("HEADWATER_JOURNEY_SEED")
    seed = int(chosen) if chosen else random.SystemRandom().randrange(10**6)
    print(f"HEADWATER_JOURNEY_SEED={seed}")
    return seed


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the stream engine."""
    return request.param


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest) -> str | None:
    """The URL of a fresh database; None for the file in the server's home."""
    return request.getfixturevalue("postgres_database") if engine == "postgres" else None


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Take in the figures of a journey that went well; the long form keeps them in `latest.json`."""
    figures: dict[str, Any] = {"journey": request.node.name}
    yield lambda **more: figures.update(more)
    print(orjson.dumps(figures).decode())
    if LONG and len(figures) > 1:
        kept = orjson.loads(LATEST.read_bytes()) if LATEST.exists() else []
        others = [one for one in kept if one["journey"] != figures["journey"]]
        found = sorted([*others, figures], key=lambda one: one["journey"])
        LATEST.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
