"""Whether a process has the keys of its database. Looked at when it starts.

Without it, two machines on one PostgreSQL, each with a key file of its own, would seal credentials that the
other cannot open, and nobody would know before the first of them is needed.
"""

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from headwater.errors import Halt
from headwater.store.database import Database
from headwater.store.schema import meta
from headwater.store.vault import Vault

NAME = "keycheck"
_PROBE = b"these are the keys"


async def check_keys(vault: Vault, database: Database) -> None:
    """Make sure that the vault opens what is sealed in this database, and seal the probe with its newest key.

    Raises: Halt `vault.other_keys`.
    """
    dialect = sqlite if database.dialect == "sqlite" else postgresql
    first = dialect.insert(meta).values(name=NAME, value=vault.seal(_PROBE).decode()).on_conflict_do_nothing()
    ours = meta.c.name == NAME
    async with database.write() as connection:
        await connection.execute(first)
        sealed = str(await connection.scalar(select(meta.c.value).where(ours)))
        try:
            renewed = vault.rotate(sealed.encode())
        except Halt:
            raise Halt(
                f"The secrets in {database.shown} are sealed with other keys than this process has.",
                code="vault.other_keys",
                fix="Use the secret.key or HEADWATER_SECRET_KEYS of the process that made the database.",
            ) from None
        await connection.execute(update(meta).where(ours).values(value=renewed.decode()))
