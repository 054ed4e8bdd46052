import socket
import sys
from pathlib import Path

import pytest
from tests.plugins.servers import STEADY_PORTS, NotReadyError, Server, steady_port

LISTENS = (
    "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
)


def accepts(url: str) -> None:
    try:
        socket.create_connection(("127.0.0.1", int(url)), timeout=5).close()
    except OSError as error:
        raise NotReadyError from error


def listening(folder: Path, program: str = LISTENS) -> Server:
    port = str(steady_port())
    return Server(
        name="Listening",
        url=port,
        command=[sys.executable, "-c", program, port],
        log=folder / "log",
        ready=accepts,
    )


@pytest.mark.server
def test_a_killed_server_is_gone_and_comes_back_at_the_same_address(tmp_path: Path) -> None:
    with listening(tmp_path).running() as server:
        accepts(server.url)
        server.kill()
        with pytest.raises(NotReadyError):
            accepts(server.url)
        server.start()
        accepts(server.url)
    with pytest.raises(NotReadyError):
        accepts(server.url)


@pytest.mark.server
def test_a_server_that_ends_at_once_says_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.plugins.servers.AGAIN_SECONDS", 0.5)
    with pytest.raises(RuntimeError, match=r"(?s)Listening did not start:.*the disk is full"):
        listening(tmp_path, "raise SystemExit('the disk is full')").start()


def test_a_steady_port_is_free_and_never_a_clients() -> None:
    port = steady_port()
    assert port in STEADY_PORTS
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_names_are_ones_own(own_name: str) -> None:
    assert own_name.isidentifier()
