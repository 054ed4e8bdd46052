import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.plugins.servers import NotReadyError, steady_port
from tests.plugins.shared import SharedServer, shared
from tests.plugins.test_servers import LISTENS, accepts

pytestmark = pytest.mark.server


def listening(folder: Path) -> tuple[SharedServer, Mapping[str, str]]:
    port = str(steady_port())
    command = [sys.executable, "-c", LISTENS, port]
    server = SharedServer(name="Listening", url=port, command=command, log=folder / "log", ready=accepts)
    return server, {"port": port}


def test_the_second_user_gets_what_the_first_has_started_and_the_last_ends_it(tmp_path: Path) -> None:
    first = shared(tmp_path, listening)
    port = first.__enter__()["port"]
    with shared(tmp_path, listening) as second:
        assert second["port"] == port
        first.__exit__(None, None, None)
        accepts(port)
    assert_gone(port)
    assert not (tmp_path / "state.json").exists()


def test_who_comes_after_the_end_starts_it_again(tmp_path: Path) -> None:
    with shared(tmp_path, listening):
        before = json.loads((tmp_path / "state.json").read_text())["pid"]
    with shared(tmp_path, listening) as again:
        accepts(again["port"])
        assert json.loads((tmp_path / "state.json").read_text())["pid"] != before


def assert_gone(port: str) -> None:
    for _ in range(1000):  # its end is not waited for, since it is nobody's child
        try:
            accepts(port)
        except NotReadyError:
            return
    pytest.fail("it still listens")
