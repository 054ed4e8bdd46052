"""The programs of a journey: Headwater's own process, and the fake API. Started, stopped, killed, paused."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from tests.plugins.postgres import free_port

from headwater.testing.fake_api import Switches

START_SECONDS = 90
STOP_SECONDS = 30


@dataclass(kw_only=True)
class Server:
    """`headwater serve` on a home and a database of its own."""

    home: Path
    database_url: str | None = None
    role: str = "all"
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    port: int = field(default_factory=free_port)
    name: str = "server"
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The first API key."""
        return (self.home / "api.key").read_text().strip()

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    def start(self) -> None:
        """Start the process; it is not ready yet."""
        assert self.process is None
        self.home.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
        environment |= {"HEADWATER_HOME": str(self.home), "HEADWATER_LOG_FORMAT": "json"}
        if self.database_url:
            environment["HEADWATER_DATABASE_URL"] = self.database_url
        environment |= {f"HEADWATER_{name.upper()}": value for name, value in self.settings.items()}
        command = [sys.executable, "-m", "headwater", "serve", "--role", self.role, "--port", str(self.port)]
        command += ["--parent", str(os.getpid())]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        self.starts += 1

    def ready(self) -> bool:
        """Whether it answers that it is ready; fails where the process has ended by itself."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended by itself:\n{self.tail()}")
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} was not ready:\n{self.tail()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would: kill -9."""
        process, self.process = self.process, None
        assert process is not None
        process.kill()
        process.wait()

    def stop(self) -> int:
        """Ask it to end (SIGTERM); return its exit code."""
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not stop:\n{self.tail()}") from None

    def pause(self) -> None:
        """Stop it in its tracks: SIGSTOP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()

    def tail(self, lines: int = 40) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Truth(msgspec.Struct):
    """What the fake API tells: by collection and id, what exists, what was ever shown, and when."""

    running: bool
    unseen: int
    made: dict[str, int]
    objects: dict[str, dict[str, str]]
    states: dict[str, dict[str, list[str | None]]]
    shown_ms: dict[str, dict[str, list[int]]]


class FakeApi:
    """The fake API as a process of its own."""

    def __init__(self, *, seed: int, collections: list[str], objects: int, **switches: Any) -> None:
        Switches().turned(switches)
        command = [sys.executable, "-m", "headwater.testing.fake_api", "--seed", str(seed)]
        command += ["--collections", ",".join(collections), "--objects", str(objects)]
        command += ["--switches", msgspec.json.encode(switches).decode(), "--parent", str(os.getpid())]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._client = httpx.Client(base_url=self.url, timeout=60)

    def control(self, name: str, **params: Any) -> Any:
        """Tell it to do something."""
        answer = self._client.post(f"/_control/{name}", params=params)
        answer.raise_for_status()
        return answer.json()

    def turn(self, **switches: Any) -> None:
        """Turn switches."""
        self._client.patch("/_control/switches", json=switches).raise_for_status()

    def truth(self) -> Truth:
        return msgspec.json.decode(self._client.get("/_control/truth").raise_for_status().content, type=Truth)

    def requests(self, window_ms: int = 1000) -> Any:
        return (
            self._client.get("/_control/requests", params={"window_ms": window_ms}).raise_for_status().json()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
