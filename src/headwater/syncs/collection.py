"""One collection of one sync at work: its backfills, polls and sweeps, each in a loop with its own errors.

The loops share the collection's state and health. Not here: what a detector does (`backfill`, `poll`,
`sweep`), who runs which sync (`runner`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from headwater.errors import Conflict, Halt, Retry
from headwater.kit.budget import Urgency
from headwater.kit.clock import from_us, iso
from headwater.kit.tasks import backoff, heed_cancellation
from headwater.model.lease import Fence
from headwater.model.sync import CollectionState, HealthStatus, Note
from headwater.syncs.assignment import TRIES, Assignment
from headwater.syncs.backfill import DETECTOR, backfill
from headwater.syncs.ledger import CollectionNews, Ledger
from headwater.syncs.plan import CollectionPlan
from headwater.syncs.poll import poll
from headwater.syncs.schedule import Pace, next_wait
from headwater.syncs.sweep import Suspects, Swept, sweep

_LOG = structlog.get_logger(__name__)
_HALTED = timedelta(minutes=10)
"""After so long a halted collection is tried once more: what a person repaired is found without a restart."""
_OWN_TROUBLE = timedelta(seconds=30)
"""The same for trouble with our own database, which concerns no credential."""


@dataclass(slots=True, kw_only=True)
class CollectionRun:
    """Runs the detectors of a collection until it is cancelled. `noted` is called when its notes change."""

    work: Assignment
    plan: CollectionPlan
    ledger: Ledger
    fence: Fence
    frequency: timedelta | None
    noted: Callable[[], None]
    notes: dict[str, tuple[HealthStatus, Note]] = field(default_factory=dict[str, tuple[HealthStatus, Note]])
    """By activity, so that its next success takes them away."""
    state: CollectionState = CollectionState.PENDING
    error: str | None = None
    backfilled: asyncio.Event = field(default_factory=asyncio.Event)
    after: asyncio.Event | None = None
    """Set when the collection below whose records this one is read has been backfilled."""
    looks: int = 0
    """How often somebody asked to look now."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a backfill or a sweep was asked for."""
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _started_us: int | None = None

    async def run(self) -> None:
        """Work until cancelled. Raises: LeaseLost."""
        await self._attempted("load", self.work.load)
        self.work.progress.complete_us = self.plan.complete_us
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._backfills())
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

    def look_now(self) -> None:
        """End every wait for the next look."""
        self.looks += 1
        self._look.set()
        self._look = asyncio.Event()

    def update(self, plan: CollectionPlan) -> None:
        """Take in that a backfill or a sweep was asked for."""
        if (plan.backfill_id, plan.sweep_id) != (self.plan.backfill_id, self.plan.sweep_id):
            self.plan = plan
            self.asked.set()
            self.look_now()

    # --- the three loops ----------------------------------------------------------------------------------

    async def _backfills(self) -> None:
        """Run the backfill that is asked for, then wait for the next."""
        if self.after is not None:
            await self.after.wait()
        while True:
            self.asked.clear()
            backfill_id = self.plan.backfill_id
            if backfill_id is not None:
                self._started_us = self._started_us or self.work.clock.now_us()
                self._become(CollectionState.BACKFILLING)
                begun = self.work.saved.get((DETECTOR, ""), {}).get("id") == backfill_id
                before = None if begun else await self.ledger.last_rejected(self.work.slot)
                await self._attempted("backfill", lambda id=backfill_id: backfill(self.work, id))
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
            looks = self.looks
            if follows and not self._has_watermark():
                await self._pause(pace.shortest, looks)  # the backfill is about to note one
                continue
            started = self.work.clock.monotonic()
            changed = await self._attempted("poll", self._poll if follows else self._snapshot)
            took = timedelta(seconds=self.work.clock.monotonic() - started)
            wait = next_wait(wait, pace, changed=changed > 0, took=took)
            await self._pause(wait, looks)

    @property
    def _follows(self) -> bool:
        """Whether changes can be asked for by time; else every look is a sweep."""
        return self.work.collection.read_since is not None and not self.work.collection.reads_whole

    def _has_watermark(self) -> bool:
        return self.backfilled.is_set() or any(detector == "since" for detector, _ in self.work.saved)

    async def _poll(self) -> int:
        polled = await poll(self.work, new_scopes=self.backfilled.is_set())
        self._checked(polled.started_us)
        return polled.changed

    async def _snapshot(self) -> int:
        swept = await self._sweep(Urgency.CHANGES)
        self._checked(swept.started_us)
        return swept.changed + swept.deleted

    async def _sweeps(self) -> None:
        """Sweep from time to time on what is left of the budget."""
        listed = self.plan.backfill_id is not None  # then everything is about to be listed anyway
        await self.backfilled.wait()
        while True:
            if listed:
                await self._until_next_sweep()
            listed = True
            await self._attempted("sweep", lambda: self._sweep(Urgency.SWEEP))

    async def _until_next_sweep(self) -> None:
        """Wait until a sweep is due or asked for."""
        deadline = self.work.clock.monotonic() + self.work.collection.sweep_every.total_seconds()
        while self.plan.sweep_id is None and (left := deadline - self.work.clock.monotonic()) > 0:
            await self._pause(timedelta(seconds=left), self.looks)

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
            self._note("brake", HealthStatus.WARN, "sweep.braked", text)
        else:
            self._unnote("brake")
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

    # --- trying, waiting, telling -------------------------------------------------------------------------

    async def _attempted(self, activity: str, attempt: Callable[[], "Awaitable[int | Swept | None]"]) -> int:
        """Make one step of an activity until it succeeds; say in the health what stands in the way meanwhile.

        Raises: LeaseLost, and whatever is our own bug.
        """
        tries = 0
        while True:
            looks = self.looks
            try:
                async with AsyncExitStack() as alone:
                    if not self.work.versioned:
                        await alone.enter_async_context(self.work.one_at_a_time)
                    try:
                        done = await attempt()
                    finally:
                        heed_cancellation()
            except (Retry, Conflict) as error:
                tries += 1
                after = error.after if isinstance(error, Retry) else None
                wait = max(timedelta(seconds=backoff(TRIES + tries)), after or timedelta())
                text = (
                    f"{self.work.slot.collection_id}: {error.message} It is tried again by itself"
                    f" at {self._in(wait)} (round {tries}), and nothing is lost meanwhile. {error.fix or ''}"
                )
                self._note(activity, HealthStatus.WARN, error.error_code, text.strip())
                await self._pause(wait, looks)
            except Halt as error:
                _LOG.warning(
                    "halted",
                    collection=self.work.slot.collection_id,
                    code=error.error_code,
                    reason=error.message,
                )
                own = error.error_code.startswith("database.")
                again = _OWN_TROUBLE if own else _HALTED
                text = (
                    f"{self.work.slot.collection_id}: {error.message} {error.fix or ''}"
                    f" It stands still until then; the next try by itself is at {self._in(again)}."
                )
                self._note(activity, HealthStatus.ERROR, error.error_code, text)
                self._become(CollectionState.FAILED, error.message)
                await self._pause(again, self.looks)
                self._become(self._resting())
            else:
                self._unnote(activity)
                return done if isinstance(done, int) else 0

    def _in(self, wait: timedelta) -> str:
        """Return when a wait is over, for a person."""
        return iso(from_us(self.work.clock.now_us() + int(wait.total_seconds() * 1e6)))

    def _resting(self) -> CollectionState:
        return CollectionState.LIVE if self.backfilled.is_set() else CollectionState.BACKFILLING

    async def _pause(self, wait: timedelta, looks: int) -> None:
        """Wait, or until somebody asks to look now; not at all if somebody has since there were `looks`."""
        if self.looks == looks:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait.total_seconds()):
                    await self._look.wait()

    def _checked(self, started_us: int) -> None:
        if self.work.progress.last_checked_us is None:
            self.noted()  # the first answer of this run says something about the credential
        self.work.progress.last_checked_us = self.work.clock.now_us()
        if self.backfilled.is_set():
            before = self.work.progress.complete_us or 0
            self.work.progress.complete_us = max(before, started_us)

    def _become(self, state: CollectionState, error: str | None = None) -> None:
        if (state, error) != (self.state, self.error):
            self.state, self.error = state, error
            self.noted()

    def _note(self, activity: str, status: HealthStatus, code: str, text: str) -> None:
        known = self.notes.get(activity)
        self.notes[activity] = (status, Note(code=code, text=text, about=self.work.slot.collection_id))
        if known is None or known[1].code != code:
            self.noted()

    def _unnote(self, activity: str) -> None:
        if self.notes.pop(activity, None) is not None:
            self.noted()
