"""Linked accounts, and secrets of webhooks that are rolled."""

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, String, Text

revision = "0004"
down_revision = "0003"

_CREDENTIALS = (
    "`account`: the upstream account, or a hash of the secrets where the API does not tell. '' = no "
    "tenant. `refreshing_us`: until when a process has claimed the refresh of its token."
)
_WEBHOOKS = (
    "Syncs whose API pushes. `secrets`: a sealed JSON list of the secrets that may sign, the newest "
    "first; the others count until `older_until_us`. `registration`: what the API answered when it was "
    "told where to push, as JSON."
)


def upgrade() -> None:
    """Create the tables of OAuth apps and links; let credentials and webhooks have more columns."""
    op.add_column("credentials", Column("oauth_app_id", String(36)))
    op.add_column("credentials", Column("refreshing_us", BigInteger))
    op.add_column("webhooks", Column("older_until_us", BigInteger))
    if op.get_context().dialect.name == "postgresql":
        op.create_table_comment("credentials", _CREDENTIALS)
        op.create_table_comment("webhooks", _WEBHOOKS)

    op.create_table(
        "oauth_apps",
        Column("id", String(36), primary_key=True),
        Column("provider", String, nullable=False, index=True),
        Column("name", String, nullable=False),
        Column("client_id", String, nullable=False),
        Column("secrets", LargeBinary, nullable=False),
        Column("scopes", Text, nullable=False),
        Column("config", Text, nullable=False),
        Column("redirect_urls", Text, nullable=False),
        Column("external_id", String, index=True),
        Column("metadata", Text, nullable=False),
        Column("last_received_us", BigInteger),
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        comment=(
            "What an API knows us as where users link their accounts. `secrets`: sealed JSON with "
            "client_secret, and webhook_secret where the API pushes for the app; `redirect_urls`: where a "
            "link may end."
        ),
    )

    op.create_table(
        "link_states",
        Column("nonce", String, primary_key=True),
        Column("payload", LargeBinary, nullable=False),
        Column("expires_us", BigInteger, nullable=False, index=True),
        comment="Links under way, each used once: `payload` is sealed JSON, with the verifier of PKCE.",
    )
