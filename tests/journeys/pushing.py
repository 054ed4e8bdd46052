"""Webhooks that were registered by hand: their secrets are put where the server finds them."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from headwater.store.vault import Vault


def expect_pushes(home: Path, sync_id: str, secret: str) -> None:
    """Store the secret of a sync's webhook; a change of the sync makes it known."""
    sealed = Vault.in_file(home / "secret.key").seal(json.dumps([secret]).encode())
    now_us = time.time_ns() // 1_000
    with closing(sqlite3.connect(home / "headwater.db", timeout=30)) as connection, connection:
        connection.execute(
            "INSERT INTO webhooks (sync_id, secrets, created_us, updated_us) VALUES (?, ?, ?, ?)",
            (sync_id, sealed, now_us, now_us),
        )
