"""Stripe. Docs: https://docs.stripe.com/api (read 2026-11-24, version pinned in `access`).

Sees changes by: the feed of events, for nearly all collections at once; webhooks sooner, where there is a
public address; what has no events by its creation, or by listing it again. Deletes by events; a daily sweep
is the safety net.
Not covered: the content of files, because records are JSON; version 2 objects of the API.

Belongs here: all that is only so at Stripe. `kinds` says what is listed where, `reading` and `parts` read it,
`nested` completes it, `events` and `feed` and `webhook` tell of its changes, `access` lets us in.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from headwater.kit.http import Http
from headwater.providers.provider import Collection, Provider
from headwater.providers.stripe import access, parts
from headwater.providers.stripe.events import READINGS
from headwater.providers.stripe.feed import feed
from headwater.providers.stripe.kinds import FIELDS, KINDS, Kind, Seen
from headwater.providers.stripe.webhook import webhook

_FED = frozenset({Seen.FEED, Seen.FEED_AND_LISTING, Seen.FEED_BUT_CREATION})
_BY_CREATION = frozenset({Seen.CREATION, Seen.FEED_BUT_CREATION})
_SWEEP_EVERY: Mapping[Seen, timedelta] = {Seen.FEED_AND_LISTING: timedelta(hours=1)}
_SAFETY_NET = timedelta(days=1)
"""Stripe counts reads: where events tell everything, the whole list is read but once a day."""
_SLOWLY = (timedelta(minutes=1), timedelta(minutes=15))
"""Between two readings of a whole list that has no events."""
_BRISKLY = (timedelta(seconds=5), timedelta(minutes=1))
_OVERLAP = timedelta(minutes=5)


def _collection(kind: Kind) -> Collection:
    """Return a class of objects as a collection."""
    reading = READINGS[kind.name]
    in_parts = kind.created and kind.parent is None
    return Collection(
        name=kind.name,
        description=kind.description,
        read_all=partial(parts.read_in_parts, reading) if in_parts else reading.all,
        read_since=reading.created_since if kind.seen in _BY_CREATION else None,
        read_one=reading.one if kind.one is not None else None,
        parent=kind.parent,
        fed=kind.seen in _FED,
        by_default=kind.by_default,
        sees_deletes=kind.deletes,
        updated_at_source="observed",
        overlap=_OVERLAP,
        poll_every=_BRISKLY if kind.seen in _BY_CREATION else _SLOWLY,
        sweep_every=_SWEEP_EVERY.get(kind.seen, _SAFETY_NET),
        volatile=kind.volatile,
        fields=FIELDS[kind.name],
    )


def _checked(*, test: bool) -> Callable[[Http], Awaitable[str | None]]:
    """Return what tries a credential and tells its account: one of test mode is an account of its own."""

    async def check(http: Http) -> str | None:
        account = await access.own_account(http)
        return None if account is None else access.account_name(account.id, test=test)

    return check


def _for_credential(provider: Provider, _kind: str, properties: Mapping[str, Any]) -> Provider:
    """Return Stripe as a key sees it: a sandbox allows less, and a stand-in is elsewhere."""
    test, account = access.sandbox(properties), properties.get("account")
    told = {} if account is None else {"feed": feed(account), "webhook": webhook(account)}
    return replace(
        provider,
        **told,
        base_url=str(properties.get("base_url") or access.BASE_URL).rstrip("/"),
        budget=access.budget(READINGS, sandbox=test),
        check=_checked(test=test),
    )


def _configured(config: Mapping[str, Any]) -> Provider:
    """Return Stripe for a sync of a connected account, where its config names one."""
    account = config.get("account")
    if account is None:
        return STRIPE
    return replace(
        STRIPE,
        headers={**STRIPE.headers, access.ACCOUNT_HEADER: account},
        feed=feed(account),
        webhook=webhook(account),
    )


STRIPE = Provider(
    name="stripe",
    title="Stripe",
    docs_url="https://docs.stripe.com/api",
    base_url=access.BASE_URL,
    headers={access.VERSION_HEADER: access.VERSION},
    authorize=access.authorize,
    credential_kinds=(access.KEY,),
    budget=access.budget(READINGS),
    collections=tuple(map(_collection, KINDS)),
    check=_checked(test=False),
    feed=feed(),
    webhook=webhook(),
    config_schema={"type": "object", "properties": {"account": access.ACCOUNT_SCHEMA}},
    configure=_configured,
    for_credential=_for_credential,
)
