"""PostgreSQL as a target: records and events as tables that anybody may query, exactly once.

`target` writes, by the statements of `merging`, into the `tables` that a `session` has found or made; `rows`
and `text` say how messages look there, `columns` which fields have columns of their own. The layout is
described in docs/targets/postgres.md.
"""

from headwater.targets.postgres.settings import PostgresSettings
from headwater.targets.postgres.tables import setup
from headwater.targets.postgres.target import PostgresTarget
from headwater.targets.target import Kind

__all__ = ["POSTGRES", "PostgresSettings", "PostgresTarget", "setup"]

POSTGRES = Kind(
    name="postgres",
    title="PostgreSQL",
    summary="Records as rows that are kept up to date, events as rows that are added: for SQL.",
    settings=PostgresSettings,
    open=PostgresTarget,
    schemes=("postgresql", "postgres"),
    guarantee="exactly once",
    setup=setup,
)
