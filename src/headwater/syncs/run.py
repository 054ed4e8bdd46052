"""One sync at work under its lease: its collections' runs, its health, what there is to write down of it.

Not here: which process runs which sync (`runner`), what a collection does (`collection`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import structlog

from headwater.errors import HeadwaterError, Invalid, LeaseLost
from headwater.kit.budget import Urgency
from headwater.kit.clock import Clock
from headwater.kit.http import Http, Registrar
from headwater.kit.tasks import ended, supervised
from headwater.model.lease import Fence
from headwater.model.sync import HealthStatus, Note
from headwater.providers.catalogue import Catalogue
from headwater.providers.provider import News, Provider
from headwater.streams.engine import StreamEngine
from headwater.syncs.assignment import Assignment
from headwater.syncs.collection import CollectionRun
from headwater.syncs.feeding import FeedRun
from headwater.syncs.hooks import HookRows
from headwater.syncs.inbox import Inbox
from headwater.syncs.ingest import Ingested
from headwater.syncs.ledger import CollectionNews, Ledger
from headwater.syncs.mending import Mender
from headwater.syncs.plan import Plan, Plans
from headwater.syncs.pushed import PushRun
from headwater.syncs.retire import retire
from headwater.syncs.silence import SilenceRun

_LOG = structlog.get_logger(__name__)

Watch = Callable[[str, Ingested, float], None]
"""Is told of everything that is ingested, with its collection id and the seconds it took: for metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every run of a sync uses."""

    engine: StreamEngine
    plans: Plans
    ledger: Ledger
    inbox: Inbox
    open: Callable[[Plan, Provider], Callable[[Urgency], Http]]
    """Opens a sync's API for any urgency: `accounts.Accounts.open`."""
    catalogue: Catalogue
    clock: Clock
    reload: Callable[[], Awaitable[None]]
    """Brings the catalogue up to date with the stored `rest` documents."""
    hooks: HookRows | None = None
    """The webhooks, where they are mended by themselves."""
    webhook_url: Callable[[str, str], str | None] = lambda _sync_id, _provider: None
    """`(sync id, provider)`: where the API pushes for a sync; None without a public address."""
    watch: Watch = lambda _collection_id, _ingested, _seconds: None


