"""Databases that a PostgreSQL target writes to, and what whoever queries them finds there."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import psycopg.sql
from psycopg.rows import dict_row
from tests.plugins.postgres import needed_binaries, postgres_in_a_folder
from tests.plugins.servers import Server

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.postgres import POSTGRES, PostgresSettings
from headwater.testing.target_rig import Rig

USER, PASSWORD = "writer", "writers-password"


@contextmanager
def own_server() -> Iterator[Server]:
    """A server that its tests may kill."""
    with postgres_in_a_folder(needed_binaries()) as server, server.running():
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
            connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'strangers-password'")
        yield server


class PostgresRig:
    """A database in which Headwater's user may create tables in one schema, and nothing else."""

    kind = POSTGRES
    faithful = False
    deduplicates = compares = True
    refused: bytes | None = b'{"number":1e200000}'
    held: bytes | None = None
    secrets: Sequence[str] = (PASSWORD, "wrong-password", "strangers-password")

    def __init__(self, server: Server, database: str, **options: Any) -> None:
        self.server, self.admin, self._options = server, database, options
        self.keeps_deleted = options.get("deletes") != "hard"
        self.prefix = str(options.get("prefix", "headwater_"))

    def settings(self, **options: Any) -> PostgresSettings:
        given = {"url": Secret(self.url(USER, PASSWORD)), "schema_name": "synced", **self._options, **options}
        return PostgresSettings(**given)

    def wrong(self) -> Mapping[str, tuple[PostgresSettings, type[HeadwaterError]]]:
        def at(url: str) -> PostgresSettings:
            return self.settings(url=Secret(url))

        here = self.url(USER, PASSWORD)
        return {
            "password": (at(self.url(USER, "wrong-password")), Halt),
            "user": (at(self.url("nobody", "wrong-password")), Halt),
            "right": (at(self.url("stranger", "strangers-password")), Halt),
            "database": (at(f"{here}_not"), Halt),
            "schema": (self.settings(schema_name="not there"), Halt),
            "tables": (self.settings(create_tables=False), Halt),
            "no tls": (self.settings(sslmode="require"), Halt),
            "port": (at(here.replace(f":{self.port}/", ":1/")), Retry),
            "host": (at(here.replace("127.0.0.1", "no-such-host.invalid")), Retry),
        }

    def url(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@{self.admin.partition('@')[2]}"

    @property
    def port(self) -> str:
        return self.admin.rpartition(":")[2].partition("/")[0]

    def kept(self, value: bytes) -> bytes:
        """What jsonb and text cannot hold is U+FFFD there."""
        if b"\\u" not in value:
            return value
        return json.dumps(_replaced(json.loads(value))).encode()

    async def read_back(self, stream: Stream) -> Sequence[bytes]:
        rows = self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'synced' ORDER BY tablename")
        names = [row["tablename"] for row in rows]
        own = [f"{self.prefix}{name}" for name in ("events", "positions", "tombstones")]
        if stream is Stream.EVENTS:
            wanted = [name for name in names if name == own[0]]
        else:
            wanted = [name for name in names if name not in own]
        return [self._json(stream, row) for name in wanted for row in self.rows(name)]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table; of a collection's table our own columns, without their prefix."""
        found = self.query(f"SELECT * FROM synced.{quoted(table)}")
        if found and "_hw_id" in found[0]:
            return [
                {name.removeprefix("_hw_"): row[name] for name in row if name.startswith("_hw_")}
                for row in found
            ]
        return found

    def query(self, statement: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.admin, row_factory=dict_row) as connection:
            for name in ("json", "jsonb"):
                connection.adapters.register_loader(name, _Untouched)
            connection.execute("SET timezone = 'UTC'")
            return connection.execute(statement).fetchall()

    def run(self, *statements: str, database: str | None = None) -> None:
        with psycopg.connect(database or self.admin, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    async def stop(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def start(self) -> None:
        await asyncio.to_thread(self.server.start)

    async def release(self) -> None:
        """Nothing is ever held."""

    def _json(self, stream: Stream, row: Mapping[str, Any]) -> bytes:
        record = ("id", "sync_id", "sync_external_id", "provider", "collection_id", "upstream_id")
        record += (
            "upstream_created_at",
            "upstream_updated_at",
            "updated_idx",
            "inserted_at",
            "data",
            "deleted",
        )
        event = (
            "sync_id",
            "sync_external_id",
            "provider",
            "collection_id",
            "upstream_id",
            "upstream_updated_at",
        )
        event += ("updated_idx", "data", "event", "event_id", "event_inserted_at", "previous_data", "origin")
        event += ("mutation_id",)
        optional = {"previous_data", "mutation_id"}
        members = [
            f'"{name}":'.encode() + _as_json(row[name])
            for name in (record if stream is Stream.RECORDS else event)
            if not (name in optional and row[name] is None)
        ]
        return b"{" + b",".join(members) + b"}"


def quoted(name: str) -> str:
    return psycopg.sql.Identifier(name).as_string(None)


class _Untouched(psycopg.adapt.Loader):
    def load(self, data: Any) -> bytes:
        return bytes(data)


def _as_json(value: Any) -> bytes:
    match value:
        case bytes():
            return value
        case None | bool() | int() | str():
            return json.dumps(value).encode()
        case _ if hasattr(value, "isoformat"):
            return value.strftime('"%Y-%m-%dT%H:%M:%S.%fZ"').encode()
        case _:
            return json.dumps(str(value)).encode()


def _replaced(value: Any) -> Any:
    match value:
        case str():
            return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)
        case list():
            return [_replaced(one) for one in value]
        case dict():
            return {_replaced(name): _replaced(one) for name, one in value.items()}
        case _:
            return value


@asynccontextmanager
async def postgres_rig(server: Server, **options: Any) -> AsyncIterator[Rig]:
    """A fresh database on a server, which runs when the block is left."""
    name = f"test_{secrets.token_hex(6)}"
    database = f"{server.url.rpartition('/')[0]}/{name}"
    rig = PostgresRig(server, database, **options)
    rig.run(f"CREATE DATABASE {name}", database=server.url)
    rig.run("CREATE SCHEMA synced", f"GRANT USAGE, CREATE ON SCHEMA synced TO {USER}")
    try:
        yield rig
    finally:
        rig.run(f"DROP DATABASE {name} WITH (FORCE)", database=server.url)
