"""The statements that bring a batch from a temporary table into the tables. Opens no transaction.

They are made of constants and of quoted names; values are parameters or lie in the temporary table.
"""

from collections.abc import Iterable, Sequence

from headwater.targets.postgres.columns import Columns
from headwater.targets.postgres.tables import OWN, Column, Layout, Table, literal, quoted

RECORD_BATCH = "pg_temp.headwater_records_batch"
EVENT_BATCH = "pg_temp.headwater_events_batch"


def temporary(name: str, columns: Iterable[Column]) -> str:
    """Return the statement that creates the table of a batch, emptied by every commit."""
    body = ", ".join(f"{quoted(column.name)} {column.type}" for column in columns)
    return f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({body}) ON COMMIT DELETE ROWS"


def copying(name: str) -> str:
    """Return the statement that takes the rows of a batch."""
    return f"COPY {name} FROM STDIN (FORMAT BINARY)"


def emptying(name: str) -> str:
    """Return the statement that makes room for another part of a batch in the same transaction."""
    return f"DELETE FROM {name}"  # noqa: S608 - see above


def take_over(layout: Layout) -> str:
    """Return the statement that lets no earlier epoch write any more; no row if a later one has been here."""
    positions = _with_parameters(layout.positions)
    return (
        f"INSERT INTO {positions} AS p (consumer_id, name, stream, epoch, written_at)"  # noqa: S608 - see above
        " VALUES (%s, %s, %s, %s, now()) ON CONFLICT (consumer_id) DO UPDATE SET epoch = excluded.epoch,"
        " name = excluded.name, stream = excluded.stream WHERE p.epoch <= excluded.epoch"
        " RETURNING generation, position"
    )


def move(layout: Layout) -> str:
    """Return the statement that writes where a consumer stands, unless a later epoch has been here."""
    return (
        f"UPDATE {_with_parameters(layout.positions)} SET generation = %s, position = %s, tables = %s,"  # noqa: S608 - see above
        " written_at = now() WHERE consumer_id = %s AND epoch = %s"
    )


def remembered(layout: Layout) -> str:
    """Return the query for the generation of a consumer, and the tables that it has written to since."""
    return f"SELECT generation, tables FROM {_with_parameters(layout.positions)} WHERE consumer_id = %s"  # noqa: S608 - see above


def events(layout: Layout) -> Sequence[str]:
    """Return the statements that append the events of the batch that are not there yet (P4)."""
    names = _names(layout.events.columns)
    into = f"INSERT INTO {layout.events.quoted} ({names})"
    return [f"{into} SELECT {names} FROM {EVENT_BATCH} ON CONFLICT ({quoted(layout.events.key)}) DO NOTHING"]  # noqa: S608 - see above


def records(layout: Layout) -> Sequence[str]:
    """Return the statements that bring the records of the batch into the one table where they are newer (P4).

    Of each record the batch has one version.
    """
    return _merge(layout, layout.records, "", None)


def collection(layout: Layout, collection_id: str, columns: Columns) -> Sequence[str]:
    """Return the statements for the records of one collection, which has a table of its own."""
    return _merge(layout, columns.table, f"s.collection_id = {literal(collection_id)}", columns)


def _merge(layout: Layout, table: Table, only: str, columns: Columns | None) -> Sequence[str]:
    upsert = _upsert(layout, table, only, columns)
    if not layout.hard:
        return [upsert]
    return [_serialise(table), _bury(layout.tombstones, only), _delete(table, only), upsert]


def _upsert(layout: Layout, table: Table, only: str, columns: Columns | None) -> str:
    fields = () if columns is None else tuple(columns.present)
    own = [column.name for column in table.columns]
    sources = [f"s.{quoted(column.name)}" for column in layout.records.columns]
    names = ", ".join(quoted(name) for name in (*own, *fields))
    values = ", ".join((*sources, *(f"f.{quoted(name)}" for name in fields)))
    excluded = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in (*own[1:], *fields))
    idx = _version(table)
    conditions = [only] if only else []
    if layout.hard:
        buried = f"FROM {layout.tombstones.quoted} AS t WHERE t.id = s.id AND t.updated_idx >= s.updated_idx"
        conditions += ["NOT s.deleted", f"NOT EXISTS (SELECT {buried})"]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    member = _fields(table, columns) if columns is not None and fields else ""
    return (
        f"INSERT INTO {table.quoted} AS r ({names}) SELECT {values} FROM {RECORD_BATCH} AS s{member}{where}"  # noqa: S608 - see above
        f" ON CONFLICT ({quoted(table.key)}) DO UPDATE SET {excluded} WHERE r.{idx} < excluded.{idx}"
    )


def _fields(table: Table, columns: Columns) -> str:
    """Return the source of the fields' values. PostgreSQL converts them to what the columns are by now.

    It would convert all members that have a column, so those that are not for us to fill are left out.
    """
    own = [literal(name) for name in (*(column.name for column in table.columns), *columns.generated)]
    taken = f"ARRAY[{', '.join(own)}]"
    value = (
        "CASE WHEN jsonb_typeof(s.data) <> 'object' THEN '{}'"
        f" WHEN s.data ?| {taken} THEN s.data - {taken} ELSE s.data END"
    )
    return f", LATERAL jsonb_populate_record(NULL::{table.quoted}, {value}) AS f"


def _serialise(table: Table) -> str:
    """Let no other consumer write to the table meanwhile: it could not see our tombstones yet."""
    return f"SELECT pg_advisory_xact_lock(hashtextextended({literal(table.quoted)}, 0))"


def _bury(tombstones: Table, only: str) -> str:
    """Keep the versions of records that go, so that no older one comes back."""
    where = f" AND {only}" if only else ""
    return (
        f"INSERT INTO {tombstones.quoted} AS t SELECT s.id, s.updated_idx, s.inserted_at"  # noqa: S608 - see above
        f" FROM {RECORD_BATCH} AS s WHERE s.deleted{where} ON CONFLICT (id) DO UPDATE"
        " SET updated_idx = excluded.updated_idx, deleted_at = excluded.deleted_at"
        " WHERE t.updated_idx < excluded.updated_idx"
    )


def _delete(table: Table, only: str) -> str:
    where = f" AND {only}" if only else ""
    return (
        f"DELETE FROM {table.quoted} AS r USING {RECORD_BATCH} AS s WHERE s.deleted{where}"  # noqa: S608 - see above
        f" AND r.{quoted(table.key)} = s.id AND r.{_version(table)} < s.updated_idx"
    )


def _version(table: Table) -> str:
    return quoted(f"{OWN}updated_idx" if table.key.startswith(OWN) else "updated_idx")


def _with_parameters(table: Table) -> str:
    """Return a table's name for a statement whose parameters are `%s`."""
    return table.quoted.replace("%", "%%")


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(quoted(column.name) for column in columns)
