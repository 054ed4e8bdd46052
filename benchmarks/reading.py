"""Reading both streams over HTTP, by a client that only counts: as NDJSON, and as pages by cursor."""

import time

import aiohttp
import msgspec
from tests.journeys.processes import Server

from benchmarks.programs import cpu_seconds, pid
from benchmarks.results import Run

PAGE = 1_000


class _Page(msgspec.Struct):
    cursor: str
    has_more: bool


async def read_stream(server: Server, stream: str, records: int, *, ndjson: bool, page: int = PAGE) -> Run:
    """Read a stream from its beginning to its end; it has at least `records` entries."""
    headers = {"Authorization": f"Bearer {server.key}"}
    url = f"{server.url}/v1/{stream}"
    cpu, started = cpu_seconds(pid(server)), time.perf_counter()
    async with aiohttp.ClientSession(headers=headers, read_bufsize=2**20) as session:
        found = await (_lines(session, url) if ndjson else _pages(session, url, records, page))
    seconds = time.perf_counter() - started
    assert found == records, (found, records)
    used = cpu_seconds(pid(server)) - cpu
    return Run(records=records, rate=records / seconds, cpu_seconds=used)


async def _lines(session: aiohttp.ClientSession, url: str) -> int:
    """Return the number of entries: lines without the trailer."""
    lines = 0
    async with session.get(url, headers={"Accept": "application/x-ndjson"}) as answer:
        answer.raise_for_status()
        async for chunk in answer.content.iter_any():
            lines += chunk.count(b"\n")
    return lines - 1


async def _pages(session: aiohttp.ClientSession, url: str, records: int, size: int) -> int:
    """Return the number of entries: whole pages, and what `records` leaves for the last."""
    decode = msgspec.json.Decoder(_Page).decode
    params, pages = {"limit": str(size)}, 0
    while True:
        async with session.get(url, params=params) as answer:
            answer.raise_for_status()
            page = decode(await answer.read())
        pages += 1
        if not page.has_more:
            break
        params["after_cursor"] = page.cursor
    assert pages == -(-records // size), (pages, records)
    return records
