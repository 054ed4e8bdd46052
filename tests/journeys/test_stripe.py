"""Stripe from end to end: backfilled while it changes, pushes lost, the feed late, keys rolled, killed.

At the end the record stream equals the fake, every delete is there, and the API was never asked faster than
the budget allows. 50,000 objects in the long form, some hundred in the short one.
"""

import asyncio
import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.journeys import compare
from tests.journeys.client import Client
from tests.journeys.ends import eventually
from tests.journeys.entries import Seen
from tests.journeys.fake_stripe import COLLECTIONS, FakeStripe
from tests.journeys.processes import Server

from headwater.store.vault import Vault

NASTY = {
    "late": 0.2,
    "late_ms": 1_500,
    "lose": 0.1,
    "duplicate": 0.1,
    "push_late": 0.2,
    "push_late_ms": 700,
    "errors": 0.01,
    "cut": 0.01,
}
BUDGET, ENDPOINT = 50, 12
"""Requests a second: of all, and of each kind."""
LINES = 25
"""Lines of the invoices that do not show all of them."""


@dataclass(frozen=True)
class Length:
    """How far a journey goes."""

    objects: dict[str, int]
    long_invoices: int
    changes_per_second: float
    seconds: float
    kills: int
    rolls: int
    settle_seconds: float


SHORT = Length(
    objects={"customer": 400, "charge": 250, "invoice": 100, "subscription": 60, "balance_transaction": 120},
    long_invoices=5,
    changes_per_second=8,
    seconds=5,
    kills=1,
    rolls=1,
    settle_seconds=30,
)
LONG = Length(
    objects={
        "customer": 20_000, "charge": 15_000, "invoice": 6_500, "subscription": 4_000, "product": 1_500,
        "balance_transaction": 2_500,
    },
    long_invoices=500,
    changes_per_second=20,
    seconds=150,
    kills=10,
    rolls=2,
    settle_seconds=300,
)  # fmt: skip


@pytest.mark.timeout(1800)
async def test_stripe(seed: int, long: bool, tmp_path: Path, report: Callable[..., None]) -> None:
    """Whatever happens on the way, the streams end as Stripe is; P10: without one request too fast."""
    length, dice, began = LONG if long else SHORT, Random(seed), time.monotonic()
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(FakeStripe(seed=seed, key="sk_live_first", **NASTY))
        for object, count in length.objects.items():
            fake.control("fill", object=object, count=count)
        fake.control("fill", object="invoice", count=length.long_invoices, items=LINES)
        server = stack.enter_context(Server(home=tmp_path, settings={"lease_time": "2s"}))
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        client = await stack.enter_async_context(Client(server))
        properties = {"api_key": fake.key, "base_url": fake.url}
        body = {"provider": "stripe", "properties": properties}
        credential = await client.call("POST", "/v1/credentials", body)
        sync = await client.call(
            "POST",
            "/v1/syncs",
            {
                "provider": "stripe",
                "credential_id": credential["id"],
                "collection_ids": [f"stripe:{name}" for name in COLLECTIONS.values()],
            },
        )
        secret = fake.push_to(f"{server.url}/webhooks/{sync['id']}/stripe")
        expect_pushes(tmp_path, sync["id"], secret)
        await client.call("PATCH", f"/v1/syncs/{sync['id']}", {"name": "pushed"})
        changing = [one for one in COLLECTIONS if one != "balance_transaction"]
        fake.control(
            "run", objects=",".join(changing), per_second=length.changes_per_second, seed=seed,
            seconds=length.seconds, deletes=0.17,
        )  # fmt: skip
        steps = ["kill"] * length.kills + ["roll"] * length.rolls
        dice.shuffle(steps)
        for step in steps:
            await asyncio.sleep(length.seconds / (len(steps) + 1) * dice.uniform(0.6, 1.0))
            if step == "kill":
                server.kill()
                server.start()
                await asyncio.to_thread(server.wait_until_ready)
            else:
                await asyncio.to_thread(fake.roll_key)
                await asyncio.sleep(dice.uniform(0, 2))
                change = {"properties": properties | {"api_key": fake.key}}
                await client.call("PATCH", f"/v1/credentials/{credential['id']}", change)
        await eventually(lambda: over(fake), length.seconds + 60, lambda: "the fake keeps changing")
        truth = fake.objects()
        records = await settled(client, truth, length.settle_seconds)
        events = await client.whole("events")
        used = await asyncio.to_thread(fake.requests)
        faults = [
            *equals(truth, records),
            *compare.nothing_twice(events),
            *compare.events_tell_their_difference(events),
            *too_fast(used),
        ]
        assert not faults, "\n".join([f"seed {seed}", *faults[:20], server.tail(20)])
        made = fake.truth()["made"]
        least = fewest(truth, sum(made.values()))
        deleted = {one.key for one in events if one.event == "deleted"}
        assert len(deleted) <= made["deleted"]
        assert server.stop() == 0
        operations = {name: one["count"] for name, one in used["operations"].items()}
        report(
            seed=seed,
            objects=len(truth),
            changes=made,
            deletes_seen=len(deleted),
            kills=length.kills,
            key_rolls=length.rolls,
            requests=used["count"],
            fewest_possible=least,
            operations=dict(Counter(operations).most_common(12)),
            highest_per_second=used["highest"],
            answers=used["answers"],
            pushed=fake.truth()["pushed"],
            seconds=round(time.monotonic() - began),
        )