@dataclass(slots=True, kw_only=True)
class SyncRun:
    """One sync at work under its lease. `done` when it was stopped, or has lost its lease."""

    parts: Parts
    plan: Plan
    fence: Fence
    collections: list[CollectionRun] = field(default_factory=list[CollectionRun])
    feed: FeedRun | None = None
    pushes: PushRun | None = None
    silence: SilenceRun | None = None
    task: asyncio.Task[None] | None = None
    _health_changed: asyncio.Event = field(default_factory=asyncio.Event)
    _written: dict[int, CollectionNews] = field(default_factory=dict[int, CollectionNews])
    _provider: Provider | None = None
    """As the catalogue had it when the run began."""
    _crash: Note | None = None
    _missing: list[str] = field(default_factory=list[str])
    """Collections that the provider does not have any more."""

    def start(self) -> None:
        """Begin."""
        self.task = asyncio.create_task(self._supervised(), name=self.plan.lease)

    async def stop(self) -> None:
        """End; commits under way are finished or not made at all."""
        if self.task is not None:
            await ended(self.task)

    def update(self, plan: Plan) -> bool:
        """Take in what a user changed; return whether the run must be started anew for it."""
        old, self.plan = self.plan, plan
        if plan.stamp != old.stamp or self.parts.catalogue.get(plan.provider) is not self._provider:
            return True
        by_slot = {chosen.slot.number: chosen for chosen in plan.collections}
        if by_slot.keys() != {chosen.slot.number for chosen in old.collections}:
            return True
        for run in self.collections:
            run.update(by_slot[run.work.slot.number])
            if plan.checks != old.checks:
                run.attempts.look_now()
        if plan.checks != old.checks and self.feed is not None:
            self.feed.attempts.look_now()
        return False

    def news(self) -> list[tuple[Fence, CollectionNews]]:
        """Return what there is to write down since the last time."""
        changed: list[tuple[Fence, CollectionNews]] = []
        for run in self.collections:
            one = run.news()
            if self._written.get(one.slot) != one:
                self._written[one.slot] = one
                changed.append((self.fence, one))
        return changed

    async def _supervised(self) -> None:
        with suppress(LeaseLost):
            await supervised(self._run, crashed=self._crashed)

    async def _crashed(self, error: Exception, crashes: int) -> None:
        """Report a bug of ours: it is logged with its traceback, and told in the sync's health."""
        if (lost := _find_lost(error)) is not None:
            raise lost from None
        if _ours(error):  # the database is away, say: it is tried again, and nobody could be told
            _LOG.warning("sync waits", sync_id=self.plan.sync_id, reason=_reason(error))
            return
        _LOG.error("sync crashed", sync_id=self.plan.sync_id, crashes=crashes, exc_info=error)
        self._crash = Note(
            code="internal",
            text=(
                f"Headwater itself failed at this sync ({type(error).__name__}); it has been started again"
                f" ({crashes}). Nothing is lost. The log has the traceback; please report it."
            ),
        )
        with suppress(HeadwaterError):
            await self._tell()

    async def _run(self) -> None:
        provider = self._provider = self.parts.catalogue.get(self.plan.provider)
        if provider is None:
            self._crash = Note(
                code="provider.not_found",
                text=f"There is no provider {self.plan.provider}. Store its document again, or delete it.",
            )
            await self._tell()
            await asyncio.Event().wait()  # until a user changes something: then it is run anew
            return
        try:
            provider = provider.configured(self.plan.config).opened(self.plan.kind, self.plan.credential)
        except Invalid as error:
            self._crash = Note(code=error.error_code, text=f"{error.message} {error.fix or ''}".strip())
            await self._tell()
            await asyncio.Event().wait()
            return
        self._crash = None
        self.collections = self._collections(provider)
        async with asyncio.TaskGroup() as tasks:
            for run in self.collections:
                tasks.create_task(run.run())
            self.feed = self._feed(provider)
            if self.feed is not None:
                tasks.create_task(self.feed.run())
            self.silence = self._silence(provider)
            self.pushes = self._pushes(provider)
            if self.pushes is not None:
                tasks.create_task(self.pushes.run())
            if self.silence is not None:
                tasks.create_task(self.silence.run())
            tasks.create_task(self._keep_telling())
            tasks.create_task(self._note_backfilled())
            if self.plan.max_age_days is not None:
                tasks.create_task(retire([run.work for run in self.collections]))

    def _collections(self, provider: Provider) -> list[CollectionRun]:
        open = self.parts.open(self.plan, provider)
        runs: dict[str, CollectionRun] = {}
        self._missing = []
        for chosen in self.plan.collections:
            collection = provider.collection(chosen.slot.collection_id.partition(":")[2])
            if collection is None:
                self._missing.append(chosen.slot.collection_id)
                continue
            work = Assignment(
                slot=chosen.slot,
                collection=collection,
                engine=self.parts.engine,
                clock=self.parts.clock,
                fence=self.fence,
                open=open,
                max_age_days=self.plan.max_age_days,
                ingested=lambda done, seconds, id=chosen.slot.collection_id: self._ingested(
                    id, done, seconds
                ),
            )
            runs[collection.name] = CollectionRun(
                work=work,
                plan=chosen,
                ledger=self.parts.ledger,
                fence=self.fence,
                frequency=self.plan.frequency,
                noted=self._health_changed.set,
            )
        for run in runs.values():
            parent = runs.get(run.work.collection.parent or "")
            if parent is not None:
                run.work.parent, run.after = parent.work.slot, parent.backfilled
        return list(runs.values())

    def _feed(self, provider: Provider) -> FeedRun | None:
        """Return what follows the provider's feed, if it has one and a collection is fed by it."""
        fed = {run.work.collection.name: run for run in self.collections if run.work.collection.fed}
        if provider.feed is None or not fed:
            return None
        return FeedRun(
            feed=provider.feed,
            runs=fed,
            ledger=self.parts.ledger,
            fence=self.fence,
            clock=self.parts.clock,
            frequency=self.plan.frequency,
            noted=self._health_changed.set,
        )

    def _pushes(self, provider: Provider) -> PushRun | None:
        """Return what takes pushes in, if the provider has webhooks and the sync has one."""
        if provider.webhook is None or not self.plan.pushed:
            return None
        return PushRun(
            webhook=provider.webhook,
            runs={run.work.collection.name: run for run in self.collections},
            inbox=self.parts.inbox,
            sync_id=self.plan.sync_id,
            fence=self.fence,
            clock=self.parts.clock,
            noted=self._health_changed.set,
            told=self._told,
        )

    def _told(self, news: Sequence[News], received_us: int) -> None:
        if self.silence is not None:
            self.silence.pushed(news, received_us)

    def _silence(self, provider: Provider) -> SilenceRun | None:
        """Return what watches over pushes, if there are to be some."""
        webhook, hooks = provider.webhook, self.parts.hooks
        if webhook is None or not self.plan.pushed:
            return None
        mender = None
        if hooks is not None:
            open = self.parts.open(self.plan, provider)
            mender = Mender(
                sync_id=self.plan.sync_id,
                webhook=webhook,
                rows=hooks,
                open=lambda: cast("Registrar", open(Urgency.CHANGES)),
                url=self.parts.webhook_url(self.plan.sync_id, self.plan.provider),
            )
        return SilenceRun(
            exact=frozenset(run.work.collection.name for run in self.collections if run.work.collection.fed),
            mender=mender,
            clock=self.parts.clock,
            noted=self._health_changed.set,
        )

    def _ingested(self, collection_id: str, done: Ingested, seconds: float) -> None:
        """Tell of what was ingested: for metrics, and to compare it with what is pushed."""
        self.parts.watch(collection_id, done, seconds)
        if self.silence is None:
            return
        name = collection_id.partition(":")[2]
        run = next((one for one in self.collections if one.work.collection.name == name), None)
        if run is not None and run.backfilled.is_set():
            self.silence.found(name, done.changes)

    # --- health -------------------------------------------------------------------------------------------

    async def _keep_telling(self) -> None:
        """Write the health whenever a note comes or goes."""
        while True:
            self._health_changed.clear()
            await self._tell()
            await self._health_changed.wait()

    async def _tell(self) -> None:
        await self.parts.ledger.write(self.news())
        attempts = [run.attempts for run in self.collections]
        attempts += [more.attempts for more in (self.feed, self.pushes, self.silence) if more is not None]
        notes = [note for one in attempts for note in one.notes.values()]
        if self._crash is not None:
            notes.append((HealthStatus.ERROR, self._crash))
        for id in self._missing:
            text = (
                f"The provider has no {id} any more; its records stay as they are. Take it out of the sync."
            )
            notes.append((HealthStatus.WARN, Note(code="collection.not_found", text=text, about=id)))
        unreadable = await self.parts.ledger.rejected([run.work.slot.number for run in self.collections])
        if unreadable:
            text = (
                f"At least {unreadable} objects could not be read as their collections say; the rest goes on."
                f" See GET /v1/syncs/{self.plan.sync_id}/rejected."
            )
            notes.append((HealthStatus.WARN, Note(code="objects.rejected", text=text)))
        order = (HealthStatus.ERROR, HealthStatus.WARN)
        status = next((s for s in order if any(s == of for of, _ in notes)), HealthStatus.OK)
        worked = any(run.work.progress.last_checked_us is not None for run in self.collections)
        await self.parts.ledger.health(
            self.fence, self.plan, status, [note for _, note in notes], worked=worked
        )

    async def _note_backfilled(self) -> None:
        for run in self.collections:
            await run.backfilled.wait()
        if not self.plan.backfilled:
            await self.parts.ledger.backfilled(self.fence, self.plan.sync_id)


def _leaves(error: BaseException) -> list[BaseException]:
    """Return the errors that the tasks of a run raised."""
    inside: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return [leaf for one in inside for leaf in _leaves(one)] if inside else [error]


def _ours(error: BaseException) -> bool:
    return all(isinstance(leaf, HeadwaterError) for leaf in _leaves(error))


def _reason(error: BaseException) -> str:
    return " ".join(sorted({str(leaf) for leaf in _leaves(error)}))


def _find_lost(error: BaseException) -> LeaseLost | None:
    """Find a lost lease in what the tasks of a run raised."""
    return next((leaf for leaf in _leaves(error) if isinstance(leaf, LeaseLost)), None)
