"""Links: a user's account at an API becomes a credential, by the user's own consent.

Three steps: a token that names what is to come of it (for whoever has an admin key), the way to the API (the
user's browser), and the way back. A state works once, in the browser that it was made for, for five minutes.
Not here: the HTTP of it (`api.links`), what an API wants (`providers.oauth`).
"""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete, insert

from headwater.errors import Forbidden, Halt, HeadwaterError, Invalid, Refused
from headwater.kit.clock import Clock, from_us
from headwater.management.caller import Caller, Permission
from headwater.management.credentials import Credentials, NewCredential, own_external_id
from headwater.management.doors import Doors
from headwater.management.listing import to_json
from headwater.management.oauth_apps import OAuthApps, Ready
from headwater.management.public import PublicUrl
from headwater.model.secret import Secret
from headwater.providers import oauth
from headwater.store import schema
from headwater.store.database import Database
from headwater.store.vault import Vault

TOKEN_LIVES = timedelta(minutes=30)
"""So long a link may be opened, again and again: a person may have to log in first, or come back."""
STATE_LIVES = timedelta(minutes=5)
_PURPOSE = "link"
_MICROSECOND = timedelta(microseconds=1)
_MAC_BYTES = 16
_DENIED = "access_denied"
_LINKS = Caller(key_id=_PURPOSE, permissions=frozenset({Permission.ADMIN}))
"""Who acts for a link: whose it is, is sealed in its token, as the key was allowed to say that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """What is to come of a link: a credential of this name and tenant; where the user goes afterwards."""

    oauth_app_id: str
    external_id: str | None = None
    redirect_url: str | None = None
    name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkToken:
    """A link for a user's browser."""

    token: str = field(repr=False)
    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Where a browser is sent, and the proof that it keeps until it comes back."""

    address: str = field(repr=False)
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a browser brings back from an API. `browser`: the proof that it kept."""

    provider: str
    state: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    error: str | None = None
    browser: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a link. `status`: ok, denied (by the user) or failed (`code` says why).

    `address`: where the user goes on; None: nowhere, a page says it.
    """

    status: str
    credential_id: str | None = None
    code: str | None = None
    message: str = ""
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The links of one installation."""

    database: Database
    apps: OAuthApps
    credentials: Credentials
    vault: Vault
    doors: Doors
    clock: Clock
    public: PublicUrl

    async def token(self, caller: Caller, new: NewLink) -> LinkToken:
        """Return a link for a user. Raises: NotFound, Invalid, Forbidden, InUse `server.public_url`."""
        caller.require(Permission.ADMIN)
        external_id = own_external_id(caller, new.external_id)
        base = self.public.require()
        app = await self.apps.ready(caller, new.oauth_app_id)
        if new.redirect_url is not None and new.redirect_url not in app.redirect_urls:
            raise Invalid(
                "The link may not end there.",
                errors=[("redirect_url", "Is none of the OAuth app's redirect_urls, letter by letter.")],
                fix="Add it to the OAuth app: PATCH /v1/oauth-apps/{id}.",
            )
        until_us = self.clock.now_us() + TOKEN_LIVES // _MICROSECOND
        named = {
            "purpose": _PURPOSE,
            "app": new.oauth_app_id,
            "tenant": external_id,
            "redirect_url": new.redirect_url,
            "name": new.name,
            "metadata": dict(new.metadata),
            "until_us": until_us,
        }
        token = self.vault.seal(to_json(named).encode()).decode("ascii")
        url = f"{base}/link/start?{urlencode({'token': token})}"
        return LinkToken(token=token, url=url, expires_at=from_us(until_us))

    async def start(self, token: str) -> Started:
        """Return where a browser goes to have its user agree. Raises: Refused, Invalid, Halt, Retry."""
        named = self._named(token)
        base = self.public.require()
        app = await self.apps.ready(_LINKS, named["app"])
        nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(3))
        redirect_uri = self.public.callback(app.provider.name) or base
        payload = named | {"verifier": verifier, "browser": _digest(browser), "provider": app.provider.name}
        now_us = self.clock.now_us()
        table = schema.link_states
        async with self.database.write() as connection:
            await connection.execute(delete(table).where(table.c.expires_us < now_us))
            await connection.execute(
                insert(table).values(
                    nonce=nonce,
                    payload=self.vault.seal(to_json(payload).encode()),
                    expires_us=now_us + STATE_LIVES // _MICROSECOND,
                )
            )
        address = oauth.authorize_address(
            app.declared,
            app.client.id,
            app.scopes,
            state=self._signed(nonce),
            redirect_uri=redirect_uri,
            verifier=verifier,
        )
        return Started(address=address, browser=browser)

    async def finish(self, returned: Returned) -> Outcome:
        """Make a credential of what a browser brings back; the answer says how that went.

        Raises: Refused `link.state_unknown` for a state that is not ours, was used, or is too old; Forbidden
        `link.other_browser`.
        """
        payload = await self._taken(returned)
        try:
            app = await self.apps.ready(_LINKS, payload["app"])
        except HeadwaterError as error:
            return Outcome(status="failed", code=error.error_code, message=error.message)
        try:
            outcome = await self._made(app, payload, returned)
        except HeadwaterError as error:
            outcome = Outcome(status="failed", code=error.error_code, message=error.message)
        return _sent_on(outcome, app, payload["redirect_url"])

    async def _made(self, app: Ready, payload: Mapping[str, Any], returned: Returned) -> Outcome:
        if returned.error == _DENIED:
            return Outcome(status="denied", message="Nothing was linked, as was wished.")
        if returned.code is None:
            raise Halt(
                "The API sent its user back without a code.",
                code="link.refused",
                fix="Check client id, scopes and the redirect address of the OAuth app at the API.",
            )
        endpoint = oauth.TokenEndpoint(
            oauth=app.declared,
            client=app.client,
            door=self.doors.forms(app.provider, app.declared.token_url),
            clock=self.clock,
        )
        redirect_uri = self.public.callback(app.provider.name) or ""
        grant = await endpoint.exchange(
            Secret(returned.code), redirect_uri=redirect_uri, verifier=payload["verifier"]
        )
        credential, _ = await self.credentials.put(
            _LINKS,
            NewCredential(
                provider=app.provider.name,
                kind=oauth.KIND,
                name=payload["name"],
                properties=grant.properties,
                rate_limit=None,
                external_id=payload["tenant"] or None,  # P12: as the key allowed that made the link
                metadata=payload["metadata"],
                oauth_app_id=payload["app"],
                account=app.declared.account(grant.answer),
                must_work=True,
            ),
        )
        return Outcome(status="ok", credential_id=credential.id, message="The account is linked.")

    def _named(self, token: str) -> dict[str, Any]:
        """Return what a token names. Raises: Refused `link.token_invalid`."""
        try:
            named: dict[str, Any] = json.loads(self.vault.open(token.encode()))
        except (Halt, ValueError):
            named = {}
        if named.get("purpose") != _PURPOSE or named["until_us"] < self.clock.now_us():
            raise Refused(
                "This link is not valid any more.",
                code="link.token_invalid",
                fix="Go back to where you found it, and start again.",
            )
        return named

    async def _taken(self, returned: Returned) -> dict[str, Any]:
        """Return what a state stands for, and let it work no more."""
        nonce = self._checked(returned.state or "")
        table = schema.link_states
        payload = None
        if nonce is not None:
            async with self.database.write() as connection:
                found = (
                    await connection.execute(delete(table).where(table.c.nonce == nonce).returning(table))
                ).one_or_none()
            if found is not None and found.expires_us >= self.clock.now_us():
                payload = json.loads(self.vault.open(found.payload))
        if payload is None or payload["provider"] != returned.provider:
            raise Refused(
                "This way back is not known: it was used already, or took longer than five minutes.",
                code="link.state_unknown",
                fix="Start again where you wanted to link the account.",
            )
        if not hmac.compare_digest(payload["browser"], _digest(returned.browser or "")):
            raise Forbidden(
                "The link was begun in another browser.",
                code="link.other_browser",
                fix="Start again in this browser, and let it keep cookies for the way.",
            )
        return payload

    def _signed(self, nonce: str) -> str:
        return f"{nonce}.{_mac(self.vault.derived(_PURPOSE.encode())[0], nonce)}"

    def _checked(self, state: str) -> str | None:
        """Return the nonce of a state that we made; None for any other."""
        nonce, _, mac = state.partition(".")
        macs = [_mac(key, nonce) for key in self.vault.derived(_PURPOSE.encode())]
        matches = [hmac.compare_digest(one.encode(), mac.encode()) for one in macs]
        return nonce if any(matches) else None


def _sent_on(outcome: Outcome, app: Ready, redirect_url: str | None) -> Outcome:
    """Return an outcome with where its user goes, if that is (still) allowed."""
    if redirect_url is None or redirect_url not in app.redirect_urls:
        return outcome
    told = {"credential_id": outcome.credential_id, "status": outcome.status, "code": outcome.code}
    sign = "&" if "?" in redirect_url else "?"
    query = urlencode({name: value for name, value in told.items() if value is not None})
    return Outcome(
        status=outcome.status,
        credential_id=outcome.credential_id,
        code=outcome.code,
        message=outcome.message,
        address=f"{redirect_url}{sign}{query}",
    )


def _mac(key: bytes, nonce: str) -> str:
    digest = hmac.new(key, nonce.encode("utf-8", "replace"), "sha256").digest()[:_MAC_BYTES]
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode("utf-8", "replace")).hexdigest()