def expect_pushes(home: Path, sync_id: str, secret: str) -> None:
    """Store the secret of a webhook that was registered by hand; a change of the sync makes it known."""
    sealed = Vault.in_file(home / "secret.key").seal(json.dumps([secret]).encode())
    now_us = time.time_ns() // 1_000
    with closing(sqlite3.connect(home / "headwater.db", timeout=30)) as connection, connection:
        connection.execute(
            "INSERT INTO webhooks (sync_id, secrets, created_us, updated_us) VALUES (?, ?, ?, ?)",
            (sync_id, sealed, now_us, now_us),
        )


def over(fake: FakeStripe) -> bool:
    """Whether the changes are over and the feed shows all of them."""
    truth = fake.truth()
    return not truth["running"] and not truth["unseen"]


async def settled(client: Client, truth: dict[tuple[str, str], Any], seconds: float) -> list[Seen]:
    """Wait until the record stream equals the truth; return it as it is then, or when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        records = await client.whole("records")
        if not equals(truth, records) or time.monotonic() > deadline:
            return records
        await asyncio.sleep(0.5)


def equals(truth: dict[tuple[str, str], Any], records: Sequence[Seen]) -> list[str]:
    """Return how the record stream differs from what Stripe has: every object, whole, and nothing else."""
    shown = {(one.collection, one.upstream_id): one for one in records}
    faults = [f"{len(records) - len(shown)} records are there twice"] if len(records) > len(shown) else []
    alive = {key: one for key, one in shown.items() if not one.deleted}
    faults += [f"{key} exists and is no record" for key in truth.keys() - alive.keys()]
    faults += [f"{key} is a record and does not exist" for key in alive.keys() - truth.keys()]
    return faults + [
        f"{key} is {alive[key].text[:300]} and should be {json.dumps(truth[key])[:300]}"
        for key in truth.keys() & alive.keys()
        if json.loads(alive[key].text) != truth[key]
    ]


def too_fast(used: Any) -> list[str]:
    """Return where the API was asked faster than the budget allows, or refused us for its limits."""
    faults = [f"refused for going too fast: {used['limited']}"] if used["limited"] else []
    if used["highest"] > BUDGET:
        faults.append(f"{used['highest']} requests in a second")
    return faults + [
        f"{name}: {one['highest']} requests in a second"
        for name, one in used["operations"].items()
        if one["highest"] > ENDPOINT and name.startswith("GET")
    ]


def fewest(truth: dict[tuple[str, str], Any], events: int) -> int:
    """Return how many requests would be enough: full pages of objects, the rest of long lists, full pages of
    events.
    """
    pages = sum(math.ceil(count / 100) for count in Counter(name for name, _ in truth).values())
    nested = sum(
        math.ceil((len(inner["data"]) - 10) / 100)
        for value in truth.values()
        for inner in value.values()
        if isinstance(inner, dict) and inner.get("object") == "list" and len(inner["data"]) > 10
    )
    return pages + nested + math.ceil(events / 100)
