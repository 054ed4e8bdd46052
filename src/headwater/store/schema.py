"""Every table of Headwater, for SQLite and PostgreSQL. What a row means is said here; migrations agree.

Instants are microseconds since 1970 UTC (`_us`); JSON is text; secrets are encrypted by `store.vault`. `log`
and `state` differ between the two: `metadata` is PostgreSQL's, `sqlite_metadata` SQLite's. Views: `views`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

NAMES = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "ix": "%(table_name)s_%(column_0_N_name)s",
}
"""Every constraint has a name, so that a later migration can speak of it."""

metadata = MetaData(naming_convention=NAMES)

# --- the installation ---------------------------------------------------------------------------------------

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts of the installation: partitions (their number), installation_id.",
)

revisions = Table(
    "revisions",
    metadata,
    Column("name", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
    comment="Counted up by each management write that running processes must notice: syncs, providers, keys, "
    "consumers.",
)

# --- the streams (hot: written by the engines' own statements) ----------------------------------------------

partitions = Table(
    "partitions",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("head", BigInteger, nullable=False, server_default="0"),
    Column("trimmed", BigInteger, nullable=False, server_default="0"),
    Column("last_us", BigInteger, nullable=False, server_default="0"),
    comment=(
        "Head, trim line and last commit time of each partition of the log. Its row is the partition's lock."
    ),
)

slots = Table(
    "slots",
    metadata,
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

log = Table(
    "log",
    metadata,
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

state = Table(
    "state",
    metadata,
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
        "What is held of each record: what a re-poll is compared with. Ids in the order of their code points."
    ),
)

checkpoints = Table(
    "checkpoints",
    metadata,
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

rejected = Table(
    "rejected",
    metadata,
    Column("slot", Integer, nullable=False),
    Column("upstream_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rejected_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("slot", "upstream_id"),
    comment="Objects that could not be read as their collection says. Gone once they can be.",
)

suspects = Table(
    "suspects",
    metadata,
    Column("slot", Integer, nullable=False),
    Column("upstream_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("slot", "upstream_id"),
    comment=(
        "Records that one sweep missed and that a second one must miss too, where there is no single read."
    ),
)

# --- who works on what --------------------------------------------------------------------------------------

workers = Table(
    "workers",
    metadata,
    Column("worker_id", String(36), primary_key=True),
    Column("expires_us", BigInteger, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("session", String(36), nullable=False),
    comment=(
        "Processes that run syncs. One beats by moving `expires_us` (the database's clock) for all its "
        "leases."
    ),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("worker_id", String(36)),
    Column("epoch", BigInteger, nullable=False),
    comment=(
        "Who runs what (`sync:<id>`). The epoch grows at each change of hands; commits under an older "
        "one fail."
    ),
)

# --- management ---------------------------------------------------------------------------------------------

api_keys = Table(
    "api_keys",
    metadata,
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

provider_documents = Table(
    "provider_documents",
    metadata,
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("retired", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("name", "version"),
    comment="`rest` documents as they were given; the highest version counts.",
)

credentials = Table(
    "credentials",
    metadata,
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
    Column("oauth_app_id", String(36)),
    Column("refreshing_us", BigInteger),
    UniqueConstraint("provider", "account", "external_id"),
    comment=(
        "`account`: the upstream account, or a hash of the secrets where the API does not tell. '' = no "
        "tenant. `refreshing_us`: until when a process has claimed the refresh of its token."
    ),
)

oauth_apps = Table(
    "oauth_apps",
    metadata,
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
        "What an API knows us as where users link their accounts. `secrets`: sealed JSON with client_secret, "
        "and webhook_secret where the API pushes for the app; `redirect_urls`: where a link may end."
    ),
)

link_states = Table(
    "link_states",
    metadata,
    Column("nonce", String, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("expires_us", BigInteger, nullable=False, index=True),
    comment="Links under way, each used once: `payload` is sealed JSON, with the verifier of PKCE.",
)

syncs = Table(
    "syncs",
    metadata,
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

sync_collections = Table(
    "sync_collections",
    metadata,
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

backfills = Table(
    "backfills",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("slot", Integer, nullable=False, index=True),
    Column("requested_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("completed_us", BigInteger),
    Column("records", BigInteger, nullable=False, server_default="0"),
    Column("estimated_total", BigInteger),
    Column("outcome", String),
    comment=(
        "History and progress. `outcome`: completed, replaced (by a later one), failed; null while it runs."
    ),
)

sweeps = Table(
    "sweeps",
    metadata,
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
        "Sweeps asked for by a person, and those that found something. `halted`: stopped at the brake, waits."
    ),
)

# --- consumers and targets ----------------------------------------------------------------------------------

targets = Table(
    "targets",
    metadata,
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

consumers = Table(
    "consumers",
    metadata,
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

http_consumers = Table(
    "http_consumers",
    metadata,
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

standings = Table(
    "standings",
    metadata,
    Column("consumer_id", String(36), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("begin", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column("moved_us", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False, server_default="0"),
    comment=(
        "Where each consumer of either kind stands: everything up to `position` (a JSON list, one number for "
        "each partition) is settled or has a row in `outstanding`. Its row is the consumer's lock. "
        "`generation` grows with each reset, `begin` is where that one began, `lost` how many entries of the "
        "stream passed out of retention before they were read."
    ),
)

outstanding = Table(
    "outstanding",
    metadata,
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
        "The exceptions of a consumer, one for each record that has a message out or held back: the lowest "
        "position. `delivery` names the hand-out that has it (none: it waits), `due_us` when that one runs "
        "out or the wait is over, `held` the later positions of the record as a JSON list. `payload`: the "
        "entry itself, where retention could take it from the log."
    ),
)

dead_letters = Table(
    "dead_letters",
    metadata,
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
        "Messages that were given up, with the entry itself. `redrive`: to be delivered once more as soon as "
        "nothing of its record is outstanding."
    ),
)

# --- webhooks -----------------------------------------------------------------------------------------------

webhooks = Table(
    "webhooks",
    metadata,
    Column("sync_id", String(36), primary_key=True),
    Column("secrets", LargeBinary, nullable=False),
    Column("registration", Text),
    Column("last_received_us", BigInteger),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("older_until_us", BigInteger),
    comment=(
        "Syncs whose API pushes. `secrets`: a sealed JSON list of the secrets that may sign, the newest "
        "first; the others count until `older_until_us`. `registration`: what the API answered when it was "
        "told where to push, as JSON."
    ),
)

pushes = Table(
    "pushes",
    metadata,
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
        "Requests of webhooks, stored before they are answered. One that is done (`done_us`) has lost its "
        "body, and stays for a while so that a second delivery of it is known."
    ),
)

# --- the streams on SQLite: one partition, so its number is in no row ---------------------------------------

sqlite_metadata = MetaData(naming_convention=NAMES)

for _table in metadata.sorted_tables:
    if _table not in (log, state):
        _table.to_metadata(sqlite_metadata)

sqlite_log = Table(
    "log",
    sqlite_metadata,
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

sqlite_state = Table(
    "state",
    sqlite_metadata,
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
