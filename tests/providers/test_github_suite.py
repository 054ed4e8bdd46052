"""GitHub passes the suite that every provider must pass, on answers recorded of the fake."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import orjson
import pytest
from tests.providers.github.opened import opened

from headwater.kit.http import Answer, Http
from headwater.providers.github import GITHUB
from headwater.providers.provider import Collection, Scope
from headwater.testing.fake_github import World
from headwater.testing.fake_github.seeding import seed
from headwater.testing.provider_suite import ProviderSuite, Recording
from headwater.testing.recorded_api import Recorded

BASE = GITHUB.base_url
ENVELOPED = {"workflow", "workflow_run"}
"""Their lists stand in an object."""


@dataclass
class Recorder:
    """Passes requests on, and keeps the answers as if they were of the real address."""

    http: Http
    url: str
    answers: dict[str, Recorded] = field(default_factory=dict[str, Recorded])

    async def get(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset({200}),
        bucket: str = "default",
    ) -> Answer:
        answer = await self.http.get(url, query=query, headers=headers, accept=accept, bucket=bucket)
        kept = {name: answer.headers[name] for name in ("link", "etag") if name in answer.headers}
        self.answers[answer.url.removeprefix(f"{self.url}/api/v3")] = Recorded(
            body=answer.body.replace(self.url.encode(), BASE.encode()),
            headers={name: text.replace(self.url, BASE) for name, text in kept.items()},
            status=answer.status,
        )
        return answer


async def recorded(collections: list[Collection], objects: int, empty: bytes) -> Recording:
    """Record every list of these collections once."""
    world = World(5)
    repo = world.make_repo("octo/hello")
    seed(world, repo, objects)
    for _ in range(objects // 2):
        world.make(repo, "workflow_run")
    world.make(repo, "member")
    world.make(repo, "team")
    async with opened(world) as github:
        recorder, scopes = Recorder(github.http, github.running.url), dict[str, Scope]()
        for collection in collections:
            scope = None
            if collection.parent is not None:
                parents = github.world.dump()[collection.parent]
                below = {id.rpartition("/")[0] for id in github.world.dump()[collection.name]}
                id = next(id for id in parents if id in below)
                scope = scopes[collection.name] = Scope(id=id, data=orjson.dumps(parents[id]))
            async for _ in collection.read_all(recorder, scope, None):
                pass
    return Recording(
        provider=replace(GITHUB, collections=tuple(collections)),
        answers=recorder.answers,
        empty=Recorded(body=empty),
        scopes=scopes,
    )


KEPT: dict[str, Recording] = {}
"""By the class of the test: recorded once."""


class TestLists(ProviderSuite):
    """All that GitHub lists as an array."""

    @pytest.fixture
    async def recording(self) -> Recording:
        if "lists" not in KEPT:
            bare = [one for one in GITHUB.collections if one.name not in ENVELOPED]
            KEPT["lists"] = await recorded(bare, 700, b"[]")
        return KEPT["lists"]


class TestEnvelopes(ProviderSuite):
    """Workflows and their runs."""

    @pytest.fixture
    async def recording(self) -> Recording:
        if "envelopes" not in KEPT:
            inside = [one for one in GITHUB.collections if one.name in ENVELOPED]
            empty = b'{"total_count":0,"workflows":[],"workflow_runs":[]}'
            KEPT["envelopes"] = await recorded(inside, 500, empty)
        return KEPT["envelopes"]
