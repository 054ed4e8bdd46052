"""The programs of a run: the fast API, the fetch floor, Headwater's own server. And what a process has used.

Not here: what is asked of them. Source of the figures: proc(5), `/proc/<pid>/stat` and `status`.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from tests.journeys.processes import Server
from tests.plugins.postgres import free_port

from benchmarks.objects import World
from benchmarks.results import Run

_TICKS = os.sysconf("SC_CLK_TCK")
_GLANCE_SECONDS = 0.5
_QUIET = 0.2
"""Share of a core."""


@contextmanager
def fast_api(world: World) -> Generator[str]:
    """Give the URL of the fast API with this world in it."""
    command = [sys.executable, "-m", "benchmarks.fast_api", "--objects", str(world.objects)]
    command += ["--page-size", str(world.page_size), "--ids", world.ids]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


async def fetch_floor(url: str, kind: str = "decoded") -> Run:
    """Measure the fetch floor once."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.fetch_floor", url, kind), stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    return msgspec.json.decode(output, type=Run)


@asynccontextmanager
async def headwater(database_url: str | None) -> AsyncGenerator[Server]:
    """Give a server that is ready, on a home of its own, and that knows its address; None: SQLite in that
    home."""
    port = free_port()
    settings = {"public_url": f"http://127.0.0.1:{port}"}
    with (
        TemporaryDirectory(prefix="headwater-bench-") as home,
        Server(home=Path(home), database_url=database_url, port=port, settings=settings) as server,
    ):
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        yield server
        await asyncio.to_thread(server.stop)


def pid(server: Server) -> int:
    """Return the server's process id."""
    assert server.process is not None
    return server.process.pid


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, in it and in the kernel for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def quiet(pid: int) -> None:
    """Wait until a process has next to nothing to do: a sweep follows every first backfill."""
    used = cpu_seconds(pid)
    while True:
        await asyncio.sleep(_GLANCE_SECONDS)
        before, used = used, cpu_seconds(pid)
        if used - before < _QUIET * _GLANCE_SECONDS:
            return


def memory_mb(pid: int, name: str = "VmRSS") -> float:
    """Return a process's resident memory in MB; `VmHWM` is the highest it ever was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kib,) = (int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
    return round(kib / 1024, 1)
