"""The floor of everything that reads an API: fetch the same pages, decode them, throw them away.

A program of its own, so that it has a process to itself as the server has: `python -m benchmarks.fetch_floor
URL decoded|cut` prints a `results.Run`. `decoded` makes Python objects of each page, which is the least that
any reader of an API does; `cut` only cuts pages into raw objects and decodes id and time of each.
"""

import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.results import Run

Read = Callable[[bytes], tuple[int, str | None]]
"""Returns the number of objects of a page, and the cursor of the next."""


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw]
    next: str | None


class _Item(msgspec.Struct, gc=False):
    id: str
    updated_at: datetime
    created_at: datetime


def decoded(body: bytes) -> tuple[int, str | None]:
    """Decode a page whole."""
    page: dict[str, Any] = msgspec.json.decode(body)
    return len(page["data"]), page["next"]


def cut() -> Read:
    """Return what cuts a page."""
    envelope, item = msgspec.json.Decoder(_Envelope), msgspec.json.Decoder(_Item)

    def read(body: bytes) -> tuple[int, str | None]:
        page = envelope.decode(body)
        for raw in page.data:
            item.decode(raw)
        return len(page.data), page.next

    return read


async def measure(url: str, read: Read) -> Run:
    """Read the whole list once."""
    count, cursor = 0, ""
    async with aiohttp.ClientSession() as session:
        cpu, started = time.process_time(), time.perf_counter()
        while cursor is not None:
            async with session.get(f"{url}/things", params={"cursor": cursor}) as answer:
                body = await answer.read()
            found, cursor = read(body)
            count += found
        seconds, used = time.perf_counter() - started, time.process_time() - cpu
    return Run(records=count, rate=count / seconds, cpu_seconds=used)


async def _main() -> None:
    url, kind = sys.argv[1:]
    run = await measure(url, decoded if kind == "decoded" else cut())
    print(msgspec.json.encode(run).decode())


if __name__ == "__main__":
    uvloop.run(_main())
