"""The tables of a PostgreSQL target as values, and the SQL that creates them. Opens no connection.

All targets of one database that have the same schema and prefix share them: a record's row is found by its
id, whichever consumer wrote it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha1

from headwater.model.position import Stream
from headwater.targets.postgres.settings import LONGEST_NAME, PostgresSettings


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `type` is spelled as `format_type` does; `more` follows it where the table is created."""

    name: str
    type: str
    more: str = "NOT NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table. `name` is quoted nowhere in it; the key is its first column. `rights` are those it needs."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    rights: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """Its name in SQL."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def key(self) -> str:
        """The column that is unique."""
        return self.columns[0].name

    @property
    def ddl(self) -> str:
        """The statement that creates it."""
        lines = [
            f"  {quoted(column.name)} {column.type} {column.more}".rstrip()
            for column in (Column(self.key, self.columns[0].type, "PRIMARY KEY"), *self.columns[1:])
        ]
        body = ",\n".join(lines)
        return f"CREATE TABLE IF NOT EXISTS {self.quoted} (\n{body}\n)"


_RECORDS = (
    Column("id", "uuid"),
    Column("sync_id", "uuid"),
    Column("sync_external_id", "text", ""),
    Column("provider", "text"),
    Column("collection_id", "text"),
    Column("upstream_id", "text"),
    Column("upstream_created_at", "timestamp with time zone", ""),
    Column("upstream_updated_at", "timestamp with time zone"),
    Column("updated_idx", "bigint"),
    Column("inserted_at", "timestamp with time zone"),
    Column("data", "jsonb"),
    Column("data_text", "text", ""),
    Column("deleted", "boolean", "NOT NULL DEFAULT false"),
)
"""In the order in which `rows` packs them."""

_EVENTS = (
    Column("event_id", "uuid"),
    Column("event", "text"),
    Column("record_id", "uuid"),
    Column("sync_id", "uuid"),
    Column("sync_external_id", "text", ""),
    Column("provider", "text"),
    Column("collection_id", "text"),
    Column("upstream_id", "text"),
    Column("upstream_updated_at", "timestamp with time zone"),
    Column("updated_idx", "bigint"),
    Column("event_inserted_at", "timestamp with time zone"),
    Column("origin", "text"),
    Column("mutation_id", "text", ""),
    Column("data", "jsonb"),
    Column("data_text", "text", ""),
    Column("previous_data", "jsonb", ""),
    Column("previous_data_text", "text", ""),
)

_POSITIONS = (
    Column("consumer_id", "text"),
    Column("name", "text"),
    Column("stream", "text"),
    Column("epoch", "bigint"),
    Column("generation", "bigint", ""),
    Column("position", "bigint[]", ""),
    Column("tables", "text[]", "NOT NULL DEFAULT '{}'"),
    Column("written_at", "timestamp with time zone"),
)

_TOMBSTONES = (
    Column("id", "uuid"),
    Column("updated_idx", "bigint"),
    Column("deleted_at", "timestamp with time zone"),
)

OWN = "_hw_"
"""What our own columns begin with where fields of objects are columns too."""

_UPSERTED = ("SELECT", "INSERT", "UPDATE")
_DELETED = (*_UPSERTED, "DELETE")


class Layout:
    """The tables of a target, by its settings."""

    def __init__(self, settings: PostgresSettings) -> None:
        """Name them."""
        self._settings = settings
        self._rights = _DELETED if settings.deletes == "hard" else _UPSERTED
        self.single = settings.style == "single"
        self.hard = settings.deletes == "hard"
        self.records = self._table("records", _RECORDS, self._rights)
        self.events = self._table("events", _EVENTS, ("SELECT", "INSERT"))
        self.positions = self._table("positions", _POSITIONS, _UPSERTED)
        self.tombstones = self._table("tombstones", _TOMBSTONES, _UPSERTED)

    def collection(self, collection_id: str) -> Table:
        """Return the table of one collection, with our own columns."""
        columns = tuple(Column(f"{OWN}{one.name}", one.type, one.more) for one in _RECORDS)
        return self._table(collection_id.replace(":", "_"), columns, self._rights)

    def existing(self, name: str) -> Table:
        """Return the table of a collection by the name that it has."""
        return self.collection(name.removeprefix(self._settings.prefix))

    def touched(self, stream: Stream, collection_ids: Collection[str]) -> frozenset[str]:
        """Return the names of the tables that messages of these collections go to."""
        names = {table.name for table in self.needed(stream)} - {self.positions.name}
        if stream is Stream.RECORDS and not self.single:
            names |= {self.collection(id).name for id in collection_ids}
        return frozenset(names) if collection_ids else frozenset()

    def needed(self, stream: Stream | None) -> Sequence[Table]:
        """Return the tables that consumers of a stream (None: any) write to, without those of collections."""
        tables = [self.positions]
        if stream is not Stream.EVENTS:
            tables += [self.records] if self.single else []
            tables += [self.tombstones] if self.hard else []
        if stream is not Stream.RECORDS:
            tables.append(self.events)
        return tables

    def _table(self, name: str, columns: tuple[Column, ...], rights: tuple[str, ...]) -> Table:
        return Table(
            schema=self._settings.schema_name,
            name=identifier(self._settings.prefix + name),
            columns=columns,
            rights=rights,
        )


def setup(settings: PostgresSettings) -> str:
    """Return the SQL that creates the tables, for a person to read or to run."""
    layout = Layout(settings)
    statements = [f"CREATE SCHEMA IF NOT EXISTS {quoted(settings.schema_name)}"]
    statements += [table.ddl for table in layout.needed(None)]
    if not layout.single:
        statements.append(
            "-- For each collection, here acme:contact. Each field may have a column of its name; what has\n"
            f"-- none is only in {OWN}data.\n{layout.collection('acme:contact').ddl}"
        )
    return ";\n\n".join(statements) + ";\n"


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a string of SQL; `standard_conforming_strings` is on."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name that is short enough; what is cut is told apart by a hash."""
    encoded = name.encode()
    if len(encoded) <= LONGEST_NAME:
        return name
    digest = sha1(encoded, usedforsecurity=False).hexdigest()[:8]
    return f"{encoded[: LONGEST_NAME - 9].decode(errors='ignore')}_{digest}"
