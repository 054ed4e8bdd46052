"""Who has agreed to what, and which codes and tokens are good: the fake's memory and its rules. No HTTP."""

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

CODE_SECONDS = 60.0


class Switches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be turned while it runs."""

    account: str = "acme"
    """Who is logged in, and agrees."""
    denies: bool = False
    """The user declines."""
    rotates: bool = False
    """A refresh token works once, and each refresh gives the next one."""
    pkce: bool = True
    """A code without a verifier is refused."""
    client_in: str = "any"
    """Where a token request must say who asks: `basic`, `body`, or `any`."""
    token_seconds: float | None = 3600.0
    """How long an access token is good; None: for ever, and the answer does not say."""
    failures: int = 0
    """So many of the next token requests are answered with 500."""
    forgets: int = 0
    """So many of the next token requests are carried out, and answered with 500."""
    slow_seconds: float = 0.0
    """How long the token endpoint takes."""
    error_status: int = 400
    """Of a refusal; some APIs refuse with 200."""


class Denied(Exception):
    """The token endpoint says no; `reason` is its error code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a user has agreed to."""

    account: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What was given for an agreement, to be exchanged once."""

    agreement: Agreement
    redirect_uri: str
    challenge: str | None
    until: float


@dataclass
class Authority:
    """The authorization server's memory."""

    client_id: str = "client"
    client_secret: str = "client-secret"  # noqa: S105 - a stand-in has no secrets
    switches: Switches = field(default_factory=Switches)
    now: Callable[[], float] = time.monotonic
    codes: dict[str, Code] = field(default_factory=dict[str, Code])
    access: dict[str, tuple[Agreement, float]] = field(default_factory=dict[str, tuple[Agreement, float]])
    refresh: dict[str, Agreement] = field(default_factory=dict[str, Agreement])
    exchanges: int = 0
    """Codes that were exchanged."""
    refreshes: int = 0
    """Refreshes that were carried out."""
    asked_tokens: int = 0
    """Token requests, whatever came of them."""
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """The parameters of each visit to the page where users agree."""

    def agree(self, query: Mapping[str, str]) -> str:
        """Let the user who is logged in agree; return the code."""
        code = secrets.token_urlsafe(16)
        agreement = Agreement(account=self.switches.account, scope=query.get("scope", ""))
        self.codes[code] = Code(
            agreement=agreement,
            redirect_uri=query["redirect_uri"],
            challenge=query.get("code_challenge"),
            until=self.now() + CODE_SECONDS,
        )
        return code

    def exchange(self, form: Mapping[str, str]) -> dict[str, object]:
        """Return tokens for a code. Raises: Denied."""
        code = self.codes.pop(form.get("code", ""), None)  # once, whatever comes of it
        if code is None or code.until < self.now() or form.get("redirect_uri") != code.redirect_uri:
            raise Denied("invalid_grant")
        if self.switches.pkce and code.challenge != _challenge(form.get("code_verifier", "")):
            raise Denied("invalid_grant")
        self.exchanges += 1
        return self._granted(code.agreement, refresh_token=True)

    def renew(self, form: Mapping[str, str]) -> dict[str, object]:
        """Return tokens for a refresh token. Raises: Denied."""
        token = form.get("refresh_token", "")
        agreement = self.refresh.get(token)
        if agreement is None:
            raise Denied("invalid_grant")
        if self.switches.rotates:
            del self.refresh[token]
        self.refreshes += 1
        return self._granted(agreement, refresh_token=self.switches.rotates)

    def whose(self, token: str) -> Agreement | None:
        """Return what an access token stands for; None for one that is not good."""
        found = self.access.get(token)
        return None if found is None or found[1] < self.now() else found[0]

    def expire(self) -> None:
        """End all access tokens."""
        self.access.clear()

    def revoke(self, account: str | None = None) -> None:
        """Take back what users have agreed to: all of them, or one."""
        for token, (agreement, _) in list(self.access.items()):
            if account in (None, agreement.account):
                del self.access[token]
        for token, agreement in list(self.refresh.items()):
            if account in (None, agreement.account):
                del self.refresh[token]

    def _granted(self, agreement: Agreement, *, refresh_token: bool) -> dict[str, object]:
        seconds = self.switches.token_seconds
        token = secrets.token_urlsafe(24)
        self.access[token] = (agreement, float("inf") if seconds is None else self.now() + seconds)
        answer: dict[str, object] = {
            "access_token": token,
            "token_type": "bearer",
            "scope": agreement.scope,
            "account": agreement.account,
        }
        if seconds is not None:
            answer["expires_in"] = int(seconds)
        if refresh_token:
            answer["refresh_token"] = secrets.token_urlsafe(24)
            self.refresh[str(answer["refresh_token"])] = agreement
        return answer


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
