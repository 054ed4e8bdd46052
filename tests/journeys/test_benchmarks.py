"""The benchmarks themselves: the rig runs from end to end and writes what it says. No speed is asserted."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.plugins.no_skips import in_ci

from headwater.targets.table import KINDS

SECONDS = 170
ROOT = Path(__file__).parents[2]
COLUMNS = {
    "engine",
    "workload",
    "records",
    "records_per_second",
    "floor_ratio",
    "cpu_seconds_per_100k",
    "rss_mb",
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def test_a_tiny_quick_run_writes_every_workload(engine: str, tmp_path: Path) -> None:
    """Each workload leaves its lines, with the agreed members and nothing else."""
    results, printed = tiny_run(tmp_path / "latest.json", "--engine", engine)
    assert all(result["engine"] == engine for result in results)
    assert_there(
        results,
        "backfill, HTTP",
        "unchanged, HTTP",
        "1 % changed, HTTP",
        "backfill, ingest",
        "floor: fetch, decoded",
        "floor: bulk insert",
        "page records, engine",
        "read events, HTTP, NDJSON",
        "take and acknowledge events, 8 workers",
        "memory now",
        "backfill, last",
        "idle",
    )
    for way in ("polled every second", "pushed"):
        there = f"{engine}: from a change to its row, {way}: p50 " in printed
        assert there or left_out("latency", printed)


@pytest.mark.server
@pytest.mark.timeout(180)
def test_a_tiny_quick_run_writes_every_target(tmp_path: Path) -> None:
    """Each kind of target that has its server here leaves its lines beside its floor; others are named."""
    results, printed = tiny_run(tmp_path / "latest.json", "targets")
    for kind in KINDS:
        found = [one for one in results if one["engine"] == kind.name]
        assert found or left_out(f"target {kind.name}", printed)
        floors = [one for one in found if "floor" in str(one["workload"])]
        assert bool(floors) == bool(found)
        assert all(one["floor_ratio"] for one in found if one not in floors)
    assert_there(results, "target: ")


def tiny_run(file: Path, *options: str) -> tuple[list[dict[str, object]], str]:
    """Run the benchmarks with few records; return what is in the file, and what was printed."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--records", "2000", "--output", str(file)]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    results = msgspec.json.decode(file.read_bytes(), type=list[dict[str, object]])
    assert all(set(result) == COLUMNS for result in results)
    assert all(str(result["workload"]) in done.stdout for result in results)
    return results, done.stdout


def left_out(what: str, printed: str) -> bool:
    """Whether a part was left out for want of a server, and may be."""
    return f"{what} is left out: " in printed and not in_ci()


def assert_there(results: list[dict[str, object]], *beginnings: str) -> None:
    """Each of these workloads has lines, with figures in them."""
    for beginning in beginnings:
        found = [one for one in results if str(one["workload"]).startswith(beginning)]
        assert found, beginning
        assert all(any(isinstance(value, float) and value > 0 for value in one.values()) for one in found)
