"""Messages that consumers gave up, as users look at them and decide about them.

Not here: what becomes of them (`consumers.dead_letters`).
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import Enum
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from headwater.consumers.dead_letters import DeadLetter, DeadLetters, Grave
from headwater.errors import NotFound
from headwater.management import consumers, http_consumers, listing
from headwater.management.caller import Caller, Permission
from headwater.management.listing import Page, Wanted
from headwater.model.position import Stream
from headwater.store.database import Database


class Of(Enum):
    """Of which kind a consumer is."""

    MANAGED = "managed"
    HTTP = "http"


_VISIBLE: Mapping[Of, Callable[[AsyncConnection, Caller, str], Awaitable[Row[Any]]]] = {
    Of.MANAGED: consumers.visible,
    Of.HTTP: http_consumers.visible,
}
"""What finds a consumer's row, if the caller may see it (P12)."""


class Undelivered:
    """The dead letters of all consumers."""

    def __init__(self, database: Database, dead_letters: DeadLetters) -> None:
        """Look consumers up in `database`."""
        self._database = database
        self._dead_letters = dead_letters

    async def page(
        self, caller: Caller, of: Of, consumer_id: str, wanted: Wanted
    ) -> tuple[Stream, Page[DeadLetter]]:
        """Return a consumer's stream, and a page of its dead letters in the order in which they came.

        Raises: NotFound.
        """
        caller.require(Permission.READ)
        grave = await self._grave(caller, of, consumer_id)
        after = None if wanted.after_cursor is None else listing.key_of(wanted.after_cursor)
        found = await self._dead_letters.page(grave, after=after, limit=wanted.limit + 1)
        return grave.stream, listing.page_of(wanted, found, lambda letter: letter.id)

    async def get(
        self, caller: Caller, of: Of, consumer_id: str, letter_id: str
    ) -> tuple[Stream, DeadLetter]:
        """Return a consumer's stream, and one of its dead letters. Raises: NotFound."""
        caller.require(Permission.READ)
        grave = await self._grave(caller, of, consumer_id)
        found = await self._dead_letters.get(grave, letter_id)
        if found is None:
            raise NotFound(
                "The consumer has no such dead letter.",
                code="dead_letter.not_found",
                fix="List its dead letters; one that was redriven or discarded is none any more.",
            )
        return grave.stream, found

    async def redrive(self, caller: Caller, of: Of, consumer_id: str, ids: Collection[str] | None) -> int:
        """Have dead letters delivered once more, all of them for None; return how many. Raises: NotFound."""
        caller.require(Permission.ADMIN)
        return await self._dead_letters.redrive(await self._grave(caller, of, consumer_id), ids)

    async def discard(self, caller: Caller, of: Of, consumer_id: str, ids: Collection[str] | None) -> int:
        """Let dead letters go for good, all of them for None; return how many. Raises: NotFound."""
        caller.require(Permission.ADMIN)
        return await self._dead_letters.discard(await self._grave(caller, of, consumer_id), ids)

    async def _grave(self, caller: Caller, of: Of, consumer_id: str) -> Grave:
        async with self._database.read() as connection:
            row = await _VISIBLE[of](connection, caller, consumer_id)
        return Grave(consumer_id=consumer_id, stream=Stream(row.stream), external_id=row.external_id)
