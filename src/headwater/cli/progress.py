"""How far a sync is, as it goes: bars on a terminal, lines of changed states elsewhere, JSON for scripts."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headwater.cli import show
from headwater.cli.client import Client, path
from headwater.cli.failures import Failure

EVERY = 0.5
"""Seconds between two looks."""


def looks(client: Client, sync_id: str, wait: Callable[[float], None] = time.sleep) -> Iterator[Any]:
    """Give the sync again and again."""
    while True:
        yield client.get(path("v1", "syncs", sync_id))
        wait(EVERY)


def is_live(sync: Any) -> bool:
    """Say whether every collection has its backfill behind it."""
    return all(collection["state"] == "live" for collection in sync["collections"])


def stuck(sync: Any) -> Failure | None:
    """Return why a sync will not get live by itself, if so."""
    if sync["status"] == "paused":
        return Failure("The sync rests.", fix=f"Let it go on: headwater sync resume {sync['id']}")
    notes = sync["health"].get("notes", ())
    said = " ".join(note["text"] for note in notes)
    if sync["health"]["status"] == "error":
        return Failure(said or "The sync stands still.")
    failed = [c for c in sync["collections"] if c["state"] == "failed"]
    if failed:
        return Failure(said or f"{failed[0]['collection_id']}: {failed[0]['error']}")
    return None


def watch(client: Client, sync_id: str, *, until_live: bool, quiet: bool = False) -> Any:
    """Show a sync until it is live, or for ever. Returns it. Raises: Failure when it will not get live."""
    if quiet:
        return followed(looks(client, sync_id), lambda _: None, until_live=until_live)
    if not show.on_terminal():
        return followed(looks(client, sync_id), changes_of_state(), until_live=until_live)
    with Live(console=show.out(), auto_refresh=False) as live:
        return followed(
            looks(client, sync_id),
            lambda sync: live.update(picture(sync), refresh=True),
            until_live=until_live,
        )


def stream(client: Client, sync_id: str, *, until_live: bool) -> None:
    """Print the sync as a line of JSON whenever something about it has changed."""
    last: list[Any] = []

    def changed(sync: Any) -> None:
        if [sync] != last:
            last[:] = [sync]
            show.line(sync)

    followed(looks(client, sync_id), changed, until_live=until_live)


def followed(found: Iterator[Any], seen: Callable[[Any], None], *, until_live: bool) -> Any:
    """Pass on each look until the sync is live. Raises: Failure when it will not get live."""
    for sync in found:
        seen(sync)
        if not until_live:
            continue
        if is_live(sync):
            return sync
        if failed := stuck(sync):
            raise failed
    return None


def changes_of_state() -> Callable[[Any], None]:
    """Return what prints a line for each collection whose state has changed since the last look."""
    states: dict[str, str] = {}

    def seen(sync: Any) -> None:
        for collection in sync["collections"]:
            name, state = collection["collection_id"], collection["state"]
            if states.get(name) != state:
                states[name] = state
                print(f"{name}\t{state}\t{collection['records']}", flush=True)

    return seen


def picture(sync: Any) -> Table:
    """Return a sync as it is drawn: a line for each collection."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for column in ("COLLECTION", "STATE", "RECORDS", "", "RATE", "LEFT", "LAG"):
        drawn.add_column(column, justify="right" if column in {"RECORDS", "RATE", "LEFT", "LAG"} else "left")
    for collection in sync["collections"]:
        drawn.add_row(
            Text(collection["collection_id"]),
            show.styled(collection["state"]),
            Text(show.count(collection["records"])),
            bar(collection),
            Text(rate(collection)),
            Text(left(collection)),
            Text(show.lasting(collection["lag_seconds"])),
        )
    return drawn


def bar(collection: Any) -> ProgressBar | Text:
    """Return the bar of a backfill that runs; it swings where the API does not say how much there is."""
    backfill = collection["backfill"]
    if collection["state"] != "backfilling" or not backfill:
        return Text("")
    return ProgressBar(total=backfill["estimated_total"], completed=backfill["records"], width=30)


def rate(collection: Any) -> str:
    """Return how fast a backfill goes, on average since its start."""
    backfill = collection["backfill"]
    if collection["state"] != "backfilling" or not backfill or not backfill["started_at"]:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(backfill["started_at"])).total_seconds()
    return f"{backfill['records'] / max(0.1, seconds):,.0f}/s"


def left(collection: Any) -> str:
    """Return how long a backfill will take."""
    backfill = collection["backfill"]
    return show.lasting(backfill["eta_seconds"]) if backfill and collection["state"] == "backfilling" else ""
