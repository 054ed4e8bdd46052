"""The fake GitHub, opened as a sync opens the real one: by the real client, below real parents."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from headwater.kit.budget import Governor, Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Client, open_session
from headwater.model.record import Observed
from headwater.providers.github import GITHUB
from headwater.providers.provider import Page, Provider, Scope
from headwater.testing.fake_github import Repo, Running, World, serving
from headwater.testing.fake_github.seeding import seed

OBJECTS = 260
"""Of which issues fill several pages."""


class Opened:
    """A provider that is opened at a fake GitHub."""

    def __init__(self, running: Running, provider: Provider, client: Client) -> None:
        self.running, self.provider, self.http = running, provider, client
        self.world = running.world

    @property
    def repo(self) -> Repo:
        """The first repository."""
        return next(iter(self.world.repos.values()))

    def scope(self, collection: str) -> list[Scope | None]:
        """Return the parents below which a collection is read."""
        found = self.provider.collection(collection)
        assert found is not None
        if found.parent is None:
            return [None]
        dump = self.world.dump()[found.parent]
        return [Scope(id=id, data=orjson.dumps(value)) for id, value in dump.items()]

    async def all(self, collection: str) -> dict[str, Any]:
        """Read a collection whole; return what it shows, by id."""
        found = self.provider.collection(collection)
        assert found is not None
        return shown(
            [
                one
                for scope in self.scope(collection)
                for page in await pages(found.read_all(self.http, scope, None))
                for one in page.observed
            ]
        )

    async def one(self, collection: str, id: str) -> Page:
        """Read one object."""
        found = self.provider.collection(collection)
        assert found is not None
        assert found.read_one is not None
        scopes = self.scope(collection)
        [scope] = [scope for scope in scopes if scope is None or id.startswith(f"{scope.id}/")]
        return await found.read_one(self.http, scope, id)

    def asked(self) -> int:
        """Return how many requests have come so far."""
        return self.running.limits.counts["requests"]


async def pages(reading: AsyncIterator[Page]) -> list[Page]:
    """Read to the end, which only the last page says."""
    found = [page async for page in reading]
    assert [page.resume is None for page in found] == [False] * (len(found) - 1) + [True]
    assert not [reject for page in found for reject in page.rejected]
    return found


def shown(observed: list[Observed]) -> dict[str, Any]:
    """Return objects by id, decoded; those that are gone are left out."""
    assert len({one.id for one in observed}) == len(observed), "something came twice"
    return {one.id: orjson.loads(one.raw) for one in observed if not one.deleted}


@asynccontextmanager
async def opened(
    world: World | None = None,
    config: Mapping[str, Any] | None = None,
    kind: str = "token",
    **properties: Any,
) -> AsyncGenerator[Opened]:
    """Serve a world and open it. Without one, a repository with something of everything."""
    if world is None:
        world = World(1)
        repo = world.make_repo("octo/hello")
        seed(world, repo, OBJECTS)
        world.make(repo, "member")
        world.make(repo, "team")
    async with serving(world) as running, open_session() as session:
        if kind == "token":
            properties = {"token": running.token, **properties}
        properties |= {"base_url": running.url}
        provider = GITHUB.configured(config or {}).opened(kind, properties)
        client = Client(
            provider.base_url,
            authorizer=provider.authorize(kind, properties),
            limiter=Governor((), SystemClock()),
            urgency=Urgency.CHANGES,
            clock=SystemClock(),
            headers=provider.headers,
            session=session,
        )
        yield Opened(running, provider, client)
