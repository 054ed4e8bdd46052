"""`headwater providers`: the catalogue of APIs, and `rest` documents that are added to it."""

from typing import Annotated, Any

import typer

from headwater.cli import choosing, inputs, options, show
from headwater.cli.client import Client, path
from headwater.cli.connection import connect
from headwater.cli.failures import Exit, Failure

commands = options.group("The APIs that can be synced, and documents that describe more of them.")


@commands.command("list")
def list_providers(json: options.Json = False) -> None:
    """List the providers."""
    found = list(connect().items("/v1/providers"))
    if json:
        show.document(found)
        return
    show.table(
        ("NAME", "TITLE", "COLLECTIONS"),
        ((p["name"], p["title"], ", ".join(c["collection_id"] for c in p["collections"])) for p in found),
    )


@commands.command("show")
def show_provider(name: options.ProviderName, json: options.Json = False) -> None:
    """Show a provider: its collections, what a credential needs, how changes and deletes are seen."""
    provider = connect().get(path("v1", "providers", name))
    if json:
        show.document(provider)
        return
    show.facts((fact, provider.get(fact)) for fact in ("name", "title", "docs_url", "version"))
    for kind in provider["credential_kinds"]:
        needed = " ".join(f"--set {field}=…" for field in kind["fields"].get("properties", {}))
        show.facts([(f"credential ({kind['name']})", needed or "nothing to set")])
    settings = " ".join(f"--config {field}=…" for field in provider["config_fields"].get("properties", {}))
    show.facts([("settings", settings)])
    show.table(
        ("COLLECTION", "CHANGES", "DELETES", "WHAT IT IS"),
        ((c["collection_id"], c["changes"], c["deletes"], c["description"]) for c in provider["collections"]),
    )


@commands.command("put")
def put_provider(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML or JSON document; - is stdin.")],
    json: options.Json = False,
) -> None:
    """Store a document that describes an API: it becomes a provider, or the next version of one."""
    provider = put(connect(), file)
    if json:
        show.document(provider)
    else:
        show.say(f"Stored {provider['name']}, version {provider['version']}.")


@commands.command("delete")
def delete_provider(name: options.ProviderName, yes: options.Yes = False) -> None:
    """Remove a stored document that no sync and no credential uses."""
    choosing.confirm(f"Remove the provider {name}?", yes=yes)
    connect().call("DELETE", path("v1", "providers", name))
    show.say(f"Removed {name}.")


def put(client: Client, file: str) -> Any:
    """Store the document in a file, and return the provider that it became. Raises: Failure."""
    text = inputs.text_of(file)
    name = inputs.document(file, text).get("name")
    if not isinstance(name, str):
        raise Failure(f"{file} has no name, which becomes the provider's.", exit_code=Exit.USAGE)
    return client.call(
        "PUT", path("v1", "providers", name), text
    )  # as text: mistakes are told with their lines
