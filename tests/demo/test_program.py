"""The made-up CRM as a program: it says where it is, has bad moments, and ends with whoever started it."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import IncompleteRead

import pytest


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headwater.demo", "--port", "0", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@pytest.fixture
def crm() -> Iterator[str]:
    process = start("--changes", "0", "--faults", "0.4", "--limit", "1000")
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_some_answers_are_errors_and_some_end_in_the_middle(crm: str) -> None:
    """A body that is shorter than it promised, and a 500: neither is the end of the data."""
    ends: set[str] = set()
    for _ in range(60):
        request = urllib.request.Request(  # noqa: S310 - on loopback
            f"{crm}/v1/contacts", headers={"Authorization": "Bearer demo-key"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - on loopback
                assert len(json.loads(answer.read())["items"]) == 50
                ends.add("whole")
        except IncompleteRead:
            ends.add("half")
        except urllib.error.HTTPError as error:
            ends.add(f"error {error.code}")
            error.close()
    assert ends == {"whole", "half", "error 500"}


def test_it_ends_with_its_parent() -> None:
    """Nothing is left behind when a demonstration is killed."""
    script = (
        "import subprocess, sys, os, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'headwater.demo', '--port', '0', '--parent',"
        " str(os.getpid())], stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), end='', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stderr is not None
    with parent.stdout, parent.stderr:
        json.loads(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(20)
        # Both write to this pipe, so it ends only when the child, too, has gone.
        assert parent.stderr.read() == b""


def test_into_needs_a_key() -> None:
    """Said at once, not after a minute of waiting."""
    process = subprocess.run(
        [sys.executable, "-m", "headwater.demo", "--into", "http://127.0.0.1:1"],
        capture_output=True,
        check=False,
    )
    assert process.returncode == 2
    assert b"--key-file" in process.stderr
