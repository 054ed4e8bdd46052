"""An API whose accounts are linked, at the fake authorization server; credentials that were linked."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import insert, select

from headwater.kit.budget import Bucket
from headwater.kit.clock import from_us, iso
from headwater.kit.http import Http
from headwater.model.secret import Secret
from headwater.providers import auth
from headwater.providers.oauth import KIND, SECRET, OAuth2
from headwater.providers.provider import CredentialKind, Provider
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault

APP, CREDENTIAL = "app-1", "credential-1"


def account(answer: Mapping[str, Any]) -> str | None:
    """Return whose token it is."""
    return answer.get("account")


async def check(http: Http) -> str | None:
    """Ask whose token it is."""
    return msgspec.json.decode((await http.get("/me")).body)["account"]


def declared(**more: Any) -> OAuth2:
    """Return how the fake's accounts are linked."""
    place = {"type": "string", "title": "Where it is"}
    given: dict[str, Any] = {
        "authorize_url": "{url}/authorize",
        "token_url": "{url}/token",
        "scopes": ("read", "more"),
        "account": account,
        "kept": frozenset({"account"}),
        "config_schema": {"type": "object", "properties": {"url": place}, "required": ["url"]},
    }
    return OAuth2(**(given | more))


def linking(url: str, **more: Any) -> Provider:
    """Return the fake as a provider."""
    oauth = declared(**more)
    return Provider(
        name="fake",
        title="Fake",
        base_url=url,
        authorize=lambda _kind, properties: auth.bearer(Secret(properties["access_token"])),
        credential_kinds=(CredentialKind(name=KIND, schema=oauth.credential_schema(), secret=SECRET),),
        budget=(Bucket(allowed=1_000, per=timedelta(seconds=1)),),
        collections=(),
        check=check,
        oauth=oauth,
    )


async def app_stored(database: Database, vault: Vault, url: str) -> None:
    """Store an OAuth app of the fake."""
    secrets = vault.seal(json.dumps({"client_secret": "client-secret"}).encode())
    row = {
        "id": APP, "provider": "fake", "name": "Fake", "client_id": "client", "secrets": secrets,
        "scopes": "[]", "config": json.dumps({"url": url}), "redirect_urls": "[]", "metadata": "{}",
        "created_us": 1, "updated_us": 1,
    }  # fmt: skip
    async with database.write() as connection:
        await connection.execute(insert(schema.oauth_apps).values(row))


async def credential_stored(
    database: Database, vault: Vault, secret: Mapping[str, Any], *, expires_us: int | None = None
) -> None:
    """Store a linked credential."""
    public = {} if expires_us is None else {"expires_at": iso(from_us(expires_us))}
    row = {
        "id": CREDENTIAL, "provider": "fake", "kind": KIND, "name": "Fake", "account": "acme",
        "properties": json.dumps(public), "secrets": vault.seal(json.dumps(dict(secret)).encode()),
        "health": "{}", "created_us": 1, "updated_us": 1, "oauth_app_id": APP,
    }  # fmt: skip
    async with database.write() as connection:
        await connection.execute(insert(schema.credentials).values(row))


async def kept(database: Database, vault: Vault) -> tuple[dict[str, Any], int | None]:
    """Return the properties that are stored, and whether a refresh is claimed."""
    table = schema.credentials
    async with database.read() as connection:
        row = (await connection.execute(select(table).where(table.c.id == CREDENTIAL))).one()
    return json.loads(row.properties) | json.loads(vault.open(row.secrets)), row.refreshing_us
