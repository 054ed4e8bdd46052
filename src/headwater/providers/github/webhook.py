"""GitHub pushes: signatures, how a delivery is read, how hooks are made and taken away.

Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
(`X-Hub-Signature-256`), https://docs.github.com/webhooks/webhook-events-and-payloads#delivery-headers,
https://docs.github.com/rest/repos/webhooks, https://docs.github.com/rest/orgs/webhooks (201; 422 for one
that is there). Read 2026-11-24.
"""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import msgspec

from headwater.errors import HeadwaterError, Reject, Unauthorized
from headwater.kit.http import Http, Registrar
from headwater.providers import paging
from headwater.providers.github import access
from headwater.providers.github.deliveries import redeliver
from headwater.providers.github.events import TELLERS, news_of
from headwater.providers.github.selection import Selection
from headwater.providers.provider import JSON, Push, Received, Registered, Webhook

SIGNATURE, EVENT, DELIVERY = "x-hub-signature-256", "x-github-event", "x-github-delivery"
_HOST = "x-github-enterprise-host"
_SCHEME = "sha256="
_APP_EVENTS = frozenset({"installation", "installation_repositories"})
"""Sent to Apps alone, unasked."""
_ORGANIZATION_EVENTS = frozenset({"team"})
"""Of organizations; a repository's hook cannot have them."""

_INSTRUCTIONS = """\
In the settings of the repository or the organization (or of your App), under *Webhooks*, add a webhook:

1. Payload URL: `{url}`
2. Content type: `application/json`
3. Secret: `{secret}`
4. Events: *Send me everything*; what no collection covers is left aside.
"""


def webhook(selection: Selection) -> Webhook:
    """Return how GitHub pushes. It can be told to only where the sync names whose hooks to make."""
    owners = [f"/repos/{name}" for name in selection.names]
    owners += [f"/orgs/{name}" for name in selection.organizations]
    return Webhook(
        verify=verify,
        read=read,
        register=_registering(owners) if owners else None,
        unregister=unregister,
        redeliver=redeliver,
        instructions=_INSTRUCTIONS,
    )


def verify(received: Received, secrets: Sequence[str]) -> None:
    """Raise Unauthorized unless one of the secrets signed the body, byte for byte as it came.

    GitHub signs no time, so a delivery cannot be stale; one that is sent again has its old id.
    """
    given = received.headers.get(SIGNATURE, "")
    if not given.startswith(_SCHEME) or not given.isascii():
        raise _refused("The header X-Hub-Signature-256 is missing, or has no sha256= signature.")
    matches = [  # all are compared, so that the time taken tells nothing
        hmac.compare_digest(given, signature(secret, received.body)) for secret in secrets
    ]
    if not any(matches):
        raise _refused("The signature is not by a secret of this webhook.")


def signature(secret: str, body: bytes) -> str:
    """Return what GitHub sends in `X-Hub-Signature-256`."""
    return _SCHEME + hmac.new(secret.encode(), body, "sha256").hexdigest()


def _refused(message: str) -> Unauthorized:
    return Unauthorized(
        message,
        code="webhook.signature",
        fix="Enter the same secret at GitHub and here, and let nothing on the way change the body.",
    )


def read(received: Received) -> Push:
    """Return what a delivery says. Raises: Reject."""
    event, delivery = received.headers.get(EVENT, ""), received.headers.get(DELIVERY, "")
    if not event or not delivery:
        raise _unreadable("It has no X-GitHub-Event or X-GitHub-Delivery.")
    if received.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise _unreadable("It is not sent as application/json.")
    try:
        payload = msgspec.json.decode(received.body, type=dict[str, Any])
        news = news_of(event, payload)
        account = _account(payload, received.headers.get(_HOST))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(f"It is not what GitHub sends for the event {event[:40]}.") from error
    action = payload.get("action")
    topic = f"{event}.{action}" if isinstance(action, str) else event
    return Push(delivery_id=delivery, topic=topic, news=news, account=account)


def _account(payload: dict[str, Any], host: str | None) -> str | None:
    """Return the account that it speaks of: an App's installation."""
    installation = payload.get("installation")
    if not isinstance(installation, dict):
        return None
    return access.installation(cast("dict[str, Any]", installation)["id"], host)


def _unreadable(message: str) -> Reject:
    return Reject(
        message,
        code="webhook.unreadable",
        fix="Set the webhook's content type to application/json at GitHub.",
    )


# --- hooks ------------------------------------------------------------------------------------------------


def _registering(owners: Sequence[str]) -> Callable[[Registrar, str, str], Awaitable[Registered]]:
    async def register(http: Registrar, url: str, secret: str) -> Registered:
        """Make a hook at each owner; where one cannot be made, none stays."""
        made: list[str] = []
        try:
            for owner in owners:
                made.append(await _make(http, owner, url, secret))
        except HeadwaterError:
            await unregister(http, {"hooks": made})
            raise
        return Registered(kept={"hooks": made})

    return register


class _Config(msgspec.Struct):
    url: str = ""


class _Hook(msgspec.Struct):
    id: int
    config: _Config = msgspec.field(default_factory=_Config)


async def _make(http: Registrar, owner: str, url: str, secret: str) -> str:
    """Make a hook, in place of one that pushes to the same address; return its path."""
    for hook in await _hooks(http, owner):
        if hook.config.url == url:
            await unregister(http, {"hooks": [f"{owner}/hooks/{hook.id}"]})
    events = set(TELLERS) - _APP_EVENTS - (set() if owner.startswith("/orgs/") else _ORGANIZATION_EVENTS)
    wanted = {
        "name": "web",
        "active": True,
        "events": sorted(events),
        "config": {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"},
    }
    answer = await http.post_json(f"{owner}/hooks", wanted, accept=frozenset({201}))
    try:
        return f"{owner}/hooks/{msgspec.json.decode(answer.body, type=_Hook).id}"
    except ValueError as error:
        raise paging.broken("is no hook") from error


async def _hooks(http: Http, owner: str) -> list[_Hook]:
    answer = await http.get(f"{owner}/hooks", query={"per_page": "100"})
    try:
        return msgspec.json.decode(answer.body, type=list[_Hook])
    except ValueError as error:
        raise paging.broken("is no list of hooks") from error


async def unregister(http: Registrar, kept: JSON) -> None:
    """Take hooks away; those that are gone are gone."""
    for path in kept["hooks"]:
        await http.delete(path, accept=frozenset({204, 404}))
