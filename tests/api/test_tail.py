"""Tails: server-sent events with the cursor as id, heartbeats, and an end that says why."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx
from tests.api.server import Server, listening
from tests.management.office import ADMIN, Office

from headwater.api.tail import frames
from headwater.management.caller import Caller
from headwater.model.position import Stream, Vector
from headwater.model.record import Slot
from headwater.streams.filters import Filters


def parsed(chunk: bytes) -> list[dict[str, str]]:
    """Return the frames in a piece of a tail; comments are left out."""
    found: list[dict[str, str]] = []
    for block in chunk.decode().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            found.append({name: value for name, _, value in lines})
    return found


async def slot_of(office: Office, **more: Any) -> Slot:
    """Make a sync; return a slot of it."""
    view = await office.sync(**more)
    return await office.slot(view.sync.id)


def tail(
    server: Server, stream: Stream, begin: Vector, filters: Filters | None = None, caller: Caller = ADMIN
) -> AsyncGenerator[bytes]:
    """Follow a stream from a position."""
    reader = server.parts.streams.reader(stream, filters or Filters(), caller.external_id)
    return frames(server.parts, reader, begin)


async def test_each_entry_comes_with_its_cursor(server: Server) -> None:
    """Resuming after any id gives what came after it, and no more."""
    slot = await slot_of(server.office)
    for number in range(3):
        await server.office.write(slot, f"c{number}", {"n": number})
    async with aclosing(tail(server, Stream.EVENTS, (0, 0, 0, 0))) as chunks:
        (first,) = parsed(await anext(chunks))
        assert set(first) == {"retry", "id"}
        sent = parsed(await anext(chunks))
    assert [one["event"] for one in sent] == ["created"] * 3
    listed = (await server.get("/v1/events"))["events"]
    assert [json.loads(one["data"]) for one in sent] == listed
    for number, one in enumerate(sent):
        rest = await server.get("/v1/events", params={"after_cursor": one["id"]})
        assert rest["events"] == listed[number + 1 :]


async def test_a_tail_waits_and_goes_on(server: Server) -> None:
    """What is committed later comes when it is there, as a `record` in the record stream."""
    slot = await slot_of(server.office)
    async with aclosing(tail(server, Stream.RECORDS, (0, 0, 0, 0))) as chunks:
        await anext(chunks)
        coming = asyncio.ensure_future(anext(chunks))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not coming.done()
        await server.office.write(slot, "late", {"n": 1})
        (sent,) = parsed(await asyncio.wait_for(coming, 10))
    assert (sent["event"], json.loads(sent["data"])["upstream_id"]) == ("record", "late")


async def test_p11_falling_behind_the_retention_is_an_error_and_the_end(server: Server) -> None:
    """The error is the problem that the list answers, with the earliest cursor."""
    slot = await slot_of(server.office)
    for number in range(3):
        await server.office.write(slot, "a", {"n": number})
    server.office.clock.move(3600)
    while await server.office.engine.trim(server.office.clock.now_us(), 100):
        pass
    async with aclosing(tail(server, Stream.EVENTS, (0, 0, 0, 0))) as chunks:
        await anext(chunks)
        (sent,) = parsed(await anext(chunks))
        assert [chunk async for chunk in chunks] == []
    problem = json.loads(sent["data"])
    assert (sent["event"], problem["code"], problem["status"]) == ("error", "cursor.expired", 410)
    assert (await server.get("/v1/events", params={"after_cursor": problem["earliest_cursor"]}))[
        "events"
    ] == []


async def test_heartbeats_carry_the_cursor(server: Server) -> None:
    """So a reader whose filters find nothing keeps up with the retention."""
    slot = await slot_of(server.office)
    filters = Filters(upstream_id=frozenset({"nothing"}))
    changed, waits = server.office.engine.changed, list[float]()

    async def passing(heads: Vector, seconds: float) -> Vector:
        waits.append(seconds)
        await server.office.write(slot, "other", {"n": len(waits)})
        server.office.clock.move(seconds)
        return await changed(heads, 0)

    server.office.engine.changed = passing  # type: ignore[method-assign] - time passes
    async with aclosing(tail(server, Stream.EVENTS, (0, 0, 0, 0), filters)) as chunks:
        (first,) = parsed(await anext(chunks))
        (beat,) = parsed(await anext(chunks))
    assert waits[0] == 15.0
    assert set(beat) == {"id"}
    assert beat["id"] != first["id"]
    params = {"after_cursor": beat["id"], "upstream_id": "nothing"}
    assert (await server.get("/v1/events", params=params))["events"] == []


async def test_a_tail_ends_when_the_process_stops(server: Server) -> None:
    """At once, not at the next heartbeat."""
    async with aclosing(tail(server, Stream.EVENTS, (0, 0, 0, 0))) as chunks:
        await anext(chunks)
        coming = asyncio.ensure_future(anext(chunks, None))
        for _ in range(50):
            await asyncio.sleep(0)
        server.parts.stopping.set()
        assert await asyncio.wait_for(coming, 10) is None


async def test_p12_a_tail_shows_only_the_tenants_own(server: Server) -> None:
    """Whatever else is written."""
    own, other = await slot_of(server.office, external_id="a"), await slot_of(server.office, external_id="b")
    for number in range(3):
        await server.office.write(other, f"b{number}", {"n": number})
        await server.office.write(own, f"a{number}", {"n": number})
    caller = Caller(key_id="k", permissions=ADMIN.permissions, external_id="a")
    async with aclosing(tail(server, Stream.RECORDS, (0, 0, 0, 0), caller=caller)) as chunks:
        await anext(chunks)
        sent = parsed(await anext(chunks))
    assert [json.loads(one["data"])["upstream_id"] for one in sent] == ["a0", "a1", "a2"]


async def test_over_a_real_connection(server: Server) -> None:
    """From the end on where no cursor is given; after `Last-Event-ID` where one is."""
    slot = await slot_of(server.office)
    await server.office.write(slot, "before", {"n": 0})
    start = (await server.get("/v1/events", params={"upstream_id": "x"}))["cursor"]
    async with (
        listening(server.app) as address,
        httpx.AsyncClient(headers=server.client.headers, timeout=10) as client,
    ):
        async with client.stream("GET", f"{address}/v1/events/tail") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            assert [await anext(lines) for _ in range(2)] == ["retry: 2000", ": heartbeat"]
            await server.office.write(slot, "after", {"n": 1})
            found = [line async for line in until_data(lines)]
        assert json.loads(found[-1].removeprefix("data: "))["upstream_id"] == "after"
        last = next(line for line in reversed(found) if line.startswith("id: ")).removeprefix("id: ")
        await server.office.write(slot, "later", {"n": 2})
        headers = {"Last-Event-ID": last}
        async with client.stream("GET", f"{address}/v1/events/tail", headers=headers) as answer:
            found = [line async for line in until_data(answer.aiter_lines())]
        assert json.loads(found[-1].removeprefix("data: "))["upstream_id"] == "later"
    for headers in ({"Last-Event-ID": start}, {"Last-Event-ID": "nonsense"}):
        code = "cursor.filter_changed" if headers["Last-Event-ID"] == start else "cursor.invalid"
        await server.refused("GET", "/v1/events/tail", 400, code, headers=headers)


async def until_data(lines: Any) -> AsyncGenerator[str]:
    """Return lines up to the first with data."""
    async for line in lines:
        yield line
        if line.startswith("data: "):
            return
