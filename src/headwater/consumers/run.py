"""One managed consumer at work in this process: started anew after trouble, its health told, its end drained.

Not here: how messages are delivered (`deliver`), which process runs which consumer (`runner`).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from pydantic import ValidationError

from headwater.consumers.deliver import Forwarding, Tools
from headwater.consumers.meter import Meter
from headwater.consumers.plan import Plan
from headwater.consumers.source import Source
from headwater.consumers.troubles import Troubles
from headwater.errors import Conflict, Gone, Halt, HeadwaterError, LeaseLost, Retry
from headwater.kit.tasks import ended, supervised
from headwater.model.consumer import OnGap
from headwater.model.lease import Fence
from headwater.model.position import Vector
from headwater.model.sync import HealthStatus, Note
from headwater.streams.reading import Streams
from headwater.targets.target import Delivery, Kind, Target
from headwater.telemetry import Metrics

_LOG = structlog.get_logger(__name__)
DRAIN = timedelta(seconds=8)
"""How long a write under way may take when a consumer is stopped. Then it is cut off, and made again."""
_CLOSE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every run of a consumer uses."""

    tools: Tools
    streams: Streams
    kinds: Mapping[str, Kind]
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Where a consumer stands, and when the oldest message that waits was committed."""

    position: Vector
    waiting_since_us: int | None


@dataclass(slots=True, kw_only=True)
class ConsumerRun:
    """One consumer at work under its lease. The task is done when it was stopped or has lost its lease."""

    parts: Parts
    plan: Plan
    fence: Fence
    task: asyncio.Task[None] | None = None
    _source: Source = field(init=False)
    _meter: Meter = field(init=False)
    _troubles: Troubles = field(init=False)
    _forwarding: Forwarding | None = None
    _target: Target | None = None
    """Left open by a `Retry`: it remembers what has failed, and for how long."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    def __post_init__(self) -> None:
        plan = self.plan
        self._source = Source(self.parts.streams, plan.stream, plan.filters, plan.external_id)
        self._meter = Meter(self.parts.metrics, plan.consumer_id)
        self._troubles = Troubles(self.parts.tools.clock, self._news.set)

    def start(self) -> None:
        """Begin."""
        self.task = asyncio.create_task(self._supervised(), name=self.plan.lease)

    async def stop(self) -> None:
        """Let a write under way end and its position be written down (P9), then stop."""
        self._stopping = True
        if self.task is None:
            return
        if self._forwarding is not None:
            self._forwarding.stop()
            self._troubles.look_now()
            await asyncio.wait([self.task], timeout=DRAIN.total_seconds())
        await ended(self.task)

    async def drop(self) -> None:
        """Stop at once: the consumer is another process's by now."""
        if self.task is not None:
            await ended(self.task)

    def update(self, plan: Plan) -> bool:
        """Take in what a user changed; return whether the run must be started anew for it.

        Whatever it was, it ends all waits: it may be what this consumer waits for.
        """
        if plan.stamp != self.plan.stamp:
            return True
        if plan.called_back and self._forwarding is not None:
            self._forwarding.call_back()
        self._troubles.look_now()
        return False

    @property
    def lag(self) -> Lag | None:
        """How far it is; None before it has begun."""
        found = self._forwarding
        return (
            None if found is None else Lag(position=found.position, waiting_since_us=found.waiting_since_us)
        )

    async def _supervised(self) -> None:
        telling = asyncio.create_task(self._keep_telling(), name=f"{self.plan.lease} health")
        try:
            with suppress(LeaseLost):
                await supervised(self._run, crashed=self._crashed)
        finally:
            await self._close_target()
            await ended(telling)

    async def _crashed(self, error: Exception, crashes: int) -> None:
        """Report a bug of ours: it is logged with its traceback, and told in the consumer's health."""
        if isinstance(error, LeaseLost):
            raise error
        _LOG.error("consumer crashed", consumer_id=self.plan.consumer_id, crashes=crashes, exc_info=error)
        text = (
            f"Headwater itself failed at this consumer ({type(error).__name__}); it has been started again"
            f" ({crashes}). Nothing is lost. The log has the traceback; please report it."
        )
        self._troubles.note("crash", HealthStatus.ERROR, Note(code="internal", text=text))

    async def _run(self) -> None:
        while not self._stopping:
            looks = self._troubles.looks
            try:
                await self._deliver()
            except Conflict:
                continue  # it was reset: begin where it stands now
            except (Retry, Halt) as error:
                self._meter.retried()
                await self._troubles.wait_for(error, looks)

    async def _deliver(self) -> None:
        """Deliver until there is trouble, or until the end."""
        target, self._target = self._target or self._open(), None
        forwarding = Forwarding(self.parts.tools, self.plan, self._source, target, self._meter, self._look)
        try:
            await forwarding.begin(self.fence)
            self._forwarding = forwarding
            if self._stopping:
                return
            try:
                await forwarding.run()
            except Gone:
                await self._gap(forwarding)
        except Retry:
            if not target.transactional:
                self._target = target
            raise
        finally:
            self._forwarding = None
            await forwarding.close()
            if self._target is None:
                await _close(target)

    async def _close_target(self) -> None:
        target, self._target = self._target, None
        if target is not None:
            await _close(target)

    def _open(self) -> Target:
        plan = self.plan
        kind = self.parts.kinds.get(plan.kind)
        if kind is None:
            raise Halt(
                f"This release of Headwater does not know targets of kind {plan.kind}.",
                code="target.kind_unknown",
                fix="Start the release that made it, or remove the consumer.",
            )
        try:
            settings = kind.settings.model_validate(plan.settings)
        except ValidationError:
            settings = None  # outside of `except`: the original error repeats what was given (P8)
        if settings is None:
            raise Halt(
                "The target's settings are not as this release needs them.",
                code="target.settings_invalid",
                fix="Change the target; the answer names the fields.",
            )
        return kind.make(
            settings,
            Delivery(
                consumer_id=plan.consumer_id, name=plan.name, stream=plan.stream, epoch=self.fence.epoch
            ),
        )

    async def _gap(self, forwarding: Forwarding) -> None:
        """Tell that entries were lost, and go on behind them or wait for a reset, as was chosen (P11)."""
        looks = self._troubles.looks
        position, beginning = forwarding.position, await self._source.beginning()
        missed = sum(max(first - at, 0) for at, first in zip(position, beginning, strict=True))
        ledger = self.parts.tools.ledger
        if self.plan.on_gap is OnGap.SKIP:
            behind = tuple(map(max, position, beginning))
            await ledger.lost(forwarding.held, behind, forwarding.lost + missed)
            forwarding.position = behind
            return
        await ledger.lost(forwarding.held, position, missed)
        text = (
            f"The consumer has fallen behind what is kept: up to {missed} events passed out of retention"
            " before they were delivered. It stands still, so that this is not overlooked. Reset it to go on,"
            " and let it forward the records anew if every change counts."
        )
        self._troubles.note("gap", HealthStatus.ERROR, Note(code="consumer.gap", text=text))
        await self._troubles.wait(looks)

    def _look(self) -> None:
        """See what there is to tell of the forwarding."""
        forwarding = self._forwarding
        if forwarding is None:
            return
        if forwarding.stored or (forwarding.caught_up and not forwarding.stuck):
            self._troubles.over()
            self._troubles.unnote("gap")
            self._troubles.unnote("crash")
        if forwarding.lost:
            text = (
                f"Up to {forwarding.lost} events passed out of retention before they were delivered, and were"
                " skipped, as `on_gap` says. A reset forgets this."
            )
            self._troubles.note("skipped", HealthStatus.WARN, Note(code="consumer.gap", text=text))
        if stuck := forwarding.stuck:
            text = (
                f"The target could not store messages of {len(stuck)} records just now. They are tried again"
                f" by themselves, and all others go on. The last reason: {stuck[-1].error}"
            )
            self._troubles.note("stuck", HealthStatus.WARN, Note(code="consumer.held_up", text=text))
        else:
            self._troubles.unnote("stuck")
        if (forwarding.stored or forwarding.caught_up) and not self._well:
            self._news.set()

    # --- health -------------------------------------------------------------------------------------------

    @property
    def _well(self) -> bool:
        """Whether the database says what is so: that nothing is to be told."""
        return self.plan.health["status"] == HealthStatus.OK and self.plan.target_well

    async def _keep_telling(self) -> None:
        """Write the health whenever there is something else to tell. Trouble with the database is waited
        out."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._tell()
            except HeadwaterError as error:
                _LOG.warning("health not written", consumer_id=self.plan.consumer_id, reason=error.message)
                await asyncio.sleep(1)
                self._news.set()

    async def _tell(self) -> None:
        notes = self._troubles.notes
        order = (HealthStatus.ERROR, HealthStatus.WARN)
        status = next((s for s in order if any(s == of for of, _ in notes)), HealthStatus.OK)
        worked = self._forwarding is not None and self._forwarding.stored
        await self.parts.tools.ledger.health(
            self.fence, self.plan, status, [note for _, note in notes], worked=worked
        )


async def _close(target: Target) -> None:
    """Close a target; one that does not let go is left to itself."""
    try:
        async with asyncio.timeout(_CLOSE.total_seconds()):
            await target.close()
    except (HeadwaterError, TimeoutError) as error:
        _LOG.warning("target not closed", reason=str(error))
