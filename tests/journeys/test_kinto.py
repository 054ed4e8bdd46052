"""The whole way with an API that nobody here wrote: a real Kinto, by the document in `examples/` alone."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from tests.journeys import compare
from tests.journeys.client import Client, Follower
from tests.journeys.ends import told
from tests.journeys.entries import Seen
from tests.journeys.processes import Server
from tests.plugins.kinto import Kinto

DOCUMENT = Path(__file__).parents[2] / "examples" / "kinto" / "kinto.yaml"
PATIENCE = 60.0


class Writer:
    """Changes records by Kinto's own API, and remembers every state that each had."""

    def __init__(self, kinto: Kinto, seed: int) -> None:
        self.states: dict[str, list[dict[str, Any] | None]] = {}
        self._kinto, self._dice = kinto, Random(seed)

    def create(self) -> None:
        made = self._kinto.create(title=f"No. {len(self.states)}", tags=["new"], ratio=1.50)
        self.states[made["id"]] = [made]

    def change(self) -> None:
        """Create, update or delete one."""
        alive = [id for id, states in self.states.items() if states[-1] is not None]
        roll = self._dice.random()
        if roll < 0.25 or not alive:
            self.create()
        elif roll < 0.85:
            id = self._dice.choice(alive)
            field = self._dice.choice(["title", "tags", "added"])
            self.states[id].append(self._kinto.update(id, **{field: f"{self._dice.random()} é 😀"}))
        else:
            id = self._dice.choice(alive)
            self._kinto.delete(id)
            self.states[id].append(None)

    def alive(self) -> dict[str, dict[str, Any]]:
        return {id: states[-1] for id, states in self.states.items() if states[-1] is not None}


@pytest.mark.timeout(900)
async def test_kinto_by_its_document_alone(
    kinto: Kinto,
    engine: str,
    database_url: str | None,
    seed: int,
    long: bool,
    tmp_path: Path,
    report: Callable[..., None],
) -> None:
    """Creates, updates and deletes by another client become the right events with the right previous_data."""
    began, writer = time.monotonic(), Writer(kinto, seed)
    for _ in range(30):
        writer.create()
    async with AsyncExitStack() as stack:
        server = stack.enter_context(Server(home=tmp_path, database_url=database_url))
        server.start()
        await asyncio.to_thread(server.wait_until_ready)
        client = await stack.enter_async_context(Client(server))
        follower = stack.enter_context(Follower(client, "events"))
        await make_sync(client, kinto)
        await equal(client, writer)
        for _ in range(300 if long else 40):
            await asyncio.to_thread(writer.change)
            await asyncio.sleep(0.05)
        records = await equal(client, writer)
        events = await client.whole("events")
        faults = [
            *compare.nothing_twice(events),
            *compare.events_tell_their_difference(events),
            *compare.follower_has_everything(await follower.catch_up(), events),
            *out_of_order(writer, events),
        ]
        assert not faults, told(faults, f"seed {seed}", server.tail())
        kinds = {kind: sum(one.event == kind for one in events) for kind in ("created", "updated", "deleted")}
        assert all(kinds.values()), kinds
        assert sum(not one.deleted for one in records) == len(kinto.all())
        report(
            engine=engine, seed=seed, records=len(records), seconds=round(time.monotonic() - began), **kinds
        )


async def make_sync(client: Client, kinto: Kinto) -> None:
    """Store the document and the account; one sync of the test's own bucket."""
    await client.call("PUT", "/v1/providers/kinto", yaml.safe_load(DOCUMENT.read_text()))
    properties = {"username": kinto.username, "password": kinto.password}
    credential = await client.call("POST", "/v1/credentials", {"provider": "kinto", "properties": properties})
    config = {"base_url": kinto.base_url, "bucket": kinto.bucket}
    sync = {"provider": "kinto", "credential_id": credential["id"], "config": config}
    await client.call("POST", "/v1/syncs", sync)


async def equal(client: Client, writer: Writer) -> list[Seen]:
    """Wait until the record stream shows what the writer has left; return it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        records = await client.whole("records")
        shown = {one.upstream_id: compare.value(one.text) for one in records if not one.deleted}
        wanted = writer.alive()
        if not compare.difference(shown, wanted) and not compare.difference(wanted, shown):
            return records
        assert time.monotonic() < deadline, compare.difference(shown, wanted)
        await asyncio.sleep(0.25)


def out_of_order(writer: Writer, events: list[Seen]) -> list[str]:
    """Return the records whose events are no part of their states in order."""
    faults: list[str] = []
    for id, states in writer.states.items():
        at = 0
        for event in (one for one in events if one.upstream_id == id):
            shown = None if event.event == "deleted" else compare.value(event.text)
            while at < len(states) and compare.difference({"": states[at]}, {"": shown}):
                at += 1
            if at == len(states):
                faults.append(f"the events of {id} are not in the order of its states")
                break
            at += 1
    return faults
