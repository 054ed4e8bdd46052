"""A real Kinto for tests: one server for the whole run, in memory, with a bucket of its own for each test
that asks.

Kinto is an API that nobody here wrote: a JSON store with paging by a header, changes by time, and tombstones.
It listens on 127.0.0.1 on a free port and is stopped by its own pid.
"""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.plugins.postgres import free_port

FIXTURES = {"kinto_server", "kinto"}
START_SECONDS = 60
USER, PASSWORD = "writer", "a password that protects nothing"
INI = """
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = %(http_port)s

[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.accounts
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = {secret}
kinto.bucket_create_principals = system.Authenticated
kinto.account_create_principals = system.Everyone
multiauth.policies = account
multiauth.policy.account.use = kinto.plugins.accounts.AccountsPolicy

[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic
[formatter_generic]
format = %(levelname)s %(name)s %(message)s
"""


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)


@dataclass(frozen=True)
class Kinto:
    """A bucket of its own on a running server, and a client of the server that is not ours."""

    base_url: str
    bucket: str
    username: str = USER
    password: str = PASSWORD

    def records(self, id: str = "") -> str:
        """The address of a record, or of the list."""
        return f"{self.base_url}/buckets/{self.bucket}/collections/articles/records{id and '/'}{id}"

    def create(self, **data: Any) -> dict[str, Any]:
        return self._call("POST", self.records(), json={"data": data})

    def update(self, id: str, **data: Any) -> dict[str, Any]:
        return self._call("PATCH", self.records(id), json={"data": data})

    def delete(self, id: str) -> dict[str, Any]:
        return self._call("DELETE", self.records(id))

    def all(self) -> list[dict[str, Any]]:
        """Every record, by id."""
        return sorted(self._call("GET", self.records()), key=lambda record: record["id"])

    def make(self) -> None:
        self._call("PUT", f"{self.base_url}/buckets/{self.bucket}")
        self._call("PUT", f"{self.base_url}/buckets/{self.bucket}/collections/articles")

    def _call(self, method: str, url: str, **more: Any) -> Any:
        answer = httpx.request(method, url, auth=(self.username, self.password), **more)
        answer.raise_for_status()
        return answer.json()["data"]


@pytest.fixture(scope="session")
def kinto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a running server with one account."""
    folder = tmp_path_factory.mktemp("kinto")
    ini, log, port = folder / "kinto.ini", folder / "log", free_port()
    ini.write_text(INI.replace("{secret}", secrets.token_hex(16)))
    program = Path(sys.executable).parent / "kinto"
    base_url = f"http://127.0.0.1:{port}/v1"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [program, "start", "--ini", ini, "--port", str(port)], stdout=output, stderr=output
        )
    try:
        wait_until_ready(base_url, server, log)
        account = {"data": {"password": PASSWORD}}
        httpx.put(f"{base_url}/accounts/{USER}", json=account).raise_for_status()
        yield base_url
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_ready(base_url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{base_url}/").raise_for_status()
        except httpx.HTTPError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Kinto did not start:\n{log.read_text()}") from error
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def kinto(kinto_server: str) -> Kinto:
    """An empty bucket with a collection `articles`."""
    kinto = Kinto(base_url=kinto_server, bucket=f"b{secrets.token_hex(6)}")
    kinto.make()
    return kinto
