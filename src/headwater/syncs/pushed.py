"""The pushes of a sync at work: what came into the inbox is read, taken in, and settled.

Not here: how a request gets into the inbox, bringing news into the streams (`news`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from headwater.errors import Reject
from headwater.kit.clock import Clock
from headwater.model.lease import Fence
from headwater.model.record import Origin
from headwater.providers.provider import News, Webhook
from headwater.syncs.assignment import Assignment
from headwater.syncs.attempts import Attempts
from headwater.syncs.collection import CollectionRun
from headwater.syncs.inbox import Inbox, Waiting
from headwater.syncs.news import take_in

_LOG = structlog.get_logger(__name__)
_TOGETHER = 100
"""Requests that are taken in one after the other before they are settled together."""


@dataclass(slots=True, kw_only=True)
class PushRun:
    """Takes the pushes of a sync in, until it is cancelled."""

    webhook: Webhook
    runs: Mapping[str, CollectionRun]
    """By the collection's name."""
    inbox: Inbox
    sync_id: str
    fence: Fence
    clock: Clock
    noted: Callable[[], None]
    told: Callable[[Sequence[News], int], None] = lambda _news, _received_us: None
    """Hears what each push tells, and when it came."""
    attempts: Attempts = field(init=False)
    works: Mapping[str, Assignment] = field(init=False)

    def __post_init__(self) -> None:
        """Have its steps told in the health."""
        self.attempts = Attempts(about="webhook", clock=self.clock, noted=self.noted)
        self.works = {name: run.work for name, run in self.runs.items()}

    async def run(self) -> None:
        """Work until cancelled. Raises: LeaseLost."""
        for run in self.runs.values():
            await run.loaded.wait()
        while True:
            while await self.attempts.made("webhook", self._take):
                pass
            await self.inbox.arrived(self.sync_id)

    async def _take(self) -> bool:
        """Take some requests in; return whether there were any."""
        waiting = await self.inbox.waiting(self.sync_id, _TOGETHER)
        for one in waiting:
            await self._take_one(one)
        if waiting:
            await self.inbox.settle(self.fence, [one.id for one in waiting])
        return bool(waiting)

    async def _take_one(self, waiting: Waiting) -> None:
        try:
            push = self.webhook.read(waiting.received)
        except Reject as error:  # it was readable when it came: the provider has changed since
            _LOG.warning("push not readable", sync_id=self.sync_id, reason=error.message)
            return
        asked_us = waiting.received.received_us
        self.told(push.news, asked_us)
        await take_in(self.works, push.news, Origin.WEBHOOK, asked_us=asked_us)
