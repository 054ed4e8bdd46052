"""The floor of everything that fills our tables: the same rows by the database's bulk insert, no more.

Same tables and indexes, same rows to a transaction, as durable as the engine's commits. Rows are made before
the clock starts. SQLite: INSERT of many rows, `synchronous = FULL`. PostgreSQL: binary COPY.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import psycopg

from benchmarks.databases import SLOT
from headwater.model.record import Change
from headwater.store.database import Database
from headwater.streams.placing import place
from headwater.streams.postgres_rows import LOG_COLUMNS, STATE_COLUMNS, log_rows, state_rows

_ROWS = 400
_LOG = (
    "INSERT INTO log (position, slot, upstream_id, event, origin, inserted_us, created_us, updated_us,"
    " latest, data)"
)
_STATE = "INSERT INTO state (slot, upstream_id, position, fingerprint, version, asked_us, deleted)"


def bulk_floor(database: Database, transactions: Sequence[Sequence[Change]]) -> float:
    """Return rows a second into the empty `database`."""
    fill = _sqlite if database.dialect == "sqlite" else _postgres
    return sum(map(len, transactions)) / fill(database, transactions)


def _sqlite(database: Database, transactions: Sequence[Sequence[Change]]) -> float:
    """Return the seconds that it took."""
    ready: list[list[tuple[str, list[Any]]]] = []
    head = 0
    for changes in transactions:
        numbered = list(enumerate(changes, head + 1))
        head += len(changes)
        state = [(c.slot, c.upstream_id, at, c.fingerprint, c.version, c.asked_us, 0) for at, c in numbered]
        log = [
            (at, c.slot, c.upstream_id, 0, 0, c.asked_us, c.created_us, c.updated_us, 1, c.data)
            for at, c in numbered
        ]
        ready.append([*_inserts(_STATE, sorted(state)), *_inserts(_LOG, log)])
    connection = sqlite3.connect(str(database.path), isolation_level=None)
    try:
        # As `streams.sqlite` sets up its writer.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -16384"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA wal_autocheckpoint = 16000")
        started = time.perf_counter()
        for statements in ready:
            connection.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        return time.perf_counter() - started
    finally:
        connection.close()


def _inserts(into: str, rows: Sequence[tuple[Any, ...]]) -> Iterable[tuple[str, list[Any]]]:
    mark = f"({','.join('?' * len(rows[0]))})"
    for at in range(0, len(rows), _ROWS):
        some = rows[at : at + _ROWS]
        yield f"{into} VALUES {','.join([mark] * len(some))}", list(chain.from_iterable(some))


def _postgres(database: Database, transactions: Sequence[Sequence[Change]]) -> float:
    """Return the seconds that it took."""
    ready: list[tuple[bytes, bytes]] = []
    head = 0
    for changes in transactions:
        placed = place(changes, head + 1)
        head += len(changes)
        partition = SLOT.partition
        ready.append((log_rows(partition, placed, changes[0].asked_us), state_rows(partition, placed)))
    with psycopg.connect(database.url) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        for log, state in ready:
            for table, columns, rows in (("log", LOG_COLUMNS, log), ("state", STATE_COLUMNS, state)):
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
                    copy.write(rows)
            connection.commit()
        return time.perf_counter() - started
