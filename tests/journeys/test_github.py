"""GitHub from end to end: backfilled while it changes, pushes lost, tokens ended, pages refused, killed.

At the end the record stream equals the fake, every delete is there, and no limit was met by going too fast.
50,000 objects in the long form, some hundred in the short one.
"""

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.journeys import compare
from tests.journeys.client import Client
from tests.journeys.entries import Seen
from tests.journeys.fake_github import VOLATILE, FakeGithub, lasting
from tests.journeys.processes import Server
from tests.journeys.pushing import expect_pushes

from headwater.cli.program import run

NASTY = {"lose": 0.1, "duplicate": 0.1, "late": 0.2, "late_ms": 700, "bad_gateway": 0.01, "half": 0.01}
SECRET = "s3cret of the webhook"
REPOS = ["octo/hello", "octo/other"]


@dataclass(frozen=True)
class Length:
    """How far a journey goes. `per_minute`: our budget; `points`: what the fake allows."""

    objects: int
    changes: int
    deletes: int
    rounds: int
    kills: int
    expiries: int
    per_minute: int
    points: int
    settle_seconds: float


SHORT = Length(
    objects=150, changes=60, deletes=12, rounds=4, kills=1, expiries=1, per_minute=3_000, points=6_000,
    settle_seconds=60,
)  # fmt: skip
LONG = Length(
    objects=25_000, changes=2_500, deletes=500, rounds=60, kills=10, expiries=2, per_minute=650, points=900,
    settle_seconds=1_200,
)  # fmt: skip


