"""Results: what a workload measured, medians of repetitions, the table and the file. Not here: measuring."""

import argparse
import statistics
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import uvloop

LATEST = Path(__file__).parent / "latest.json"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table; None where a figure does not apply.

    `floor_ratio`: the share of its floor's speed that it reached in the same minute. `cpu_seconds_per_100k`:
    of the process that does the work alone, not of the API, the database server or the client.
    """

    engine: str
    workload: str
    records: int
    records_per_second: float | None = None
    floor_ratio: float | None = None
    cpu_seconds_per_100k: float | None = None
    rss_mb: float | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One repetition: how fast it was, how fast its floor was just before, what CPU it took."""

    records: int
    rate: float
    floor: float | None = None
    cpu_seconds: float | None = None


def median(engine: str, workload: str, runs: Sequence[Run]) -> Result:
    """Return the medians of repetitions. The ratio is the median of ratios, not a ratio of medians."""
    ratios = [run.rate / run.floor for run in runs if run.floor]
    cpu = [run.cpu_seconds / run.records * 100_000 for run in runs if run.cpu_seconds is not None]
    return Result(
        engine=engine,
        workload=workload,
        records=runs[0].records,
        records_per_second=float(round(statistics.median(run.rate for run in runs))),
        floor_ratio=round(statistics.median(ratios), 3) if ratios else None,
        cpu_seconds_per_100k=round(statistics.median(cpu), 2) if cpu else None,
    )


HEAD = f"{'engine':<11}{'workload':<52}{'records':>10}{'records/s':>11}{'floor':>7}{'cpu s':>7}{'MB':>7}"


def line(result: Result) -> str:
    """Return a result as a line of the table."""

    def shown(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    return (
        f"{result.engine:<11}{result.workload:<52}{result.records:>10,}"
        f"{shown(result.records_per_second, ',.0f'):>11}{shown(result.floor_ratio, '.2f'):>7}"
        f"{shown(result.cpu_seconds_per_100k, '.2f'):>7}{shown(result.rss_mb, '.0f'):>7}"
    )


def keep(results: Sequence[Result], file: Path) -> None:
    """Write results into the file, each in the place of its predecessor: one a line, so that runs can be
    compared by `diff`."""
    known = msgspec.json.decode(file.read_bytes(), type=list[Result]) if file.exists() else []
    kept = {(one.engine, one.workload): one for one in [*known, *results]}
    lines = ",\n".join(msgspec.json.encode(one).decode() for one in kept.values())
    file.write_text(f"[\n{lines}\n]\n")


def alone(
    name: str, about: str | None, run: Callable[[int, int], Awaitable[Sequence[Result]]], records: int
) -> None:
    """Be the program of one measurement: read the command line, run, print. It writes no file."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--records", type=int, default=records)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()

    async def measured() -> Sequence[Result]:
        return await run(given.records, given.rounds)

    print(HEAD)
    print(*map(line, uvloop.run(measured())), sep="\n")
