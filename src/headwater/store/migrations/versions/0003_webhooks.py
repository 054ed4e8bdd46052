"""Webhooks."""

from alembic import op
from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Text, UniqueConstraint

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables of webhooks."""
    op.create_table(
        "webhooks",
        Column("sync_id", String(36), primary_key=True),
        Column("secrets", LargeBinary, nullable=False),
        Column("registration", Text),
        Column("last_received_us", BigInteger),
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        comment=(
            "Syncs whose API pushes. `secrets`: a sealed JSON list of the secrets that may sign, the "
            "newest first; `registration`: what the API answered when it was told where to push, as "
            "JSON."
        ),
    )

    op.create_table(
        "pushes",
        Column("id", String(36), primary_key=True),
        Column("sync_id", String(36), nullable=False),
        Column("delivery_id", String, nullable=False),
        Column("topic", String, nullable=False),
        Column("method", String, nullable=False),
        Column("url", Text, nullable=False),
        Column("headers", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("received_us", BigInteger, nullable=False),
        Column("done_us", BigInteger),
        UniqueConstraint("sync_id", "delivery_id"),
        Index("pushes_waiting", "done_us", "sync_id"),
        comment=(
            "Requests of webhooks, stored before they are answered. One that is done (`done_us`) has "
            "lost its body, and stays for a while so that a second delivery of it is known."
        ),
    )
