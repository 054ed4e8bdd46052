"""`python -m headwater.testing.fake_github`: serve the fake GitHub here. The first line is its port.

Ends on SIGINT and SIGTERM, and with the process that started it (`--parent`).
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys

import orjson

from headwater.testing.fake_github.seeding import seed
from headwater.testing.fake_github.serve import serving
from headwater.testing.fake_github.switches import Switches
from headwater.testing.fake_github.world import World


def arguments(args: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m headwater.testing.fake_github", description="A stand-in for GitHub."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same objects and dice (%(default)s)")
    parser.add_argument("--repo", action="append", default=[], help="octo/hello; several times")
    parser.add_argument("--objects", type=int, default=100, help="in each repository (%(default)s)")
    parser.add_argument("--switches", default="{}", help="JSON of what to turn at once, see switches.py")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    return parser.parse_args(args)


async def serve(args: argparse.Namespace) -> None:
    """Serve until told to end."""
    world = World(args.seed, Switches().turned(orjson.loads(args.switches)))
    for name in args.repo or ["octo/hello"]:
        seed(world, world.make_repo(name), args.objects)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serving(world, port=args.port) as github:
        print(github.url.rpartition(":")[2], flush=True)
        while args.parent is None or os.getppid() == args.parent:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.25)
            if ended.is_set():
                return


def main() -> None:
    """Run."""
    asyncio.run(serve(arguments(sys.argv[1:])))


if __name__ == "__main__":
    main()
