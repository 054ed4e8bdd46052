"""A real PostgreSQL for tests: one server for the whole run, one fresh database for each test that asks.

It listens on 127.0.0.1 on a free port, keeps its files in a temporary folder, leaves `fsync` on, and is
stopped by its own pid. PostgreSQL refuses to run as root; then it runs as the system's user `postgres`.

A test that asks for `postgres_url` or `postgres_database` gets the marker `server` by itself. One that asks
by `request.getfixturevalue` must carry it: `pytest.param("postgres", marks=pytest.mark.server)`.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

FIXTURES = {"postgres_url", "postgres_database"}
MISSING = (
    "no PostgreSQL server binaries: install them, on Debian with `apt-get install postgresql`, "
    "or run `make setup` as root"
)
START_SECONDS = 60


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)
        if "journeys" in item.path.relative_to(item.config.rootpath).parts:
            item.add_marker(pytest.mark.journey)


def server_binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    if found:
        return max(found, key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("pg_ctl")
    return Path(on_path).resolve().parent if on_path else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from error
            time.sleep(0.05)
        else:
            return


@contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """A server that runs until the block is left. Gives its URL as its superuser."""
    folder = Path(tempfile.mkdtemp(prefix="headwater-postgres-"))
    data, log, password_file = folder / "data", folder / "log", folder / "password"
    password, port = secrets.token_hex(8), free_port()
    password_file.write_text(password)
    as_user: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        as_user |= {"user": "postgres", "group": "postgres", "extra_groups": []}
        for path in (folder, password_file):
            shutil.chown(path, "postgres", "postgres")
    initdb = [binaries / "initdb", f"--pgdata={data}", "--username=postgres", f"--pwfile={password_file}"]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    postgres = [binaries / "postgres", "-D", data, "-p", str(port)]
    postgres += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    try:
        with log.open("wb") as output:
            subprocess.run(initdb, check=True, stdout=output, **as_user)
            server = subprocess.Popen(postgres, stdout=output, stderr=output, **as_user)
        try:
            wait_until_ready(url, server, log)
            yield url
        finally:
            stop(server)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a running server, as its superuser, without a database of one's own."""
    binaries = server_binaries()
    if binaries is None:
        pytest.skip(MISSING)
    with running_server(binaries) as url:
        yield url


def stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # "fast": ends connections, keeps the data whole
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@pytest.fixture
def postgres_database(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped afterwards."""
    if not request.node.get_closest_marker("server"):
        pytest.fail("a test that starts PostgreSQL needs @pytest.mark.server", pytrace=False)
    with fresh_database(postgres_url) as url:
        yield url


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """A new, empty database that is dropped when the block is left. Gives its URL."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{server_url.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
