"""Views of the two streams for people who query the database themselves. Headwater reads none of them.

Instants are shown as times, slots as sync and collection, numbers of events and origins as their words. On
PostgreSQL `data` is jsonb, cast only where it is selected; `raw_data` is the text itself, for the rare object
that jsonb cannot hold (it refuses `\\u0000` and lone surrogates).
"""

from sqlalchemy import Connection

from headwater.model.record import EventKind, Origin
from headwater.store.location import Dialect


def create(connection: Connection) -> None:
    """Create the views `records` and `events`."""
    dialect: Dialect = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
    connection.exec_driver_sql(_records(dialect))
    connection.exec_driver_sql(_events(dialect))


def drop(connection: Connection) -> None:
    """Drop the views, if they are there."""
    connection.exec_driver_sql("DROP VIEW IF EXISTS records")
    connection.exec_driver_sql("DROP VIEW IF EXISTS events")


def _records(dialect: Dialect) -> str:
    return f"""
CREATE VIEW records AS
SELECT slots.sync_id, slots.collection_id, log.upstream_id,
  {_time(dialect, "created_us")} AS upstream_created_at,
  {_time(dialect, "updated_us")} AS upstream_updated_at,
  log.position AS updated_idx,
  {_time(dialect, "inserted_us")} AS inserted_at,
  log.event = {EventKind.DELETED:d} AS deleted,
  {_json(dialect, "data")}
FROM log JOIN slots ON slots.slot = log.slot
WHERE {"log.latest" if dialect == "postgresql" else "log.latest = 1"}"""  # noqa: S608 - made of constants


def _events(dialect: Dialect) -> str:
    own = "partitions.partition = log.partition" if dialect == "postgresql" else "partitions.partition = 0"
    return f"""
CREATE VIEW events AS
SELECT slots.sync_id, slots.collection_id, log.upstream_id,
  CASE log.event {_words(EventKind)} END AS event,
  CASE log.origin {_words(Origin)} END AS origin,
  {_time(dialect, "updated_us")} AS upstream_updated_at,
  log.position AS updated_idx,
  {_time(dialect, "inserted_us")} AS event_inserted_at,
  log.mutation_id,
  {_json(dialect, "data")},
  {_json(dialect, "previous_data")}
FROM log JOIN slots ON slots.slot = log.slot
JOIN partitions ON {own}
WHERE log.position > partitions.trimmed"""  # noqa: S608 - made of constants


def _words(kind: type[EventKind] | type[Origin]) -> str:
    return " ".join(f"WHEN {member:d} THEN '{member.name.lower()}'" for member in kind)


def _time(dialect: Dialect, column: str) -> str:
    if dialect == "postgresql":
        return f"timestamptz 'epoch' + log.{column} * interval '1 microsecond'"
    micros = f"((log.{column} % 1000000 + 1000000) % 1000000)"  # also for times before 1970
    seconds = f"(log.{column} - {micros}) / 1000000"
    return f"strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || printf('.%06dZ', {micros})"


def _json(dialect: Dialect, column: str) -> str:
    if dialect == "sqlite":
        return f"CAST(log.{column} AS TEXT) AS {column}"
    return f"log.{column}::jsonb AS {column}, log.{column} AS raw_{column}"
