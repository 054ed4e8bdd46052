"""Steps of work that are tried until they succeed, and what stands in their way meanwhile, told in the
health.

The one place where `Retry` and `Halt` of syncs end. Not here: what a step does, who writes the health.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import structlog

from headwater.errors import Conflict, Halt, Retry
from headwater.kit.clock import Clock, from_us, iso
from headwater.kit.tasks import backoff, heed_cancellation
from headwater.model.sync import HealthStatus, Note
from headwater.syncs.assignment import TRIES

_LOG = structlog.get_logger(__name__)
_HALTED = timedelta(minutes=10)
"""After so long what halted is tried once more: what a person repaired is found without a restart."""
_OWN_TROUBLE = timedelta(seconds=30)
"""The same for trouble with our own database, which concerns no credential."""

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Attempts:
    """The steps of one piece of work. `noted` is called when its notes change.

    `halted` is called with the reason when a person must act, and with None when it is tried again.
    """

    about: str
    """What the notes are about: a collection's id, say."""
    clock: Clock
    noted: Callable[[], None]
    halted: Callable[[str | None], None] = lambda _reason: None
    alone: asyncio.Lock | None = None
    """Held for each step, where two of them may not run at once."""
    notes: dict[str, tuple[HealthStatus, Note]] = field(default_factory=dict[str, tuple[HealthStatus, Note]])
    """By activity, so that its next success takes them away."""
    looks: int = 0
    """How often somebody asked to look now."""
    _look: asyncio.Event = field(default_factory=asyncio.Event)

    def look_now(self) -> None:
        """End every wait."""
        self.looks += 1
        self._look.set()
        self._look = asyncio.Event()

    async def pause(self, wait: timedelta, looks: int) -> None:
        """Wait, or until somebody asks to look now; not at all if somebody has since there were `looks`."""
        if self.looks == looks:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait.total_seconds()):
                    await self._look.wait()

    async def made(self, activity: str, step: Callable[[], Awaitable[T]]) -> T:
        """Take one step of an activity until it succeeds; say in the health what stands in the way meanwhile.

        Raises: LeaseLost, Gone, and whatever is our own bug.
        """
        tries = 0
        while True:
            looks = self.looks
            alone: AbstractAsyncContextManager[object] = self.alone or nullcontext()
            try:
                async with alone:
                    try:
                        done = await step()
                    finally:
                        heed_cancellation()
            except (Retry, Conflict) as error:
                tries += 1
                after = error.after if isinstance(error, Retry) else None
                wait = max(timedelta(seconds=backoff(TRIES + tries)), after or timedelta())
                text = (
                    f"{self.about}: {error.message} It is tried again by itself at {self._in(wait)}"
                    f" (round {tries}), and nothing is lost meanwhile. {error.fix or ''}"
                )
                self.note(activity, HealthStatus.WARN, error.error_code, text.strip())
                await self.pause(wait, looks)
            except Halt as error:
                _LOG.warning("halted", about=self.about, code=error.error_code, reason=error.message)
                again = _OWN_TROUBLE if error.error_code.startswith("database.") else _HALTED
                text = (
                    f"{self.about}: {error.message} {error.fix or ''}"
                    f" It stands still until then; the next try by itself is at {self._in(again)}."
                )
                self.note(activity, HealthStatus.ERROR, error.error_code, text)
                self.halted(error.message)
                await self.pause(again, self.looks)
                self.halted(None)
            else:
                self.unnote(activity)
                return done

    def note(self, activity: str, status: HealthStatus, code: str, text: str) -> None:
        """Say something of an activity, in place of what was said before."""
        said = (status, Note(code=code, text=text, about=self.about))
        if self.notes.get(activity) != said:
            self.notes[activity] = said
            self.noted()

    def unnote(self, activity: str) -> None:
        """Take back what was said of an activity."""
        if self.notes.pop(activity, None) is not None:
            self.noted()

    def _in(self, wait: timedelta) -> str:
        """Return when a wait is over, for a person."""
        return iso(from_us(self.clock.now_us() + int(wait.total_seconds() * 1e6)))
