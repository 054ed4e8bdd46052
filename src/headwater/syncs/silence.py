"""Pushes that stay out or get lost, told in a sync's health with what was done and what to do.

Nothing is lost meanwhile: what is not pushed is found by asking, a little later. Not here: how it is noticed
(`comparing`), how it is mended (`mending`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from headwater.errors import HeadwaterError
from headwater.kit.clock import Clock, from_us, iso
from headwater.model.record import Change, Origin
from headwater.model.sync import HealthStatus
from headwater.providers.provider import News
from headwater.syncs.attempts import Attempts
from headwater.syncs.comparing import Comparison, Seen, Verdict
from headwater.syncs.mending import Mender

_LOG = structlog.get_logger(__name__)
_LOOK = 30.0
"""Seconds between two looks at the comparison."""
_MEND_EVERY = timedelta(hours=1).total_seconds()
_ASKED = frozenset({Origin.SINCE, Origin.FEED})
_NOTHING_LOST = "Nothing is lost: what is not pushed is found by asking, a little later."


@dataclass(slots=True, kw_only=True)
class SilenceRun:
    """Watches over the pushes of a sync, until it is cancelled."""

    exact: frozenset[str]
    mender: Mender | None
    clock: Clock
    noted: Callable[[], None]
    attempts: Attempts = field(init=False)
    comparison: Comparison = field(init=False)
    _begun_us: int = field(init=False)
    _mended: float = float("-inf")
    _done: str | None = None

    def __post_init__(self) -> None:
        """Begin with nothing seen."""
        self.attempts = Attempts(about="webhook", clock=self.clock, noted=self.noted)
        self.comparison = Comparison(exact=self.exact)
        self._begun_us = self.clock.now_us()

    def pushed(self, news: Sequence[News], received_us: int) -> None:
        """Take note of a push."""
        self.comparison.pushed([(one.collection, one.id) for one in news], received_us)

    def found(self, collection: str, changes: Iterable[Change]) -> None:
        """Take note of changes of a collection that is followed.

        What had changed before this run began may have been pushed while nobody ran.
        """
        now_us = self.clock.now_us()
        for change in changes:
            late = change.updated_us is not None and change.updated_us < self._begun_us
            if change.origin in _ASKED and not late:
                self.comparison.found((collection, change.upstream_id), now_us)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.clock.sleep(_LOOK)
            await self.look()

    async def look(self) -> None:
        """Look once: say what is wrong, and mend it where that can be done."""
        seen = self.comparison.seen(self.clock.now_us())
        if seen.verdict is Verdict.FINE:
            self._done = None
            self.attempts.unnote("pushes")
            return
        if self.mender is not None and self.clock.monotonic() - self._mended >= _MEND_EVERY:
            self._mended = self.clock.monotonic()
            self._done = await self._mend(self.mender, seen)
        warn = HealthStatus.WARN
        if seen.verdict is Verdict.SILENT:
            self.attempts.note("pushes", warn, code="webhooks.silent", text=self._silent(seen))
        else:
            self.attempts.note("pushes", warn, code="webhooks.lossy", text=self._lossy(seen))

    async def _mend(self, mender: Mender, seen: Seen) -> str | None:
        try:
            return await mender.mend(seen)
        except HeadwaterError as error:
            _LOG.warning("webhook not mended", sync_id=mender.sync_id, code=error.error_code)
            return f"Mending it by itself failed: {error.message}"

    def _silent(self, seen: Seen) -> str:
        return (
            f"{seen.lost} changes were found by asking since {_at(seen)}, and nothing at all was pushed."
            " Usually the webhook was removed or switched off at the API, or its address cannot be reached"
            f" from there. {_NOTHING_LOST} {self._done or _BY_HAND}"
        )

    def _lossy(self, seen: Seen) -> str:
        return (
            f"{seen.lost} changes were found by asking since {_at(seen)} that no push told of, beside"
            f" {seen.pushes} pushes that came. Usually this server was not reached for a while, or the"
            f" webhook does not have all events. {_NOTHING_LOST} {self._done or _BY_HAND}"
        )


_BY_HAND = (
    "Look at the webhook's deliveries at the API, and compare its address and events with what `headwater"
    " webhook show` says."
)


def _at(seen: Seen) -> str:
    return iso(from_us(seen.since_us))
