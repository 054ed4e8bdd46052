"""Events that Stripe pushes: signatures, what they say, and how an endpoint is made and taken away.

Source: https://docs.stripe.com/webhooks (`Stripe-Signature`, tolerance of five minutes, several signatures
while a secret is rolled), https://docs.stripe.com/api/webhook_endpoints/create (`api_version`; `secret` only
in the answer to its making). Read 2026-11-24.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from headwater.errors import Reject, Unauthorized
from headwater.kit.http import Registrar
from headwater.providers import paging
from headwater.providers.provider import JSON, Push, Received, Registered, Webhook
from headwater.providers.stripe.access import VERSION, WEBHOOKS, account_name
from headwater.providers.stripe.events import news_of, read_event

_HEADER = "stripe-signature"
_SCHEME = "v1"
_TOLERANCE = timedelta(minutes=5)
_SECOND = timedelta(seconds=1)
_SIGNATURES = 16
"""Signatures of one request that are looked at; a real one has two at most."""
_PATH = "/v1/webhook_endpoints"

_INSTRUCTIONS = f"""\
In Stripe's dashboard, under *Developers → Webhooks*, add an endpoint:

1. Endpoint URL: `{{url}}`
2. Events: all events (*Select all*). API version: `{VERSION}`, where it can be chosen; events of another
   version work too, but each costs a request.
3. Reveal the signing secret (`whsec_…`) and store it here as this webhook's secret.

To sync a connected account with the platform's key, choose *Connected accounts* when you add the endpoint.
"""


def webhook(account: str | None = None) -> Webhook:
    """Return how Stripe pushes events of an account: a connected one, or the key's own."""

    def read(received: Received) -> Push:
        return _read(received, account)

    return Webhook(
        verify=verify,
        read=read,
        register=_register,
        unregister=_unregister,
        instructions=_INSTRUCTIONS,
        tolerance=_TOLERANCE,
    )


def verify(received: Received, secrets: Sequence[str]) -> None:
    """Raise Unauthorized unless one of the secrets signed the body, a few minutes ago at most."""
    time, signatures = _signatures(received.headers.get(_HEADER, ""))
    if time is None or not signatures:
        raise _refused("The header Stripe-Signature is missing, or has no time and signature.")
    signed = b"%d." % time + received.body
    expected = [hmac.new(secret.encode(), signed, "sha256").hexdigest() for secret in secrets]
    # Every pair is compared, so that the time taken tells nothing.
    matches = [hmac.compare_digest(one, other) for one in expected for other in signatures]
    if not any(matches):
        raise _refused("The signature is not by a secret of this webhook.")
    if abs(received.received_us // (_SECOND // timedelta(microseconds=1)) - time) > _TOLERANCE // _SECOND:
        raise _refused("The signature is more than five minutes old, or from the future.")


def _signatures(header: str) -> tuple[int | None, list[str]]:
    """Return time and signatures of a header: `t=1492774577,v1=5257…,v1=…,v0=…`."""
    time: int | None = None
    signatures: list[str] = []
    for pair in header.split(","):
        name, _, value = pair.strip().partition("=")
        if name == "t" and value.isascii() and value.isdigit() and len(value) <= 12:
            time = int(value)
        elif name == _SCHEME and value.isascii() and len(signatures) < _SIGNATURES:
            signatures.append(value)
    return time, signatures


def _refused(message: str) -> Unauthorized:
    return Unauthorized(
        message,
        code="webhook.signature",
        fix="Store the endpoint's signing secret (whsec_…) here, and check the clock of this machine.",
    )


def _read(received: Received, account: str | None) -> Push:
    """Return what a request says. Raises: Reject."""
    try:
        event = read_event(received.body)
    except Reject as error:
        raise Reject("The body is not an event of Stripe.", code="webhook.unreadable") from error
    named = event.account or account
    return Push(
        delivery_id=event.id,
        topic=event.type,
        news=news_of(event, account),
        account=None if named is None else account_name(named, test=not event.livemode),
    )


class _Endpoint(msgspec.Struct):
    id: str
    secret: str | None = None


async def _register(http: Registrar, url: str, _secret: str) -> Registered:
    """Have Stripe push all events to an address, at the pinned version. It makes the secret up itself."""
    form: Mapping[str, str] = {
        "url": url,
        "enabled_events[]": "*",
        "api_version": VERSION,
        "description": "Headwater",
    }
    answer = await http.post_form(_PATH, form, bucket=WEBHOOKS)
    try:
        made = msgspec.json.decode(answer.body, type=_Endpoint)
    except ValueError as error:
        raise paging.broken("is no webhook endpoint") from error
    return Registered(kept={"id": made.id, "url": url}, secret=made.secret)


async def _unregister(http: Registrar, kept: JSON) -> None:
    """Take an endpoint away; one that is gone is gone."""
    await http.delete(f"{_PATH}/{kept['id']}", accept=frozenset({200, 404}), bucket=WEBHOOKS)
