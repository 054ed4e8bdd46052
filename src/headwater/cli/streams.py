"""`headwater records` and `headwater events`: read the two streams, once or for as long as one likes."""

import json as json_module
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from headwater.cli import choosing, options, show
from headwater.cli.client import Client
from headwater.cli.connection import connect
from headwater.cli.failures import Exit, Failure, from_problem

MOST = 1000
"""The largest page of the API."""
RECONNECT = 1.0
"""Seconds between two tries to get back to a stream that broke off."""

Several = list[str] | None
Provider = Annotated[Several, typer.Option("--provider", help="Only of this provider; may be repeated.")]
Sync = Annotated[Several, typer.Option("--sync", help="Only of this sync (id or name); may be repeated.")]
Collection = Annotated[Several, typer.Option("--collection", "-c", help="Only of this one; may be repeated.")]
Upstream = Annotated[Several, typer.Option("--id", help="Only this object of the API; may be repeated.")]
Kind = Annotated[Several, typer.Option("--event", help="Only created, updated or deleted; may be repeated.")]
Limit = Annotated[int, typer.Option(min=1, help="How many to print.")]
Everything = Annotated[bool, typer.Option("--all", help="Print everything up to the end of the stream.")]
Cursor = Annotated[str | None, typer.Option(help="Go on after this cursor.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")]
Deleted = Annotated[
    bool | None, typer.Option("--deleted/--present", help="Only deleted ones, or only others.")
]


def records(
    provider: Provider = None,
    sync: Sync = None,
    collection: Collection = None,
    upstream_id: Upstream = None,
    *,
    deleted: Deleted = None,
    limit: Limit = 20,
    everything: Everything = False,
    cursor: Cursor = None,
    follow: Follow = False,
    json: options.Json = False,
) -> None:
    """Print the record stream: the latest state of every object, in the order of the last changes.

    With --json one record a line, then a last line with the cursor to go on after (except with --follow).
    """
    client = connect()
    query = filters(client, provider, sync, collection, upstream_id) | {"deleted": deleted}
    Reading(client, "records", query, json=json).run(limit, cursor, everything=everything, follow=follow)


def events(
    provider: Provider = None,
    sync: Sync = None,
    collection: Collection = None,
    upstream_id: Upstream = None,
    *,
    event: Kind = None,
    limit: Limit = 20,
    everything: Everything = False,
    cursor: Cursor = None,
    follow: Follow = False,
    json: options.Json = False,
) -> None:
    """Print the event stream: every change of the last days, with what was there before.

    With --json one event a line, then a last line with the cursor to go on after (except with --follow).
    """
    client = connect()
    query = filters(client, provider, sync, collection, upstream_id) | {"event": event}
    Reading(client, "events", query, json=json).run(limit, cursor, everything=everything, follow=follow)


def filters(
    client: Client, provider: Several, sync: Several, collection: Several, upstream_id: Several
) -> dict[str, Any]:
    """Return the query that names what is wanted; syncs may be given by name."""
    ids = [one if choosing.is_id(one) else choosing.sync(client, one)["id"] for one in sync or ()]
    return {
        "provider": provider,
        "sync_id": ids or None,
        "collection_id": collection,
        "upstream_id": upstream_id,
    }


