"""How a webhook is mended by itself: an API that has gone silent is told once more where to push, and one
whose pushes got lost is asked to send them again.

Not here: how that is noticed (`comparing`), what is said of it (`silence`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from headwater.errors import HeadwaterError
from headwater.kit.http import Registrar
from headwater.providers.provider import JSON, Webhook
from headwater.syncs import hooks
from headwater.syncs.comparing import Seen, Verdict
from headwater.syncs.hooks import Hook, HookRows

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mender:
    """Mends the webhook of one sync. `url` None: this server has no public address."""

    sync_id: str
    webhook: Webhook
    rows: HookRows
    open: Callable[[], Registrar]
    url: str | None

    async def mend(self, seen: Seen) -> str | None:
        """Do what can be done; return it as a sentence, None where only a person can. Raises: Halt, Retry."""
        hook = await self.rows.read(self.sync_id)
        if hook is None or hook.registration is None:
            return None
        if seen.verdict is Verdict.SILENT:
            return await self._register(hook)
        if self.webhook.redeliver is None:
            return None
        asked = await self.webhook.redeliver(self.open(), hook.registration, seen.since_us)
        return f"The API was asked to send {asked} deliveries again." if asked else None

    async def _register(self, hook: Hook) -> str | None:
        if self.url is None:
            return None
        http = self.open()
        made = await hooks.register(self.webhook, http, self.url, hook.secrets[0])
        if made is None:
            return None
        others = tuple(one for one in hook.secrets if one != made.secret)
        mended = replace(hook, registration=made.kept, secrets=(made.secret, *others))
        if not await self._written(hook, mended):
            await self._unregister(http, made.kept)
            return None
        if hook.registration != made.kept:
            await self._unregister(http, hook.registration)
        return "The API was told once more where to push."

    async def _written(self, before: Hook, after: Hook) -> bool:
        """Write a webhook unless a person has changed it meanwhile; the run need not begin anew for it."""
        async with self.rows.database.write() as connection:
            now = await self.rows.read_in(connection, self.sync_id)
            if now is None or now.updated_us != before.updated_us:
                return False
            await self.rows.put(connection, after)
        return True

    async def _unregister(self, http: Registrar, kept: JSON) -> None:
        """Take a place away that is used no more, as far as that can be done."""
        if self.webhook.unregister is None:
            return
        try:
            await self.webhook.unregister(http, kept)
        except HeadwaterError as error:
            _LOG.warning("older webhook not taken away", sync_id=self.sync_id, code=error.error_code)
