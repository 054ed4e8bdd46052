"""Keeps the tokens of linked accounts fresh, for everything that asks an API: one refresh at a time, however
many requests and processes need it.

A refresh is made under a claim and outside of any transaction, and stored before it is used: a token that
nobody has written down would be lost with the process, and where refresh tokens work once, the account with
it. Not here: what the token endpoint is asked and answers (`oauth`), the rows (`grants`).
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta

import structlog

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.kit.clock import Clock
from headwater.kit.http import Authorizer, Registrar
from headwater.kit.tasks import backoff
from headwater.model.secret import Secret
from headwater.providers import oauth
from headwater.providers.grants import Grants, Linked
from headwater.providers.provider import Provider
from headwater.store.database import Database
from headwater.store.vault import Vault

_LOG = structlog.get_logger(__name__)
_EXCHANGE = timedelta(seconds=90)
"""A refresh gives up before its claim ends."""
_LOOK = 0.2
"""Seconds between two looks whether another process has finished its refresh."""
_LOOKS = 150
_DEAD_FOR = timedelta(minutes=5)
"""So long an ended grant is not tried again, whoever asks; a new link counts at once."""
_STOPPING = 10
"""Seconds that a stop waits for tokens that are on their way into the database."""
_LONGEST_BACKOFF = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How the token endpoint of an API is reached: by a door that opens an address on the same budget."""

    declared: oauth.OAuth2
    door: Callable[[str], Registrar]
    clock: Clock

    def endpoint(self, client: oauth.Client, linked: Linked) -> oauth.TokenEndpoint:
        """Return the token endpoint for a credential. Raises: Invalid where the OAuth app lacks something."""
        there = self.declared.at(linked.config)
        return oauth.TokenEndpoint(
            oauth=there, client=client, door=self.door(there.token_url), clock=self.clock
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dead:
    """A grant that the API has ended: its refresh token, what it said, and until when that is believed."""

    refresh_token: Secret
    error: HeadwaterError
    until: float


class TokenKeeper:
    """Keeps the tokens of all linked credentials of a process. To be closed before the HTTP session."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        """Keep tokens in the credentials of `database`, sealed by `vault`."""
        self._grants, self._clock = Grants(database=database, vault=vault), clock
        self._known: dict[str, Linked] = {}
        self._running: dict[str, asyncio.Task[Linked]] = {}
        self._dead: dict[str, _Dead] = {}

    def authorizer(self, provider: Provider, credential_id: str) -> "Kept":
        """Return what authenticates requests with a linked credential, whose row is read anew."""
        self._known.pop(credential_id, None)
        return Kept(keeper=self, provider=provider, credential_id=credential_id)

    async def close(self) -> None:
        """Wait a while for tokens that are on their way, then end."""
        running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=_STOPPING)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def fresh(self, credential_id: str, place: Place) -> Linked:
        """Return a credential whose token is fresh; it is refreshed first where it is not.

        Raises: GrantEnded and other Halts, Retry.
        """
        known = self._known.get(credential_id)
        if known is None or self._is_stale(known):
            known = await self._grants.read(credential_id)
        if self._is_stale(known) and known.refresh_token is not None:
            known = await self._refreshed(credential_id, known, place)
        self._known[credential_id] = known
        return known

    async def after_refusal(self, credential_id: str, refused: Secret, place: Place) -> bool:
        """Have another token than a refused one; return whether there is one. Raises: as `fresh`."""
        known = await self._grants.read(credential_id)
        if known.token == refused:
            if known.refresh_token is None:
                return False
            known = await self._refreshed(credential_id, known, place)
        self._known[credential_id] = known
        return True

    def _is_stale(self, linked: Linked) -> bool:
        return linked.fresh_until_us <= self._clock.now_us()

    async def _refreshed(self, credential_id: str, stale: Linked, place: Place) -> Linked:
        """Wait for the one refresh of a credential in this process.

        It goes on when its waiter is cancelled: what the API has given must be stored.
        """
        task = self._running.get(credential_id)
        if task is None:
            self._refuse_the_dead(credential_id, stale)
            task = asyncio.create_task(self._refresh(credential_id, stale, place), name="token-refresh")
            self._running[credential_id] = task
            task.add_done_callback(lambda done: self._over(credential_id, done))
        return await asyncio.shield(task)

    def _over(self, credential_id: str, task: "asyncio.Task[Linked]") -> None:
        self._running.pop(credential_id, None)
        if not task.cancelled():
            task.exception()  # its waiters have it; where none is left, it is no surprise to the loop

    async def _refresh(self, credential_id: str, stale: Linked, place: Place) -> Linked:
        for _ in range(_LOOKS):
            claim = await self._grants.claim(credential_id)
            linked = await self._grants.read(credential_id)
            if linked.token != stale.token or linked.client is None:  # another process or a person was first
                await self._grants.release(credential_id, claim)
                return linked
            if claim is not None:
                endpoint = place.endpoint(linked.client, linked)
                return await self._exchange(credential_id, linked, claim, endpoint)
            await self._clock.sleep(_LOOK)
        raise Retry(
            "Another process is renewing the token of this account, and has not finished.",
            code="credential.refreshing",
        )

    async def _exchange(
        self, credential_id: str, linked: Linked, claim: int, endpoint: oauth.TokenEndpoint
    ) -> Linked:
        """Use the refresh token. What comes of it is stored before anybody may use it."""
        try:
            async with asyncio.timeout(_EXCHANGE.total_seconds()):
                grant = await endpoint.refresh(linked.properties)
        except oauth.GrantEnded as error:
            await self._grants.release(credential_id, claim)
            newer = await self._grants.read(credential_id)
            if newer.token != linked.token:  # whoever had the claim before was slow, not dead
                return newer
            self._bury(credential_id, linked, error)
            raise
        except TimeoutError as error:
            await self._grants.release(credential_id, claim)
            raise Retry("The token endpoint did not answer in time.", code="provider.timeout") from error
        except HeadwaterError:
            await self._grants.release(credential_id, claim)
            raise
        self._dead.pop(credential_id, None)
        return await self._store(credential_id, linked, grant, claim)

    async def _store(self, credential_id: str, linked: Linked, grant: oauth.Grant, claim: int) -> Linked:
        """Write a new grant down, for as long as that takes; return what counts then.

        Where a person has given other tokens meanwhile, theirs stay.
        """
        tries = 0
        while True:
            try:
                written = await self._grants.replace(credential_id, linked, grant, claim)
            except HeadwaterError as error:
                tries += 1
                _LOG.warning("token not stored yet", credential_id=credential_id, reason=error.message)
                await self._clock.sleep(backoff(tries, longest=_LONGEST_BACKOFF))
                continue
            newer = await self._grants.read(credential_id)
            if written or newer.token != linked.token:
                return newer
            linked = newer  # the same tokens, which the vault has sealed anew in between

    def _bury(self, credential_id: str, linked: Linked, error: HeadwaterError) -> None:
        if linked.refresh_token is not None:
            until = self._clock.monotonic() + _DEAD_FOR.total_seconds()
            self._dead[credential_id] = _Dead(refresh_token=linked.refresh_token, error=error, until=until)

    def _refuse_the_dead(self, credential_id: str, linked: Linked) -> None:
        """Raise again what the API said of a grant that has ended, without asking it each time."""
        dead = self._dead.get(credential_id)
        if dead is None:
            return
        if dead.refresh_token == linked.refresh_token and self._clock.monotonic() < dead.until:
            raise dead.error
        del self._dead[credential_id]


_sent: ContextVar[Secret | None] = ContextVar("linked token sent", default=None)
"""The token of the request that this task is sending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Authenticates with a linked credential. Implements `kit.http.Opening`."""

    keeper: TokenKeeper
    provider: Provider
    credential_id: str

    def through(self, door: Callable[[str], Registrar], clock: Clock) -> Authorizer:
        """Return the authorizer that has tokens refreshed by this door, inside the account's budget.

        Raises: Halt where the provider does not link accounts.
        """
        if self.provider.oauth is None:
            raise Halt(
                f"{self.provider.title} does not link accounts.",
                code="provider.credential_invalid",
                fix="Store a credential of another kind.",
            )
        return _KeptToken(self, Place(declared=self.provider.oauth, door=door, clock=clock))


@dataclass(frozen=True, slots=True)
class _KeptToken:
    """What `Kept` becomes once its API is open."""

    kept: Kept
    place: Place

    async def apply(self, headers: dict[str, str], query: dict[str, str]) -> None:
        """Add a token that is fresh."""
        kept = self.kept
        linked = await kept.keeper.fresh(kept.credential_id, self.place)
        _sent.set(linked.token)
        await kept.provider.authorize(oauth.KIND, linked.properties).apply(headers, query)

    async def refused(self) -> bool:
        """Have the refused token replaced, unless that has been done meanwhile."""
        sent = _sent.get()
        if sent is None:
            return False
        return await self.kept.keeper.after_refusal(self.kept.credential_id, sent, self.place)
