"""`headwater consumer`: who reads the streams. Managed ones are made here; those over HTTP in
`http_consumers`, and both are listed, shown, begun anew and removed here."""

from typing import Annotated, Any

import typer

from headwater.cli import (
    choosing,
    dead_letters,
    following,
    http_consumers,
    inputs,
    options,
    show,
    targets,
)
from headwater.cli.client import Client, path
from headwater.cli.connection import connect
from headwater.cli.credentials import trouble
from headwater.cli.failures import Exit, Failure

commands = options.group("Who reads the streams: forwarded to a target, or fetched over HTTP.")
commands.add_typer(dead_letters.commands, name="dead-letters")
commands.add_typer(http_consumers.commands, name="http")


@commands.command("create")
def create(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="A target's id or name, or a URL, for which one is made."),
    ],
    *,
    stream: options.StreamName = options.StreamWord.RECORDS,
    filters: options.Filters = None,
    start: Annotated[str | None, typer.Option(help="`beginning`, `end`, or a time.")] = None,
    on_gap: Annotated[
        str | None, typer.Option(help="`halt` or `skip`, where events are gone before they were read.")
    ] = None,
    max_deliver: options.MaxDeliver = None,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = None,
    json: options.Json = False,
) -> None:
    """Make a managed consumer: it forwards a stream to a target from now on."""
    client = connect()
    more = {
        "start": start,
        "on_gap": on_gap,
        "max_deliver": max_deliver,
        "name": name,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    body = {"stream": stream.value, "filters": inputs.many(filters, "--filter"), **more}
    found = targets.meant(client, target, external_id)
    consumer = forward(client, found, external_id, body)
    if json:
        show.document(consumer)
    else:
        show.say(made(consumer, found))
        trouble(found)


def forward(client: Client, target: Any, external_id: str | None, body: dict[str, Any]) -> Any:
    """Make a consumer that writes to a target. Returns it."""
    given = {"target_id": target["id"], "external_id": external_id, **body}
    return client.call("POST", "/v1/consumers", {k: v for k, v in given.items() if v is not None})


def made(consumer: Any, target: Any) -> str:
    """Return the sentence about a consumer that was made."""
    return (
        f"Consumer {consumer['id']} ({consumer['name']}) writes to {target['name']}. See it with: "
        f"headwater consumer watch {consumer['id']}"
    )


@commands.command("list")
def list_consumers(external_id: options.ExternalId = None, json: options.Json = False) -> None:
    """List the consumers: first the managed ones, then those over HTTP."""
    client = connect()
    query = {"external_id": external_id}
    found = [one for family in choosing.CONSUMERS for one in client.items(path("v1", family), query)]
    if json:
        show.document(found)
        return
    show.table(
        ("ID", "NAME", "STREAM", "TO", "STATUS", "HEALTH", "BEHIND", "LATE", "DEAD"),
        (
            (one["id"], one["name"], one["stream"], one["target_id"], one["status"], *following.state(one))
            if "target_id" in one
            else (one["id"], one["name"], one["stream"], "http", "", "", "", "", "")
            for one in found
        ),
    )


@commands.command("show")
def show_consumer(consumer: options.ConsumerName, json: options.Json = False) -> None:
    """Show a consumer: what it wants, how far it is, and what is wrong."""
    _, found = choosing.consumer(connect(), consumer)
    if json:
        show.document(found)
        return
    left_out = ("lag", "health", "filters", "batch")
    facts = [(name, value) for name, value in found.items() if name not in left_out]
    facts += [(name, value) for name, value in found["filters"].items() if value != "*"]
    if "lag" in found:
        behind, late = found["lag"]["messages"], found["lag"]["seconds"]
        facts += [("behind", f"at most {show.count(behind)}"), ("late", show.lasting(late))]
        facts += [*found["batch"].items(), ("health", found["health"]["status"])]
    show.facts(facts)
    if "health" in found:
        trouble(found)


@commands.command("watch")
def watch(
    consumer: options.ConsumerName,
    until_current: Annotated[
        bool, typer.Option("--until-current", help="End when nothing is left to be delivered.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Watch a managed consumer: how far behind it is, and how fast it is. Ctrl-C ends it."""
    client = connect()
    found = managed(client, consumer)
    following.watch(client, found["id"], until_current=until_current, json=json)


@commands.command("pause")
def pause(consumer: options.ConsumerName, json: options.Json = False) -> None:
    """Let a managed consumer rest: nothing more is written."""
    patched(consumer, {"status": "paused"}, "rests", json=json)


@commands.command("resume")
def resume(consumer: options.ConsumerName, json: options.Json = False) -> None:
    """Let a managed consumer go on where it was."""
    patched(consumer, {"status": "active"}, "goes on", json=json)


@commands.command("reset")
def reset(
    consumer: options.ConsumerName,
    start: Annotated[
        str | None,
        typer.Option(
            help="`beginning`, `end`, or a time. For consumers over HTTP: `all`, `new`, `last` or a duration."
        ),
    ] = None,
    yes: options.Yes = False,
    json: options.Json = False,
) -> None:
    """Let a consumer begin anew. What it was given since then comes once more; dead letters stay."""
    client = connect()
    family, found = choosing.consumer(client, consumer)
    word = "start" if family == choosing.MANAGED else "deliver_policy"
    where = start or found[word]
    choosing.confirm(f"Let {found['name']} begin anew at {where}?", yes=yes)
    found = client.call("POST", path("v1", family, found["id"], "reset"), {word: where})
    told(found, f"begins anew at {where}", json=json)


@commands.command("delete")
def delete(consumer: options.ConsumerName, yes: options.Yes = False) -> None:
    """Remove a consumer with its dead letters. What it has written stays in the target."""
    client = connect()
    family, found = choosing.consumer(client, consumer)
    choosing.confirm(f"Remove the consumer {found['name']}?", yes=yes)
    client.call("DELETE", path("v1", family, found["id"]))
    show.say(f"Removed {found['name']}.")


def managed(client: Client, text: str) -> Any:
    """Return the managed consumer that is meant. Raises: Failure, also for one over HTTP."""
    family, found = choosing.consumer(client, text)
    if family != choosing.MANAGED:
        raise Failure(
            f"{found['name']} is a consumer over HTTP: it does nothing by itself.",
            exit_code=Exit.USAGE,
            fix="It rests while nobody asks for its messages.",
        )
    return found


def patched(consumer: str, change: dict[str, Any], said: str, *, json: bool) -> None:
    """Change a managed consumer and say so."""
    client = connect()
    found = managed(client, consumer)
    told(client.call("PATCH", path("v1", "consumers", found["id"]), change), said, json=json)


def told(consumer: Any, said: str, *, json: bool) -> None:
    """Print a consumer, or what was done with it."""
    if json:
        show.document(consumer)
    else:
        show.say(f"{consumer['name']} {said}.")
