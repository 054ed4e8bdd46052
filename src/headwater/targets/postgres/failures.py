"""What an error of PostgreSQL means for a consumer: `Retry`, `Halt`, or that some row can never be stored.

The only place of this target that knows SQLSTATEs. Messages never repeat the server's text, which may quote
values (P8).
Source: postgresql.org/docs/15/errcodes-appendix.html (read 2026-11-24).
"""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from headwater.errors import Halt, HeadwaterError, Retry

_BUSY = frozenset({"57014", "25P03", "25P04"})
"""Statement time-out, idle in a transaction for too long, transaction time-out."""

_BUSY_CLASSES = frozenset({"40", "53", "55", "72"})
"""Rolled back (serialisation, deadlock), short of something, in use (locks), snapshot too old."""

_AWAY_CLASSES = frozenset({"08", "57"})
"""Connection; the server stops, restarts, recovers, or has closed the connection."""

_ITEM = frozenset({"54000", "54001"})
"""A row or an index entry that is too large; an object that is nested too deeply."""

_ITEM_CLASSES = frozenset({"22", "23", "44", "P0"})
"""A value that does not fit, a constraint or a view's condition that refuses it, a trigger that raises."""

_SCHEMA_CLASSES = frozenset({"0A", "2B", "42", "54"})
"""Not supported (a column that a view needs), objects that depend, names and types, too many columns."""


def is_about_an_item(error: psycopg.Error) -> bool:
    """Say whether some row is to blame, while others might go in."""
    state = error.sqlstate
    return state is not None and (state in _ITEM or state[:2] in _ITEM_CLASSES)


def is_about_the_schema(error: psycopg.Error) -> bool:
    """Say whether a table, a column or a right is to blame, so that looking at them tells more."""
    return error.sqlstate is not None and error.sqlstate[:2] in {*_SCHEMA_CLASSES, "3F"}


@contextmanager
def mapped_errors(where: str) -> Generator[None]:
    """Turn the driver's errors inside into ours. `where` is the database as people may see it."""
    try:
        yield
    except psycopg.Error as error:
        raise failure(error, where) from error
    except TimeoutError as error:
        fix = (
            "Nothing, if it comes and goes. Else look what keeps the server busy, or raise `timeout_seconds`."
        )
        raise Retry(
            f"PostgreSQL at {where} did not answer in time.", code="target.timeout", fix=fix
        ) from error


def failure(error: psycopg.Error, where: str) -> HeadwaterError:
    """Return what an error means for the whole batch."""
    state = error.sqlstate
    if state is None:
        return _connection(error, where) if isinstance(error, psycopg.OperationalError) else _unknown(where)
    if state == "53100":
        return _full(where)
    if state in _BUSY or state[:2] in _BUSY_CLASSES:
        return _busy(where)
    if state == "57P04":
        return _missing(where)
    if state[:2] in _AWAY_CLASSES:
        return _unreachable(where)
    if state[:2] == "28":
        return _refused(where)
    if state == "3D000":
        return _missing(where)
    if state == "42501":
        return forbidden(where, "GRANT it the rights that docs/targets/postgres.md lists, to this user.")
    if state == "25006":
        return forbidden(where, "Let the URL name the primary server, and a user whose sessions may write.")
    if state[:2] in _SCHEMA_CLASSES or state == "3F000":
        fix = "Compare the tables with what Headwater expects (docs/targets/postgres.md), and views on them."
        return schema(f"A table at {where} is not as it should be (SQLSTATE {state}).", fix)
    if state[:2] in ("58", "XX", "F0"):
        fix = "Look into the log of the PostgreSQL server."
        return Halt(f"PostgreSQL at {where} reports a broken disk or data.", code="target.damaged", fix=fix)
    return _unknown(where, state)


def forbidden(where: str, fix: str) -> Halt:
    """Return the error for a right that is missing."""
    return Halt(f"The user may not write what it should at {where}.", code="target.forbidden", fix=fix)


def schema(message: str, fix: str) -> Halt:
    """Return the error for tables that are not as they should be."""
    return Halt(message, code="target.schema", fix=fix)


def _connection(error: psycopg.OperationalError, where: str) -> HeadwaterError:
    """Tell why there is no connection. libpq gives no SQLSTATE here, only the server's words."""
    said = str(error)
    if any(
        words in said for words in ("authentication failed", "no pg_hba.conf entry", "no password supplied")
    ):
        return _refused(where)
    if "does not exist" in said and 'database "' in said:
        return _missing(where)
    if "does not exist" in said and 'role "' in said:
        return _refused(where)
    if "is not permitted to log in" in said or "permission denied for database" in said:
        return _refused(where)
    if any(
        words in said for words in ("too many connections", "too many clients", "remaining connection slots")
    ):
        return _busy(where)
    if any(words in said for words in ("certificate", "SSL was required", "SSL error", "private key")):
        fix = (
            "Compare `sslmode`, `root_certificate` and the host's name with the server's certificate;"
            " `sslmode` above `prefer` needs a server with TLS."
        )
        return Halt(f"There is no safe connection to {where}.", code="target.certificate", fix=fix)
    return _unreachable(where)


def _unreachable(where: str) -> Retry:
    fix = "Check that the server runs, and that host and port in `url` are right."
    return Retry(f"PostgreSQL at {where} cannot be reached.", code="target.unreachable", fix=fix)


def _busy(where: str) -> Retry:
    fix = "Nothing, if it comes and goes. Else look for long transactions and locks on the server."
    return Retry(f"PostgreSQL at {where} is busy.", code="target.busy", fix=fix)


def _refused(where: str) -> Halt:
    fix = "Check user and password in `url`, and the server's pg_hba.conf."
    return Halt(f"PostgreSQL at {where} refuses this user or password.", code="target.refused", fix=fix)


def _missing(where: str) -> Halt:
    fix = "Create it (createdb NAME), or name another one in `url`."
    return Halt(f"There is no database {where}.", code="target.missing", fix=fix)


def _full(where: str) -> Halt:
    fix = "Free some space on the server; nothing is lost, the consumer goes on where it stopped."
    return Halt(f"The disk of PostgreSQL at {where} is full.", code="target.full", fix=fix)


def _unknown(where: str, state: str | None = None) -> Halt:
    said = "" if state is None else f" (SQLSTATE {state})"
    fix = "Look into the log of the PostgreSQL server, and report it if Headwater is to blame."
    return Halt(f"PostgreSQL at {where} gave an unexpected error{said}.", code="target.failed", fix=fix)
