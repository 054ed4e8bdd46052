"""Where a database is: its URL, checked and taken apart. Opens nothing.

`sqlite:///name.db` is relative to the current folder, `sqlite:////folder/name.db` absolute,
`sqlite:///~/name.db` in the user's home. PostgreSQL takes what its own tools take:
`postgresql://user:password@host:5432/name?sslmode=…`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from headwater.errors import Halt

Dialect = Literal["sqlite", "postgresql"]

FIX = "Set HEADWATER_DATABASE_URL to sqlite:///path/to/headwater.db or postgresql://user:password@host:5432/name."


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A database's address. `shown` is what people and logs may see of it."""

    dialect: Dialect
    shown: str
    path: Path | None
    """The file, on SQLite."""
    engine_url: URL = field(repr=False)
    """For SQLAlchemy: with driver and password."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises: Halt `database.url` when it is not one of ours.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # without their text: it repeats the URL, password and all (P8)
            raise Halt("The database URL cannot be read.", code="database.url", fix=FIX) from None
        match parsed.get_backend_name():
            case "sqlite":
                return cls._sqlite(parsed)
            case "postgresql" | "postgres":
                return cls._postgresql(parsed)
            case other:
                message = f"Headwater does not know databases of kind {other}."
                raise Halt(message, code="database.url", fix=FIX)

    @classmethod
    def _sqlite(cls, url: URL) -> Self:
        if url.database in (None, "", ":memory:"):
            raise Halt("An SQLite database needs a file.", code="database.url", fix=FIX)
        path = Path(url.database).expanduser().absolute()
        engine_url = URL.create("sqlite+aiosqlite", database=str(path))
        return cls(dialect="sqlite", shown=f"sqlite:///{path}", path=path, engine_url=engine_url)

    @classmethod
    def _postgresql(cls, url: URL) -> Self:
        if not url.database:
            raise Halt("The PostgreSQL URL names no database.", code="database.url", fix=FIX)
        plain = url.set(drivername="postgresql")
        hidden = plain.difference_update_query(["password", "sslpassword"])
        return cls(
            dialect="postgresql",
            shown=hidden.render_as_string(hide_password=True),
            path=None,
            engine_url=plain.set(drivername="postgresql+psycopg"),
        )

    @property
    def url(self) -> str:
        """The URL as the database's own tools take it. It may carry a password: never for show."""
        plain = self.engine_url.set(drivername=self.dialect)
        return plain.render_as_string(hide_password=False)
