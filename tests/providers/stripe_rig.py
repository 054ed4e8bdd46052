"""The Stripe provider before its fake, through the real HTTP client, for tests."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headwater.kit.budget import Governor, Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Client, open_session
from headwater.model.record import Observed
from headwater.providers.provider import Collection, Page, Provider, Scope
from headwater.providers.stripe import STRIPE
from headwater.testing.fake_stripe import Running, Switches, World, serving
from headwater.testing.fake_stripe.books import Books
from headwater.testing.provider_suite import unhurried

OPEN = Switches(limit=0, endpoint_limit=0)


@dataclass
class Rig:
    """A fake Stripe, and the provider with a key of it."""

    fake: Running
    provider: Provider
    http: Client

    @property
    def books(self) -> Books:
        """The objects of the key's account."""
        return self.fake.world.own

    def collection(self, name: str) -> Collection:
        """Return a collection."""
        found = self.provider.collection(name)
        assert found is not None
        return found

    async def all(self, name: str, scope: Scope | None = None) -> list[Observed]:
        """Read a collection whole."""
        return [one for page in await self.pages(name, scope) for one in page.observed]

    async def pages(self, name: str, scope: Scope | None = None) -> list[Page]:
        """Read the pages of a collection."""
        return [page async for page in self.collection(name).read_all(self.http, scope, None)]

    def asked(self, path: str) -> int:
        """How many requests an operation got."""
        return len(self.fake.world.used.operation(f"GET {path}"))


@asynccontextmanager
async def rigged(
    switches: Switches = OPEN, *, key: str = "sk_live_x", buckets: bool = False, **properties: str
) -> AsyncGenerator[Rig]:
    """Start a fake and open it. Without `buckets` nothing slows a request down."""
    clock = SystemClock()
    async with serving(World(1, switches, key=key)) as fake, open_session() as session:
        credential = {"api_key": key, "base_url": fake.url, **properties}
        provider = STRIPE.opened("key", credential)
        budget = provider.budget if buckets else unhurried(provider.budget)
        http = Client(
            provider.base_url,
            authorizer=provider.authorize("key", credential),
            limiter=Governor(budget, clock),
            urgency=Urgency.CHANGES,
            clock=clock,
            headers=provider.headers,
            session=session,
        )
        yield Rig(fake, provider, http)
