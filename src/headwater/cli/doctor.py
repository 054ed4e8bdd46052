"""`headwater doctor`: look at an installation from all sides, and say in plain sentences what to do."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.text import Text

from headwater import settings
from headwater.cli import database, options, show
from headwater.cli.client import Client
from headwater.cli.connection import client_for
from headwater.cli.failures import Exit, Failure
from headwater.errors import HeadwaterError
from headwater.settings import Settings
from headwater.store.location import Location

GIGABYTE = 1_000_000_000
LITTLE, TOO_LITTLE = 2 * GIGABYTE, GIGABYTE // 5
"""Free bytes below which the disk is a warning, and below which it is an error."""

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "error": ("✗", "red")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was seen, and what to do about it. `status` is `ok`, `warn` or `error`."""

    status: str
    text: str
    fix: str | None = None


def doctor(json: options.Json = False) -> None:
    """Check the installation: settings, files, disk, database, server, key, syncs. Exits with 1 on errors."""
    findings = list(examine())
    if json:
        show.document([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            tell(finding)
    if any(finding.status == "error" for finding in findings):
        raise typer.Exit(Exit.FAILED)


def tell(finding: Finding) -> None:
    """Print a finding."""
    console = show.out()
    mark = MARKS[finding.status] if console.is_terminal else finding.status
    console.print(Text.assemble(mark, " ", show.literal(finding.text)))
    if finding.fix:
        console.print(Text(f"  {show.literal(finding.fix)}"))


def examine() -> Iterator[Finding]:
    """Give what is found, from the settings outwards."""
    try:
        chosen = Settings.load()
    except HeadwaterError as error:
        yield from broken(error)
        return
    for sentence in settings.unknown(os.environ):
        yield Finding(status="warn", text=sentence)
    for look in (of_files, of_disk, of_database):
        yield from guarded(look, chosen)
    yield from of_server(client_for(chosen))


def guarded(look: Callable[[Settings], Iterator[Finding]], chosen: Settings) -> Iterator[Finding]:
    """Give what a look finds; an error of ours is a finding, too."""
    try:
        yield from look(chosen)
    except HeadwaterError as error:
        yield from broken(error)


def broken(error: HeadwaterError) -> Iterator[Finding]:
    """Give the finding that an error is."""
    yield Finding(status="error", text=error.message, fix=error.fix)


def of_files(chosen: Settings) -> Iterator[Finding]:
    """Look at the folder and at who may read the secrets in it."""
    if not chosen.home.is_dir():
        yield Finding(
            status="warn",
            text=f"The folder {chosen.home} is not there yet.",
            fix="The first `serve` makes it.",
        )
        return
    if not os.access(chosen.home, os.W_OK):
        yield Finding(
            status="error",
            text=f"The folder {chosen.home} cannot be written to.",
            fix="Let the user that runs Headwater write to it, or choose another with HEADWATER_HOME.",
        )
    for file in (chosen.secret_key_file, chosen.api_key_file):
        if file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding(status="error", text=f"Others can read {file}.", fix=f"Run: chmod 600 {file}")


def of_disk(chosen: Settings) -> Iterator[Finding]:
    """Look at what is left of the disk."""
    folder = next((one for one in (chosen.home, *chosen.home.parents) if one.exists()), Path("/"))
    free = shutil.disk_usage(folder).free
    status = "error" if free < TOO_LITTLE else "warn" if free < LITTLE else "ok"
    fix = (
        "Make room, or move the installation to another disk with HEADWATER_HOME." if status != "ok" else None
    )
    yield Finding(status=status, text=f"{free / GIGABYTE:.1f} GB are free for {chosen.home}.", fix=fix)


def of_database(chosen: Settings) -> Iterator[Finding]:
    """Look whether the database can be reached and has the tables of this release."""
    location = Location.parse(chosen.database.reveal())
    found = database.tables(location)
    if found.current:
        yield Finding(status="ok", text=f"The database {location.shown} is up to date.")
    elif found.revision is None:
        yield Finding(
            status="warn", text=f"The database {location.shown} is empty.", fix="The first `serve` fills it."
        )
    else:
        yield Finding(
            status="warn",
            text=f"The database {location.shown} has the tables of another release ({found.revision}).",
            fix="The next `serve` brings them up to date, or do it now: headwater db migrate",
        )


def of_server(client: Client) -> Iterator[Finding]:
    """Ask the server how it is, whether it knows our key, and which syncs have trouble."""
    try:
        client.get("/health/ready")
        yield Finding(status="ok", text=f"The server at {client.url} serves.")
        syncs = list(client.items("/v1/syncs"))
        yield Finding(status="ok", text="The API key is known.")
    except Failure as failed:
        yield Finding(status="error", text=failed.detail, fix=failed.fix)
        return
    troubled = [sync for sync in syncs if sync["health"]["status"] != "ok"]
    for sync in troubled:
        for note in sync["health"]["notes"]:
            yield Finding(status=sync["health"]["status"], text=f"{sync['name']}: {note['text']}")
    if not troubled:
        yield Finding(status="ok", text=f"{show.number_of(len(syncs), 'sync')}, none in trouble.")
