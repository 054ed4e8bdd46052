"""One collection of one sync at work: its backfills, polls and sweeps, each in a loop with its own errors.

The loops share the collection's state and health. Not here: what a detector does (`backfill`, `poll`,
`sweep`), who runs which sync (`runner`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from headwater.kit.budget import Urgency
from headwater.model.lease import Fence
from headwater.model.record import Origin
from headwater.model.sync import CollectionState, HealthStatus
from headwater.syncs.assignment import Assignment
from headwater.syncs.attempts import Attempts
from headwater.syncs.backfill import DETECTOR, backfill
from headwater.syncs.ledger import CollectionNews, Ledger
from headwater.syncs.plan import CollectionPlan
from headwater.syncs.poll import poll
from headwater.syncs.schedule import Pace, next_wait
from headwater.syncs.sweep import Suspects, Swept, sweep

LISTED = "listed"
"""Name of the checkpoint with the time at which everything was last listed."""


@dataclass(slots=True, kw_only=True)
class CollectionRun:
    """Runs the detectors of a collection until it is cancelled. `noted` is called when its notes change."""

    work: Assignment
    plan: CollectionPlan
    ledger: Ledger
    fence: Fence
    frequency: timedelta | None
    noted: Callable[[], None]
    attempts: Attempts = field(init=False)
    state: CollectionState = CollectionState.PENDING
    error: str | None = None
    backfilled: asyncio.Event = field(default_factory=asyncio.Event)
    after: asyncio.Event | None = None
    """Set when the collection below whose records this one is read has been backfilled."""
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the checkpoints have been read."""
    positioned: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the position in the feed is noted, for a collection that is fed: then it may be listed."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a backfill or a sweep was asked for."""
    _started_us: int | None = None
    _halted_by: str | None = None

    def __post_init__(self) -> None:
        """Have the steps of the detectors told in the health."""
        self.attempts = Attempts(
            about=self.work.slot.collection_id,
            clock=self.work.clock,
            noted=self.noted,
            halted=self.halted,
            # Without versions what is asked later must be committed later.
            alone=None if self.work.versioned else self.work.one_at_a_time,
        )

    async def run(self) -> None:
        """Work until cancelled. Raises: LeaseLost."""
        await self.attempts.made("load", self.work.load)
        self.loaded.set()
        self.work.progress.complete_us = self.plan.complete_us
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._backfills())
            if not self.work.collection.fed or self.work.collection.read_since is not None:
                tasks.create_task(self._polls())
            if self._follows:
                tasks.create_task(self._sweeps())

    def news(self) -> CollectionNews:
        """Return what there is to write down now."""
        progress = self.work.progress
        running = self.state is CollectionState.BACKFILLING
        return CollectionNews(
            slot=self.work.slot.number,
            state=self.state,
            error=self.error,
            last_checked_us=progress.last_checked_us,
            complete_us=progress.complete_us,
            backfill_id=self.plan.backfill_id if running else None,
            backfill_started_us=self._started_us if running else None,
            backfill_records=progress.backfill_records if running else None,
            backfill_total=progress.estimated_total if running else None,
        )

    def list_anew(self, backfill_id: str) -> None:
        """Run a backfill that the sync itself has asked for."""
        self.update(replace(self.plan, backfill_id=backfill_id))

    def update(self, plan: CollectionPlan) -> None:
        """Take in that a backfill or a sweep was asked for."""
        if (plan.backfill_id, plan.sweep_id) != (self.plan.backfill_id, self.plan.sweep_id):
            self.plan = plan
            self.asked.set()
            self.attempts.look_now()

    # --- the three loops ----------------------------------------------------------------------------------

    async def _backfills(self) -> None:
        """Run the backfill that is asked for, then wait for the next."""
        if self.after is not None:
            await self.after.wait()
        if self.work.collection.fed:
            await self.positioned.wait()
        while True:
            self.asked.clear()
            backfill_id = self.plan.backfill_id
            if backfill_id is not None:
                self._started_us = self._started_us or self.work.clock.now_us()
                self._become(CollectionState.BACKFILLING)
                begun = self.work.saved.get((DETECTOR, ""), {}).get("id") == backfill_id
                before = None if begun else await self.ledger.last_rejected(self.work.slot)
                await self.attempts.made("backfill", lambda id=backfill_id: backfill(self.work, id))
                await self._backfill_done(backfill_id)
                await self._forget_rejected(before)
            self._become(CollectionState.LIVE)
            self.backfilled.set()
            if self.plan.backfill_id == backfill_id:
                await self.asked.wait()

    async def _backfill_done(self, backfill_id: str) -> None:
        records = self.work.saved[DETECTOR, ""]["records"]
        await self.ledger.write(
            [
                (
                    self.fence,
                    CollectionNews(
                        slot=self.work.slot.number,
                        state=CollectionState.LIVE,
                        backfill_id=backfill_id,
                        backfill_started_us=self._started_us,
                        backfill_records=records,
                        backfill_completed_us=self.work.clock.now_us(),
                    ),
                )
            ]
        )
        self._started_us = None
        if self._follows:
            await self._listed()

    async def _listed(self) -> None:
        """Write down that everything was listed just now."""
        await self.work.ingest((), Origin.SWEEP, [(LISTED, "", {"at": self.work.clock.now_us()})])

    async def _polls(self) -> None:
        """Look for changes again and again, oftener while there are some."""
        follows = self._follows
        if not follows:
            await self.backfilled.wait()
        pace = Pace(
            shortest=self.work.collection.poll_every[0],
            longest=self.work.collection.poll_every[1],
            fixed=self.frequency,
        )
        wait = pace.shortest
        while True:
            looks = self.attempts.looks
            if follows and not self._has_watermark():
                await self.attempts.pause(pace.shortest, looks)  # the backfill is about to note one
                continue
            started = self.work.clock.monotonic()
            changed = await self.attempts.made("poll", self._poll if follows else self._snapshot)
            took = timedelta(seconds=self.work.clock.monotonic() - started)
            wait = next_wait(wait, pace, changed=changed > 0, took=took)
            await self.attempts.pause(wait, looks)

    @property
    def _follows(self) -> bool:
        """Whether changes can be asked for by time, or come by a feed; else every look is a sweep."""
        collection = self.work.collection
        return collection.fed or (collection.read_since is not None and not collection.reads_whole)

    def _has_watermark(self) -> bool:
        return self.backfilled.is_set() or any(detector == "since" for detector, _ in self.work.saved)

    async def _poll(self) -> int:
        polled = await poll(self.work, new_scopes=self.backfilled.is_set())
        self.checked(polled.started_us)
        return polled.changed

    async def _snapshot(self) -> int:
        swept = await self._sweep(Urgency.CHANGES)
        self.checked(swept.started_us)
        return swept.changed + swept.deleted

    async def _sweeps(self) -> None:
        """Sweep from time to time on what is left of the budget."""
        await self.backfilled.wait()
        while True:
            await self._until_next_sweep()
            await self.attempts.made("sweep", lambda: self._sweep(Urgency.SWEEP))

    async def _until_next_sweep(self) -> None:
        """Wait until a sweep is due or asked for: some time after everything was last listed.

        That is written down, so that a restart alone lists nothing anew.
        """
        due_us = self.work.saved.get((LISTED, ""), {"at": 0})["at"]
        due_us += self.work.collection.sweep_every // timedelta(microseconds=1)
        while self.plan.sweep_id is None and (left := due_us - self.work.clock.now_us()) > 0:
            await self.attempts.pause(timedelta(microseconds=left), self.attempts.looks)

    async def _sweep(self, urgency: Urgency) -> Swept:
        plan = self.plan
        if plan.sweep_id is not None:
            urgency = min(urgency, Urgency.CHANGES)
        suspects = Suspects(
            known=lambda ids: self.ledger.suspects(self.work.slot, ids),
            replace=lambda missing: self.ledger.replace_suspects(self.work.slot, missing),
        )
        before = await self.ledger.last_rejected(self.work.slot)
        swept = await sweep(self.work, suspects, urgency=urgency, confirmed=plan.sweep_confirmed)
        if self._follows:
            await self._listed()
        if swept.read:
            await self._forget_rejected(before)
        await self._sweep_done(plan, swept)
        return swept

    async def _sweep_done(self, plan: CollectionPlan, swept: Swept) -> None:
        if swept.braked:
            text = (
                f"{swept.missing} of the records of {self.work.slot.collection_id} were missing from the last"
                " listing. That is more than usually goes at once, and often means that the credential lost"
                " a right or a filter is wrong. Nothing was deleted. If they are really gone, confirm it:"
                f" POST /v1/syncs/{self.work.slot.sync_id}/sweeps with this collection_id and confirm: true."
            )
            self.attempts.note("brake", HealthStatus.WARN, "sweep.braked", text)
        else:
            self.attempts.unnote("brake")
        if plan.sweep_id is not None or swept.braked or swept.deleted:
            await self.ledger.sweep_news(
                self.fence,
                self.work.slot,
                plan.sweep_id,
                "halted" if swept.braked else "completed",
                started_us=swept.started_us,
                seen=swept.seen,
                missing=swept.missing,
                deleted=swept.deleted,
            )
        if self.plan.sweep_id == plan.sweep_id:
            self.plan = CollectionPlan(
                slot=plan.slot,
                state=plan.state,
                complete_us=plan.complete_us,
                backfill_id=self.plan.backfill_id,
            )

    async def _forget_rejected(self, before_us: int | None) -> None:
        """Forget the objects that could not be read before, now that a whole listing did not meet them."""
        if before_us is not None and await self.ledger.forget_rejected(self.fence, self.work.slot, before_us):
            self.noted()

    # --- state ----------------------------------------------------------------------------------------------

    def halted(self, reason: str | None) -> None:
        """Take note that a person must act, for a reason; with None that it is tried again."""
        self._halted_by = reason
        self._become(self._resting())

    def _resting(self) -> CollectionState:
        return CollectionState.LIVE if self.backfilled.is_set() else CollectionState.BACKFILLING

    def checked(self, started_us: int) -> None:
        """Take note of a look for changes that was whole: everything up to `started_us` is known."""
        if self.work.progress.last_checked_us is None:
            self.noted()  # the first answer of this run says something about the credential
        self.work.progress.last_checked_us = self.work.clock.now_us()
        if self.backfilled.is_set():
            before = self.work.progress.complete_us or 0
            self.work.progress.complete_us = max(before, started_us)

    def _become(self, state: CollectionState) -> None:
        """Be in a state; as long as a person must act, in that one."""
        shown = state if self._halted_by is None else CollectionState.FAILED
        if (shown, self._halted_by) != (self.state, self.error):
            self.state, self.error = shown, self._halted_by
            self.noted()