class Reading:
    """One stream with filters, read and printed."""

    def __init__(self, client: Client, stream: str, query: dict[str, Any], *, json: bool) -> None:
        self._client = client
        self._stream = stream
        self._query = {name: value for name, value in query.items() if value is not None}
        self._json = json

    def run(self, limit: int, cursor: str | None, *, everything: bool, follow: bool) -> None:
        """Print what is asked for."""
        if follow:
            self._follow(cursor)
            return
        last = self._everything(cursor) if everything else self._some(limit, cursor)
        if self._json:
            show.line(last)
        elif show.on_terminal():
            show.note(f"Go on after these with --cursor {last['cursor']}")

    def _some(self, limit: int, cursor: str | None) -> Any:
        has_more = True
        while limit > 0 and has_more:
            asked = {**self._query, "limit": min(limit, MOST), "after_cursor": cursor}
            answer = self._client.get(f"/v1/{self._stream}", asked)
            for entry in answer[self._stream]:
                self._print(entry)
            limit -= len(answer[self._stream])
            cursor, has_more = answer["cursor"], answer["has_more"]
        return {"cursor": cursor, "has_more": has_more}

    def _everything(self, cursor: str | None) -> Any:
        asked = {**self._query, "after_cursor": cursor}
        for line in self._client.lines(f"/v1/{self._stream}", asked):
            entry = json_module.loads(line)
            if "upstream_id" not in entry:
                return {"cursor": entry["cursor"], "has_more": False}
            self._print(entry)
        # P11: without the line that ends it an answer is incomplete, and nobody may take it for the whole
        raise Failure("The stream broke off before its end.", exit_code=Exit.UNREACHABLE, fix="Run it again.")

    def _follow(self, cursor: str | None) -> None:
        for entry in self._coming(cursor):
            self._print(entry)

    def _coming(self, cursor: str | None) -> Iterator[Any]:
        """Give entries as they come. A connection that breaks is taken up again after the last entry."""
        connected = False
        while True:
            try:
                tail = self._client.sent_events(f"/v1/{self._stream}/tail", self._query, last_id=cursor)
                for sent in tail:
                    connected = True
                    if sent.event == "error":
                        problem = json_module.loads(sent.data)
                        raise from_problem(int(problem.get("status", 500)), problem)
                    cursor = sent.id or cursor
                    if sent.data:
                        yield json_module.loads(sent.data)
            except Failure as failed:
                if failed.exit_code is not Exit.UNREACHABLE or not connected:
                    raise
            time.sleep(RECONNECT)

    def _print(self, entry: Any) -> None:
        if self._json:
            show.line(entry)
        elif show.on_terminal():
            show.out().print(pretty(entry))
        else:
            print("\t".join(columns(entry)), flush=True)


def columns(entry: Any) -> list[str]:
    """Return an entry as columns of a line: time, what happened, collection, id, data or what changed."""
    at = entry.get("event_inserted_at") or entry["inserted_at"]
    what = entry.get("event") or ("deleted" if entry["deleted"] else "present")
    data = changed(entry) if entry.get("previous_data") is not None else entry["data"]
    return [at, what, *(show.plain(one) for one in (entry["collection_id"], entry["upstream_id"], data))]


def pretty(entry: Any) -> Text:
    """Return a record or event as a line with colours."""
    at, what, collection, upstream_id, _ = columns(entry)
    return Text.assemble(
        (at[11:23], "dim"),
        " ",
        (f"{what:8}", show.STYLES.get(what, "")),
        " ",
        (collection, "bold"),
        f" {upstream_id}  {show.literal(summary(entry))}",
    )


def summary(entry: Any) -> str:
    """Return what is worth saying of an entry in a line: the changed fields, else how it calls itself."""
    if entry.get("previous_data") is not None:
        pairs = changed(entry).items()
        return ", ".join(f"{name}: {short(before)} → {short(after)}" for name, (before, after) in pairs)
    data = entry["data"]
    names = [data.get(key) for key in ("name", "first_name", "last_name", "email", "title", "subject")]
    said = [short(one) for one in names if isinstance(one, str) and one]
    return " ".join(said[:2])


def changed(entry: Any) -> dict[str, tuple[Any, Any]]:
    """Return the fields that an update changed, each with its value before and after."""
    data = entry["data"]
    return {name: (before, data.get(name)) for name, before in entry["previous_data"].items()}


def short(value: Any) -> str:
    """Return a value in few characters."""
    text = "–" if value is None else show.plain(value)
    return text if len(text) <= 60 else text[:59] + "…"
