"""`headwater key`: API keys, shown once, when they are made; and new keys for sealing secrets."""

from enum import StrEnum
from typing import Annotated

import typer

from headwater.cli import choosing, options, show
from headwater.cli.client import path
from headwater.cli.connection import connect
from headwater.store import vault

commands = options.group("API keys: who may read, write and administer. And keys that seal secrets.")


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@commands.command("create")
def create(
    scope: Annotated[list[Scope], typer.Option(help="May be given several times.")],
    *,
    name: Annotated[str, typer.Option(help="Who or what it is for.")] = "made on the command line",
    external_id: options.ExternalId = None,
    json: options.Json = False,
) -> None:
    """Make a key and print it. It cannot be had again."""
    body = {"name": name, "scopes": [str(one) for one in scope]}
    key = connect().call("POST", "/v1/api-keys", body | ({"external_id": external_id} if external_id else {}))
    if json:
        show.document(key)
        return
    show.say(key["key"])  # alone on stdout, so that a script can take it
    show.note(f"This is the only time that the key is shown. Its id is {key['id']}.")


@commands.command("list")
def list_keys(json: options.Json = False) -> None:
    """List the keys, without the keys themselves."""
    found = list(connect().items("/v1/api-keys"))
    if json:
        show.document(found)
        return
    show.table(
        ("ID", "NAME", "BEGINS WITH", "SCOPES", "TENANT", "LAST USED"),
        (
            (k["id"], k["name"], k["prefix"], k["scopes"], k["external_id"], show.ago(k.get("last_used_at")))
            for k in found
        ),
    )


@commands.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, name or beginning.")], yes: options.Yes = False
) -> None:
    """Revoke a key: it is refused from now on."""
    client = connect()
    found = choosing.api_key(client, key)
    choosing.confirm(f"Revoke the key {found['name']}?", yes=yes)
    client.call("DELETE", path("v1", "api-keys", found["id"]))
    show.say(f"Revoked {found['name']}.")


@commands.command("secret")
def secret() -> None:
    """Print a new key for sealing stored secrets: for secret.key or HEADWATER_SECRET_KEYS.

    Works without a server and changes nothing. The page "Rotate the secret keys" says where it goes.
    """
    show.say(vault.new_key())
