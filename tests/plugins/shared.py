"""A heavy server for all pytest-xdist workers of a run: the first that needs it starts it, the last ends it.

Each worker holds a shared lock on a file while it uses the server. Who leaves and can have the lock alone was
the last. The lock of a worker that crashed is gone with it.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.plugins.servers import Server

START_APART = 'log="$1"; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'


@dataclass(kw_only=True)
class SharedServer(Server):
    """A server that is nobody's child, so that it outlives who started it and any of its users can end it."""

    pid: int = 0

    def kill(self) -> None:
        end(self.pid)

    def _launch(self) -> None:
        command = ["sh", "-c", START_APART, "sh", self.log, *self.command]
        started = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        self.pid = int(started.stdout)

    def _ended(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False


def end(pid: int) -> None:
    """End a process that was started here, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def run_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of this run of pytest have in common."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def shared(
    folder: Path, make: Callable[[Path], tuple[SharedServer, Mapping[str, str]]]
) -> Iterator[dict[str, str]]:
    """What there is to know about the server that all users of this folder share, while the block runs.

    `make` gets a new, empty folder, and returns a server that is not started yet and what to tell its users.
    """
    home, state = folder / "home", folder / "state.json"
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("a") as users:
        with alone(folder):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not state.exists():
                shutil.rmtree(home, ignore_errors=True)  # of one that did not start
                home.mkdir()
                server, about = make(home)
                server.start()
                state.write_text(json.dumps({"pid": server.pid, "about": dict(about)}))
            running = json.loads(state.read_text())
        try:
            yield running["about"]
        finally:
            with alone(folder), contextlib.suppress(BlockingIOError):  # others are still there
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end(running["pid"])
                state.unlink()
                shutil.rmtree(home, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else comes or goes while the block runs."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
