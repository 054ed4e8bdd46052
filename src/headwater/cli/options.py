"""Options that several commands have, each with one meaning and one text."""

from enum import StrEnum
from typing import Annotated

import typer


class StreamWord(StrEnum):
    """The two streams."""

    RECORDS = "records"
    EVENTS = "events"


Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A property of the credential. The value may be @FILE, - (stdin) or env:VARIABLE, "
        "so that secrets stay off the command line.",
    ),
]
Config = Annotated[
    list[str] | None,
    typer.Option(
        "--config", metavar="NAME=VALUE", help="A setting of the sync; NAME:=JSON for other than text."
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="NAME=VALUE", help="A note of your own, kept with it."),
]
ExternalId = Annotated[
    str | None, typer.Option("--external-id", help="The tenant it belongs to, in your own words.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ProviderName = Annotated[str, typer.Argument(metavar="PROVIDER", help="A provider's name.")]
SyncName = Annotated[str, typer.Argument(metavar="SYNC", help="A sync's id, name or external id.")]
CredentialName = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="A credential's id or name.")]
TargetName = Annotated[str, typer.Argument(metavar="TARGET", help="A target's id or name.")]
OAuthAppName = Annotated[str, typer.Argument(metavar="APP", help="An OAuth app's id or name.")]
ConsumerName = Annotated[
    str, typer.Argument(metavar="CONSUMER", help="A consumer's id or name, managed or over HTTP.")
]
StreamName = Annotated[StreamWord, typer.Option("--stream", help="Which stream.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="NAME=VALUE",
        help="Only these: provider, sync_id, collection_id (crm:contact or crm:*) or event; may be given "
        "several times.",
    ),
]
MaxDeliver = Annotated[
    int | None,
    typer.Option(help="After so many attempts a message goes to the dead letters; -1: it never does."),
]


def group(text: str) -> typer.Typer:
    """Return a group of commands that shows its help when it is called without one."""
    return typer.Typer(help=text, no_args_is_help=True, add_completion=False)
