"""Webhooks as a person sees them: where a sync's API pushes, what it signs with, and whether it was told.

Where an API can be told, it is; else a person is told what to paste where. Without a public address nothing
can be pushed, and changes are found by asking. Not here: requests that arrive (`webhooks`).
"""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import select

from headwater.errors import HeadwaterError, InUse, Invalid
from headwater.kit.clock import Clock, from_us
from headwater.kit.http import Registrar
from headwater.management import sync_views
from headwater.management.caller import Caller, Permission
from headwater.management.doors import Doors, Opened
from headwater.management.providers import Providers
from headwater.management.public import PublicUrl
from headwater.model.secret import MASK, Secret
from headwater.providers.provider import JSON, Provider, Webhook
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.revisions import Revisions
from headwater.store.vault import Vault
from headwater.syncs import hooks
from headwater.syncs.hooks import Hook, HookRows

_LOG = structlog.get_logger(__name__)
OLDER_COUNTS = timedelta(hours=24)
"""So long an older secret counts after it was rolled: what is on its way, and retried, is signed with it."""
_DAY_US = OLDER_COUNTS // timedelta(microseconds=1)


class HookState(StrEnum):
    """Where a webhook stands."""

    UNSUPPORTED = "unsupported"
    """The API does not push, or not yet here."""
    OFF = "off"
    BY_HAND = "by_hand"
    """A person tells the API where to push."""
    REGISTERED = "registered"
    """The API was told by us."""


