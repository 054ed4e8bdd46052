"""Connections to the user's PostgreSQL. Not here: what is said over them."""

import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from headwater.targets.postgres.settings import PostgresSettings

Connection = AsyncConnection[Any]

CONNECT_SECONDS = 10
LOCK_SECONDS = 10
"""How long a statement waits for locks of others, before the whole batch waits."""

_SET = "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)"

_SESSION = {
    # Statements look rows up by key. Their plans must not hang on statistics of tables that were empty a
    # minute ago, or of the temporary one, which has none.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # What values look like must not hang on the settings of user, database or server.
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "default_transaction_isolation": "read committed",
    "standard_conforming_strings": "on",
}


async def connect(settings: PostgresSettings) -> Connection:
    """Open a connection outside of a transaction. Raises psycopg's errors."""
    with _certificates(settings) as files:
        address = make_conninfo(
            settings.url.reveal(),
            connect_timeout=CONNECT_SECONDS,
            application_name="headwater target",
            keepalives_idle=30,
            tcp_user_timeout=30_000,
            **files,
        )
        connection = await AsyncConnection[Any].connect(address, autocommit=True, prepare_threshold=0)
    limits = {
        "statement_timeout": f"{settings.timeout_seconds}s",
        "idle_in_transaction_session_timeout": f"{settings.timeout_seconds}s",
        "lock_timeout": f"{min(LOCK_SECONDS, settings.timeout_seconds)}s",
    }
    wanted = _SESSION | limits
    await connection.execute(_SET, (list(wanted), list(wanted.values())))
    return connection


@contextmanager
def _certificates(settings: PostgresSettings) -> Generator[Mapping[str, str]]:
    """Give libpq's parameters of TLS. It wants files, and reads them while it connects; then they go."""
    known = conninfo_to_dict(settings.url.reveal())
    mode = settings.sslmode or known.get("sslmode")
    if mode is None and (settings.root_certificate is not None or "sslrootcert" in known):
        mode = "verify-full"
    parameters: dict[str, str] = {} if mode is None else {"sslmode": str(mode)}
    authorities, key = settings.root_certificate, settings.client_key
    if authorities is None and mode in ("verify-ca", "verify-full"):
        authorities = _system_authorities()
    with TemporaryDirectory(prefix="headwater-tls-") as folder:  # nobody else may enter it
        for parameter, pem in (
            ("sslrootcert", authorities),
            ("sslcert", settings.client_certificate),
            ("sslkey", None if key is None else key.reveal()),
        ):
            if pem:
                path = Path(folder) / parameter
                path.touch(mode=0o600)
                path.write_text(pem)
                parameters[parameter] = str(path)
        yield parameters


def _system_authorities() -> str:
    """Return the authorities that this machine trusts, as Python finds them.

    libpq's own `sslrootcert=system` finds none where it comes in a wheel, built for folders elsewhere.
    Source: github.com/psycopg/psycopg/issues/928 (read 2026-11-24).
    """
    known = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, known))
