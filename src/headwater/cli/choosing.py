"""Which thing a person means: ids for scripts, names and the beginnings of ids for people."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import typer

from headwater.cli.client import Client, path
from headwater.cli.failures import Exit, Failure


def is_id(text: str) -> bool:
    """Say whether a text is a whole id of ours."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def sync(client: Client, text: str) -> Any:
    """Return the sync that is meant. Raises: Failure."""
    return one(client, "syncs", text)


def credential(client: Client, text: str) -> Any:
    """Return the credential that is meant. Raises: Failure."""
    return one(client, "credentials", text)


def oauth_app(client: Client, text: str) -> Any:
    """Return the OAuth app that is meant. Raises: Failure."""
    return one(client, "oauth-apps", text)


def target(client: Client, text: str) -> Any:
    """Return the target that is meant. Raises: Failure."""
    return one(client, "targets", text)


MANAGED, OVER_HTTP = CONSUMERS = ("consumers", "http-consumers")
"""The families of consumers."""


def consumer(client: Client, text: str) -> tuple[str, Any]:
    """Return the consumer that is meant, of whichever family, and that family. Raises: Failure."""
    if is_id(text):
        try:
            return MANAGED, client.get(path("v1", MANAGED, text))
        except Failure as failed:
            if failed.exit_code is not Exit.NOT_FOUND:
                raise
            return OVER_HTTP, client.get(path("v1", OVER_HTTP, text))
    known = [(family, thing) for family in CONSUMERS for thing in client.items(path("v1", family))]
    found = chosen("consumer", text, [thing for _, thing in known])
    return next((family, thing) for family, thing in known if thing is found)


def api_key(client: Client, text: str) -> Any:
    """Return the API key that is meant; its first characters are a name, too. Raises: Failure."""
    return one(client, "api-keys", text)


def one(client: Client, family: str, text: str) -> Any:
    """Return the one thing with this id, name, external id or beginning of an id. Raises: Failure."""
    if is_id(text):
        return client.get(path("v1", family, text))
    noun = family.removesuffix("s").replace("-", " ")
    return chosen(noun, text, list(client.items(path("v1", family))))


def chosen(noun: str, text: str, known: Sequence[Any]) -> Any:
    """Return the one of these with this name, external id or beginning of an id. Raises: Failure."""
    found = [
        thing for thing in known if text in (thing["name"], thing.get("external_id"), thing.get("prefix"))
    ]
    if not found:
        found = [thing for thing in known if thing["id"].startswith(text)]
    if len(found) == 1:
        return found[0]
    raise unknown(noun, text, known) if not found else ambiguous(noun, text, found)


def unknown(noun: str, text: str, known: Sequence[Any]) -> Failure:
    """Return the failure for a name that nothing has."""
    names = ", ".join(thing["name"] for thing in known[:10])
    fix = f"There is: {names}." if known else f"There is no {noun} at all yet."
    return Failure(f"There is no {noun} {text}.", exit_code=Exit.NOT_FOUND, fix=fix)


def ambiguous(noun: str, text: str, found: Sequence[Any]) -> Failure:
    """Return the failure for a name that several things have."""
    ids = ", ".join(thing["id"] for thing in found[:10])
    return Failure(f"{text} may mean several: {ids}.", exit_code=Exit.USAGE, fix=f"Give the {noun}'s id.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person before something is lost; where nobody can answer, `--yes` must have been given."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise Failure("Nothing was changed.", fix="Give --yes to do it without being asked.")
