"""What the servers of tests have in common: a process of its own that can be killed and started again.

How a test gets a server: it names a fixture, and with that carries the marker `server`.

| server | one for all tests | of the test's own, with `.kill()` and `.start()` |
|---|---|---|
| PostgreSQL | `postgres_database`: a fresh database's URL | `killable_postgres` |
| Redis | `redis_server`: its URL; `redis_tls`: with TLS and a password | `killable_redis` |
| NATS with JetStream | `nats_server`: its URL | `killable_nats` |
| Apache Kafka | `kafka_server`: an object with `.url` (the bootstrap address) and more | `killable_kafka` |

Each listens on 127.0.0.1 and is started when the first test asks for it. Tests share those on the left, so
they name their keys, subjects and topics with `own_name`. A killed server comes back at the same address
with the same data: what it had acknowledged is there. A server that this machine lacks means a skipped test,
under `CI=true` a failed one; only for Kafka there is a stand-in, which is no proof and which CI refuses.
"""

import contextlib
import random
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 60
AGAIN_SECONDS = 10
STEADY_PORTS = range(15_000, 30_000)


class NotReadyError(Exception):
    """The server does not answer yet."""


@dataclass(kw_only=True)
class Server:
    """A server program. Its address, its files and its options stay the same when it is started again."""

    name: str
    url: str
    command: Sequence[str | Path]
    log: Path
    ready: Callable[[str], object]
    """Takes the URL; raises NotReadyError until the server answers."""
    as_user: dict[str, Any] = field(default_factory=dict[str, Any])
    """Options of the process, when the server refuses to run as root."""
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        began = time.monotonic()
        self._launch()
        while True:
            try:
                self.ready(self.url)
            except NotReadyError as error:
                waited, ended = time.monotonic() - began, self._ended()
                if waited > (AGAIN_SECONDS if ended else START_SECONDS):
                    self.kill()
                    raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()}") from error
                time.sleep(0.2 if ended else 0.02)
                if ended:  # as when something that a killed one left behind was still going
                    self._launch()
            else:
                return

    def kill(self) -> None:
        """End it with SIGKILL, as the system does when memory is short. It writes nothing more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it for good. Its data is thrown away, so there is nothing to end in peace."""
        self.kill()

    @contextmanager
    def running(self) -> Iterator["Server"]:
        """It runs until the block is left."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def _launch(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **self.as_user
            )

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None


def steady_port() -> int:
    """A free port that stays free while its server is dead.

    It is below those that the kernel gives to clients. One of these may be taken by a connection meanwhile,
    even by a client's own attempt to reach the dead server, which then is connected to itself.
    """
    for _ in range(100):
        port = random.choice(STEADY_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError(f"no free port found in {STEADY_PORTS}")


def mark_users(items: list[pytest.Item], fixtures: set[str]) -> None:
    """Give the marker `server` to each test that asks for one of these fixtures."""
    for item in items:
        if fixtures & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)


@pytest.fixture
def own_name() -> str:
    """A name that no other test uses, fit for a topic, a subject, a stream, a table or a key."""
    return f"t{secrets.token_hex(6)}"
