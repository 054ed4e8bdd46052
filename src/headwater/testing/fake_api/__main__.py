"""`python -m headwater.testing.fake_api`: serve the fake API on this machine. The first line is its port.

Ends on SIGINT and SIGTERM, and with the process that started it (`--parent`).
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys

import orjson

from headwater.testing.fake_api.serve import KEY, serving
from headwater.testing.fake_api.switches import Switches
from headwater.testing.fake_api.world import Objects, World


def arguments(args: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m headwater.testing.fake_api", description="A nasty API.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same objects and dice (%(default)s)")
    parser.add_argument("--collections", default="contact", help="names, separated by commas (%(default)s)")
    parser.add_argument("--objects", type=int, default=100, help="of each collection (%(default)s)")
    parser.add_argument("--size", type=int, default=300, help="bytes of an object (%(default)s)")
    parser.add_argument("--random-ids", action="store_true", help="UUIDs instead of counted ids")
    parser.add_argument("--switches", default="{}", help="JSON of what to turn at once, see switches.py")
    parser.add_argument("--key", default=KEY, help="what clients authenticate with (%(default)s)")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    return parser.parse_args(args)


async def serve(args: argparse.Namespace) -> None:
    """Serve until told to end."""
    objects = Objects(
        collections=args.collections.split(","),
        count=args.objects,
        size=args.size,
        random_ids=args.random_ids,
    )
    world = World(args.seed, objects, Switches().turned(orjson.loads(args.switches)))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serving(world, key=args.key, port=args.port) as api:
        print(api.url.rpartition(":")[2], flush=True)
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
