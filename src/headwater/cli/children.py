"""Programs that a command starts beside itself, and that end with it on every path.

A child is ended when its block is left. Against kill -9 of ourselves our own programs take `--parent`: they
end when that process is gone.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from typing import IO, Any

from headwater.cli.failures import Failure

PATIENCE = 10.0
"""Seconds that a child has to end before it is killed."""


@contextlib.contextmanager
def child(
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    output: int | IO[bytes] | None = None,
    errors: int | IO[bytes] | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """Run a module as a program while the block runs."""
    command = [sys.executable, "-m", module, *arguments]
    # In a session of its own, so that Ctrl-C reaches us alone, and we end it in order.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        env=dict(environment) if environment is not None else None,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program: asked first, then killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def first_line(process: subprocess.Popen[bytes], what: str) -> Any:
    """Return the JSON that a program prints when it is ready. Raises: Failure when it ended instead."""
    assert process.stdout is not None  # noqa: S101 - asked for with output=PIPE
    line = process.stdout.readline()
    if not line:
        raise Failure(f"{what} ended before it was ready (exit code {process.wait()}).")
    return json.loads(line)
