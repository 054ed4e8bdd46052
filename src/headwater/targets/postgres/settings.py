"""What a user says of a PostgreSQL target. Not here: what is done with it."""

from typing import Literal, Self
from urllib.parse import parse_qsl, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, field_validator, model_validator

from headwater.model.secret import Secret
from headwater.targets.target import TargetSettings

_FILES = frozenset(
    {"passfile", "service", "servicefile", "sslcert", "sslcrl", "sslcrldir", "sslkey", "sslkeylogfile"}
)
"""Parameters of a URL that name files of the machine on which Headwater runs."""

LONGEST_NAME = 63
"""Bytes of an identifier. Source: postgresql.org/docs/15/sql-syntax-lexical.html (read 2026-11-24)."""


class PostgresSettings(TargetSettings):
    """Where the tables are, and how they look."""

    url: Secret
    """`postgresql://user:password@host:5432/database`. Give Headwater a user of its own."""

    style: Literal["single", "per_collection"] = "single"
    """How records are laid out: `single`, one table with each object as `jsonb`; or `per_collection`, a table
    for each collection with a typed column for each field. Events are always one table."""

    deletes: Literal["soft", "hard"] = "soft"
    """What becomes of a deleted record: `soft`, the row stays with `deleted` set and its last data; `hard`,
    the row goes, and only its id and version are kept, so that no late repeat brings it back."""

    schema_name: str = Field("public", min_length=1)
    """The schema of all tables."""

    prefix: str = "headwater_"
    """What every table's name begins with: `headwater_records`. No other table is touched."""

    create_tables: bool = True
    """Whether missing tables, and columns of `per_collection`, are created. If not, a person creates them,
    and fields without a column are only in `_hw_data`."""

    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] | None = None
    """How the connection is protected. None: as the URL says, else `verify-full` where `root_certificate` is
    given, else `prefer`, which encrypts where the server can but does not make sure who it is."""

    root_certificate: str | None = None
    """The authority that signed the server's certificate, as PEM text. None: the system's authorities, where
    `sslmode` asks for them."""

    client_certificate: str | None = None
    """A certificate to log in with, as PEM text; `client_key` belongs to it."""

    client_key: Secret | None = None
    """The key of `client_certificate`, as PEM text without a passphrase."""

    timeout_seconds: int = Field(60, ge=5, le=600)
    """How long a batch may take. Too short, and large batches never get in; too long, and a server that hangs
    is noticed late."""

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: Secret) -> Secret:
        try:
            parts = urlsplit(url.reveal())
            given = dict(parse_qsl(parts.query))
            conninfo_to_dict(url.reveal())
        except (ValueError, ProgrammingError):
            parts, given = None, dict[str, str]()
        if parts is None or parts.scheme not in ("postgresql", "postgres"):
            raise ValueError("Must be postgresql://user:password@host:5432/database.") from None  # P8
        if named := sorted(_FILES & given.keys()):
            raise ValueError(
                f"Must not name files of the server ({', '.join(named)}): give the PEM text instead."
            )
        if given.get("sslrootcert", "system") != "system":
            raise ValueError("Must not name a file (sslrootcert): give the PEM text as root_certificate.")
        return url

    @field_validator("schema_name", "prefix")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if "\0" in name or len(name.encode(errors="replace")) > LONGEST_NAME or not name.isprintable():
            raise ValueError(f"Must be a name of at most {LONGEST_NAME} printable characters.")
        return name

    @field_validator("prefix")
    @classmethod
    def _leaves_room(cls, prefix: str) -> str:
        if len(prefix.encode()) > LONGEST_NAME // 2:
            raise ValueError(f"Must be at most {LONGEST_NAME // 2} bytes long.")
        return prefix

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("client_certificate and client_key belong together: give both, or neither.")
        return self

    @property
    def where(self) -> str:
        """The database as people may see it: host, port and name."""
        known = conninfo_to_dict(self.url.reveal())
        host, port = known.get("host") or "localhost", known.get("port") or 5432
        return f"{host}:{port}/{known.get('dbname') or known.get('user') or ''}"
