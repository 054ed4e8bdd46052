"""One collection of one sync, with everything that its detectors need. Not here: when a detector runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from headwater.errors import Halt, Retry
from headwater.kit.budget import Urgency
from headwater.kit.clock import Clock
from headwater.kit.http import Http
from headwater.kit.tasks import backoff
from headwater.model.lease import Fence
from headwater.model.record import Origin, Slot
from headwater.providers.provider import Collection, Page, ReadAll, ReadOne, Scope
from headwater.streams.engine import Checkpoint, StreamEngine
from headwater.syncs.decide import Shape
from headwater.syncs.ingest import Ingested, ingest

NOT_FOUND = "provider.path_not_found"
LONGEST_QUIET = timedelta(seconds=30)
"""A longer wait that an API asks for is told in the health before it is waited for."""
_PARENTS = 200
_BURIED = 100_000
"""Deletes of what was never held that are remembered: more than happen while a page is on its way."""
TRIES = 4
"""How often a failed page is asked for again before everybody hears of it."""
_DAY_US = 86_400_000_000


@dataclass(slots=True, kw_only=True)
class Progress:
    """What is known of a collection's work; the ledger writes it down from time to time."""

    last_checked_us: int | None = None
    complete_us: int | None = None
    backfill_records: int = 0
    estimated_total: int | None = None


@dataclass(slots=True, kw_only=True)
class Assignment:
    """A collection in this process's hands. `saved` mirrors its checkpoints: nobody else writes them."""

    slot: Slot
    collection: Collection
    engine: StreamEngine
    clock: Clock
    fence: Fence
    open: Callable[[Urgency], Http]
    parent: Slot | None = None
    max_age_days: int | None = None
    progress: Progress = field(default_factory=Progress)
    saved: dict[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any])
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from request to commit where objects have no version: then what is asked later is newer."""
    buried: dict[str, int] = field(default_factory=dict[str, int])
    """Objects that were deleted before they were ever held, with the time of the news: a page that was asked
    for before, and is committed after, must not bring them in. What is asked for later knows better."""
    ingested: Callable[[Ingested, float], None] = lambda _ingested, _seconds: None
    """Is told of everything that was ingested, and how long it took."""

    async def load(self) -> None:
        """Read the checkpoints."""
        checkpoints = await self.engine.checkpoints(self.slot)
        self.saved = {(c.detector, c.scope): json.loads(c.value) for c in checkpoints if c.value is not None}

    @property
    def versioned(self) -> bool:
        """Whether the API itself orders the states of an object."""
        return self.collection.updated_at_source == "upstream"

    @property
    def shape(self) -> Shape:
        """What `decide` must know of the collection now."""
        oldest_us = None
        if self.max_age_days is not None:
            oldest_us = self.clock.now_us() - self.max_age_days * _DAY_US
        return Shape(
            slot=self.slot.number,
            nested=self.collection.nested_fields,
            ignore=self.collection.volatile,
            oldest_us=oldest_us,
        )

    async def ingest(
        self, pages: Sequence[Page], origin: Origin, checkpoints: Iterable[tuple[str, str, Any]] = ()
    ) -> Ingested:
        """Commit pages with the checkpoints that they complete: `(detector, scope, value)`, None to remove.

        A checkpoint that says what is saved already is left out.
        """
        moved = [(d, scope, value) for d, scope, value in checkpoints if self.saved.get((d, scope)) != value]
        began = self.clock.monotonic()
        pages = [self._above_ground(page) for page in pages] if self.buried else pages
        done = await ingest(
            self.engine,
            self.slot,
            self.shape,
            pages,
            origin=origin,
            checkpoints=[
                Checkpoint(
                    self.slot.number, detector, None if value is None else json.dumps(value).encode(), scope
                )
                for detector, scope, value in moved
            ],
            fence=self.fence,
        )
        for detector, scope, value in moved:
            self.saved[detector, scope] = value
        self._bury(pages, done)
        self.ingested(done, self.clock.monotonic() - began)
        return done

    def _bury(self, pages: Sequence[Page], done: Ingested) -> None:
        """Remember what was deleted without ever having been held."""
        for page in pages:
            for one in page.observed:
                if one.deleted and one.id not in done.held:
                    self.buried[one.id] = max(page.asked_us, self.buried.get(one.id, 0))
        while len(self.buried) > _BURIED:
            del self.buried[next(iter(self.buried))]

    def _above_ground(self, page: Page) -> Page:
        """Return a page without the objects that were deleted after it was asked for (P2)."""
        if not any(page.asked_us <= self.buried.get(one.id, -1) for one in page.observed):
            return page
        left = [one for one in page.observed if page.asked_us > self.buried.get(one.id, -1)]
        return replace(page, observed=left)

    async def patiently(
        self, read: ReadAll, http: Http, scope: Scope | None, resume: Any = None
    ) -> AsyncIterator[Page]:
        """Read a list; a page that fails is asked for again, `TRIES` times before the reading is given up."""
        tries = 0
        while True:
            try:
                async for page in read(http, scope, resume):
                    resume, tries = page.resume, 0
                    yield page
            except Retry as error:
                tries += 1
                await self._wait_or_give_up(error, tries)
            else:
                return

    async def read_one(self, read: ReadOne, http: Http, scope: Scope | None, id: str) -> Page:
        """Read one object; a read that fails is made again, as `patiently` does it."""
        return await self.persistently(lambda: read(http, scope, id))

    async def persistently(self, read: Callable[[], Awaitable[Page]]) -> Page:
        """Read one page; a read that fails is made again, as `patiently` does it."""
        tries = 0
        while True:
            try:
                return await read()
            except Retry as error:
                tries += 1
                await self._wait_or_give_up(error, tries)

    async def _wait_or_give_up(self, error: Retry, tries: int) -> None:
        after = error.after or timedelta()
        if tries > TRIES or after > LONGEST_QUIET:
            raise error
        await self.clock.sleep(max(backoff(tries), after.total_seconds()))

    def gone(self, error: Halt, scope: Scope | None) -> bool:
        """Say whether an error only means that the parent below which we read is not there any more.

        Its children say nothing then: neither that they exist nor that they do not.
        """
        return scope is not None and error.error_code == NOT_FOUND

    async def scopes(self, after: str = "") -> AsyncIterator[Scope | None]:
        """Return the parent records to read below whose ids are above `after`; one None if there are none."""
        if self.parent is None:
            yield None
            return
        while keys := await self.engine.keys(self.parent, after, _PARENTS):
            alive = {held.position: id for id, held in keys if not held.deleted}
            found = await self.engine.data(self.parent, sorted(alive))
            for position, id in alive.items():
                if position in found:
                    yield Scope(id=id, data=found[position])
            after = keys[-1][0]
