import sqlite3

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy import exc

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.store.failures import failure, mapped_errors

WHERE = "the database"

RETRY = "busy", "unreachable"


def sqlite(code: int, message: str = "some text") -> sqlite3.Error:
    """Return an error as the driver raises it."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (sqlite(sqlite3.SQLITE_BUSY), "busy"),
        (sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), "busy"),
        (sqlite(sqlite3.SQLITE_LOCKED), "busy"),
        (sqlite(sqlite3.SQLITE_NOMEM), "busy"),
        (sqlite(sqlite3.SQLITE_FULL), "full"),
        (sqlite(sqlite3.SQLITE_IOERR_FSYNC), "disk"),
        (sqlite(sqlite3.SQLITE_READONLY), "permission"),
        (sqlite(sqlite3.SQLITE_CANTOPEN), "permission"),
        (sqlite(sqlite3.SQLITE_CORRUPT), "corrupt"),
        (sqlite(sqlite3.SQLITE_NOTADB), "corrupt"),
        (sqlite(sqlite3.SQLITE_ERROR, "no such table: log"), "schema"),
        (pg.DeadlockDetected(), "busy"),
        (pg.SerializationFailure(), "busy"),
        (pg.QueryCanceled(), "busy"),
        (pg.IdleInTransactionSessionTimeout(), "busy"),
        (pg.TooManyConnections(), "busy"),
        (pg.AdminShutdown(), "unreachable"),
        (pg.CannotConnectNow(), "unreachable"),
        (pg.ConnectionFailure(), "unreachable"),
        (psycopg.OperationalError("the connection is closed"), "unreachable"),
        (psycopg.OperationalError("FATAL:  sorry, too many clients already"), "busy"),
        (psycopg.OperationalError("FATAL:  password authentication failed for user"), "refused"),
        (psycopg.OperationalError("no pg_hba.conf entry for host"), "refused"),
        (psycopg.OperationalError('role "nobody" does not exist'), "refused"),
        (psycopg.OperationalError('database "x" does not exist'), "missing"),
        (pg.InvalidPassword(), "refused"),
        (pg.InvalidCatalogName(), "missing"),
        (pg.DiskFull(), "full"),
        (pg.InsufficientPrivilege(), "permission"),
        (pg.ReadOnlySqlTransaction(), "permission"),
        (pg.UndefinedTable(), "schema"),
        (pg.IoError(), "corrupt"),
        (pg.DataCorrupted(), "corrupt"),
        (exc.TimeoutError(), "busy"),
    ],
)
def test_what_an_error_means(error: Exception, code: str) -> None:
    """Waiting helps, or a person must act: then there is a sentence with the fix."""
    ours = failure(error, WHERE)
    assert ours is not None
    assert ours.error_code == f"database.{code}"
    assert isinstance(ours, Retry if code in RETRY else Halt)
    assert WHERE in ours.message
    assert ours.fix or isinstance(ours, Retry)
    wrapped = exc.DBAPIError("SELECT 1", None, error)
    if not isinstance(error, exc.SQLAlchemyError):
        assert repr(failure(wrapped, WHERE)) == repr(ours), "SQLAlchemy's wrapping makes no difference"


@pytest.mark.parametrize(
    "error",
    [
        sqlite(sqlite3.SQLITE_ERROR, 'near "SELEC": syntax error'),
        sqlite(sqlite3.SQLITE_CONSTRAINT_UNIQUE),
        pg.UniqueViolation(),
        pg.SyntaxError(),
        pg.NumericValueOutOfRange(),
        psycopg.ProgrammingError("no result"),
        psycopg.InterfaceError("cursor already closed"),
        ValueError("not a driver's"),
        exc.InvalidRequestError(),
    ],
)
def test_bugs_and_constraints_stay_what_they_are(error: Exception) -> None:
    """They are for the caller, or for the supervisor with a traceback."""
    assert failure(error, WHERE) is None


def every_sqlstate() -> list[type[psycopg.Error]]:
    """Return psycopg's class of each SQLSTATE."""
    found = [
        value for value in vars(pg).values() if isinstance(value, type) and issubclass(value, psycopg.Error)
    ]
    return [value for value in found if value.sqlstate]


def test_every_operational_error_of_postgresql_means_something() -> None:
    """Of all SQLSTATEs, those that come from circumstances and not from a statement are ours to explain."""
    assert len(every_sqlstate()) > 200
    circumstances = ("08", "28", "53", "58", "XX")
    unmapped = [
        error.__name__
        for error in every_sqlstate()
        if str(error.sqlstate).startswith(circumstances) and failure(error(), WHERE) is None
    ]
    allowed = {"InsufficientResources", "ConfigurationLimitExceeded"}
    assert set(unmapped) <= allowed


def test_every_code_of_sqlite_means_something_or_is_a_bug() -> None:
    """All primary result codes are looked at."""
    names = [name for name in vars(sqlite3) if name.startswith("SQLITE_") and name.count("_") == 1]
    codes = {
        name: value for name in names if isinstance(value := getattr(sqlite3, name), int) and 0 < value < 100
    }
    meant = {
        name.removeprefix("SQLITE_")
        for name, code in codes.items()
        if name in RESULT_CODES and failure(sqlite(code), WHERE) is not None
    }
    circumstances = "PERM BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT FULL CANTOPEN AUTH NOTADB"
    assert meant == set(circumstances.split())


RESULT_CODES = {
    f"SQLITE_{name}"
    for name in [
        "ERROR",
        "INTERNAL",
        "PERM",
        "ABORT",
        "BUSY",
        "LOCKED",
        "NOMEM",
        "READONLY",
        "INTERRUPT",
        "IOERR",
        "CORRUPT",
        "NOTFOUND",
        "FULL",
        "CANTOPEN",
        "PROTOCOL",
        "EMPTY",
        "SCHEMA",
        "TOOBIG",
        "CONSTRAINT",
        "MISMATCH",
        "MISUSE",
        "NOLFS",
        "AUTH",
        "FORMAT",
        "RANGE",
        "NOTADB",
    ]
}


def test_the_cause_is_the_drivers_error() -> None:
    """For the traceback; the message has none of the driver's words (P8)."""
    error = pg.DiskFull("could not extend file for payload-4711")
    caught: HeadwaterError | None = None
    try:
        with mapped_errors(WHERE):
            raise exc.OperationalError("INSERT", {"x": "payload-4711"}, error)
    except Halt as ours:
        caught = ours
    assert caught is not None
    assert caught.__cause__ is error
    assert "payload-4711" not in str(caught)


def test_what_is_no_drivers_error_passes_through() -> None:
    """Ours too."""
    with pytest.raises(ZeroDivisionError), mapped_errors(WHERE):
        raise ZeroDivisionError
    with pytest.raises(exc.IntegrityError), mapped_errors(WHERE):
        raise exc.IntegrityError("INSERT", None, pg.UniqueViolation())
