"""`headwater rest`: check a document, and try it on the real API, without a server."""

import asyncio
from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated, Any

import typer

from headwater.cli import inputs, options, show
from headwater.cli.failures import Exit, Failure
from headwater.kit.budget import Governor, Urgency
from headwater.kit.clock import SystemClock, iso
from headwater.providers import rest
from headwater.providers.provider import CredentialKind
from headwater.providers.rest.findings import Findings, ProbeReport
from headwater.providers.rest.probe import PAGES, REQUESTS
from headwater.providers.rest.probe import probe as probe_document

commands = options.group("Documents that describe REST APIs.")

TOLD_APART = {"collection", "error", "warnings", "reasons"}
"""Findings that are not printed as facts."""


@commands.command("check")
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML or JSON document; - is stdin.")],
) -> None:
    """Check a document without asking the API: each mistake with its place."""
    document = rest.parse(inputs.text_of(file))
    show.say(f"{document.name}: {show.number_of(len(document.collections), 'collection')}, no mistakes.")


@commands.command("probe")
def probe(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A YAML or JSON document; - is stdin.")],
    properties: options.Set = None,
    config: options.Config = None,
    *,
    credential_file: Annotated[
        str | None, typer.Option(help="A YAML or JSON file with the credential's properties.")
    ] = None,
    requests: Annotated[int, typer.Option(min=1, help="How many requests are made at most.")] = REQUESTS,
    pages: Annotated[int, typer.Option(min=1, help="How many pages of a list are read at most.")] = PAGES,
    json: options.Json = False,
) -> None:
    """Ask the API a few times and show what was found: pages, ids, update times, ties, and what to mind.

    Exits with 1 when something could not be read as the document says.
    """
    document = rest.parse(inputs.text_of(file))
    given = inputs.document(credential_file, inputs.text_of(credential_file)) if credential_file else {}
    given |= inputs.named(properties or (), "--set")
    settings = inputs.named(config or (), "--config")
    report = asyncio.run(probed(document, given, settings, requests, pages))
    if json:
        show.document(asdict(report) | {"collections": [plain(found) for found in report.collections]})
    else:
        tell(report)
    if not report.sound:
        raise typer.Exit(Exit.FAILED)


async def probed(
    document: rest.RestDocument,
    properties: dict[str, Any],
    config: dict[str, Any],
    requests: int,
    pages: int,
) -> ProbeReport:
    """Open the API with the credential and probe it."""
    from headwater.kit.http import Client, open_session  # imported here: the HTTP client is slow to load

    provider = rest.provider(document).configured(config)
    kind = provider.credential_kinds[0]
    refuse_mistakes(kind, properties)
    clock, session = SystemClock(), open_session()
    try:
        client = Client(
            provider.base_url,
            authorizer=provider.authorize(kind.name, properties),
            limiter=Governor(provider.budget, clock),
            urgency=Urgency.WRITE,
            clock=clock,
            headers=provider.headers,
            session=session,
        )
        return await probe_document(document, client, config=config, requests=requests, pages=pages)
    finally:
        await session.close()


def refuse_mistakes(kind: CredentialKind, properties: dict[str, Any]) -> None:
    """Refuse a credential that lacks something or has too much. Raises: Failure."""
    known = set(kind.schema.get("properties", {}))
    missing = [name for name in kind.schema.get("required", ()) if name not in properties]
    if missing:
        options = " ".join(f"--set {name}=@FILE" for name in missing)
        raise Failure(
            f"The credential lacks {', '.join(missing)}.", exit_code=Exit.USAGE, fix=f"Add {options}"
        )
    if strangers := properties.keys() - known:
        names = ", ".join(sorted(known)) or "none"
        raise Failure(
            f"A {kind.name} credential has no {', '.join(sorted(strangers))}.",
            exit_code=Exit.USAGE,
            fix=f"Its properties are: {names}.",
        )


def tell(report: ProbeReport) -> None:
    """Print what was found."""
    show.facts([("provider", report.provider), ("account", report.account), ("requests", report.requests)])
    for found in report.collections:
        show.say("")
        show.facts([("collection", found.collection)])
        facts = plain(found)
        show.facts((name.replace("_", " "), value) for name, value in facts.items() if name not in TOLD_APART)
        for sentence in found.warnings:
            show.note(f"! {sentence}")
        if found.error:
            show.failure(Failure(found.error))
    if report.error:
        show.failure(Failure(report.error))


def plain(found: Findings) -> dict[str, Any]:
    """Return findings as JSON."""
    values = ((field.name, getattr(found, field.name)) for field in fields(found))
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in values}
