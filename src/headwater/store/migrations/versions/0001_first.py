"""Everything that the first release keeps."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)

revision = "0001"
down_revision = None

LZ4 = """
DO $$ BEGIN
  IF (SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
    ALTER TABLE log ALTER COLUMN data SET COMPRESSION lz4, ALTER COLUMN previous_data SET COMPRESSION lz4;
  END IF;
END $$
"""
"""Large objects are compressed several times faster than by PostgreSQL's default, where the server can."""


def upgrade() -> None:
    """Create all tables and views."""
    _shared()
    if op.get_context().dialect.name == "sqlite":
        _sqlite()
    else:
        _postgresql()


def _shared() -> None:
    # --- the installation -----------------------------------------------------------------------------------

    op.create_table(
        "meta",
        Column("name", String, primary_key=True),
        Column("value", Text, nullable=False),
        comment="Facts of the installation: partitions (their number), installation_id.",
    )

    op.create_table(
        "revisions",
        Column("name", String, primary_key=True),
        Column("number", BigInteger, nullable=False),
        comment=(
            "Counted up by each management write that running processes must notice: syncs, providers, keys."
        ),
    )

    # --- the streams (hot: written by the engines' own statements) ------------------------------------------

    op.create_table(
        "partitions",
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("head", BigInteger, nullable=False, server_default="0"),
        Column("trimmed", BigInteger, nullable=False, server_default="0"),
        Column("last_us", BigInteger, nullable=False, server_default="0"),
        comment=(
            "Head, trim line and last commit time of each partition of the log. Its row is the partition's "
            "lock."
        ),
    )

    op.create_table(
        "slots",
        Column("slot", Integer, primary_key=True, autoincrement=True),
        Column("partition", Integer, nullable=False),
        Column("sync_id", String(36), nullable=False),
        Column("collection_id", String, nullable=False),
        Column("external_id", String),  # the sync's: its records outlive it, and stay its tenant's
        Column("records", BigInteger, nullable=False, server_default="0"),
        Column("deleted", BigInteger, nullable=False, server_default="0"),
        UniqueConstraint("sync_id", "collection_id"),
        sqlite_autoincrement=True,
        comment=(
            "The short name of (sync, collection) in rows of the log, and how many records it holds. Never "
            "reused."
        ),
    )

    op.create_table(
        "checkpoints",
        Column("slot", Integer, nullable=False),
        Column("detector", String, nullable=False),
        Column("scope", Text, nullable=False),
        Column("value", Text, nullable=False),
        PrimaryKeyConstraint("slot", "detector", "scope"),
        comment=(
            "How far each detector has come, as JSON; written only in the transaction of the records it "
            "covers (P3)."
        ),
    )

    op.create_table(
        "rejected",
        Column("slot", Integer, nullable=False),
        Column("upstream_id", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("rejected_us", BigInteger, nullable=False),
        PrimaryKeyConstraint("slot", "upstream_id"),
        comment="Objects that could not be read as their collection says. Gone once they can be.",
    )

    op.create_table(
        "suspects",
        Column("slot", Integer, nullable=False),
        Column("upstream_id", Text, nullable=False),
        Column("position", BigInteger, nullable=False),
        PrimaryKeyConstraint("slot", "upstream_id"),
        comment=(
            "Records that one sweep missed and that a second one must miss too, where there is no single "
            "read."
        ),
    )

    # --- who works on what ----------------------------------------------------------------------------------

    op.create_table(
        "workers",
        Column("worker_id", String(36), primary_key=True),
        Column("expires_us", BigInteger, nullable=False),
        Column("started_us", BigInteger, nullable=False),
        Column("session", String(36), nullable=False),
        comment=(
            "Processes that run syncs. One beats by moving `expires_us` (the database's clock) for all its "
            "leases."
        ),
    )

    op.create_table(
        "leases",
        Column("name", String, primary_key=True),
        Column("worker_id", String(36)),
        Column("epoch", BigInteger, nullable=False),
        comment=(
            "Who runs what (`sync:<id>`). The epoch grows at each change of hands; commits under an older "
            "one fail."
        ),
    )

    # --- management -----------------------------------------------------------------------------------------

    op.create_table(
        "api_keys",
        Column("id", String(36), primary_key=True),
        Column("name", String, nullable=False),
        Column("hash", String(64), nullable=False, unique=True),
        Column("prefix", String, nullable=False),
        Column("scopes", Text, nullable=False),
        Column("external_id", String),
        Column("created_us", BigInteger, nullable=False),
        Column("last_used_us", BigInteger),
        comment=(
            "Keys by SHA-256 hash; `scopes` is a JSON list of read, write, admin; `external_id` binds to a "
            "tenant."
        ),
    )

    op.create_table(
        "provider_documents",
        Column("name", String, nullable=False),
        Column("version", Integer, nullable=False),
        Column("document", Text, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("retired", Boolean, nullable=False, server_default=text("false")),
        PrimaryKeyConstraint("name", "version"),
        comment="`rest` documents as they were given; the highest version counts.",
    )

    op.create_table(
        "credentials",
        Column("id", String(36), primary_key=True),
        Column("provider", String, nullable=False),
        Column("kind", String, nullable=False),
        Column("name", String, nullable=False),
        Column("account", String, nullable=False),
        Column("properties", Text, nullable=False),
        Column("secrets", LargeBinary, nullable=False),
        Column("rate_limit", Text),
        Column("external_id", String, nullable=False, server_default=""),
        Column("metadata", Text, nullable=False, server_default="{}"),
        Column("health", Text, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        UniqueConstraint("provider", "account", "external_id"),
        comment=(
            "`account`: the upstream account, or a hash of the secrets where the API does not tell. '' = no "
            "tenant."
        ),
    )

    op.create_table(
        "syncs",
        Column("id", String(36), primary_key=True),
        Column("provider", String, nullable=False),
        Column("name", String, nullable=False),
        Column("credential_id", String(36), nullable=False, index=True),
        Column("rate_share", Float, nullable=False, server_default="1"),
        Column("status", String, nullable=False),
        Column("health", Text, nullable=False),
        Column("max_age_days", Integer),
        Column("sync_frequency", String, nullable=False),
        Column("config", Text, nullable=False),
        Column("external_id", String, index=True),
        Column("metadata", Text, nullable=False),
        Column("initial_backfill_completed_us", BigInteger),
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        Column("checks", BigInteger, nullable=False, server_default="0"),
        CheckConstraint("status in ('active', 'paused')", name="status"),
        comment="`checks` counts requests to look now (`POST /v1/syncs/{id}/check`).",
    )

    op.create_table(
        "sync_collections",
        Column("slot", Integer, primary_key=True, autoincrement=False),
        Column("sync_id", String(36), nullable=False, index=True),
        Column("collection_id", String, nullable=False),
        Column("selected", Boolean, nullable=False),
        Column("state", String, nullable=False),
        Column("error", Text),
        Column("last_checked_us", BigInteger),
        Column("complete_us", BigInteger),
        UniqueConstraint("sync_id", "collection_id"),
        CheckConstraint("state in ('pending', 'backfilling', 'live', 'paused', 'failed')", name="state"),
        comment=(
            "`complete_us`: the last instant at which everything the API showed was known. Lag is counted "
            "from it."
        ),
    )

    op.create_table(
        "backfills",
        Column("id", String(36), primary_key=True),
        Column("slot", Integer, nullable=False, index=True),
        Column("requested_us", BigInteger, nullable=False),
        Column("started_us", BigInteger),
        Column("completed_us", BigInteger),
        Column("records", BigInteger, nullable=False, server_default="0"),
        Column("estimated_total", BigInteger),
        Column("outcome", String),
        comment=(
            "History and progress. `outcome`: completed, replaced (by a later one), failed; null while it "
            "runs."
        ),
    )

    op.create_table(
        "sweeps",
        Column("id", String(36), primary_key=True),
        Column("slot", Integer, nullable=False, index=True),
        Column("state", String, nullable=False),
        Column("requested_us", BigInteger, nullable=False),
        Column("started_us", BigInteger),
        Column("completed_us", BigInteger),
        Column("seen", BigInteger, nullable=False, server_default="0"),
        Column("missing", BigInteger, nullable=False, server_default="0"),
        Column("deleted", BigInteger, nullable=False, server_default="0"),
        Column("confirmed", Boolean, nullable=False, server_default=text("false")),
        CheckConstraint("state in ('requested', 'running', 'completed', 'void', 'halted')", name="state"),
        comment=(
            "Sweeps asked for by a person, and those that found something. `halted`: stopped at the brake, "
            "waits."
        ),
    )


def _postgresql() -> None:
    op.create_table(
        "log",
        Column("partition", Integer, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("slot", Integer, nullable=False),
        Column("upstream_id", Text, nullable=False),
        Column("event", SmallInteger, nullable=False),
        Column("origin", SmallInteger, nullable=False),
        Column("inserted_us", BigInteger, nullable=False),
        Column("created_us", BigInteger),
        Column("updated_us", BigInteger, nullable=False),
        Column("mutation_id", String(36)),
        Column("data", Text, nullable=False),
        Column("previous_data", Text),
        Column("replaces", BigInteger),
        Column("latest", Boolean, nullable=False),
        PrimaryKeyConstraint("partition", "position"),
        Index("log_slot", "slot", "partition", "position"),
        comment="One row for each change. The row that is `latest` is the record.",
    )
    op.create_table(
        "state",
        Column("partition", Integer, nullable=False),
        Column("slot", Integer, nullable=False),
        Column("upstream_id", Text(collation="C"), nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("version", BigInteger),
        Column("asked_us", BigInteger, nullable=False),
        Column("deleted", Boolean, nullable=False),
        PrimaryKeyConstraint("partition", "slot", "upstream_id"),
        postgresql_with={"fillfactor": 90},
        comment=(
            "What is held of each record: what a re-poll is compared with. Ids in the order of their code "
            "points."
        ),
    )
    op.execute(LZ4)


def _sqlite() -> None:
    op.create_table(
        "log",
        Column("position", Integer, primary_key=True),  # the rowid itself: rows lie in its order
        Column("slot", Integer, nullable=False),
        Column("upstream_id", Text, nullable=False),
        Column("event", Integer, nullable=False),
        Column("origin", Integer, nullable=False),
        Column("inserted_us", Integer, nullable=False),
        Column("created_us", Integer),
        Column("updated_us", Integer, nullable=False),
        Column("mutation_id", Text),
        Column("data", LargeBinary, nullable=False),  # UTF-8; as a BLOB nothing decodes it on the way through
        Column("previous_data", LargeBinary),
        Column("replaces", Integer),
        Column("latest", Integer, nullable=False),
        Index("log_slot", "slot", "position"),
    )

    op.create_table(
        "state",
        Column("slot", Integer, nullable=False),
        Column("upstream_id", Text, nullable=False),
        Column("position", Integer, nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("version", Integer),
        Column("asked_us", Integer, nullable=False),
        Column("deleted", Integer, nullable=False),
        PrimaryKeyConstraint("slot", "upstream_id"),
        sqlite_with_rowid=False,
    )
