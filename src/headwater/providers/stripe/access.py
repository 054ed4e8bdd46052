"""Who asks Stripe, at which account, and how fast: keys, the pinned version, limits.

Source: https://docs.stripe.com/keys (kinds of keys and their prefixes),
https://docs.stripe.com/connect/authentication (`Stripe-Account`), https://docs.stripe.com/api/versioning,
https://docs.stripe.com/rate-limits. Read 2026-11-24.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from headwater.errors import Halt
from headwater.kit import jsonbytes
from headwater.kit.budget import Bucket
from headwater.kit.http import Http
from headwater.model.secret import Secret
from headwater.providers import paging
from headwater.providers.provider import CredentialKind

BASE_URL = "https://api.stripe.com"
VERSION = "2025-09-30.clover"
"""The pinned version: every answer and, where an event says so too, every event has its shapes."""
VERSION_HEADER, ACCOUNT_HEADER = "Stripe-Version", "Stripe-Account"

_TEST = "/test"
"""Stands after the account's id where a key is of test mode: other data, other limits."""
_ACCOUNT_PATTERN = "^acct_[A-Za-z0-9]+$"

ACCOUNT_SCHEMA: Mapping[str, Any] = {
    "type": "string",
    "pattern": _ACCOUNT_PATTERN,
    "title": "Connected account",
    "description": "Id (acct_…) of the connected account to read with a platform's key. Else the key's own.",
}

KEY = CredentialKind(
    name="key",
    schema={
        "type": "object",
        "properties": {
            "api_key": {
                "type": "string",
                "minLength": 1,
                "title": "API key",
                "description": "Secret (sk_…) or restricted (rk_…) key. A restricted one needs to read "
                "events, and what is synced.",
            },
            "account": ACCOUNT_SCHEMA,
            "base_url": {
                "type": "string",
                "pattern": "^https?://[^ ]+$",
                "title": "Address",
                "description": f"Only for a stand-in of the API in tests; {BASE_URL} by default.",
            },
        },
        "required": ["api_key"],
        "additionalProperties": False,
    },
    secret=frozenset({"api_key"}),
)

_LIVE, _SANDBOX = 50, 12
"""Requests a second: half of what the API allows an account, 100 in live mode and 25 in a sandbox."""
_ENDPOINT = 12
"""Requests a second of one kind, of which the API allows 25."""
_FILES = 10
"""The same of files, of which it allows 20."""
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Key:
    """Authenticates with a key, for the key's account or a connected one."""

    key: Secret
    account: str | None = None

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        """Add the key and the account."""
        headers["Authorization"] = f"Bearer {self.key.reveal()}"
        if self.account is not None:
            headers.setdefault(ACCOUNT_HEADER, self.account)

    async def refused(self) -> bool:
        """There is nothing to refresh."""
        return False


def authorize(_kind: str, properties: Mapping[str, Any]) -> Key:
    """Return what authenticates requests with a credential."""
    return Key(Secret(properties["api_key"]), properties.get("account"))


def sandbox(properties: Mapping[str, Any]) -> bool:
    """Say whether a key is of test mode, or of a sandbox."""
    return str(properties.get("api_key", "")).startswith(("sk_test_", "rk_test_"))


def endpoint(kind: str, operation: str) -> str:
    """Return the name of the bucket of one kind of request."""
    return f"{kind}.{operation}"


EVENTS, ACCOUNT, WEBHOOKS = (
    endpoint("event", "list"),
    endpoint("account", "own"),
    endpoint("webhook", "write"),
)


def budget(kinds: Iterable[str], *, sandbox: bool = False) -> tuple[Bucket, ...]:
    """Return the share that is taken: of all requests, and of each kind of request.

    Stripe counts each operation as an endpoint of its own (listing and reading one are two), and all of them
    towards the account's limit.
    """
    everything = Bucket(allowed=_SANDBOX if sandbox else _LIVE, per=_SECOND)
    names = [endpoint(kind, operation) for kind in kinds for operation in ("list", "read", "nested")]
    return (
        everything,
        *(
            Bucket(name=name, allowed=_FILES if name.startswith("file") else _ENDPOINT, per=_SECOND)
            for name in (*names, EVENTS, ACCOUNT, WEBHOOKS)
        ),
    )


def account_name(account: str, *, test: bool) -> str:
    """Return the name under which an account's data and budget are known here."""
    return account + _TEST if test else account


def error_code(body: bytes) -> str | None:
    """Return the code in a refusal, where it has one. Source: https://docs.stripe.com/error-codes."""
    try:
        code = jsonbytes.get(body, ("error", "code"))
    except (ValueError, RecursionError):
        return None
    return code if isinstance(code, str) else None


class _Account(msgspec.Struct):
    id: str
    created: int | None = None


async def own_account(http: Http) -> _Account | None:
    """Return the account whose key this is; None where a restricted key may not read it.

    Raises: Halt where the key is refused, or may not see the connected account; Retry.
    """
    answer = await http.get("/v1/account", accept=frozenset({200, 403}), bucket=ACCOUNT)
    if answer.status != 200 and error_code(answer.body) == "account_invalid":
        raise Halt(
            "The key has no access to the connected account, or there is none of this id.",
            code="provider.forbidden",
            fix="Check the account's id (acct_…), and that it is connected to the platform of this key.",
        )
    if answer.status != 200:
        return None
    try:
        return msgspec.json.decode(answer.body, type=_Account)
    except ValueError as error:
        raise paging.broken("is no account") from error
