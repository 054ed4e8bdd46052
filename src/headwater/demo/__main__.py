"""`python -m headwater.demo`: serve the made-up CRM, and put it into a running Headwater if asked to.

Prints one line of JSON with its URL and key once it listens. Ends on SIGINT and SIGTERM, and with the process
that started it (`--parent`), so that no demonstration leaves a program behind.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from headwater.demo.api import make_app
from headwater.demo.journal import Journal
from headwater.demo.life import begin
from headwater.demo.manners import Manners
from headwater.demo.register import RegisterError, register

HOST = "127.0.0.1"
PORT = 8090


def arguments(args: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m headwater.demo", description="A small made-up CRM.")
    parser.add_argument("--port", type=int, default=PORT, help="0 takes a free one (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="same seed, same objects and changes (%(default)s)"
    )
    parser.add_argument("--objects", type=int, default=400, help="about how many there are (%(default)s)")
    parser.add_argument(
        "--changes", type=float, default=2.0, help="how many a second, 0 for none (%(default)s)"
    )
    parser.add_argument("--key", default="demo-key", help="what clients authenticate with (%(default)s)")
    parser.add_argument("--limit", type=int, default=25, help="requests a second (%(default)s)")
    parser.add_argument("--faults", type=float, default=0.01, help="part of answers that fail (%(default)s)")
    parser.add_argument("--file", type=Path, help="keep the objects in this file between runs")
    parser.add_argument("--into", metavar="URL", help="make a sync of it in the Headwater at this URL")
    parser.add_argument("--key-file", type=Path, help="file with Headwater's API key, for --into")
    parser.add_argument("--parent", type=int, help="end when this process is no longer the parent")
    found = parser.parse_args(args)
    if found.into and not found.key_file:
        parser.error("--into needs --key-file")
    return found


def listen(port: int) -> socket.socket:
    """Return a listening socket on the port; on a free one where that is taken."""
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return socket.create_server((HOST, 0))


async def follow(parent: int, server: uvicorn.Server) -> None:
    """End the server when the parent is gone."""
    while os.getppid() == parent:  # noqa: ASYNC110  no event tells of a parent's death everywhere
        await asyncio.sleep(0.25)
    server.should_exit = True


async def serve(args: argparse.Namespace) -> None:
    """Serve until told to end."""
    journal = Journal(args.file) if args.file else None
    life = begin(seed=args.seed, objects=args.objects, pace=args.changes, journal=journal)
    manners = Manners(key=args.key, per_second=args.limit, faults=args.faults, seed=args.seed)
    listener = listen(args.port)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    # Half answers are meant here, so what the server thinks of them is not printed.
    config = uvicorn.Config(
        make_app(life, manners),
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    if args.into:
        introduction = (args.into, args.key_file, url, args.key)
        threading.Thread(target=introduce, args=introduction, daemon=True).start()
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(life.run())]
        if args.parent is not None:
            beside.append(group.create_task(follow(args.parent, server)))
        print(json.dumps({"url": url, "key": args.key}), flush=True)
        await server.serve(sockets=[listener])
        for task in beside:
            task.cancel()


def introduce(headwater: str, key_file: Path, url: str, key: str) -> None:
    """Make the sync in Headwater; say so in one line if that cannot be done."""
    try:
        register(headwater, key_file, url, key)
    except RegisterError as error:
        print(f"The demo could not be set up: {error}", file=sys.stderr, flush=True)


def main() -> None:
    """Run."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments(sys.argv[1:])))


if __name__ == "__main__":
    main()
