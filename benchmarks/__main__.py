"""`python -m benchmarks [--quick] [--engine sqlite|postgres] [workload…]`: measure, print, write the file.

Workloads of each engine: `engine` (below HTTP), `sync` (from end to end), `read` (streams over HTTP), `pull`
(consumers over HTTP), `forward` (managed consumers), `latency` (a change at an API until it is a row),
`memory`, `growth`, `idle`. Without an engine: `targets` (each beside its driver), which `--engine` leaves out
unless it is named. Without a name all are run. What was measured replaces its lines in the file; a quick run
writes none unless it is told where.
"""

import argparse
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import uvloop

from benchmarks import at_engine, forwarding, idle, latency, pulling, results, through_http
from benchmarks.databases import Place, place
from benchmarks.objects import World
from benchmarks.results import Result
from benchmarks.targets import targets

OF_ENGINES = ("engine", "sync", "read", "pull", "forward", "latency", "memory", "growth", "idle")
WORKLOADS = (*OF_ENGINES, "targets")


async def quick(
    place: Place, wanted: Sequence[str], records: int = 20_000
) -> AsyncGenerator[Sequence[Result]]:
    """Run each once, small: to see that the rig works, not how fast anything is."""
    if "engine" in wanted:
        yield await at_engine.backfill_and_looks(place, records, 1)
    if "sync" in wanted:
        yield await through_http.syncing(place, World(objects=records, page_size=1000, ids="random"), 1)
    if "read" in wanted:
        yield await through_http.reading(place, records, 1)
    if "pull" in wanted:
        yield await pulling.pulling(place, records, 1)
    if "forward" in wanted:
        yield await forwarding.forwarding(place, records, 1)
    if "latency" in wanted:
        await latency.latency(place, 5)
    if "memory" in wanted:
        yield await through_http.memory(place, records)
    if "growth" in wanted:
        yield await at_engine.growth(place, "random", 5 * records)
    if "idle" in wanted:
        yield await idle.idle(place, 10, settling_seconds=1, window_seconds=3)


async def full(
    place: Place, wanted: Sequence[str], records: int = 100_000
) -> AsyncGenerator[Sequence[Result]]:
    """Run each as often and as long as its figure needs."""
    many = 10 * records
    if "engine" in wanted:
        yield await at_engine.backfill_and_looks(place, records, 3)
    if "sync" in wanted:
        for world in (
            World(objects=records, page_size=1000, ids="random"),
            World(objects=records, page_size=100, ids="sequential"),
        ):
            yield await through_http.syncing(place, world, 3)
    if "read" in wanted:
        yield await through_http.reading(place, records, 3)
    if "pull" in wanted:
        yield await pulling.pulling(place, records, 3)
    if "forward" in wanted:
        yield await forwarding.forwarding(place, records, 3)
    if "latency" in wanted:
        await latency.latency(place, 200)
    if "memory" in wanted:
        yield await through_http.memory(place, records)
        yield await through_http.memory(place, many)
    if "growth" in wanted:
        yield await at_engine.growth(place, "random", many)
        if place.engine == "sqlite":
            yield await at_engine.growth(place, "sequential", many)
    if "idle" in wanted and place.engine == "sqlite":
        yield await idle.idle(place, 1_000)


async def show(measured: AsyncGenerator[Sequence[Result]], output: Path | None) -> None:
    """Print results as they come, and keep them."""
    async for some in measured:
        print(*map(results.line, some), sep="\n", flush=True)
        if output is not None:
            results.keep(some, output)


async def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and once, in under a minute")
    parser.add_argument(
        "--records", type=int, help="other than 100,000 (20,000 where it is quick; targets: each its own)"
    )
    parser.add_argument("--output", type=Path, help="the file to keep results in")
    parser.add_argument("--engine", choices=("sqlite", "postgres"), help="only this one")
    parser.add_argument("workload", nargs="*", help=", ".join(WORKLOADS))
    given = parser.parse_args()
    if unknown := set(given.workload) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    wanted = given.workload or (OF_ENGINES if given.engine else WORKLOADS)
    chosen = {} if given.records is None else {"records": given.records}
    output = given.output or (None if given.quick else results.LATEST)
    started = time.monotonic()
    print(results.HEAD, flush=True)
    if set(wanted) & set(OF_ENGINES):
        for engine in [given.engine] if given.engine else ("sqlite", "postgres"):
            with place(engine) as somewhere:
                await show((quick if given.quick else full)(somewhere, wanted, **chosen), output)
    if "targets" in wanted:
        await show(targets(given.records, quick=given.quick), output)
    print(f"{time.monotonic() - started:.0f} seconds")


if __name__ == "__main__":
    uvloop.run(main())
