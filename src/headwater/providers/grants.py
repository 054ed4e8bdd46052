"""The rows of linked credentials: what their users have agreed to, read, claimed and written.

Refreshes of all processes meet here: one has the claim, and what it brings is written only over the grant
that it was made of. Not here: when a token is refreshed (`tokens`), what a grant is (`oauth`).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from headwater.errors import Halt, HeadwaterError
from headwater.kit.clock import to_us
from headwater.model.secret import Secret
from headwater.providers import oauth
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault

CLAIM = timedelta(minutes=2)
"""A refresh that has not ended after so long is somebody else's to make: its process has died."""
_MARGIN = timedelta(minutes=5)
"""So long before its end a token is renewed: a request may wait for the budget with it."""
_SHARE = 5
"""Of a short-lived token's life the margin is at most this part."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A linked credential as its row says. Never for show."""

    properties: Mapping[str, Any] = field(repr=False)
    sealed: bytes = field(repr=False)
    public: frozenset[str]
    """Names of the properties that are not sealed."""
    config: Mapping[str, Any]
    """The OAuth app's."""
    client: oauth.Client | None
    """None where the credential has no OAuth app: then its token is used as long as it is good."""

    @property
    def token(self) -> Secret:
        """The access token."""
        return Secret(str(self.properties.get(oauth.ACCESS_TOKEN, "")))

    @property
    def refresh_token(self) -> Secret | None:
        """The refresh token, if there is one and an OAuth app that may use it."""
        text = self.properties.get(oauth.REFRESH_TOKEN)
        return Secret(text) if isinstance(text, str) and text and self.client is not None else None

    @property
    def fresh_until_us(self) -> float:
        """Until when the access token is used without asking for another."""
        expires_us = _instant_us(self.properties.get(oauth.EXPIRES_AT))
        if expires_us is None:
            return float("inf")
        margin_us = _MARGIN // _MICROSECOND
        obtained_us = _instant_us(self.properties.get(oauth.OBTAINED_AT))
        if obtained_us is not None:
            margin_us = min(margin_us, (expires_us - obtained_us) // _SHARE)
        return expires_us - margin_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """Reads and writes linked credentials. Never inside a transaction that waits for an API."""

    database: Database
    vault: Vault

    async def read(self, credential_id: str) -> Linked:
        """Return a credential with the OAuth app that it was linked by. Raises: Halt when it is gone."""
        credentials, apps = schema.credentials, schema.oauth_apps
        query = (
            select(
                credentials.c.properties,
                credentials.c.secrets,
                apps.c.client_id,
                apps.c.config,
                apps.c.secrets.label("app_secrets"),
            )
            .outerjoin(apps, apps.c.id == credentials.c.oauth_app_id)
            .where(credentials.c.id == credential_id)
        )
        async with self.database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise Halt(
                "The credential was removed.",
                code="provider.credential_refused",
                fix="Link the account again.",
            )
        client = None
        if row.client_id is not None:
            secret = json.loads(self.vault.open(row.app_secrets))["client_secret"]
            client = oauth.Client(id=row.client_id, secret=Secret(secret))
        public = json.loads(row.properties)
        return Linked(
            properties=public | json.loads(self.vault.open(row.secrets)),
            sealed=row.secrets,
            public=frozenset(public),
            config={} if row.config is None else json.loads(row.config),
            client=client,
        )

    async def claim(self, credential_id: str) -> int | None:
        """Claim the refresh of a credential, by the database's clock; None while another process has it."""
        table, now = schema.credentials, self.database.now_us
        free = table.c.refreshing_us.is_(None) | (table.c.refreshing_us < now)
        async with self.database.write() as connection:
            return await connection.scalar(
                update(table)
                .where(table.c.id == credential_id, free)
                .values(refreshing_us=now + CLAIM // _MICROSECOND)
                .returning(table.c.refreshing_us)
            )

    async def release(self, credential_id: str, claim: int | None) -> None:
        """Give a claim back. One that cannot be given back ends by itself."""
        if claim is None:
            return
        table = schema.credentials
        with suppress(HeadwaterError):
            async with self.database.write() as connection:
                await connection.execute(
                    update(table)
                    .where(table.c.id == credential_id, table.c.refreshing_us == claim)
                    .values(refreshing_us=None)
                )

    async def replace(self, credential_id: str, before: Linked, after: oauth.Grant, claim: int) -> bool:
        """Write a grant in place of the one that it was made of, and give the claim back.

        Returns whether that was still there: a person may have given another, or it was sealed anew.
        """
        table = schema.credentials
        sealed = oauth.SECRET | (before.properties.keys() - before.public)
        public = {name: value for name, value in after.properties.items() if name not in sealed}
        secret = {name: value for name, value in after.properties.items() if name in sealed}
        async with self.database.write() as connection:
            done = await connection.execute(
                update(table)
                .where(table.c.id == credential_id, table.c.secrets == before.sealed)
                .values(properties=_json(public), secrets=self.vault.seal(_json(secret).encode()))
            )
            if done.rowcount:
                await connection.execute(
                    update(table)
                    .where(table.c.id == credential_id, table.c.refreshing_us == claim)
                    .values(refreshing_us=None)
                )
        return done.rowcount > 0


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _instant_us(text: object) -> int | None:
    try:
        return to_us(datetime.fromisoformat(str(text)))
    except ValueError:
        return None
