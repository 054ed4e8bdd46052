"""Whether tables are there, have our columns, and let us write. Reads the catalogue; changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headwater.errors import Halt
from headwater.targets.postgres import failures
from headwater.targets.postgres.connecting import Connection
from headwater.targets.postgres.tables import OWN, Column, Table, quoted

_SERVER = """
SELECT current_setting('server_encoding'),
    pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
    has_database_privilege(current_database(), 'TEMP'), current_user, current_database()"""

_SCHEMA = """
SELECT has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE')
FROM pg_namespace n WHERE n.nspname = %s"""

_MAY_CREATE_SCHEMA = "SELECT has_database_privilege(current_database(), 'CREATE')"

_COLUMNS = """
SELECT c.relname, c.oid, c.relkind IN ('r', 'p'), a.attname, format_type(a.atttypid, a.atttypmod),
    a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.attgenerated <> '' OR a.attidentity = 'a',
    EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
            AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
    )
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = ANY(%s::text[]) AND c.relname = ANY(%s::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY c.relname, a.attnum"""

_RIGHTS = """
SELECT w.oid, array_agg(r.name) FROM unnest(%s::oid[]) AS w (oid),
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r (name)
WHERE CASE r.name WHEN 'DELETE' THEN has_table_privilege(w.oid, 'DELETE')
    ELSE has_any_column_privilege(w.oid, r.name) END
GROUP BY w.oid"""


_COLLECTIONS = """
WITH tables AS (
    SELECT c.relname::text AS name, array_agg(a.attname::text) AS columns
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND starts_with(c.relname::text, %s)
    GROUP BY c.oid
), others AS (
    SELECT left(name, -length('positions')) AS prefix FROM tables
    WHERE name LIKE '%%positions' AND name <> %s AND columns @> ARRAY['consumer_id', 'epoch', 'generation']
)
SELECT name FROM tables
WHERE EXISTS (SELECT FROM unnest(columns) AS has (name) WHERE starts_with(has.name, %s))
    AND NOT EXISTS (SELECT FROM others WHERE starts_with(tables.name, others.prefix))
ORDER BY name"""
"""A target with a longer prefix has its own positions: what begins with that prefix is not ours."""


@dataclass(slots=True)
class Seen:
    """A table as it is: each column's type, those that must be given a value, those that make their own."""

    oid: int
    a_table: bool
    types: dict[str, str] = field(default_factory=dict[str, str])
    required: set[str] = field(default_factory=set[str])
    generated: set[str] = field(default_factory=set[str])
    unique: set[str] = field(default_factory=set[str])
    rights: Sequence[str] = ()


async def check_server(connection: Connection, where: str) -> None:
    """Raise Halt if nobody could write here."""
    [found] = await (await connection.execute(_SERVER)).fetchall()
    encoding, read_only, temporary, user, database = found
    if encoding != "UTF8":
        fix = "Name a database with the encoding UTF8 in `url`."
        raise failures.schema(
            f"The database {where} has the encoding {encoding}, which cannot hold every text.", fix
        )
    if read_only:
        raise failures.forbidden(where, "Let the URL name the primary server: this one only answers reads.")
    if not temporary:
        fix = f"Run: GRANT TEMPORARY ON DATABASE {quoted(database)} TO {quoted(user)};"
        raise failures.forbidden(where, fix)


async def look(connection: Connection, tables: Iterable[Table]) -> Mapping[str, Seen]:
    """Return those of these tables that are there, by name. All are in one schema."""
    wanted = list(tables)
    names, schemas = [table.name for table in wanted], {table.schema for table in wanted}
    seen: dict[str, Seen] = {}
    for row in await (await connection.execute(_COLUMNS, (list(schemas), names))).fetchall():
        name, oid, a_table, column, type, required, generated, unique = row
        one = seen.setdefault(name, Seen(oid, a_table))
        if column is None:
            continue
        one.types[column] = type
        for flag, columns in ((required, one.required), (generated, one.generated), (unique, one.unique)):
            if flag:
                columns.add(column)
    by_oid = {one.oid: one for one in seen.values()}
    if by_oid:
        for oid, rights in await (await connection.execute(_RIGHTS, (list(by_oid),))).fetchall():
            by_oid[oid].rights = rights
    return seen


async def collections(connection: Connection, schema: str, prefix: str) -> Sequence[str]:
    """Return the names of the tables of collections: those that have a column of ours."""
    found = await connection.execute(_COLLECTIONS, (schema, prefix, f"{prefix}positions", OWN))
    return [str(name) for (name,) in await found.fetchall()]


async def check_schema(connection: Connection, name: str, where: str, *, create: bool) -> bool:
    """Raise Halt if tables of this schema cannot be reached or, where missing ones are `create`d, made.

    Return whether it is there.
    """
    user = await _user(connection)
    found = await (await connection.execute(_SCHEMA, (name,))).fetchone()
    if found is None:
        row = await (await connection.execute(_MAY_CREATE_SCHEMA)).fetchone()
        if not create or row is None or not row[0]:
            fix = f"Run: CREATE SCHEMA {quoted(name)} AUTHORIZATION {quoted(user)};"
            raise failures.schema(f"There is no schema {name} at {where}.", fix)
        return False
    usage, may_create = found
    if not usage or (create and not may_create):
        rights = "USAGE, CREATE" if create else "USAGE"
        raise failures.forbidden(where, f"Run: GRANT {rights} ON SCHEMA {quoted(name)} TO {quoted(user)};")
    return True


async def check_table(connection: Connection, table: Table, seen: Seen, where: str) -> None:
    """Raise Halt if a table that is there cannot be written to as it is."""
    if not seen.a_table:
        raise _not_as_expected(table, where, "is no table", "Rename it, or give the target another `prefix`.")
    for column in table.columns:
        has = seen.types.get(column.name)
        if has is None:
            line = f"ALTER TABLE {table.quoted} ADD COLUMN {_definition(column)};"
            raise _not_as_expected(table, where, f"lacks the column {column.name}", f"Run: {line}")
        if has != column.type:
            line = f"ALTER TABLE {table.quoted} ALTER COLUMN {quoted(column.name)} TYPE {column.type};"
            said = f"has the type {has} for the column {column.name}, not {column.type}"
            raise _not_as_expected(table, where, said, f"Run: {line}")
    if table.key not in seen.unique:
        line = f"ALTER TABLE {table.quoted} ADD PRIMARY KEY ({quoted(table.key)});"
        raise _not_as_expected(table, where, f"does not keep {table.key} unique", f"Run: {line}")
    own = {column.name for column in table.columns}
    if alien := sorted(seen.required - own):
        line = f"ALTER TABLE {table.quoted} ALTER COLUMN {quoted(alien[0])} DROP NOT NULL;"
        said = f"wants a value for the column {alien[0]}, which is not ours"
        raise _not_as_expected(table, where, said, f"Run: {line} Or give it a default.")
    if missing := [right for right in table.rights if right not in seen.rights]:
        user = await _user(connection)
        fix = f"Run: GRANT {', '.join(missing)} ON {table.quoted} TO {quoted(user)};"
        raise failures.forbidden(where, fix)


def missing_table(table: Table, where: str) -> Halt:
    """Return the error for a table that a person has to create."""
    return failures.schema(f"There is no table {table.name} at {where}.", f"Run: {table.ddl};")


def lost_table(table: Table, where: str, *, create: bool) -> Halt:
    """Return the error for a table that is gone with what a consumer had written."""
    again = "Reset" if create else f"Run: {table.ddl}; Then reset"
    fix = (
        f"{again} each consumer that writes to it, which fills it again"
        " (`headwater consumer reset NAME --start beginning`), or restore it from a backup."
    )
    return Halt(
        f"The table {table.name} at {where} is gone, and with it what was written to it.",
        code="target.table_missing",
        fix=fix,
    )


async def _user(connection: Connection) -> str:
    [(user,)] = await (await connection.execute("SELECT current_user")).fetchall()
    return str(user)


def _definition(column: Column) -> str:
    """Return a column for a table that may have rows already: it must not be without a value."""
    needs_default = column.more == "NOT NULL"
    return f"{quoted(column.name)} {column.type}" + ("" if needs_default else f" {column.more}".rstrip())


def _not_as_expected(table: Table, where: str, said: str, fix: str) -> Halt:
    return failures.schema(f"The table {table.name} at {where} {said}.", fix)
