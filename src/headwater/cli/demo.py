"""`headwater demo`: a made-up CRM and a server in a temporary folder, watched live or put to the test once.

Both run as processes of their own, as they would anywhere; what is checked is read over HTTP.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from headwater.cli import compare, options, progress, show, streams
from headwater.cli.children import child, first_line
from headwater.cli.client import Client, path
from headwater.cli.failures import Failure

PROVIDER = "crm"
HOST = "127.0.0.1"
STARTED_WITHIN = 60.0
LIVE_WITHIN = 180.0
SEEN_WITHIN = 120.0
"""Seconds after which the demonstration counts as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What the made-up CRM shall be like."""

    seed: int
    objects: int
    changes: float

    def arguments(self) -> list[str]:
        """Return it as the CRM's command line."""
        pairs = {"--seed": self.seed, "--objects": self.objects, "--changes": self.changes}
        return [text for name, value in pairs.items() for text in (name, str(value))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running server, and the CRM that it syncs."""

    client: Client
    crm: Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the two streams held at the end, and how fast they came there.

    `records_per_second` is that of the backfill; `lag_seconds` the time within which 99 of 100 changes were
    in the stream, of those that carry the API's own time.
    """

    records: int
    created: int
    updated: int
    deleted: int
    records_per_second: float
    lag_seconds: float | None


def demo(
    *,
    once: Annotated[
        bool,
        typer.Option("--once", help="Let it change for a while, compare both streams with the CRM, and end."),
    ] = False,
    seconds: Annotated[float, typer.Option(min=0, help="How long it changes, with --once.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Same seed, same objects and changes.")] = 1,
    objects: Annotated[int, typer.Option(min=1, help="About how many there are.")] = 1000,
    changes: Annotated[float, typer.Option(min=0, help="How many a second.")] = 5.0,
    json: options.Json = False,
) -> None:
    """Show Headwater at work on a made-up CRM, in a temporary folder: no account, no internet, nothing stays.

    With --once it exits with 0 only if both streams equal what the CRM holds.
    """
    signal.signal(signal.SIGTERM, leave)
    with stage(Play(seed=seed, objects=objects, changes=changes)) as here:
        if once:
            result, wrong = put_to_the_test(here, seconds, quiet=json)
            report(result, wrong, json=json)
        else:
            watched(here, json=json)


def put_to_the_test(here: Stage, seconds: float, *, quiet: bool) -> tuple[Result, list[str]]:
    """Let the CRM change, stop it, and compare; return the figures and what is wrong."""
    sync_id = the_sync(here.client)["id"]
    live = within(LIVE_WITHIN, lambda: live_sync(here.client, sync_id), "The backfill did not end")
    say("Everything is in both streams; now it changes.", quiet)
    time.sleep(seconds)
    here.crm.call("POST", "/_control/stop")
    state = within(10, lambda: settled(here.crm), "The CRM did not come to rest")
    wanted = compare.truth(PROVIDER, state["objects"])
    say("The changes have ended; waiting until all of them have been seen.", quiet)
    deadline = time.monotonic() + SEEN_WITHIN
    while wrong := compare.differences(records := held(here.client), wanted):
        if time.monotonic() > deadline:
            break
        time.sleep(0.25)
    events = list(everything(here.client, "events"))
    happened = compare.replay(events)
    wrong += happened.mistakes
    wrong += [f"By its events, {said}" for said in compare.differences(happened.objects, wanted)]
    timed = [event for event in events if event["collection_id"] != f"{PROVIDER}:deal"]  # deals show no time
    lag = compare.quantile(compare.lags(timed), 0.99)
    rate = round(speed(live), 1)
    return Result(**happened.counts, records=len(records), records_per_second=rate, lag_seconds=lag), wrong


def report(result: Result, wrong: list[str], *, json: bool) -> None:
    """Print the figures; fail when anything is wrong."""
    if json:
        show.line(asdict(result))
    else:
        show.facts(asdict(result).items())
    if wrong:
        more = f" (and {len(wrong) - 10} more)" if len(wrong) > 10 else ""
        raise Failure(f"The streams differ from the CRM: {' '.join(wrong[:10])}{more}")
    say("Both streams equal the CRM.", json)


def watched(here: Stage, *, json: bool) -> None:
    """Print the changes as they come, until Ctrl-C."""
    sync_id = the_sync(here.client)["id"]
    show.note(f"Headwater is at {here.client.url}, the CRM at {here.crm.url}. Ctrl-C ends both.")
    progress.watch(here.client, sync_id, until_live=True, quiet=json)
    streams.Reading(here.client, "events", {}, json=json).run(0, None, everything=False, follow=True)


def leave(number: int, _frame: object) -> None:
    """End in order on a signal, so that every block is left and every child ended."""
    sys.exit(128 + number)


# --- the stage --------------------------------------------------------------------------------------


@contextmanager
def stage(play: Play) -> Generator[Stage]:
    """Run a server and the CRM in a temporary folder, while the block runs."""
    with tempfile.TemporaryDirectory(prefix="headwater-demo-") as folder:
        home, port = Path(folder), free_port()
        url = f"http://{HOST}:{port}"
        parent = ["--parent", str(os.getpid())]
        own = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
        log = home / "server.log"
        with (
            log.open("wb") as output,
            child(
                "headwater",
                ["serve", "--host", HOST, "--port", str(port), *parent],
                environment={**own, "HEADWATER_HOME": folder},
                output=output,
                errors=output,
            ) as server,
        ):
            within(STARTED_WITHIN, lambda: ready(url, server, log), "The server did not start")
            into = ["--port", "0", "--into", url, "--key-file", str(home / "api.key"), *parent]
            with child("headwater.demo", play.arguments() + into, output=subprocess.PIPE) as crm:
                crm_url = first_line(crm, "The CRM")["url"]
                key = (home / "api.key").read_text().strip()
                yield Stage(client=Client(url=url, key=key), crm=Client(url=crm_url, key=None))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def ready(url: str, server: subprocess.Popen[bytes], log: Path) -> bool:
    """Say whether the server serves. Raises: Failure with its last words when it has ended."""
    if server.poll() is not None:
        raise Failure(f"The server ended:\n{log.read_text(errors='replace')[-2000:]}")
    try:
        Client(url=url, key=None, timeout=5).get("/health/ready")
    except Failure:
        return False
    return True


def within(seconds: float, look: Callable[[], Any], failed: str) -> Any:
    """Return what `look` finds; look again until it is true. Raises: Failure when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise Failure(f"{failed} within {seconds:.0f} s.")
        time.sleep(0.1)
    return found


def the_sync(client: Client) -> Any:
    """Return the CRM's sync, once it is made."""
    syncs = within(STARTED_WITHIN, lambda: list(client.items("/v1/syncs")), "The sync was not made")
    return syncs[0]


def live_sync(client: Client, sync_id: str) -> Any:
    """Return the sync if it is live. Raises: Failure when it will not get there."""
    sync = client.get(path("v1", "syncs", sync_id))
    if failed := progress.stuck(sync):
        raise failed
    return sync if progress.is_live(sync) else None


def settled(crm: Client) -> Any:
    """Return the CRM's whole truth if nothing waits to be seen."""
    state = crm.get("/_control/state")
    return None if state["unseen"] else state


def everything(client: Client, stream: str) -> Iterator[Any]:
    """Give all entries of a stream, from its beginning to its end."""
    cursor, has_more = None, True
    while has_more:
        page = client.get(f"/v1/{stream}", {"limit": streams.MOST, "after_cursor": cursor})
        yield from page[stream]
        cursor, has_more = page["cursor"], page["has_more"]


def held(client: Client) -> compare.Objects:
    """Return what the record stream says exists."""
    return compare.held(everything(client, "records"))


def speed(sync: Any) -> float:
    """Return how many records a second the backfills read, from the first's start to the last's end."""
    backfills = [collection["backfill"] for collection in sync["collections"]]
    begun = min(backfill["started_at"] for backfill in backfills)
    ended = max(backfill["completed_at"] for backfill in backfills)
    return sum(backfill["records"] for backfill in backfills) / max(
        0.001, compare.seconds_between(begun, ended)
    )


def say(sentence: str, quiet: bool) -> None:
    """Tell what is going on, unless a script is reading."""
    if not quiet:
        show.note(sentence)
