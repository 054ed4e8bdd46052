"""`python -m headwater.testing.fake_oauth`: serve the fake on this machine. The first line is its port.

Ends on SIGINT and SIGTERM, and with the process that started it (`--parent`).
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys

import msgspec

from headwater.testing.fake_oauth.authority import Authority, Switches
from headwater.testing.fake_oauth.serve import serving


def arguments(args: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m headwater.testing.fake_oauth", description="A stand-in of an API's OAuth 2."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (%(default)s)")
    parser.add_argument("--client-id", default="client", help="of the OAuth app (%(default)s)")
    parser.add_argument("--client-secret", default="client-secret", help="(%(default)s)")
    parser.add_argument("--switches", default="{}", help="JSON of what to turn at once, see authority.py")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    return parser.parse_args(args)


async def serve(args: argparse.Namespace) -> None:
    """Serve until told to end."""
    authority = Authority(
        client_id=args.client_id,
        client_secret=args.client_secret,
        switches=msgspec.json.decode(args.switches, type=Switches),
    )
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with serving(authority, port=args.port) as api:
        print(api.url.rpartition(":")[2], flush=True)
        while args.parent is None or os.getppid() == args.parent:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.25)
            if over.is_set():
                return


def main() -> None:
    """Run."""
    asyncio.run(serve(arguments(sys.argv[1:])))


if __name__ == "__main__":
    main()
