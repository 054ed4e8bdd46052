"""Seals stored secrets anew when the vault has a new key, so that the old one may go.

Not here: which keys there are (`vault`). A secret that no key opens any more stays as it is: the key may
come back, and its credential says so when it is used.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import Column, Table, select, update

from headwater.errors import Halt, HeadwaterError
from headwater.kit.clock import Clock
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.keycheck import check_keys
from headwater.store.vault import Vault

_LOG = structlog.get_logger(__name__)
EVERY = 10.0
"""Seconds between two looks whether the keys have changed."""
_ROWS = 200
"""Rows of one transaction, so that others can write in between."""

SEALED: Sequence[tuple[Table, Column[str], Column[bytes]]] = tuple(
    (table, table.c[key], table.c.secrets)
    for table, key in (
        (schema.credentials, "id"),
        (schema.oauth_apps, "id"),
        (schema.targets, "id"),
        (schema.webhooks, "sync_id"),
    )
)
"""Every column that lastingly holds what `Vault.seal` gave, with its table and that one's key."""


async def keep(vault: Vault, database: Database, clock: Clock) -> None:
    """Seal anew whatever an older key has sealed, now and whenever the keys change, until cancelled."""
    done = None
    while True:
        try:
            if (keys := vault.generation) != done:
                count = await reseal(vault, database)
                if count or done is not None:
                    _LOG.info("secrets sealed anew: older keys may go", count=count)
                done = keys
        except HeadwaterError as error:  # a key file half written, or the database away: the next look
            _LOG.warning("secrets not sealed anew yet", code=error.error_code, reason=error.message)
        await clock.sleep(EVERY)


async def reseal(vault: Vault, database: Database) -> int:
    """Seal anew what an older key has sealed; return how much that was. Raises: Halt, Retry."""
    await check_keys(vault, database)
    return sum([await _column(vault, database, *one) for one in SEALED])


async def _column(
    vault: Vault, database: Database, table: Table, key: Column[str], column: Column[bytes]
) -> int:
    count, after = 0, ""
    while True:
        query = select(key.label("id"), column.label("sealed")).where(key > after).order_by(key)
        async with database.read() as connection:
            rows = (await connection.execute(query.limit(_ROWS))).all()
        if not rows:
            return count
        after = rows[-1].id
        old = {row.id: row.sealed for row in rows if not vault.is_newest(row.sealed)}
        async with database.write() as connection:
            for id, sealed in old.items():
                try:
                    renewed = vault.rotate(sealed)
                except Halt:
                    continue
                same = (key == id) & (column == sealed)  # a user may have given a new one meanwhile
                await connection.execute(update(table).where(same).values({column: renewed}))
                count += 1
