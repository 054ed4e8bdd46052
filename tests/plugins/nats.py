"""A real NATS server with JetStream for tests; it comes with a package of the `dev` group.

One is shared by the tests of a run (each names its streams and subjects by `own_name`), one is a test's own,
to be killed and started again. Both write what they acknowledge to disk first (`sync_interval: always`).
"""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.plugins.servers import NotReadyError, Server, mark_users, steady_port

FIXTURES = {"nats_server", "killable_nats"}
CONFIG = """
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}", sync_interval: always }}
"""


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_users(items, FIXTURES)


def greets(url: str) -> None:
    """It sends INFO to each client; JetStream has read its files by then."""
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
            if not connection.recv(5).startswith(b"INFO"):
                raise NotReadyError
    except OSError as error:
        raise NotReadyError from error


def nats_in(folder: Path) -> Server:
    """A NATS server with its files in this folder, not started yet."""
    port, config = steady_port(), folder / "nats.conf"
    config.write_text(CONFIG.format(port=port, store=folder / "store"))
    command = [Path(sys.executable).parent / "nats-server", "-c", config]
    url = f"nats://127.0.0.1:{port}"
    return Server(name="NATS", url=url, command=command, log=folder / "log", ready=greets)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running NATS server that others use too: name streams and subjects by `own_name`."""
    with nats_in(tmp_path_factory.mktemp("nats")).running() as server:
        yield server.url


@pytest.fixture
def killable_nats(tmp_path: Path) -> Iterator[Server]:
    """A running NATS server of the test's own."""
    folder = tmp_path / "nats"
    folder.mkdir()
    with nats_in(folder).running() as server:
        yield server
