"""The doors to other people's APIs for what a person asks of management: trying a credential, linking an
account, registering a webhook.

Each is opened on a budget of its own, before everybody else: somebody waits for the answer. Not here: the
doors of syncs (`syncs.accounts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater.kit.budget import Governor, Urgency
from headwater.kit.clock import Clock
from headwater.kit.http import Client, Poster, Registrar, Session
from headwater.providers import oauth
from headwater.providers.provider import Provider
from headwater.providers.tokens import TokenKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A credential with its secrets. `id` None: it is not kept (yet). Never for show."""

    kind: str
    properties: Mapping[str, Any]
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Opens APIs. One for each process."""

    session: Session
    keeper: TokenKeeper
    clock: Clock

    def api(self, provider: Provider, credential: Opened) -> Registrar:
        """Open an API with a credential; `provider` is as it is for that."""
        authorizer = (
            self.keeper.authorizer(provider, credential.id)
            if credential.id is not None and credential.kind == oauth.KIND and provider.oauth is not None
            else provider.authorize(credential.kind, credential.properties)
        )
        return Client(
            provider.base_url,
            authorizer=authorizer,
            limiter=Governor(provider.budget, self.clock),
            urgency=Urgency.WRITE,
            clock=self.clock,
            headers=provider.headers,
            session=self.session,
        )

    def forms(self, provider: Provider, url: str) -> Poster:
        """Open one address of an API that takes forms, without a credential."""
        return Client(
            url,
            authorizer=None,
            limiter=Governor(provider.budget, self.clock),
            urgency=Urgency.WRITE,
            clock=self.clock,
            headers={},
            session=self.session,
        )

    async def check(self, provider: Provider, credential: Opened) -> str | None:
        """Try a credential at its API; return the upstream account where that tells. Raises: Halt, Retry."""
        provider = provider.opened(credential.kind, credential.properties)
        return None if provider.check is None else await provider.check(self.api(provider, credential))
