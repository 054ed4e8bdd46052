"""A made-up provider for tests: three collections, one below another. It fetches nothing."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from headwater.errors import Halt, Retry
from headwater.kit.budget import Bucket
from headwater.kit.http import Http
from headwater.providers.provider import Collection, CredentialKind, Page, Provider, Scope, Since


async def read_all(_http: Http, _scope: Scope | None, _resume: Any) -> AsyncIterator[Page]:
    """Read nothing."""
    yield Page(observed=(), asked_us=0)


async def read_since(_http: Http, _scope: Scope | None, _since: Since, _resume: Any) -> AsyncIterator[Page]:
    """Read nothing."""
    yield Page(observed=(), asked_us=0)


async def check(_http: Http) -> str | None:
    """Say that credentials can be tried; `Api.check` is what tries them."""


TOKEN = CredentialKind(
    name="token",
    schema={
        "type": "object",
        "properties": {
            "token": {"type": "string", "minLength": 3},
            "region": {"type": "string", "enum": ["eu", "us"]},
        },
        "required": ["token"],
    },
    secret=frozenset({"token"}),
)

CRM = Provider(
    name="crm",
    title="Made-up CRM",
    docs_url="https://crm.example/docs",
    base_url="https://crm.example",
    authorize=lambda _kind, _properties: None,
    credential_kinds=(TOKEN,),
    budget=(Bucket(allowed=50, per=timedelta(seconds=10), concurrent=4),),
    collections=(
        Collection(
            name="contact", description="People.", read_all=read_all, read_since=read_since, sees_deletes=True
        ),
        Collection(name="deal", read_all=read_all, read_since=read_since, read_removed=read_since),
        Collection(name="note", read_all=read_all, parent="deal", updated_at_source="observed"),
    ),
    check=check,
    config_schema={"type": "object", "properties": {"site": {"type": "string", "minLength": 1}}},
)

OTHER = Provider(
    name="billing",
    title="Billing",
    base_url="https://billing.example",
    authorize=lambda _kind, _properties: None,
    credential_kinds=(CredentialKind(name="none", schema={}, secret=frozenset()),),
    budget=(Bucket(allowed=1, per=timedelta(seconds=1)),),
    collections=(Collection(name="invoice", read_all=read_all),),
)


class Api:
    """The upstream side as `check` sees it: which tokens it takes, and whose they are."""

    def __init__(self) -> None:
        """Take every token, telling nobody's name."""
        self.accounts: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.down = False

    async def check(self, _provider: Provider, _kind: str, properties: Mapping[str, Any]) -> str | None:
        """Try a credential."""
        token = properties.get("token", "")
        if self.down:
            raise Retry("The API does not answer.", code="upstream.unreachable")
        if token in self.revoked:
            raise Halt("The token was refused.", code="provider.credential_refused", fix="Enter a new one.")
        return self.accounts.get(token)
