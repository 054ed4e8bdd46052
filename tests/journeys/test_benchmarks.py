"""The benchmarks themselves: the rig runs from end to end and writes what it says. No speed is asserted."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

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


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def test_a_tiny_quick_run_writes_every_workload(engine: str, tmp_path: Path) -> None:
    """Each workload leaves its lines, with the agreed members and nothing else."""
    file = tmp_path / "latest.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--engine", engine]
    done = subprocess.run(
        [*command, "--records", "2000", "--output", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = msgspec.json.decode(file.read_bytes(), type=list[dict[str, object]])
    assert all(set(result) == COLUMNS and result["engine"] == engine for result in results)
    beginnings = (
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
    for beginning in beginnings:
        found = [one for one in results if str(one["workload"]).startswith(beginning)]
        assert found, beginning
        assert all(any(isinstance(value, float) and value > 0 for value in one.values()) for one in found)
    assert all(line in done.stdout for line in (str(one["workload"]) for one in results))
