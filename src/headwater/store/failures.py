"""What an error of a database driver means for whoever called: `Retry`, `Halt`, or a bug of ours.

The only place that knows error numbers of SQLite and SQLSTATEs of PostgreSQL. Messages never repeat the
driver's text of a statement or its values (P8). Uniqueness violations pass through, since callers decide with
them.
Source: sqlite.org/rescode.html, postgresql.org/docs/15/errcodes-appendix.html (read 2026-11-24).
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc

from headwater.errors import Halt, HeadwaterError, Retry

SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT})
SQLITE_MEMORY = frozenset({sqlite3.SQLITE_NOMEM})
SQLITE_ACCESS = frozenset(
    {sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)
SQLITE_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

BUSY = frozenset({"40001", "40P01", "55P03", "57014", "25P03", "25P04", "53300", "53200"})
"""Serialisation failure, deadlock, lock not available, time-outs, too many connections, memory short."""

PASSING = frozenset({"40", "53", "57", "72"})
"""Classes of which the rest passes too: rolled back, short of something, interrupted, snapshot too old."""

GOING_AWAY = frozenset({"57P01", "57P02", "57P03", "57P05"})
"""The server restarts, recovers, or has closed a connection that was idle."""

ACCESS = frozenset({"42501", "25006"})
SCHEMA = frozenset({"42P01", "42703", "3F000"})
DISK = frozenset({"53100"})


def failure(error: BaseException, where: str) -> HeadwaterError | None:
    """Return what a driver's error means, or None when it is a bug (or a violated constraint).

    Takes errors of SQLAlchemy, psycopg and sqlite3. `where` is the database as people may see it.
    """
    if isinstance(error, exc.TimeoutError):
        return busy(where)
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, sqlite3.Error):
        return _sqlite(error, where)
    if isinstance(error, psycopg.Error):
        return _postgresql(error, where)
    return None


@contextmanager
def mapped_errors(where: str) -> Generator[None]:
    """Turn drivers' errors inside into ours; those that are bugs stay as they are."""
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        ours = failure(error, where)
        if ours is None:
            raise
        raise ours from (error.orig if isinstance(error, exc.DBAPIError) else error)


def busy(where: str) -> Retry:
    """Return the error for a database that has too much to do just now."""
    return Retry(f"The database {where} is busy.", code="database.busy")


def _sqlite(error: sqlite3.Error, where: str) -> HeadwaterError | None:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None  # extended codes carry details in higher bits
    if primary in SQLITE_BUSY or primary in SQLITE_MEMORY:
        return busy(where)
    if primary == sqlite3.SQLITE_FULL:
        return _disk_full(where)
    if primary == sqlite3.SQLITE_IOERR:
        fix = "Check the disk and its file system, then start Headwater again."
        return Halt(f"Reading or writing {where} failed.", code="database.disk", fix=fix)
    if primary in SQLITE_ACCESS:
        fix = "Let the user that runs Headwater read and write the file and its folder."
        return Halt(f"No permission to open or write {where}.", code="database.permission", fix=fix)
    if primary in SQLITE_BROKEN:
        fix = "Choose another file, or bring this one back from a backup."
        return Halt(f"{where} is damaged, or no SQLite file.", code="database.corrupt", fix=fix)
    if primary == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column")):
        return _schema_missing(where)
    return None


def _postgresql(error: psycopg.Error, where: str) -> HeadwaterError | None:
    state = error.sqlstate
    if state is None:
        return _connection(error, where) if isinstance(error, psycopg.OperationalError) else None
    if state in BUSY:
        return busy(where)
    if state in GOING_AWAY or state.startswith("08"):
        return _unreachable(where)
    if state in DISK:
        return _disk_full(where)
    if state.startswith("28"):
        return _refused(where)
    if state in ("3D000", "57P04"):
        return _no_database(where)
    if state in ACCESS:
        fix = "Grant the user of the URL the right to create and write tables, and use the primary server."
        return Halt(f"No permission to write to {where}.", code="database.permission", fix=fix)
    if state in SCHEMA:
        return _schema_missing(where)
    if state[:2] in ("58", "XX", "F0"):
        fix = "Look into the log of the PostgreSQL server."
        return Halt(f"{where} reports a broken disk or damaged data.", code="database.corrupt", fix=fix)
    if state[:2] in PASSING:
        return busy(where)
    return None


def _connection(error: psycopg.OperationalError, where: str) -> HeadwaterError:
    """Tell why there is no connection. libpq gives no SQLSTATE here, only the server's words."""
    said = str(error)
    if "authentication failed" in said or "no pg_hba.conf entry" in said or "no password supplied" in said:
        return _refused(where)
    if 'database "' in said and "does not exist" in said:
        return _no_database(where)
    if 'role "' in said and "does not exist" in said:
        return _refused(where)
    if "too many connections" in said or "too many clients" in said or "remaining connection slots" in said:
        return busy(where)
    return _unreachable(where)


def _unreachable(where: str) -> Retry:
    fix = "Check that the server runs and that host and port in HEADWATER_DATABASE_URL are right."
    return Retry(f"The database {where} cannot be reached.", code="database.unreachable", fix=fix)


def _refused(where: str) -> Halt:
    fix = "Check user and password in HEADWATER_DATABASE_URL, and the server's pg_hba.conf."
    return Halt(f"The database {where} refuses this user or password.", code="database.refused", fix=fix)


def _no_database(where: str) -> Halt:
    fix = "Create it (createdb NAME), or name another one in HEADWATER_DATABASE_URL."
    return Halt(f"There is no database {where}.", code="database.missing", fix=fix)


def _disk_full(where: str) -> Halt:
    fix = "Free some space; nothing is lost, work goes on where it stopped."
    return Halt(f"The disk of {where} is full.", code="database.full", fix=fix)


def _schema_missing(where: str) -> Halt:
    fix = "Start Headwater again: it brings the tables up to date. If that fails too, use an empty database."
    return Halt(f"Tables are missing in {where}.", code="database.schema", fix=fix)
