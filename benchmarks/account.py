"""A sync of the fast API, made and watched over HTTP as a user would. Not here: what is measured."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from tests.journeys.client import Client
from tests.journeys.processes import Server

POLL_SECONDS = 0.1


def document(url: str) -> dict[str, Any]:
    """Return the `rest` document of the fast API."""
    thing = {
        "path": "/things",
        "items": "data",
        "paging": {"kind": "cursor", "take": "next", "send": "cursor"},
        "updated_at": "updated_at",
        "created_at": "created_at",
        "since": {"send": "since"},
    }
    return {
        "name": "fast",
        "title": "Fast",
        "base_url": url,
        "auth": {"kind": "none"},
        "rate_limit": {"requests": 1_000_000, "seconds": 1},
        "collections": {"thing": thing},
    }


class Account:
    """An account of the fast API on a server."""

    def __init__(self, client: Client, credential_id: str) -> None:
        """Use `account`."""
        self._client, self._credential_id = client, credential_id

    async def sync(self) -> str:
        """Make a sync, whose backfill begins; return its id."""
        body = {"provider": "fast", "credential_id": self._credential_id}
        return (await self._client.call("POST", "/v1/syncs", body))["id"]

    async def again(self, sync_id: str) -> None:
        """Start the backfill anew."""
        await self._client.call("POST", f"/v1/syncs/{sync_id}/backfills", {})

    async def seconds(self, sync_id: str, count: int) -> float:
        """Wait for the end of the `count`th backfill of a sync; return how long it took, by its own times."""
        while True:
            done = await self._client.call("GET", f"/v1/syncs/{sync_id}/backfills")
            entries = done["data"]
            if len(entries) == count and entries[0]["completed_at"]:
                begun, ended = (
                    datetime.fromisoformat(entries[0][name]) for name in ("started_at", "completed_at")
                )
                return (ended - begun).total_seconds()
            await asyncio.sleep(POLL_SECONDS)

    async def live(self) -> bool:
        """Say whether every sync has had its first backfill."""
        more: dict[str, str] = {"limit": "1000"}
        while True:
            page = await self._client.call("GET", "/v1/syncs", None, **more)
            if not all(sync["initial_backfill_completed_at"] for sync in page["data"]):
                return False
            if not page["has_more"]:
                return True
            more["after_cursor"] = page["cursor"]


@asynccontextmanager
async def account(server: Server, url: str) -> AsyncGenerator[Account]:
    """Give an account: the document and the credential are stored."""
    async with Client(server) as client:
        await client.call("PUT", "/v1/providers/fast", document(url))
        credential = await client.call("POST", "/v1/credentials", {"provider": "fast", "properties": {}})
        yield Account(client, credential["id"])
