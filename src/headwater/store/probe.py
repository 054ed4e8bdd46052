"""Whether the database takes writes, found out by making one: a full disk still answers whoever reads.

Asked by whoever balances load, so it writes at most every few seconds. Not here: what is done about it.
"""

from sqlalchemy.dialects import postgresql, sqlite

from headwater.errors import HeadwaterError
from headwater.kit.clock import Clock
from headwater.store.database import Database
from headwater.store.schema import meta

NAME = "probe"
FRESH_SECONDS = 3.0
"""How old an answer may be: nobody can make the database write more often by asking."""


class WriteProbe:
    """Tries to write. One for each process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Write into a row of `meta` of its own."""
        self._database = database
        self._clock = clock
        self._tried = float("-inf")
        self._trouble: str | None = None

    async def trouble(self) -> str | None:
        """Say in a sentence why nothing can be written; None when something was, a moment ago.

        A database that has too much to do just now takes writes; whoever makes them waits.
        """
        if self._clock.monotonic() - self._tried >= FRESH_SECONDS:
            try:
                await self._write()
            except HeadwaterError as error:
                self._trouble = None if error.error_code == "database.busy" else error.message
            else:
                self._trouble = None
            self._tried = self._clock.monotonic()
        return self._trouble

    async def _write(self) -> None:
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        row = dialect.insert(meta).values(name=NAME, value=str(self._clock.now_us()))
        async with self._database.write() as connection:
            await connection.execute(
                row.on_conflict_do_update(index_elements=[meta.c.name], set_={"value": row.excluded.value})
            )
