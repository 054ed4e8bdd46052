"""`headwater serve`: run the server here. What it is made of is `app`'s; here are options, and the demo."""

import os
import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from headwater.cli import children


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


def serve(
    *,
    role: Annotated[Role, typer.Option(help="Serve the API, run the syncs, or both.")] = Role.ALL,
    host: Annotated[str | None, typer.Option(help="Where to listen (HEADWATER_HOST).")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="On which port (HEADWATER_PORT); a worker: for health and metrics (HEADWATER_WORKER_PORT)."
        ),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="With a made-up CRM that changes by itself.")] = False,
    parent: Annotated[int | None, typer.Option(hidden=True, help="End with this process.")] = None,
) -> None:
    """Run Headwater on this machine until Ctrl-C."""
    from headwater import app  # imported here: loading the server takes longer than most commands
    from headwater.settings import Settings

    options = {"host": host, "worker_port" if role is Role.WORKER else "port": port}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    settings = Settings.load(**given)
    with ExitStack() as beside:
        if parent is not None:
            end_with(parent)
        if demo:
            beside.enter_context(crm(app.local_url(settings.host, settings.port), settings.home))
        app.run(settings, role=app.Role(role))


def crm(url: str, home: Path) -> Any:
    """Return a block with the made-up CRM beside it, which makes its sync once the server is ready."""
    arguments = ["--into", url, "--key-file", str(home / "api.key"), "--file", str(home / "demo-crm.jsonl")]
    arguments += ["--parent", str(os.getpid())]
    return children.child("headwater.demo", arguments, output=subprocess.DEVNULL)


def end_with(parent: int) -> None:
    """Stop this process, in order, when its parent is gone."""

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()
