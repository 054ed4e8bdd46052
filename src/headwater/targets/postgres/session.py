"""One connection to the user's database, with our tables found or made behind it. Not here: messages.

A session that failed is thrown away: the next one looks at everything anew.
"""

from collections.abc import Iterable, Sequence

from headwater.errors import Halt
from headwater.model.position import Stream
from headwater.targets.postgres import failures, inspecting, merging
from headwater.targets.postgres.columns import Columns
from headwater.targets.postgres.connecting import Connection, connect
from headwater.targets.postgres.settings import PostgresSettings
from headwater.targets.postgres.tables import Layout, Table, quoted
from headwater.targets.target import Item

_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('headwater tables', 0))"
"""Of several processes that find no tables, one creates them while the others wait."""


class Session:
    """A connection and what is known of the tables."""

    def __init__(self, connection: Connection, settings: PostgresSettings, layout: Layout) -> None:
        """Use `open`."""
        self.connection = connection
        self._settings, self._layout = settings, layout
        self._collections: dict[str, Columns] = {}
        self._generation: int | None = None
        self.written: frozenset[str] = frozenset()
        """The tables that the consumer has written to since it began, or was reset: they must be there."""

    @classmethod
    async def open(cls, settings: PostgresSettings, layout: Layout) -> "Session":
        """Connect. Raises psycopg's errors."""
        return cls(await connect(settings), settings, layout)

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()

    async def check(self, stream: Stream | None) -> None:
        """Raise Halt if consumers of a stream (None: of either) could not write. Changes nothing.

        Tables of collections are looked at as far as this session has written to them.
        """
        used = (columns.table for columns in self._collections.values())
        await self._check([*self._layout.needed(stream), *used])

    async def check_collections(self) -> None:
        """Raise Halt if there is a table of a collection that cannot be written to as it is."""
        schema, prefix = self._settings.schema_name, self._settings.prefix
        names = await inspecting.collections(self.connection, schema, prefix)
        await self._check([self._layout.existing(name) for name in names])

    async def prepare(self, stream: Stream, consumer_id: str) -> None:
        """See to it that the consumer can take over: check, and create what is missing.

        A table that it has written to is left to `resume`, which knows whether it was reset since.
        Raises: Halt.
        """
        create, tables = self._settings.create_tables, self._layout.needed(stream)
        await self._check([self._layout.positions])
        if create:
            await self._create([self._layout.positions])
        _, past = await self._remembered(consumer_id)
        self.written = frozenset() if create else past
        await self._check(tables)
        if create:
            await self._create(table for table in tables if table.name not in past)

    async def resume(self, stream: Stream, consumer_id: str, generation: int) -> None:
        """See to it that the consumer can write in a generation: all its tables are there after it.

        One that is missing is made, unless it was written to in this generation: rows would be missing.
        Raises: Halt.
        """
        if self._generation == generation:
            return
        before, past = await self._remembered(consumer_id)
        self.written = past if before == generation else frozenset()
        await self.check(stream)
        if self._settings.create_tables:
            await self._create(self._layout.needed(stream))
        batch = (
            merging.temporary(merging.EVENT_BATCH, self._layout.events.columns)
            if stream is Stream.EVENTS
            else merging.temporary(merging.RECORD_BATCH, self._layout.records.columns)
        )
        await self.connection.execute(batch.encode())
        self._generation = generation

    async def columns(self, collection_id: str, items: Sequence[Item]) -> Columns:
        """Return the columns of a collection's table, which hold what is in these records.

        Creates the table and its columns and widens them where they are too narrow.
        Raises: Halt, where that is left to a person.
        """
        columns = self._collections.get(collection_id)
        wanted = columns.wanted(items) if columns is not None else {}
        if columns is None or wanted:
            columns = await self._make_room(self._layout.collection(collection_id), items)
            self._collections[collection_id] = columns
        return columns

    async def _make_room(self, table: Table, items: Sequence[Item]) -> Columns:
        if self._settings.create_tables:
            await self._create([table])
        columns = await self._look(table)
        if not self._settings.create_tables:
            narrow = {name: type for name, type in columns.wanted(items).items() if name in columns.present}
            if statement := columns.alteration(narrow):
                said = f"The table {table.name} at {self._settings.where} has a column that is too narrow."
                raise failures.schema(said, f"Run: {statement};")
            return columns
        if statement := columns.alteration(columns.wanted(items)):
            async with self.connection.transaction():
                await self.connection.execute(_ALONE)
                columns = await self._look(table)  # another consumer may have done it
                if statement := columns.alteration(columns.wanted(items)):
                    await self.connection.execute(statement.encode())
            columns = await self._look(table)
        return columns

    async def _look(self, table: Table) -> Columns:
        """Check a collection's table, and return its columns beside our own."""
        seen = (await inspecting.look(self.connection, [table])).get(table.name)
        if seen is None:
            raise self._missing(table)
        await inspecting.check_table(self.connection, table, seen, self._settings.where)
        own = {column.name for column in table.columns} | seen.generated
        others = {name: type for name, type in seen.types.items() if name not in own}
        return Columns(table, others, frozenset(seen.generated))

    async def _check(self, tables: Sequence[Table]) -> None:
        """Check the server, the schema, and these tables as far as they are there or have to be."""
        where, create = self._settings.where, self._settings.create_tables
        await inspecting.check_server(self.connection, where)
        there = await inspecting.check_schema(
            self.connection, self._settings.schema_name, where, create=create
        )
        seen = await inspecting.look(self.connection, tables if there else ())
        for table in tables:
            if table.name in seen:
                await inspecting.check_table(self.connection, table, seen[table.name], where)
            elif not create or table.name in self.written:
                raise self._missing(table)

    async def _remembered(self, consumer_id: str) -> tuple[int | None, frozenset[str]]:
        """Return the generation in which a consumer last wrote, and the tables that it has written to."""
        found = await self.connection.execute(merging.remembered(self._layout).encode(), (consumer_id,))
        row = await found.fetchone()
        return (None, frozenset()) if row is None else (row[0], frozenset(row[1]))

    def _missing(self, table: Table) -> Halt:
        """Tell a table that was lost from one that a person has to create."""
        where = self._settings.where
        if table.name in self.written:
            return inspecting.lost_table(table, where, create=self._settings.create_tables)
        return inspecting.missing_table(table, where)

    async def _create(self, tables: Iterable[Table]) -> None:
        """Create those of these tables that are missing."""
        tables = list(tables)
        there = await inspecting.look(self.connection, tables)
        missing = [table for table in tables if table.name not in there]
        if not missing:
            return
        for table in missing:
            if table.name in self.written:  # P7: made anew it would lack what is behind the position
                raise self._missing(table)
        schema, where = self._settings.schema_name, self._settings.where
        async with self.connection.transaction():
            await self.connection.execute(_ALONE)
            if not await inspecting.check_schema(self.connection, schema, where, create=True):
                await self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}".encode())
            for table in missing:
                await self.connection.execute(table.ddl.encode())
