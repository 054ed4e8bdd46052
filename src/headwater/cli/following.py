"""How far a managed consumer is, as it goes: a line that moves on a terminal, lines elsewhere, JSON for
scripts."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.live import Live
from rich.table import Table
from rich.text import Text

from headwater.cli import show
from headwater.cli.client import Client, path
from headwater.cli.failures import Failure

EVERY = 0.5
"""Seconds between two looks."""


def watch(client: Client, consumer_id: str, *, until_current: bool, json: bool) -> None:
    """Show a consumer until nothing is left for it, or for ever. Raises: Failure when it stands still."""
    found = looks(client, consumer_id)
    if json or not show.on_terminal():
        followed(found, changes(show.line if json else line), until_current=until_current)
        return
    with Live(console=show.out(), auto_refresh=False) as live:
        followed(found, lambda one: live.update(picture(one), refresh=True), until_current=until_current)


def looks(client: Client, consumer_id: str, wait: Callable[[float], None] = time.sleep) -> Iterator[Any]:
    """Give the consumer again and again."""
    while True:
        yield client.get(path("v1", "consumers", consumer_id))
        wait(EVERY)


def followed(found: Iterator[Any], seen: Callable[[Any], None], *, until_current: bool) -> None:
    """Pass on each look until nothing is left to be delivered. Raises: Failure when it stands still."""
    for consumer in found:
        seen(consumer)
        if not until_current:
            continue
        if consumer["lag"]["messages"] == 0:
            return
        if failed := stuck(consumer):
            raise failed


def stuck(consumer: Any) -> Failure | None:
    """Return why a consumer will not go on by itself, if so."""
    if consumer["status"] == "paused":
        return Failure("The consumer rests.", fix=f"Let it go on: headwater consumer resume {consumer['id']}")
    if consumer["health"]["status"] == "error":
        said = " ".join(note["text"] for note in consumer["health"]["notes"])
        return Failure(said or "The consumer stands still.")
    return None


def changes(told: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return what passes on a look only when something has changed since the last one.

    How late the consumer is changes all the time while it waits, so it does not count.
    """
    last: list[Any] = []

    def seen(consumer: Any) -> None:
        known = consumer | {"lag": consumer["lag"]["messages"]}
        if [known] != last:
            last[:] = [known]
            told(consumer)

    return seen


def line(consumer: Any) -> None:
    """Print how a consumer is as a line of columns."""
    print("\t".join(map(show.plain, (consumer["name"], consumer["status"], *state(consumer)))), flush=True)


def state(consumer: Any) -> tuple[str, str, str, str]:
    """Return how a consumer is: its health, how many messages it is behind, how late, how many are dead."""
    lag = consumer["lag"]
    return (
        consumer["health"]["status"],
        show.count(lag["messages"]),
        show.lasting(lag["seconds"]),
        show.count(consumer["dead_letters"]),
    )


def picture(consumer: Any) -> Table:
    """Return a consumer as it is drawn."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for column in ("CONSUMER", "STATUS", "HEALTH", "BEHIND", "LATE", "DEAD"):
        drawn.add_column(column, justify="right" if column in {"BEHIND", "LATE", "DEAD"} else "left")
    health, behind, late, dead = state(consumer)
    drawn.add_row(
        Text(show.literal(consumer["name"])),
        show.styled(consumer["status"]),
        show.styled(health),
        Text(behind),
        Text(late),
        Text(dead),
    )
    for note in consumer["health"]["notes"]:
        drawn.caption = Text(show.literal(note["text"]), style="dim")
    return drawn
