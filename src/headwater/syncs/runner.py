"""The runner of a process: takes a fair share of the syncs under leases, runs them, and lets go cleanly.

A lease has an epoch that every transaction checks, so that a process that was stopped and woke up late writes
nothing. Not here: what one collection does (`collection`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from headwater.errors import HeadwaterError
from headwater.model.lease import Fence
from headwater.store.worker import Worker
from headwater.syncs.plan import lease_name
from headwater.syncs.run import Parts, SyncRun

_LOG = structlog.get_logger(__name__)
_TICK = 0.5
"""Seconds between two looks at the leases and at what users changed."""
_FLUSH = 2.0
"""Seconds between two writes of progress."""


class Runner:
    """Runs this process's share of the syncs."""

    def __init__(self, parts: Parts, worker: Worker) -> None:
        """Run syncs with `parts` as a part of `worker`, which is run beside it."""
        self._parts = parts
        self._worker = worker
        self._runs: dict[str, SyncRun] = {}
        self._active: set[str] = set()
        self._revision = -1
        self._look = asyncio.Event()
        self._turn = asyncio.Lock()
        """Held while runs are taken or dropped."""

    def look(self) -> None:
        """Look at what users changed at once, not at the next tick."""
        self._look.set()

    @property
    def running(self) -> frozenset[str]:
        """The ids of the syncs that this process runs now."""
        return frozenset(self._runs)

    def complete(self) -> dict[tuple[str, str], int]:
        """Return up to when everything that an API showed is known, by sync and collection id."""
        works = [one.work for run in self._runs.values() for one in run.collections]
        return {
            (work.slot.sync_id, work.slot.collection_id): work.progress.complete_us
            for work in works
            if work.progress.complete_us is not None
        }

    async def run(self) -> None:
        """Work until cancelled; then stop every sync, write its progress and give the leases back (P9)."""
        async with self._worker.working(self._lost):
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._keep(self._balance, _TICK))
                    tasks.create_task(self._keep(self._flush, _FLUSH))
            finally:
                await self._stop(list(self._runs))

    async def _keep(self, step: Callable[[], Awaitable[None]], every: float) -> None:
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
            try:
                async with asyncio.timeout(every):
                    await self._look.wait()
                self._look.clear()
            except TimeoutError:
                pass

    async def _lost(self) -> None:
        """Stop everything: it has passed to others."""
        async with self._turn:
            await self._drop(list(self._runs))

    async def _balance(self) -> None:
        """Take what is free up to a fair share, give back what is above it, take in what users changed."""
        async with self._turn:
            await self._take_in_changes()
            await self._take_share()

    async def _take_in_changes(self) -> None:
        await self._drop([id for id, run in self._runs.items() if run.task is not None and run.task.done()])
        revision = await self._parts.plans.revision()
        if revision != self._revision:
            await self._parts.reload()
            self._active = await self._parts.plans.active()
            await self._stop([id for id in self._runs if id not in self._active])
            await self._update()
            self._revision = revision

    async def _take_share(self) -> None:
        share = -(-len(self._active) // await self._worker.alive())
        await self._stop(sorted(self._runs)[share:])
        if len(self._runs) < share:
            names = [lease_name(id) for id in self._active - self._runs.keys()]
            if names:
                await self._start(await self._worker.leases.claim(names, share - len(self._runs)))

    async def _start(self, fences: list[Fence]) -> None:
        plans = await self._parts.plans.read(fence.lease.partition(":")[2] for fence in fences)
        for fence in fences:
            plan = plans.get(fence.lease.partition(":")[2])
            if plan is None:
                await self._worker.leases.release(fence)
                continue
            run = self._runs[plan.sync_id] = SyncRun(parts=self._parts, plan=plan, fence=fence)
            run.start()

    async def _update(self) -> None:
        """Hand users' changes to the runs; those that need it are started anew."""
        plans = await self._parts.plans.read(self._runs)
        for id, plan in plans.items():
            run = self._runs[id]
            if run.update(plan):
                await run.stop()
                fresh = self._runs[id] = SyncRun(parts=self._parts, plan=plan, fence=run.fence)
                fresh.start()

    async def _stop(self, ids: list[str]) -> None:
        """Stop syncs cleanly and give their leases back."""
        runs = [self._runs.pop(id) for id in ids]
        await asyncio.gather(*(run.stop() for run in runs))
        news = [one for run in runs for one in run.news()]
        if not runs:
            return
        with suppress(HeadwaterError):
            await self._parts.ledger.write(news)
            for run in runs:
                await self._worker.leases.release(run.fence)

    async def _drop(self, ids: list[str]) -> None:
        """Stop syncs that are not ours any more, or that ended by themselves; their leases stay."""
        runs = [self._runs.pop(id) for id in ids]
        await asyncio.gather(*(run.stop() for run in runs))

    async def _flush(self) -> None:
        """Write down the progress of all syncs."""
        await self._parts.ledger.write([one for run in self._runs.values() for one in run.news()])