@pytest.mark.timeout(3600)
async def test_github(seed: int, long: bool, tmp_path: Path, report: Callable[..., None]) -> None:
    """Whatever happens on the way, the streams end as GitHub is; P10: without one request too fast."""
    length, dice, began = LONG if long else SHORT, Random(seed), time.monotonic()
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(
            FakeGithub(
                seed=seed, repos=REPOS, objects=length.objects, installation_limit=1_000_000,
                points=length.points, **NASTY,
            )
        )  # fmt: skip
        fake.control("make", repo=REPOS[0], kind="member")
        fake.control("make", repo=REPOS[0], kind="team")
        server = stack.enter_context(Server(home=tmp_path, settings={"lease_time": "2s"}))
        seeded = Counter(fake.counts()["changes"])
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        client = await stack.enter_async_context(Client(server))
        credential = await client.call(
            "POST",
            "/v1/credentials",
            {
                "provider": "github",
                "properties": {**fake.app(), "base_url": fake.url},
                "rate_limit": {
                    "allowed_requests": length.per_minute, "interval": 60, "max_concurrent_requests": 8,
                },
            },
        )  # fmt: skip
        assert credential["kind"] == "app"
        body = {
            "provider": "github",
            "credential_id": credential["id"],
            "collection_ids": [f"github:{name}" for name in VOLATILE],
        }
        sync = await client.call("POST", "/v1/syncs", body)
        for repo in REPOS:
            fake.push_to(repo, f"{server.url}/webhooks/{sync['id']}/github", SECRET)
        expect_pushes(tmp_path, sync["id"], SECRET)
        await client.call("PATCH", f"/v1/syncs/{sync['id']}", {"name": "pushed"})
        steps = ["kill"] * length.kills + ["expire"] * length.expiries
        steps += ["stir"] * (length.rounds - len(steps))
        dice.shuffle(steps)
        killed: list[float] = []
        for step in steps:
            stirred = {"changes": length.changes // length.rounds, "deletes": length.deletes // length.rounds}
            await asyncio.to_thread(lambda given=stirred: fake.control("stir", **given))
            if step == "kill":
                killed.append(time.monotonic())
                server.kill()
                server.start()
                await asyncio.to_thread(server.wait_until_ready)
            elif step == "expire":
                fake.control("expire")
            await asyncio.sleep(dice.uniform(0.2, 0.8) * (4 if long else 1))
        await live(client, sync["id"], length.settle_seconds)
        pushed_by = await asyncio.to_thread(fake.counts)
        await asyncio.to_thread(lambda: fake.control("idle"))
        truth = await asyncio.to_thread(fake.objects)
        records = await settled(client, sync["id"], truth, length.settle_seconds)
        events = await client.whole("events")
        used = await asyncio.to_thread(fake.counts)
        faults = [
            *equals(truth, records),
            *compare.nothing_twice(events),
            *too_fast(used, allowed(length, killed)),
        ]
        assert not faults, "\n".join([f"seed {seed}", *faults[:20], server.tail(20)])
        deleted = {one.key for one in events if one.event == "deleted"}
        assert deleted
        assert server.stop() == 0
        report(
            seed=seed,
            objects=len(truth),
            changes=(changed := Counter(used["changes"]) - seeded),
            deletes_seen=len(deleted),
            kills=length.kills,
            tokens=used["tokens"],
            requests=used["requests"],
            requests_before_the_last_sweep=pushed_by["requests"],
            fewest_possible=fewest(truth, changed),
            paths=dict(Counter(used["paths"]).most_common(12)),
            highest_points_per_minute=used["highest_points"],
            budget_per_minute=length.per_minute,
            pushed=used["hooks"],
            seconds=round(time.monotonic() - began),
        )


@pytest.mark.timeout(300)
async def test_a_public_repository_takes_one_line(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a credential, its name is enough (and the address, since this is not GitHub itself)."""
    with FakeGithub(seed=seed, repos=REPOS, objects=20) as fake, Server(home=tmp_path) as server:
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        monkeypatch.setenv("HEADWATER_URL", server.url)
        monkeypatch.setenv("HEADWATER_API_KEY", server.key)
        line = ["sync", "create", "github", "--repo", REPOS[0], "--set", f"base_url={fake.url}", "--json"]
        assert await asyncio.to_thread(run, line) == 0
        sync = json.loads(capsys.readouterr().out)
        assert sync["config"] == {"repositories": [REPOS[0]]}
        assert "github:member" not in sync["collection_ids"]
        async with Client(server) as client:
            for _ in range(200):
                records = await client.whole("records")
                if records:
                    break
                await asyncio.sleep(0.1)
        truth = {key: value for key, value in fake.objects().items() if key[0] == "repository"}
        assert [json.loads(one.text)["full_name"] for one in records] == [REPOS[0]]
        assert ("repository", records[0].upstream_id) in truth
        assert server.stop() == 0


async def live(client: Client, sync_id: str, seconds: float) -> None:
    """Wait until everything is backfilled."""
    deadline = time.monotonic() + seconds
    while True:
        sync = await client.call("GET", f"/v1/syncs/{sync_id}")
        states = {one["collection_id"]: one["state"] for one in sync["collections"]}
        if set(states.values()) == {"live"}:
            return
        assert time.monotonic() < deadline, (states, sync["health"])
        await asyncio.sleep(0.25)


async def settled(
    client: Client, sync_id: str, truth: dict[tuple[str, str], Any], seconds: float
) -> list[Seen]:
    """Sweep until the record stream equals the truth; return it as it is in the end.

    Once is not enough: what cannot be read by itself must be missing twice before it is gone.
    """
    deadline = time.monotonic() + seconds
    while True:
        asked: set[str] = set()
        for name in VOLATILE:
            body = {"collection_id": f"github:{name}"}
            asked.add((await client.call("POST", f"/v1/syncs/{sync_id}/sweeps", body))["id"])
        await over(client, sync_id, asked, deadline)
        records = await client.whole("records")
        if not equals(truth, records) or time.monotonic() > deadline:
            return records


async def over(client: Client, sync_id: str, asked: set[str], deadline: float) -> None:
    """Wait until these sweeps are over."""
    while time.monotonic() < deadline:
        sweeps = (await client.call("GET", f"/v1/syncs/{sync_id}/sweeps", limit="100"))["data"]
        if not any(one["id"] in asked and one["state"] in ("requested", "running") for one in sweeps):
            return
        await asyncio.sleep(0.25)


def equals(truth: dict[tuple[str, str], Any], records: Sequence[Seen]) -> list[str]:
    """Return how the record stream differs from what GitHub has: every object, whole, and nothing else."""
    shown = {(one.collection, one.upstream_id): one for one in records}
    faults = [f"{len(records) - len(shown)} records are there twice"] if len(records) > len(shown) else []
    alive = {key: one for key, one in shown.items() if not one.deleted}
    faults += [f"{key} exists and is no record" for key in truth.keys() - alive.keys()]
    faults += [f"{key} is a record and does not exist" for key in alive.keys() - truth.keys()]
    for key in truth.keys() & alive.keys():
        seen = lasting(key[0], json.loads(alive[key].text))
        if seen != truth[key]:
            wrong = {name: seen.get(name) for name in truth[key] if seen.get(name) != truth[key][name]}
            faults.append(f"{key} has {str(wrong)[:300]}")
    return faults


def allowed(length: Length, killed: Sequence[float]) -> int:
    """Return how many points of a minute the budget allows: a process that was killed does not know what it
    has spent, so each begins with the burst, a tenth, that a rested budget has.
    """
    deaths = [sum(at <= other < at + 60 for other in killed) for at in killed]
    return length.per_minute + max(deaths, default=0) * length.per_minute // 10


def too_fast(used: Any, points: int) -> list[str]:
    """Return where a limit was met, or more spent in a minute than the budget allows."""
    faults = [
        f"{used['requests'][kind]} requests met the {kind} limit"
        for kind in ("primary", "secondary")
        if used["requests"].get(kind)
    ]
    if used["highest_points"] > points:
        faults.append(f"{used['highest_points']} points in a minute")
    return faults


def fewest(truth: dict[tuple[str, str], Any], changes: Counter[str]) -> int:
    """Return how many requests would be enough: full pages of every list of every parent, and one for each
    object that was made, changed or deleted.
    """
    lists: Counter[tuple[str, str]] = Counter()
    for name, id in truth:
        lists[name, id.rpartition("/")[0]] += 1
    pages = sum(math.ceil(count / 100) for (name, _), count in lists.items() if name != "repository")
    return pages + sum(name == "repository" for name, _ in truth) + changes.total()
