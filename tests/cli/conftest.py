"""A server to talk to, and the command line as a function."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.fake_server import (
    KEY,
    FakeServer,
    World,
    consumer,
    credential,
    event,
    http_consumer,
    provider,
    record,
    sync,
    target,
    uuid,
)

from headwater.cli.program import run


class Outcome:
    """How a command ended and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Headwater = Callable[..., Outcome]


@pytest.fixture
def world() -> World:
    return World(
        families={
            "providers": [provider("acme")],
            "credentials": [credential(100, "Acme")],
            "targets": [target(300, "Warehouse"), target(301, "Queue", external_id="org_42")],
            "consumers": [consumer(310, "First"), consumer(311, "Second")],
            "http-consumers": [http_consumer(320, "Workers")],
            "syncs": [sync(1, "First"), sync(2, "Second", external_id="org_42")],
            "api-keys": [
                {
                    "id": uuid(7),
                    "name": "warehouse",
                    "prefix": "hw_abc",
                    "scopes": ["read"],
                    "external_id": None,
                    "created_at": "2026-11-24T08:00:00.000000Z",
                    "last_used_at": None,
                }
            ],
        },
        streams={"records": [record(i) for i in range(1, 6)], "events": [event(i) for i in range(1, 6)]},
    )


@pytest.fixture
def server(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer(world) as running:
        monkeypatch.setenv("HEADWATER_URL", running.url)
        monkeypatch.setenv("HEADWATER_API_KEY", KEY)
        monkeypatch.setenv("HEADWATER_HOME", str(tmp_path / "home"))
        yield running


@pytest.fixture
def headwater(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> Headwater:
    def call(*arguments: str) -> Outcome:
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
