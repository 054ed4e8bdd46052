"""Opened APIs: one budget for each upstream account in this process, one connection pool for all. (P10)"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from headwater.kit.budget import Bucket, Governor, Limiter, Urgency
from headwater.kit.clock import Clock
from headwater.kit.http import Authorizer, Client, Http, Opening, Session, Told
from headwater.providers import oauth
from headwater.providers.provider import Provider
from headwater.providers.tokens import TokenKeeper
from headwater.syncs.plan import Plan


@dataclass(slots=True)
class Accounts:
    """Opens the API of a sync; syncs of one upstream account share its budget."""

    session: Session
    clock: Clock
    keeper: TokenKeeper | None = None
    """Keeps the tokens of linked accounts; without one a token is used as it is."""
    told: Callable[[str], Told] | None = None
    """Returns who is told of a provider's requests: for metrics."""
    _governors: dict[str, tuple[tuple[Bucket, ...], Governor]] = field(
        default_factory=dict[str, tuple[tuple[Bucket, ...], Governor]]
    )

    def open(self, plan: Plan, provider: Provider) -> Callable[[Urgency], Http]:
        """Return the API of a sync, for any urgency."""
        provider = provider.opened(plan.kind, plan.credential)
        limiter: Limiter = self._governor(plan, provider)
        if plan.rate_share < 1:
            limiter = self._governor(plan, provider).share(plan.rate_share)
        client = Client(
            provider.base_url,
            authorizer=self._authorizer(plan, provider),
            limiter=limiter,
            urgency=Urgency.CHANGES,
            clock=self.clock,
            headers=provider.headers,
            session=self.session,
            told=None if self.told is None else self.told(provider.name),
        )
        return client.at

    def _authorizer(self, plan: Plan, provider: Provider) -> Authorizer | Opening | None:
        if self.keeper is not None and plan.kind == oauth.KIND and provider.oauth is not None:
            return self.keeper.authorizer(provider, plan.credential_id)
        return provider.authorize(plan.kind, plan.credential)

    def _governor(self, plan: Plan, provider: Provider) -> Governor:
        """Return the budget of an account; a new one when its limits were changed."""
        buckets = budget(provider, plan.rate_limit)
        known = self._governors.get(plan.account)
        if known is None or known[0] != buckets:
            known = self._governors[plan.account] = (buckets, Governor(buckets, self.clock))
        return known[1]


def budget(provider: Provider, rate_limit: dict[str, Any] | None) -> tuple[Bucket, ...]:
    """Return the buckets of a credential: the user's own limit, where given, in place of the default."""
    if rate_limit is None:
        return provider.budget
    own = Bucket(
        allowed=rate_limit["allowed_requests"],
        per=timedelta(seconds=rate_limit["interval"]),
        concurrent=rate_limit.get("max_concurrent_requests"),
    )
    return (own, *(bucket for bucket in provider.budget if bucket.name != "default"))
