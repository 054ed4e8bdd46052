"""`headwater webhook`: where the API of a sync pushes."""

from typing import Annotated, Any

import typer

from headwater.cli import choosing, inputs, options, show
from headwater.cli.client import Client, path
from headwater.cli.connection import connect

commands = options.group("Where the API of a sync pushes its changes, so that they are here sooner.")

GivenSecret = Annotated[
    str | None,
    typer.Option(
        "--secret",
        metavar="SECRET",
        help="What the API signs with, where it made that up: @FILE, - (stdin) or env:VARIABLE.",
    ),
]
ByHand = Annotated[bool, typer.Option("--by-hand", help="Do not tell the API: you paste the address there.")]


@commands.command("show")
def show_webhook(sync: options.SyncName, json: options.Json = False) -> None:
    """Show where a sync's API pushes, or why it does not."""
    client = connect()
    shown(client.get(address(client, sync)), json=json)


@commands.command("create")
def create(
    sync: options.SyncName,
    *,
    secret: GivenSecret = None,
    by_hand: ByHand = False,
    json: options.Json = False,
) -> None:
    """Have the API push for a sync. Where it cannot be told, this says what to paste there.

    A secret that is given to a webhook that is there takes the place of the one in use, which counts for 24
    hours more.
    """
    wanted(sync, secret=secret, by_hand=by_hand, json=json)


@commands.command("rotate")
def rotate(
    sync: options.SyncName,
    *,
    secret: GivenSecret = None,
    by_hand: ByHand = False,
    json: options.Json = False,
) -> None:
    """Sign with a new secret from now on. The older one counts for 24 hours more."""
    wanted(sync, secret=secret, by_hand=by_hand, json=json, rotate=True)


@commands.command("delete")
def delete(sync: options.SyncName, yes: options.Yes = False) -> None:
    """Have no webhook any more. Changes are found by asking, as before."""
    client = connect()
    found = choosing.sync(client, sync)
    choosing.confirm(f"Have {found['name']} pushed no more?", yes=yes)
    client.call("DELETE", path("v1", "syncs", found["id"], "webhook"))
    show.say(f"{found['name']} has no webhook.")


def wanted(sync: str, *, secret: str | None, by_hand: bool, json: bool, rotate: bool = False) -> None:
    """Ask for a webhook, and show what became of it."""
    body: dict[str, Any] = {"rotate": rotate, "register": not by_hand}
    if secret is not None:
        body["secret"] = inputs.value(secret)
    client = connect()
    shown(client.call("POST", address(client, sync), body), json=json)


def address(client: Client, sync: str) -> str:
    """Return the path of a sync's webhook."""
    return path("v1", "syncs", choosing.sync(client, sync)["id"], "webhook")


def shown(webhook: Any, *, json: bool) -> None:
    """Print a webhook: what a person must paste is printed as it is."""
    if json:
        show.document(webhook)
        return
    until = [one["until"] for one in webhook["secrets"] if one["until"]]
    show.facts(
        [
            ("state", webhook["state"]),
            ("url", webhook["url"]),
            ("secret", webhook["secret"]),
            ("older secret counts until", until[0] if until else None),
            ("last push", show.ago(webhook["last_received_at"]) if webhook["created_at"] else None),
        ]
    )
    show.note(webhook["note"])
    if webhook["instructions"]:
        show.note(webhook["instructions"])
