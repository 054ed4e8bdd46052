"""The feed of a sync at work: noted, followed, and listed anew when it does not reach back far enough.

Not here: what a look at the feed does (`feed`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from headwater.errors import Gone
from headwater.kit.clock import Clock
from headwater.model.lease import Fence
from headwater.model.sync import HealthStatus
from headwater.providers.provider import Feed
from headwater.syncs.assignment import Assignment
from headwater.syncs.attempts import Attempts
from headwater.syncs.collection import CollectionRun
from headwater.syncs.feed import behind, follow, forget_position, note_position
from headwater.syncs.ledger import Ledger
from headwater.syncs.schedule import Pace, next_wait


@dataclass(slots=True, kw_only=True)
class FeedRun:
    """Follows the feed for the collections of a sync that are fed, until it is cancelled."""

    feed: Feed
    runs: Mapping[str, CollectionRun]
    """By the collection's name."""
    ledger: Ledger
    fence: Fence
    clock: Clock
    frequency: timedelta | None
    noted: Callable[[], None]
    attempts: Attempts = field(init=False)
    works: Mapping[str, Assignment] = field(init=False)
    _reached: Mapping[str, Any] | None = None
    """Where the last look ended. Saved positions of collections without news are a little further back."""

    def __post_init__(self) -> None:
        """Have its steps told in the health."""
        self.attempts = Attempts(about="feed", clock=self.clock, noted=self.noted, halted=self._halted)
        self.works = {name: run.work for name, run in self.runs.items()}

    async def run(self) -> None:
        """Work until cancelled. Raises: LeaseLost."""
        for run in self.runs.values():
            await run.loaded.wait()
        pace = Pace(shortest=self.feed.poll_every[0], longest=self.feed.poll_every[1], fixed=self.frequency)
        wait = pace.shortest
        while True:
            looks, started = self.attempts.looks, self.clock.monotonic()
            changed = await self._look()
            took = timedelta(seconds=self.clock.monotonic() - started)
            wait = next_wait(wait, pace, changed=changed > 0, took=took)
            await self.attempts.pause(wait, looks)

    async def _look(self) -> int:
        """Look once; return how many records changed."""
        await self.attempts.made("position", lambda: note_position(self.feed, list(self.works.values())))
        for run in self.runs.values():
            run.positioned.set()
        self._warn()
        try:
            followed = await self.attempts.made("feed", lambda: follow(self.feed, self.works, self._reached))
        except Gone:
            await self._list_anew()
            return 0
        self._reached = followed.position
        self.attempts.unnote("reach")
        for run in self.runs.values():
            run.checked(followed.started_us)
        return followed.changed

    def _warn(self) -> None:
        late = behind(self.feed, self.works, self.clock.now_us())
        if late is not None:
            text = (
                f"The sync is {late.days} days behind the API's feed of changes, which reaches back"
                f" {self.feed.reaches.days} days. It catches up by itself; were it to stand still longer, all"
                " collections would have to be listed anew."
            )
            self.attempts.note("reach", HealthStatus.WARN, code="feed.behind", text=text)

    async def _list_anew(self) -> None:
        """Note where the feed is now, then list every collection again: nothing is missed in between."""
        self._reached = None
        await self.attempts.made("position", lambda: forget_position(self.works))
        await self.attempts.made("position", lambda: note_position(self.feed, list(self.works.values())))
        for run in self.runs.values():
            backfill_id = await self.attempts.made("position", lambda run=run: self._asked(run))
            run.list_anew(backfill_id)

    async def _asked(self, run: CollectionRun) -> str:
        return await self.ledger.ask_for_backfill(self.fence, run.work.slot)

    def _halted(self, reason: str | None) -> None:
        for run in self.runs.values():
            run.halted(reason)
