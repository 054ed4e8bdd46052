"""Connections to SQLite. What the databases do with them is tried in `test_database`."""

import sqlite3
from pathlib import Path

import pytest

from headwater.store.connections import LettingGo


@pytest.mark.parametrize("statement", ["SELECT number FROM t", "UPDATE t SET number = 2 RETURNING number"])
def test_a_closed_connection_holds_no_lock(tmp_path: Path, statement: str) -> None:
    """Even while somebody still has a statement of it: whoever was cancelled in the middle."""
    file = tmp_path / "t.db"
    mine = sqlite3.connect(file, isolation_level=None, factory=LettingGo)
    mine.execute("PRAGMA journal_mode = WAL")
    mine.execute("CREATE TABLE t (number)")
    mine.execute("INSERT INTO t VALUES (1), (1)")
    mine.execute("BEGIN IMMEDIATE")
    mine.execute("UPDATE t SET number = 3")
    unfinished = mine.execute(statement)
    mine.close()
    other = sqlite3.connect(file, isolation_level=None, timeout=0)
    assert other.execute("SELECT DISTINCT number FROM t").fetchall() == [(1,)]
    other.execute("INSERT INTO t VALUES (4)")
    other.close()
    assert unfinished.connection is mine
