"""What stands in the way of a consumer: told in its health, waited for, and forgotten when it is over.

Not here: what is tried (`deliver`), who writes the health (`run`).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from headwater.consumers.ledger import TARGET
from headwater.errors import Halt, Retry
from headwater.kit.clock import Clock, from_us, iso
from headwater.kit.tasks import backoff
from headwater.model.sync import HealthStatus, Note

_LOG = structlog.get_logger(__name__)
_HALTED = timedelta(minutes=10)
"""After so long a halted consumer tries once more: what a person repaired is found without a restart."""
_OWN_TROUBLE = timedelta(seconds=30)
"""The same for trouble with our own database."""
_FIRST_SECONDS = 0.25


class Troubles:
    """The troubles of one consumer. `noted` is called when there is something else to tell."""

    def __init__(self, clock: Clock, noted: Callable[[], None]) -> None:
        """There are none yet."""
        self._clock, self._noted = clock, noted
        self._notes: dict[str, tuple[HealthStatus, Note]] = {}
        self._tries = 0
        self._looks = 0
        self._look = asyncio.Event()

    @property
    def notes(self) -> list[tuple[HealthStatus, Note]]:
        """What there is to tell, by what it is about."""
        return list(self._notes.values())

    @property
    def looks(self) -> int:
        """How often somebody asked to try now."""
        return self._looks

    def look_now(self) -> None:
        """End every wait."""
        self._looks += 1
        self._look.set()
        self._look = asyncio.Event()

    def over(self) -> None:
        """Forget the trouble with the target: it has stored something."""
        self._tries = 0
        self.unnote("delivery")

    async def wait_for(self, error: Retry | Halt, looks: int) -> None:
        """Tell what happened, and wait until it may be tried again, or until somebody asks for that."""
        await self.wait(looks, self._told(error))

    async def wait(self, looks: int, longest: timedelta | None = None) -> None:
        """Wait until somebody asks to try now; not at all if somebody has since there were `looks`."""
        if self._looks == looks:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if longest is None else longest.total_seconds()):
                    await self._look.wait()

    def note(self, about: str, status: HealthStatus, note: Note) -> None:
        """Say something, in place of what was said before about the same."""
        known = self._notes.get(about)
        self._notes[about] = (status, note)
        if known is None or known != (status, note):
            self._noted()

    def unnote(self, about: str) -> None:
        """Take back what was said."""
        if self._notes.pop(about, None) is not None:
            self._noted()

    def _told(self, error: Retry | Halt) -> timedelta:
        about = "database" if error.error_code.startswith("database.") else TARGET
        if isinstance(error, Halt):
            _LOG.warning("consumer halted", code=error.error_code, reason=error.message)
            wait = _OWN_TROUBLE if about == "database" else _HALTED
            text = (
                f"{error.message} {error.fix or ''} It stands still until then; the next try by itself is at"
            )
            status = HealthStatus.ERROR
        else:
            self._tries += 1
            wait = max(
                timedelta(seconds=backoff(self._tries, first=_FIRST_SECONDS)), error.after or timedelta()
            )
            text = f"{error.message} {error.fix or ''} Nothing is lost; it is tried again by itself at"
            status = HealthStatus.WARN
        again = iso(from_us(self._clock.now_us() + wait // timedelta(microseconds=1)))
        text = f"{' '.join(text.split())} {again}."
        if status is HealthStatus.ERROR or self._tries > 1:  # a lone hiccup is not worth a word
            self.note("delivery", status, Note(code=error.error_code, text=text, about=about))
        return wait
