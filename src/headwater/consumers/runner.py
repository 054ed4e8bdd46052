"""The runner of managed consumers in a process: takes a fair share under leases, runs it, lets go cleanly.

Each consumer is a task of its own, so a slow or dead target keeps nobody waiting. Not here: what one consumer
does (`run`), consumers over HTTP, which nobody runs (`pull`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from headwater.consumers.plan import Plan, Plans, lease_name
from headwater.consumers.run import ConsumerRun, Parts
from headwater.errors import HeadwaterError
from headwater.model.lease import Fence
from headwater.model.position import Vector

_LOG = structlog.get_logger(__name__)
_TICK = 0.5
"""Seconds between two looks at the leases and at what users changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late a consumer is: entries it has yet to look at, seconds since the oldest was committed."""

    messages: int
    seconds: float


class Runner:
    """Runs this process's share of the managed consumers."""

    def __init__(self, parts: Parts, plans: Plans) -> None:
        """Run what `plans` say with `parts`, as a part of the worker in it, which is run beside it."""
        self._parts, self._plans = parts, plans
        self._worker = parts.tools.worker
        self._runs: dict[str, ConsumerRun] = {}
        self._active: set[str] = set()
        self._revision = -1
        self._heads: Vector = ()
        self._turn = asyncio.Lock()
        """Held while runs are taken or dropped."""

    @property
    def running(self) -> frozenset[str]:
        """The ids of the consumers that this process runs now."""
        return frozenset(self._runs)

    def lateness(self) -> dict[str, Lateness]:
        """Return how late each of them is, as of a moment ago."""
        now_us = self._parts.tools.clock.now_us()
        late: dict[str, Lateness] = {}
        for id, run in self._runs.items():
            if (lag := run.lag) is None:
                continue
            since = now_us if lag.waiting_since_us is None else lag.waiting_since_us
            messages = sum(max(head - at, 0) for head, at in zip(self._heads, lag.position, strict=False))
            late[id] = Lateness(messages=messages, seconds=max(now_us - since, 0) / 1e6)
        return late

    async def run(self) -> None:
        """Work until cancelled; then drain every consumer and give the leases back (P9)."""
        async with self._worker.working(self._lost):
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._keep(self._balance, _TICK))
                    tasks.create_task(self._keep(self._parts.tools.progress.keep))
            finally:
                await self._stop(list(self._runs))

    async def _keep(self, step: Callable[[], Awaitable[None]], every: float = 0.0) -> None:
        """Take a step again and again. Trouble with the database is waited out: the next step tries again."""
        told = ""
        while True:
            try:
                await step()
                told = ""
            except HeadwaterError as error:
                if error.error_code != told:  # once for each trouble, not at every step
                    _LOG.warning("runner waits", code=error.error_code, reason=error.message)
                told = error.error_code
                await asyncio.sleep(_TICK)
            await asyncio.sleep(every)

    async def _lost(self) -> None:
        """Stop everything: it has passed to others."""
        async with self._turn:
            await self._drop(list(self._runs))

    async def _balance(self) -> None:
        """Take what is free up to a fair share, give back what is above it, take in what users changed."""
        async with self._turn:
            await self._give_back_ended()
            revision = await self._plans.revision()
            if revision != self._revision:
                self._active = await self._plans.active()
                await self._stop([id for id in self._runs if id not in self._active])
                await self._update()
                self._revision = revision
            await self._take_share()
        self._heads = await self._parts.streams.engine.changed((), 0.0)

    async def _give_back_ended(self) -> None:
        """Let go of runs that ended by themselves: their leases are somebody else's, or stale."""
        ended = [id for id, run in self._runs.items() if run.task is not None and run.task.done()]
        runs = [self._runs.pop(id) for id in ended]
        for run in runs:
            await self._worker.leases.release(run.fence)

    async def _take_share(self) -> None:
        share = -(-len(self._active) // await self._worker.alive())
        await self._stop(sorted(self._runs)[share:])
        if len(self._runs) < share:
            names = [lease_name(id) for id in self._active - self._runs.keys()]
            if names:
                await self._start(await self._worker.leases.claim(names, share - len(self._runs)))

    async def _start(self, fences: list[Fence]) -> None:
        plans = await self._plans.read(fence.lease.partition(":")[2] for fence in fences)
        for fence in fences:
            plan = plans.get(fence.lease.partition(":")[2])
            if plan is None:
                await self._worker.leases.release(fence)
                continue
            run = self._runs[plan.consumer_id] = ConsumerRun(parts=self._parts, plan=plan, fence=fence)
            run.start()

    async def _update(self) -> None:
        """Hand users' changes to the runs; those that need it are started anew."""
        plans = await self._plans.read(self._runs)
        changed = [plan for id, plan in plans.items() if self._runs[id].update(plan)]
        await asyncio.gather(*(self._anew(plan) for plan in changed))

    async def _anew(self, plan: Plan) -> None:
        old = self._runs[plan.consumer_id]
        await old.stop()
        run = ConsumerRun(parts=self._parts, plan=plan, fence=old.fence)
        self._runs[plan.consumer_id] = run
        run.start()

    async def _stop(self, ids: Iterable[str]) -> None:
        """Drain consumers and give their leases back."""
        runs = [self._runs.pop(id) for id in ids]
        await asyncio.gather(*(run.stop() for run in runs))
        with suppress(HeadwaterError):
            for run in runs:
                await self._worker.leases.release(run.fence)

    async def _drop(self, ids: Iterable[str]) -> None:
        """Stop consumers at once; their leases stay with whoever has them."""
        runs = [self._runs.pop(id) for id in ids]
        await asyncio.gather(*(run.drop() for run in runs))
