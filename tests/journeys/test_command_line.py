"""The whole way by the command line: a sync forwarded to a real PostgreSQL, looked after, removed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.journeys.processes import FakeApi, Server

from headwater.cli.program import run
from headwater.testing.fake_api import document
from headwater.testing.fake_api.serve import KEY

OBJECTS = 150

Command = Callable[..., Any]


@pytest.fixture
def headwater(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line against a server, which is named first. Returns its JSON where it printed some."""

    def call(server: Server, *words: str, code: int = 0) -> Any:
        monkeypatch.setenv("HEADWATER_URL", server.url)
        monkeypatch.setenv("HEADWATER_API_KEY", server.key)
        ended = run(list(words))
        printed = capsys.readouterr()
        assert ended == code, printed.err
        return json.loads(printed.out) if "--json" in words else printed.out

    return call


def rows(url: str) -> set[str]:
    """Return the upstream ids in the target's table that are not deleted."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT upstream_id FROM headwater_records WHERE NOT deleted").fetchall()
    assert len({id for (id,) in found}) == len(found)
    return {id for (id,) in found}


@pytest.mark.server
@pytest.mark.timeout(300)
async def test_a_sync_is_forwarded_in_one_line(
    seed: int,
    tmp_path: Path,
    headwater: Command,
    postgres_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Made, watched until nothing is left, rested, begun anew, and taken apart again."""
    monkeypatch.setenv("WAREHOUSE", postgres_database)
    (tmp_path / "token").write_text(KEY)
    with (
        FakeApi(seed=seed, collections=["contact"], objects=OBJECTS) as fake,
        Server(home=tmp_path / "home") as server,
    ):
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        described = tmp_path / "fake.json"
        described.write_text(json.dumps(document(fake.url)))
        create = ("sync", "create", str(described), "--set", f"token=@{tmp_path}/token", "--wait")
        headwater(server, *create, "--to", "env:WAREHOUSE")
        (target,) = headwater(server, "target", "list", "--json")
        (consumer,) = headwater(server, "consumer", "list", "--json")
        assert (target["kind"], target["health"]["status"]) == ("postgres", "ok")
        assert postgres_database not in json.dumps(target)
        name = consumer["name"]
        headwater(server, "consumer", "watch", name, "--until-current")
        truth = set(fake.truth().objects["contact"])
        assert rows(postgres_database) == truth
        headwater(server, "consumer", "pause", name)
        with psycopg.connect(postgres_database) as connection:
            connection.execute("TRUNCATE headwater_records")
        headwater(server, "consumer", "reset", name, "--start", "beginning", "--yes")
        shown = headwater(server, "consumer", "show", name, "--json")
        assert (shown["status"], shown["lag"]["messages"]) == ("paused", OBJECTS)
        assert rows(postgres_database) == set()
        headwater(server, "consumer", "resume", name)
        headwater(server, "consumer", "watch", name, "--until-current")
        assert rows(postgres_database) == truth
        again = headwater(server, "consumer", "create", "env:WAREHOUSE", "--stream", "events", "--json")
        assert again["target_id"] == target["id"]  # of the same kind and settings
        headwater(server, "consumer", "watch", again["id"], "--until-current")
        headwater(server, "target", "check", target["name"])
        headwater(server, "target", "delete", target["name"], "--yes", code=4)
        for id in (again["id"], consumer["id"]):
            headwater(server, "consumer", "delete", id, "--yes")
        headwater(server, "target", "delete", target["name"], "--yes")
        assert headwater(server, "target", "list", "--json") == []
        assert server.stop() == 0
