"""A real Redis for tests, durable: each write is on disk before it is acknowledged.

One is shared by the tests of a run (each names its keys by `own_name`), one has TLS and a password, and one
is a test's own, to be killed and started again.
"""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
import redis
from tests.plugins.certificates import make_certificates
from tests.plugins.servers import NotReadyError, Server, mark_users, steady_port

FIXTURES = {"redis_server", "redis_tls", "killable_redis"}
MISSING = (
    "no redis-server: install it, on Debian with `apt-get install redis-server`, or run `make setup` as root"
)


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_users(items, FIXTURES)


@dataclass(frozen=True)
class RedisTls:
    """Where a Redis with TLS and a password is reached."""

    url: str
    """`rediss://`, with user and password."""
    authority: Path
    """The certificate that its client must trust, PEM."""


def ping(url: str) -> None:
    # The certificate is not looked at here: this only asks whether the server is up.
    more = {"ssl_cert_reqs": "none"} if url.startswith("rediss:") else {}
    try:
        with redis.Redis.from_url(url, socket_timeout=5, **more) as client:
            client.ping()
    except (redis.ConnectionError, redis.TimeoutError) as error:  # also while it loads its data
        raise NotReadyError from error


def redis_program() -> str:
    return shutil.which("redis-server") or cast(str, pytest.skip(MISSING))


def redis_in(folder: Path, program: str) -> Server:
    """A Redis with its files in this folder, not started yet."""
    port = steady_port()
    command = [program, "--port", str(port), *options(folder)]
    url = f"redis://127.0.0.1:{port}/0"
    return Server(name="Redis", url=url, command=command, log=folder / "log", ready=ping)


def options(folder: Path) -> list[str]:
    """On loopback, with each write on disk before its answer, and no snapshots beside that."""
    return [
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ]


@contextmanager
def tls_redis_in(folder: Path, program: str) -> Iterator[RedisTls]:
    """A running Redis that speaks TLS only and asks for a password."""
    port, password, made = steady_port(), secrets.token_hex(8), make_certificates(folder)
    command = [program, "--port", "0", "--tls-port", str(port), "--requirepass", password, *options(folder)]
    command += ["--tls-cert-file", str(made.certificate), "--tls-key-file", str(made.key)]
    command += ["--tls-ca-cert-file", str(made.authority), "--tls-auth-clients", "no"]
    url = f"rediss://default:{password}@127.0.0.1:{port}/0"
    server = Server(name="Redis with TLS", url=url, command=command, log=folder / "log", ready=ping)
    with server.running():
        yield RedisTls(url=url, authority=made.authority)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running Redis that others use too: only touch keys that begin with `own_name`."""
    with redis_in(tmp_path_factory.mktemp("redis"), redis_program()).running() as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisTls]:
    """A running Redis with TLS and a password that others use too."""
    with tls_redis_in(tmp_path_factory.mktemp("redis-tls"), redis_program()) as server:
        yield server


@pytest.fixture
def killable_redis(tmp_path: Path) -> Iterator[Server]:
    """A running Redis of the test's own."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_in(folder, redis_program()).running() as server:
        yield server
