"""Migrations: bring a database of any earlier release, or an empty one, to today's tables.

Run by `Database.open`, so nobody needs Alembic's command line. One transaction on both databases: a migration
that fails leaves nothing behind. Views are no part of the migrations: they hold no data, and are made anew
after them.
"""

import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text

from headwater.errors import Halt
from headwater.kit.ids import new_id
from headwater.store import connections, schema, views
from headwater.store.location import Location

FOLDER = Path(__file__).parent

ADVISORY_LOCK = 0x6865_6164_7761_7465
"""Key of PostgreSQL's advisory lock: of processes that start at once, one migrates and the others wait."""

DEFAULT_PARTITIONS = {"sqlite": 1, "postgresql": 16}
OLDEST_POSTGRESQL = 14

_alembic = threading.Lock()  # alembic keeps the migration under way in global variables


def migrate(
    location: Location,
    *,
    partitions: int | None = None,
    revision: str = "head",
    guard: AbstractContextManager[object] | None = None,
) -> None:
    """Migrate, and found the installation if it is new. Blocks: call it in a thread.

    `guard` is entered only if there is something to do.
    Raises: Halt when the database is of a newer release, or is somebody else's.
    """
    engine = connections.migrating(location)
    try:
        with engine.begin() as connection:
            if location.dialect == "postgresql":
                _check_server(connection, location)
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            before = MigrationContext.configure(connection).get_current_revision()
            if before != _target(revision, before, location):
                with guard or nullcontext(), _alembic:
                    _upgrade(connection, location, before, revision)
                    _found(connection, partitions or DEFAULT_PARTITIONS[location.dialect])
    finally:
        engine.dispose()


def _target(revision: str, before: str | None, location: Location) -> str | None:
    known = ScriptDirectory(str(FOLDER))
    if before is not None and before not in {script.revision for script in known.walk_revisions()}:
        message = f"The database {location.shown} was written by a newer Headwater (schema {before})."
        fix = "Install the newer release, or use the backup made before the upgrade."
        raise Halt(message, code="database.newer", fix=fix)
    return known.get_current_head() if revision == "head" else revision


def _upgrade(connection: Connection, location: Location, before: str | None, revision: str) -> None:
    if before is None and inspect(connection).get_table_names():
        message = f"The database {location.shown} holds tables that are not Headwater's."
        raise Halt(message, code="database.foreign", fix="Give Headwater a database or file of its own.")
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    views.drop(connection)
    command.upgrade(config, revision)
    views.create(connection)


def _found(connection: Connection, partitions: int) -> None:
    """Write what an installation is born with, once."""
    if connection.scalar(select(schema.meta.c.value).where(schema.meta.c.name == "partitions")):
        return
    facts = {"partitions": str(partitions), "installation_id": new_id()}
    connection.execute(insert(schema.meta), [{"name": name, "value": value} for name, value in facts.items()])
    connection.execute(insert(schema.partitions), [{"partition": number} for number in range(partitions)])
    names = ("syncs", "providers", "keys")
    connection.execute(insert(schema.revisions), [{"name": name, "number": 0} for name in names])


def _check_server(connection: Connection, location: Location) -> None:
    encoding, version = connection.execute(
        text("SELECT current_setting('server_encoding'), current_setting('server_version_num')::int / 10000")
    ).one()
    if version < OLDEST_POSTGRESQL:
        message = f"PostgreSQL {version} is too old: Headwater needs {OLDEST_POSTGRESQL} or newer."
        raise Halt(message, code="database.version", fix="Upgrade the server.")
    if encoding != "UTF8":
        message = f"The database {location.shown} is encoded as {encoding}; it must be UTF8."
        raise Halt(
            message,
            code="database.encoding",
            fix="Create it anew: createdb --encoding=UTF8 --template=template0.",
        )
