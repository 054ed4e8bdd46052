"""`headwater demo` from outside: it exits with 0 only if both streams equal the CRM, and leaves nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.journey


def demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "headwater", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "TMPDIR": str(folder)},
        text=True,
    )


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - on loopback
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def both_are_gone(urls: list[str]) -> bool:
    deadline = time.monotonic() + 30
    while any(answers(url) for url in urls):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_the_streams_equal_the_crm(tmp_path: Path) -> None:
    """With creates, updates and deletes; the figures are one line of JSON."""
    with demo(
        tmp_path, "--once", "--json", "--seconds", "5", "--changes", "30", "--objects", "300"
    ) as process:
        out, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    figures = json.loads(out)
    assert set(figures) == {"records", "created", "updated", "deleted", "records_per_second", "lag_seconds"}
    assert figures["created"] - figures["deleted"] == figures["records"] > 200
    assert figures["updated"] > 20
    assert 0 < figures["lag_seconds"] < 60
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_its_children_end_with_it(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever ends it."""
    with demo(tmp_path, "--objects", "50") as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        urls = re.findall(r"http://127\.0\.0\.1:\d+", said)
        assert len(urls) == 2
        assert all(answers(f"{url}/health/live") for url in urls)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert both_are_gone(urls)
    if number is not signal.SIGKILL:
        assert process.returncode == 128 + number
        assert list(tmp_path.iterdir()) == []
