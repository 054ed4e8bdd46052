"""`headwater credential`: accounts of APIs. Secrets go in and never come out."""

from typing import Annotated, Any

import typer

from headwater.cli import choosing, inputs, options, show
from headwater.cli.client import path
from headwater.cli.connection import connect
from headwater.cli.failures import Exit, Failure

NOT_CHECKED = "credential.not_checked"
"""Code of the note of a credential that nothing has tried."""

commands = options.group("Accounts of APIs, with what proves who we are. Secrets are never shown again.")


@commands.command("create")
def create(
    provider: options.ProviderName,
    properties: options.Set = None,
    *,
    kind: Annotated[
        str | None, typer.Option(help="How it authenticates, where there are several ways.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What you call it.")] = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = None,
    json: options.Json = False,
) -> None:
    """Enter a credential. The same account again renews the one that is there."""
    body = wanted(provider, properties, kind=kind, name=name, external_id=external_id, metadata=metadata)
    credential = connect().call("POST", "/v1/credentials", body)
    if json:
        show.document(credential)
    else:
        show.say(f"Credential {credential['id']} ({credential['name']}) is kept.")
        trouble(credential)


@commands.command("list")
def list_credentials(
    provider: Annotated[str | None, typer.Option(help="Only of this provider.")] = None,
    external_id: options.ExternalId = None,
    json: options.Json = False,
) -> None:
    """List the credentials."""
    found = list(connect().items("/v1/credentials", {"provider": provider, "external_id": external_id}))
    if json:
        show.document(found)
        return
    show.table(
        ("ID", "NAME", "PROVIDER", "KIND", "HEALTH", "TENANT"),
        (
            (c["id"], c["name"], c["provider"], c["kind"], c["health"]["status"], c["external_id"])
            for c in found
        ),
    )


@commands.command("show")
def show_credential(credential: options.CredentialName, json: options.Json = False) -> None:
    """Show a credential, its secrets masked."""
    found = choosing.credential(connect(), credential)
    if json:
        show.document(found)
        return
    names = ("id", "name", "provider", "kind", "external_id", "created_at")
    limit: dict[str, Any] = found["rate_limit"] or {}
    status = found["health"]["status"]
    known = ((name, found[name]) for name in names)
    show.facts([*known, *found["properties"].items(), *limit.items(), ("health", status)])
    trouble(found)


@commands.command("check")
def check(credential: options.CredentialName, json: options.Json = False) -> None:
    """Try a credential at its API. Exits with 1 when that does not work, with 4 when it cannot be tried."""
    client = connect()
    found = choosing.credential(client, credential)
    found = client.call("POST", path("v1", "credentials", found["id"], "check"))
    works = found["health"]["status"] == "ok"
    tried = all(note["code"] != NOT_CHECKED for note in found["health"]["notes"])
    if json:
        show.document(found)
    elif works and tried:
        show.say(f"{found['name']} works.")
    else:
        trouble(found)
    if not works:
        raise typer.Exit(Exit.FAILED)
    if not tried:
        raise typer.Exit(Exit.REFUSED)


@commands.command("update")
def update(
    credential: options.CredentialName,
    properties: options.Set = None,
    *,
    name: Annotated[str | None, typer.Option(help="What you call it from now on.")] = None,
    metadata: options.Metadata = None,
    json: options.Json = False,
) -> None:
    """Change a credential: give it a new secret, say. Its syncs go on with it at once.

    Properties that are not named stay as they are; NAME:=null takes one out.
    """
    body = {
        "name": name,
        "properties": inputs.named(properties, "--set") if properties else None,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    body = {member: value for member, value in body.items() if value is not None}
    if not body:
        raise Failure(
            "Nothing to change was given.", exit_code=Exit.USAGE, fix="Such as --set token=@FILE or --name."
        )
    client = connect()
    found = choosing.credential(client, credential)
    found = client.call("PATCH", path("v1", "credentials", found["id"]), body)
    if json:
        show.document(found)
    else:
        show.say(f"Credential {found['id']} ({found['name']}) is changed.")
        trouble(found)


@commands.command("delete")
def delete(credential: options.CredentialName, yes: options.Yes = False) -> None:
    """Forget a credential that no sync uses."""
    client = connect()
    found = choosing.credential(client, credential)
    choosing.confirm(f"Forget the credential {found['name']}?", yes=yes)
    client.call("DELETE", path("v1", "credentials", found["id"]))
    show.say(f"Forgot {found['name']}.")


def wanted(
    provider: str,
    properties: list[str] | None,
    *,
    kind: str | None,
    name: str | None,
    external_id: str | None,
    metadata: list[str] | None = None,
) -> dict[str, Any]:
    """Return the body that asks for a credential; what was not given is left to the server."""
    body = {
        "provider": provider,
        "kind": kind,
        "name": name,
        "properties": inputs.named(properties or (), "--set"),
        "external_id": external_id,
        "metadata": inputs.named(metadata, "--metadata") if metadata else None,
    }
    return {member: value for member, value in body.items() if value is not None}


def trouble(thing: Any) -> None:
    """Print the notes of something's health."""
    for note in thing["health"].get("notes", ()):
        if thing["health"]["status"] == "ok":
            show.note(note["text"])
        else:
            show.failure(Failure(note["text"]))
