"""Consumers and targets."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of consumers and targets."""
    if op.get_context().dialect.name == "postgresql":
        op.create_table_comment(
            "revisions",
            "Counted up by each management write that running processes must notice: syncs, providers, keys, "
            "consumers.",
        )

    op.create_table(
        "targets",
        Column("id", String(36), primary_key=True),
        Column("kind", String, nullable=False),
        Column("name", String, nullable=False),
        Column("settings", Text, nullable=False),
        Column("secrets", LargeBinary, nullable=False),
        Column("external_id", String, index=True),
        Column("metadata", Text, nullable=False),
        Column("health", Text, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        comment="Where managed consumers write. `secrets`: the settings that must not be seen, sealed.",
    )

    op.create_table(
        "consumers",
        Column("id", String(36), primary_key=True),
        Column("name", String, nullable=False),
        Column("stream", String, nullable=False),
        Column("target_id", String(36), nullable=False, index=True),
        Column("filters", Text, nullable=False),
        Column("start", String, nullable=False),
        Column("on_gap", String, nullable=False),
        Column("max_deliver", Integer, nullable=False),
        Column("batch", Text, nullable=False),
        Column("status", String, nullable=False),
        Column("health", Text, nullable=False),
        Column("external_id", String, index=True),
        Column("metadata", Text, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        CheckConstraint("stream in ('records', 'events')", name="stream"),
        CheckConstraint("on_gap in ('halt', 'skip')", name="on_gap"),
        CheckConstraint("status in ('active', 'paused')", name="status"),
        comment="Managed consumers: what is forwarded to which target.",
    )

    op.create_table(
        "http_consumers",
        Column("id", String(36), primary_key=True),
        Column("name", String, nullable=False),
        Column("stream", String, nullable=False),
        Column("filters", Text, nullable=False),
        Column("ack_wait_ms", BigInteger, nullable=False),
        Column("max_deliver", Integer, nullable=False),
        Column("max_ack_pending", Integer, nullable=False),
        Column("deliver_policy", String, nullable=False),
        Column("external_id", String, index=True),
        Column("metadata", Text, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        CheckConstraint("stream in ('records', 'events')", name="stream"),
        comment="Consumers whose messages are fetched over HTTP and acknowledged.",
    )

    op.create_table(
        "standings",
        Column("consumer_id", String(36), primary_key=True),
        Column("generation", BigInteger, nullable=False),
        Column("begin", Text, nullable=False),
        Column("position", Text, nullable=False),
        Column("moved_us", BigInteger, nullable=False),
        Column("lost", BigInteger, nullable=False, server_default="0"),
        comment=(
            "Where each consumer of either kind stands: everything up to `position` (a JSON list, one "
            "number for each partition) is settled or has a row in `outstanding`. Its row is the "
            "consumer's lock. `generation` grows with each reset, `begin` is where that one began, "
            "`lost` how many entries of the stream passed out of retention before they were read."
        ),
    )

    op.create_table(
        "outstanding",
        Column("consumer_id", String(36), nullable=False),
        Column("slot", Integer, nullable=False),
        Column("upstream_id", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("delivery", String(16)),
        Column("deliveries", Integer, nullable=False),
        Column("due_us", BigInteger, nullable=False),
        Column("held", Text, nullable=False, server_default="[]"),
        Column("error", Text),
        Column("payload", LargeBinary),
        PrimaryKeyConstraint("consumer_id", "slot", "upstream_id"),
        Index("outstanding_due", "consumer_id", "due_us"),
        Index("outstanding_place", "consumer_id", "partition", "position"),
        comment=(
            "The exceptions of a consumer, one for each record that has a message out or held back: the "
            "lowest position. `delivery` names the hand-out that has it (none: it waits), `due_us` when "
            "that one runs out or the wait is over, `held` the later positions of the record as a JSON "
            "list. `payload`: the entry itself, where retention could take it from the log."
        ),
    )

    op.create_table(
        "dead_letters",
        Column("id", String(36), primary_key=True),
        Column("consumer_id", String(36), nullable=False),
        Column("slot", Integer, nullable=False),
        Column("upstream_id", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("deliveries", Integer, nullable=False),
        Column("code", String, nullable=False),
        Column("error", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("dead_us", BigInteger, nullable=False),
        Column("redrive", Boolean, nullable=False, server_default=text("false")),
        UniqueConstraint("consumer_id", "partition", "position"),
        Index(
            "dead_letters_redrive",
            "consumer_id",
            sqlite_where=text("redrive"),
            postgresql_where=text("redrive"),
        ),
        comment=(
            "Messages that were given up, with the entry itself. `redrive`: to be delivered once more "
            "as soon as nothing of its record is outstanding."
        ),
    )
