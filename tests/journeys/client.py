"""Headwater's HTTP API as a user calls it, and a reader that follows its cursors whatever happens."""

import asyncio
from contextlib import suppress
from typing import Any, Self

import aiohttp
from tests.journeys.entries import Page, Seen, read_page
from tests.journeys.processes import Server

PAGES = 100_000
"""More pages than any journey reads: the bound of loops that end by `has_more`."""


class Client:
    """Calls of one server, with its first key."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))

    async def call(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """Return the answer's JSON; fails on anything but success."""
        async with self._request(method, path, json=body, params=params) as answer:
            text = await answer.text()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text}"
            return await answer.json() if text else None

    async def page(self, stream: str, cursor: str | None, **params: str) -> Page:
        """Return the page behind a cursor."""
        if cursor:
            params["after_cursor"] = cursor
        async with self._request("GET", f"/v1/{stream}", params=params) as answer:
            body = await answer.read()
            assert answer.status == 200, f"{stream}: {answer.status} {body.decode(errors='replace')}"
            return read_page(body)

    async def whole(self, stream: str) -> list[Seen]:
        """Return a stream from its beginning to its end."""
        found: list[Seen] = []
        cursor: str | None = None
        for _ in range(PAGES):
            page = await self.page(stream, cursor, limit="1000")
            found += page.entries
            cursor = page.cursor
            if not page.has_more:
                return found
        raise AssertionError("the stream has no end")

    async def sync(self, document: dict[str, Any], collections: list[list[str]], key: str) -> list[str]:
        """Store a document and a credential; make a sync of each list of collections. Return their ids."""
        name = document["name"]
        await self.call("PUT", f"/v1/providers/{name}", document)
        auth = document["auth"]["kind"]
        properties = {"token": key} if auth == "bearer" else {"client_id": "me", "client_secret": key}
        credential = await self.call("POST", "/v1/credentials", {"provider": name, "properties": properties})
        made: list[str] = []
        for names in collections:
            body = {"provider": name, "credential_id": credential["id"]}
            sync = await self.call(
                "POST", "/v1/syncs", body | {"collection_ids": [f"{name}:{one}" for one in names]}
            )
            made.append(sync["id"])
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def _request(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._server.key}"}
        return self._session.request(method, self._server.url + path, headers=headers, **more)


class Follower:
    """Reads one stream by its cursor all the time; while the server is down it tries that cursor again."""

    def __init__(self, client: Client, stream: str) -> None:
        self.seen: list[Seen] = []
        self._client, self._stream = client, stream
        self._cursor: str | None = None
        self._caught_up = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            try:
                page = await self._client.page(self._stream, self._cursor, limit="500", wait_for="1000")
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.05)
                continue
            self.seen += page.entries
            self._cursor = page.cursor
            if not page.has_more and not page.entries:
                self._caught_up.set()

    async def catch_up(self, seconds: float = 60) -> list[Seen]:
        """Return everything that was read, once the end of the stream is reached after now; then end."""
        self._caught_up.clear()
        waiting = asyncio.create_task(self._caught_up.wait())
        await asyncio.wait([waiting, self._task], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await self.stop()
        return self.seen

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._task.cancel()

    async def stop(self) -> None:
        """End. Raises what ended it before."""
        if not self._task.done():
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