_NOTES = {
    HookState.UNSUPPORTED: "This API does not push here. Changes are found by asking it.",
    HookState.OFF: "Changes are found by asking. A webhook brings them sooner.",
    HookState.BY_HAND: "Tell the API where to push, as `instructions` say. Changes are found by asking, too.",
    HookState.REGISTERED: "The API was told where to push. Changes are found by asking, too.",
}
_NO_ADDRESS = (
    "Nothing can be pushed, since this server does not know its public address (HEADWATER_PUBLIC_URL)."
    " Changes are found by asking, a little later."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSecret:
    """A secret that may sign, masked. `until`: None for the one in use."""

    secret: str = MASK
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookView:
    """A sync's webhook as it is shown. `secret`: one that a person must paste, shown this once."""

    sync_id: str
    provider: str
    state: HookState
    note: str
    url: str | None
    secrets: tuple[ShownSecret, ...] = ()
    secret: str | None = field(default=None, repr=False)
    instructions: str | None = field(default=None, repr=False)
    last_received_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookWish:
    """What a person wants of a webhook: to have one, with a secret of their own, with a new one."""

    secret: Secret | None = None
    rotate: bool = False
    register: bool = True
    """Tell the API, where it can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Of:
    """A sync, and what its API can."""

    row: Any
    """`id, provider, config, credential_id`, and `kind, properties, secrets` of the credential."""
    provider: Provider | None
    webhook: Webhook | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The webhooks of one installation."""

    database: Database
    revisions: Revisions
    providers: Providers
    vault: Vault
    doors: Doors
    clock: Clock
    public: PublicUrl

    async def get(self, caller: Caller, sync_id: str) -> HookView:
        """Return the webhook of a sync, or why it has none. Raises: NotFound."""
        caller.require(Permission.READ)
        of = await self._of(caller, sync_id)
        return self._shown(of, await self._rows.read(sync_id))

    async def put(self, caller: Caller, sync_id: str, wish: HookWish) -> HookView:
        """Have a webhook, or a new secret for the one that is there; the older one counts for a day more.

        Raises: NotFound; InUse `server.public_url`, `webhook.unsupported`; Halt and Retry of the API, after
        which everything is as it was.
        """
        caller.require(Permission.ADMIN)
        of = await self._of(caller, sync_id)
        if of.webhook is None:
            raise InUse(
                _NOTES[HookState.UNSUPPORTED],
                code="webhook.unsupported",
                fix="Nothing needs to be done.",
            )
        self.public.require()
        before = await self._rows.read(sync_id)
        told = before is not None and before.registration is not None
        tell = wish.register and of.webhook.register is not None and not told
        if before is not None and not (wish.rotate or wish.secret or tell):
            return self._shown(of, before)
        secret = wish.secret or self._kept(before, wish) or hooks.new_secret()
        made = await self._written(of, before, secret, wish)
        pasted = made.registration is None and wish.secret is None
        return self._shown(of, made, made.secrets[0] if pasted else None)

    async def delete(self, caller: Caller, sync_id: str) -> None:
        """Have a webhook no more. What the API does not take away gets 404 from then on. Raises: NotFound."""
        caller.require(Permission.ADMIN)
        of = await self._of(caller, sync_id)
        before = await self._rows.read(sync_id)
        if before is None:
            return
        await self._unregister(of, before.registration)
        async with self.revisions.changing("syncs") as connection:
            await hooks.forget(connection, sync_id)

    # --- what is written ------------------------------------------------------------------------------------

    @property
    def _rows(self) -> HookRows:
        return HookRows(database=self.database, vault=self.vault)

    def _kept(self, before: Hook | None, wish: HookWish) -> Secret | None:
        """Return the secret that stays: of a webhook that is only registered now."""
        return None if before is None or wish.rotate else before.secrets[0]

    async def _written(self, of: _Of, before: Hook | None, secret: Secret, wish: HookWish) -> Hook:
        """Write the secret down, so that a push that comes at once is known; then tell the API."""
        now_us = self.clock.now_us()
        if before is None:
            hook = Hook(sync_id=of.row.id, secrets=(secret,), created_us=now_us, updated_us=now_us)
        else:
            others = tuple(one for one in before.valid(now_us) if one != secret)
            hook = replace(
                before,
                secrets=(secret, *others),
                older_until_us=now_us + _DAY_US if others else None,
                updated_us=max(now_us, before.updated_us + 1),
            )
        await self._write(hook)
        if not wish.register or of.webhook is None or of.webhook.register is None:
            return hook
        try:
            url = self.public.webhook(of.row.id, of.row.provider) or ""
            made = await hooks.register(of.webhook, self._http(of), url, secret)
        except HeadwaterError:
            await self._restore(of.row.id, before)
            raise
        if made is None:
            return hook
        told = replace(hook, registration=made.kept, secrets=_first(made.secret, hook.secrets))
        await self._write(told)
        if before is not None and before.registration not in (None, made.kept):
            await self._unregister(of, before.registration)
        return told

    async def _write(self, hook: Hook) -> None:
        async with self.revisions.changing("syncs") as connection:
            await self._rows.put(connection, hook)

    async def _restore(self, sync_id: str, before: Hook | None) -> None:
        async with self.revisions.changing("syncs") as connection:
            if before is None:
                await hooks.forget(connection, sync_id)
            else:
                await self._rows.put(connection, before)

    async def _unregister(self, of: _Of, registration: JSON | None) -> None:
        """Have the API push there no more, as far as it can be reached."""
        if registration is None or of.webhook is None or of.webhook.unregister is None:
            return
        try:
            await of.webhook.unregister(self._http(of), registration)
        except HeadwaterError as error:
            _LOG.warning("webhook not taken away", sync_id=of.row.id, code=error.error_code)

    # --- what is known --------------------------------------------------------------------------------------

    async def _of(self, caller: Caller, sync_id: str) -> _Of:
        credentials = schema.credentials
        async with self.database.read() as connection:
            await sync_views.visible(connection, caller, sync_id)
            syncs = schema.syncs
            row = (
                await connection.execute(
                    select(
                        syncs.c.id,
                        syncs.c.provider,
                        syncs.c.config,
                        syncs.c.credential_id,
                        credentials.c.kind,
                        credentials.c.properties,
                        credentials.c.secrets,
                    )
                    .join(credentials, credentials.c.id == syncs.c.credential_id)
                    .where(syncs.c.id == sync_id)
                )
            ).one()
        provider = await self.providers.find(row.provider)
        if provider is not None:
            properties = json.loads(row.properties) | json.loads(self.vault.open(row.secrets))
            try:
                provider = provider.configured(json.loads(row.config)).opened(row.kind, properties)
            except Invalid:  # its health says what is missing
                provider = None
        return _Of(row=row, provider=provider, webhook=None if provider is None else provider.webhook)

    def _http(self, of: _Of) -> Registrar:
        assert of.provider is not None  # noqa: S101 - what has a webhook has a provider
        properties = json.loads(of.row.properties) | json.loads(self.vault.open(of.row.secrets))
        opened = Opened(kind=of.row.kind, properties=properties, id=of.row.credential_id)
        return self.doors.api(of.provider, opened)

    def _shown(self, of: _Of, hook: Hook | None, fresh: Secret | None = None) -> HookView:
        state = _state(of.webhook, hook)
        url = None if of.webhook is None else self.public.webhook(of.row.id, of.row.provider)
        note = _NO_ADDRESS if of.webhook is not None and url is None else _NOTES[state]
        view = HookView(sync_id=of.row.id, provider=of.row.provider, state=state, note=note, url=url)
        if hook is None:
            return view
        older = None if hook.older_until_us is None else from_us(hook.older_until_us)
        valid = hook.valid(self.clock.now_us())
        return replace(
            view,
            secrets=tuple(ShownSecret(until=older if number else None) for number in range(len(valid))),
            secret=None if fresh is None else fresh.reveal(),
            instructions=_instructions(of.webhook, url, fresh) if state is HookState.BY_HAND else None,
            last_received_at=None if hook.last_received_us is None else from_us(hook.last_received_us),
            created_at=from_us(hook.created_us),
            updated_at=from_us(hook.updated_us),
        )


def _first(secret: Secret, secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
    """Return the secrets with the one first that the API signs with: it may have made up its own."""
    return secrets if secret == secrets[0] else (secret, *secrets[1:])


def _state(webhook: Webhook | None, hook: Hook | None) -> HookState:
    if webhook is None:
        return HookState.UNSUPPORTED
    if hook is None:
        return HookState.OFF
    return HookState.BY_HAND if hook.registration is None else HookState.REGISTERED


def _instructions(webhook: Webhook | None, url: str | None, fresh: Secret | None) -> str | None:
    """Return what to paste where; the secret itself only where it is shown anyway."""
    if webhook is None or not webhook.instructions or url is None:
        return None
    secret = MASK if fresh is None else fresh.reveal()
    return webhook.instructions.replace("{url}", url).replace("{secret}", secret)
