"""`headwater db`: where the database is, which tables it has, and how to bring them up to date."""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import typer
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from headwater.cli import options, show
from headwater.kit.clock import SystemClock
from headwater.settings import Settings
from headwater.store import connections, migrations
from headwater.store.database import Database
from headwater.store.failures import mapped_errors
from headwater.store.location import Location

commands = options.group("The database of this machine's installation.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Which tables a database has, as the revision of its schema; None where there is none yet."""

    revision: str | None
    newest: str

    @property
    def current(self) -> bool:
        """Whether nothing needs to be migrated."""
        return self.revision == self.newest


def tables(location: Location) -> Tables:
    """Look, without changing anything. Raises: Halt or Retry when the database cannot be reached."""
    newest = ScriptDirectory(str(migrations.FOLDER)).get_current_head() or ""
    if location.path is not None and not location.path.exists():
        return Tables(revision=None, newest=newest)
    engine = connections.migrating(location)
    try:
        with mapped_errors(location.shown), closing(engine.connect()) as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return Tables(revision=found, newest=newest)


@commands.command("show")
def show_database(json: options.Json = False) -> None:
    """Show where the database is and whether its tables are those of this release."""
    location = Location.parse(Settings.load().database.reveal())
    found = tables(location)
    facts = {
        "url": location.shown,
        "path": None if location.path is None else str(location.path),
        "schema": found.revision,
        "newest_schema": found.newest,
        "up_to_date": found.current,
    }
    if json:
        show.document(facts)
    else:
        show.facts(facts.items())


@commands.command("path")
def path() -> None:
    """Print the database's file, or the URL without its secrets where it is no file."""
    location = Location.parse(Settings.load().database.reveal())
    show.say(str(location.path or location.shown))


@commands.command("version")
def version() -> None:
    """Print the revision of the database's tables."""
    show.say(tables(Location.parse(Settings.load().database.reveal())).revision or "none")


@commands.command("migrate")
def migrate(
    partitions: Annotated[
        int | None, typer.Option(help="Of a new database, in how many parts its streams are.")
    ] = None,
) -> None:
    """Make the database if there is none, and bring its tables up to date. `serve` does so by itself."""
    settings = Settings.load()

    async def opened() -> str:
        url = settings.database.reveal()
        database = await Database.open(url, clock=SystemClock(), partitions=partitions or settings.partitions)
        await database.close()
        return database.shown

    show.say(f"{asyncio.run(opened())} is up to date.")
