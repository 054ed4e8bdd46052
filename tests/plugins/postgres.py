"""A real PostgreSQL for tests: one server for the whole run, one fresh database for each test that asks.

It listens on 127.0.0.1 on a free port, keeps its files in a temporary folder, leaves `fsync` on, and is
stopped by its own pid. PostgreSQL refuses to run as root; then it runs as the system's user `postgres`.
Beside it there is one with TLS, and one of a test's own, to be killed and started again.

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from tests.plugins.certificates import make_certificates
from tests.plugins.servers import NotReadyError, Server, mark_users, steady_port

FIXTURES = {"postgres_url", "postgres_database", "postgres_tls", "killable_postgres"}
MISSING = (
    "no PostgreSQL server binaries: install them, on Debian with `apt-get install postgresql`, "
    "or run `make setup` as root"
)


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_users(items, FIXTURES)
    for item in items:
        if "journeys" in item.path.relative_to(item.config.rootpath).parts:
            item.add_marker(pytest.mark.journey)


def server_binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    if found:
        return max(found, key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("pg_ctl")
    return Path(on_path).resolve().parent if on_path else None


def needed_binaries() -> Path:
    return server_binaries() or cast(Path, pytest.skip(MISSING))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class PostgresServer(Server):
    """A PostgreSQL server. Killed, its main process is gone at once; the others notice that and follow."""

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(
            signal.SIGINT
        )  # "fast"; killed, it would leave a shared memory segment behind
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None


def answers(url: str) -> None:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        raise NotReadyError from error


@contextmanager
def postgres_in_a_folder(binaries: Path, *, tls: bool = False) -> Iterator[PostgresServer]:
    """A server with new files of its own, not started yet; they are removed when the block is left.

    They are not in pytest's own folder, which only the user of the tests can enter.
    """
    folder = Path(tempfile.mkdtemp(prefix="headwater-postgres-"))
    data, log, password_file = folder / "data", folder / "log", folder / "password"
    password, port = secrets.token_hex(8), steady_port()
    password_file.write_text(password)
    owned = [folder, password_file]
    initdb = [binaries / "initdb", f"--pgdata={data}", "--username=postgres", f"--pwfile={password_file}"]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    postgres = [binaries / "postgres", "-D", data, "-p", str(port)]
    postgres += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    if tls:
        made = make_certificates(folder)
        owned += [made.authority, made.certificate, made.key]
        postgres += [
            "-c",
            "ssl=on",
            "-c",
            f"ssl_cert_file={made.certificate}",
            "-c",
            f"ssl_key_file={made.key}",
        ]
    as_user: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        as_user |= {"user": "postgres", "group": "postgres", "extra_groups": []}
        for path in owned:
            shutil.chown(path, "postgres", "postgres")
    try:
        with log.open("wb") as output:
            subprocess.run(initdb, check=True, stdout=output, **as_user)
        yield PostgresServer(
            name="PostgreSQL",
            url=f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres",
            command=postgres,
            log=log,
            ready=answers,
            as_user=as_user,
        )
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """A server that runs until the block is left. Gives its URL as its superuser."""
    with postgres_in_a_folder(binaries) as server, server.running():
        yield server.url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a running server, as its superuser, without a database of one's own."""
    with running_server(needed_binaries()) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_tls() -> Iterator[str]:
    """The URL of a running server with TLS; its mode makes the client check the certificate and the name."""
    with postgres_in_a_folder(needed_binaries(), tls=True) as server, server.running():
        yield f"{server.url}?sslmode=verify-full&sslrootcert={server.log.parent / 'authority.pem'}"


@pytest.fixture
def killable_postgres() -> Iterator[Server]:
    """A running server of the test's own, to be killed and started again. Its URL is its superuser's."""
    with postgres_in_a_folder(needed_binaries()) as server, server.running():
        yield server


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
