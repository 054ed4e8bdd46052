"""`headwater sync`: make syncs, look at them, tell them what to do. Watching one is `progress`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from headwater.cli import (
    choosing,
    consumers,
    credentials,
    inputs,
    options,
    progress,
    providers,
    shorthands,
    show,
    targets,
)
from headwater.cli.client import Client, path
from headwater.cli.connection import connect
from headwater.cli.failures import Exit, Failure

commands = options.group("Accounts of APIs that are kept in the two streams.")

Collections = Annotated[
    list[str] | None, typer.Option("--collection", "-c", help="Only these; may be given several times.")
]


@commands.command("create", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def create(
    context: typer.Context,
    provider: Annotated[
        str,
        typer.Argument(metavar="PROVIDER_OR_FILE", help="A provider's name, or a document that makes one."),
    ],
    properties: options.Set = None,
    config: options.Config = None,
    *,
    credential: Annotated[
        str | None, typer.Option(help="A credential that is there already, instead of --set.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="How it authenticates, where there are several ways.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    collection: Collections = None,
    frequency: Annotated[str | None, typer.Option(help="`continuous`, or a wait such as 4h.")] = None,
    max_age_days: Annotated[int | None, typer.Option(help="Leave out objects that are older.")] = None,
    rate_share: Annotated[
        float | None, typer.Option(help="Its share of the credential's budget, 0 to 1.")
    ] = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Forward it to a target: its id or name, or a URL, for which one is made or used again.",
        ),
    ] = None,
    stream: options.StreamName = options.StreamWord.RECORDS,
    another: Annotated[
        bool, typer.Option("--another", help="Even if the account has a sync of these collections.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show the backfill, and end when all is live.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Make a sync; from a document in a file with all it needs, provider and credential, in one go.

    A provider may have options of its own for its config: for github, --repo OWNER/NAME and --org NAME.
    """
    client = connect()
    if inputs.looks_like_file(provider):
        provider = providers.put(client, provider)["name"]
    settings = inputs.named(config or (), "--config") | shorthands.config(client, provider, context.args)
    if credential is None:
        body = credentials.wanted(provider, properties, kind=kind, name=name, external_id=external_id)
        credential_id = client.call("POST", "/v1/credentials", body)["id"]
    elif properties:
        raise Failure("--credential and --set exclude each other.", exit_code=Exit.USAGE)
    else:
        credential_id = choosing.credential(client, credential)["id"]
    given = {
        "provider": provider,
        "credential_id": credential_id,
        "name": name,
        "collection_ids": [with_provider(provider, one) for one in collection] if collection else None,
        "config": settings or None,
        "sync_frequency": frequency,
        "max_age_days": max_age_days,
        "rate_share": rate_share,
        "external_id": external_id,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    if not another:
        _refuse_second(client, given)
    target = None if to is None else targets.meant(client, to, external_id)  # a wrong one makes no sync
    sync = client.call("POST", "/v1/syncs", {key: value for key, value in given.items() if value is not None})
    if target is not None:
        _forward(client, sync, target, stream.value)
    if wait:
        sync = progress.watch(client, sync["id"], until_live=True, quiet=json)
    if json:
        show.document(sync)
    elif not wait:
        show.say(
            f"Sync {sync['id']} ({sync['name']}) is made. See it with: headwater sync watch {sync['id']}"
        )


def _forward(client: Client, sync: Any, target: Any, stream: str) -> None:
    """Make a consumer that writes what a sync finds to a target, and say so beside the results."""
    body = {
        "stream": stream,
        "filters": {"sync_id": sync["id"]},
        "name": f"{sync['name']} to {target['name']}",
    }
    consumer = consumers.forward(client, target, sync["external_id"], body)
    show.note(consumers.made(consumer, target))
    credentials.trouble(target)


def _refuse_second(client: Client, given: Mapping[str, Any]) -> None:
    """Raise Failure when the account has such a sync: a second one would only spend its quota twice."""
    for sync in client.items("/v1/syncs", {"provider": given["provider"]}):
        wanted = given["collection_ids"] or sync["collection_ids"]
        same = sync["credential_id"] == given["credential_id"] and sync["config"] == (given["config"] or {})
        if same and set(wanted) & set(sync["collection_ids"]):
            raise Failure(
                f"This account has a sync of these collections: {sync['id']} ({sync['name']}).",
                fix=f"See it with: headwater sync show {sync['id']}. Make a second one with --another.",
                exit_code=Exit.REFUSED,
            )


@commands.command("list")
def list_syncs(
    provider: Annotated[str | None, typer.Option(help="Only of this provider.")] = None,
    external_id: options.ExternalId = None,
    json: options.Json = False,
) -> None:
    """List the syncs."""
    found = list(connect().items("/v1/syncs", {"provider": provider, "external_id": external_id}))
    if json:
        show.document(found)
        return
    show.table(
        ("ID", "NAME", "PROVIDER", "STATUS", "HEALTH", "RECORDS", "LAG"),
        (
            (
                sync["id"],
                sync["name"],
                sync["provider"],
                sync["status"],
                sync["health"]["status"],
                show.count(sum(c["records"] for c in sync["collections"])),
                show.lasting(largest_lag(sync)),
            )
            for sync in found
        ),
    )


@commands.command("show")
def show_sync(sync: options.SyncName, json: options.Json = False) -> None:
    """Show a sync: its collections, how far they are, how late, and what is wrong."""
    found = choosing.sync(connect(), sync)
    if json:
        show.document(found)
        return
    names = (
        "id",
        "name",
        "provider",
        "credential_id",
        "status",
        "sync_frequency",
        "rate_share",
        "max_age_days",
    )
    names += ("external_id", "config", "metadata", "created_at")
    show.facts([*((name, found[name]) for name in names), ("health", found["health"]["status"])])
    show.table(
        ("COLLECTION", "STATE", "RECORDS", "LAG", "LAST CHECKED", "ERROR"),
        (
            (
                c["collection_id"],
                c["state"],
                show.count(c["records"]),
                show.lasting(c["lag_seconds"]),
                show.ago(c["last_checked_at"]),
                c["error"],
            )
            for c in found["collections"]
        ),
    )
    credentials.trouble(found)


@commands.command("watch")
def watch(
    sync: options.SyncName,
    until_live: Annotated[
        bool, typer.Option("--until-live", help="End when every collection is live.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Watch a sync: progress, rate and time left of its backfills, then how late it is. Ctrl-C ends it."""
    client = connect()
    found = choosing.sync(client, sync)
    if json:
        progress.stream(client, found["id"], until_live=until_live)
    else:
        progress.watch(client, found["id"], until_live=until_live)


@commands.command("pause")
def pause(sync: options.SyncName, json: options.Json = False) -> None:
    """Let a sync rest: the API is asked nothing more."""
    patched(sync, {"status": "paused"}, "rests", json=json)


@commands.command("resume")
def resume(sync: options.SyncName, json: options.Json = False) -> None:
    """Let a sync go on where it was."""
    patched(sync, {"status": "active"}, "goes on", json=json)


@commands.command("check")
def check(sync: options.SyncName, json: options.Json = False) -> None:
    """Look for changes now instead of at the next turn."""
    client = connect()
    ordered(client, choosing.sync(client, sync), "check", None, "looks for changes now", json=json)


@commands.command("backfill")
def backfill(sync: options.SyncName, collection: Collections = None, json: options.Json = False) -> None:
    """Read everything from the API once more."""
    client = connect()
    found = choosing.sync(client, sync)
    chosen = [with_provider(found["provider"], one) for one in collection or ()]
    body = {"collection_ids": chosen} if chosen else {}
    ordered(client, found, "backfills", body, "reads everything once more", json=json)


@commands.command("sweep")
def sweep(
    sync: options.SyncName,
    collection: Annotated[str, typer.Option("--collection", "-c", help="Which collection.")],
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm", help="Yes, so many objects are really gone: go on with the one that stopped."
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Compare a whole collection with the API, to find deletes that nothing told of."""
    client = connect()
    found = choosing.sync(client, sync)
    body: dict[str, Any] = {"collection_id": with_provider(found["provider"], collection)}
    ordered(
        client,
        found,
        "sweeps",
        body | ({"confirm": True} if confirm else {}),
        f"compares {collection} with the API",
        json=json,
    )


@commands.command("delete")
def delete(
    sync: options.SyncName,
    records: Annotated[
        bool, typer.Option("--records", help="Delete its records, too, with an event for each.")
    ] = False,
    yes: options.Yes = False,
) -> None:
    """Remove a sync. Its records stay unless --records is given.

    With --records also what a sync that was removed before has left: give its id.
    """
    client = connect()
    try:
        found = choosing.sync(client, sync)
    except Failure as failed:
        if not (records and choosing.is_id(sync) and failed.exit_code is Exit.NOT_FOUND):
            raise
        found = {"id": sync, "name": sync}  # its records may be there still
    also = " and delete its records" if records else ""
    choosing.confirm(f"Remove the sync {found['name']}{also}?", yes=yes)
    query = {"records": "delete" if records else "keep"}
    client.call("DELETE", path("v1", "syncs", found["id"]), query=query)
    show.say(f"Removed {found['name']}.")
    if not records:
        show.note(f"Its records stay. To delete them later: headwater sync delete {found['id']} --records")


def patched(sync: str, change: dict[str, Any], said: str, *, json: bool) -> None:
    """Change a sync and say so."""
    client = connect()
    found = choosing.sync(client, sync)
    found = client.call("PATCH", path("v1", "syncs", found["id"]), change)
    told(found, found, said, json=json)


def ordered(client: Client, sync: Any, order: str, body: Any, said: str, *, json: bool) -> None:
    """Give a sync an order and say so."""
    answer = client.call("POST", path("v1", "syncs", sync["id"], order), body)
    told(sync, answer, said, json=json)


def told(sync: Any, answer: Any, said: str, *, json: bool) -> None:
    """Print an answer, or what it means."""
    if json:
        show.document(answer)
    else:
        show.say(f"{sync['name']} {said}.")


def with_provider(provider: str, collection: str) -> str:
    """Return a collection's id, whether or not it was given with the provider's name."""
    return collection if ":" in collection else f"{provider}:{collection}"


def largest_lag(sync: Any) -> float | None:
    """Return how late the latest collection of a sync is; None while one has never been complete."""
    lags = [c["lag_seconds"] for c in sync["collections"]]
    return None if not lags or None in lags else max(lags)
