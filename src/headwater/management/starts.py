"""From where on a managed consumer is given a stream: `beginning`, `end` or an instant, as a position.

Not here: the deliver policies of HTTP consumers.
"""

from datetime import UTC, datetime, timedelta

from headwater.errors import Invalid
from headwater.kit import durations
from headwater.kit.clock import from_us, iso, to_us
from headwater.model.consumer import BEGINNING, END
from headwater.model.position import Stream, Vector, start
from headwater.streams.engine import StreamEngine

_FORM = 'Must be "beginning", "end" or a time such as 2026-11-24T08:00:00Z.'


class Starts:
    """Finds where to start in the streams of one installation."""

    def __init__(self, engine: StreamEngine, event_retention: timedelta) -> None:
        """Look into `engine`, which keeps events for so long."""
        self._engine = engine
        self._retention = event_retention

    async def position(self, stream: Stream, start: str, now_us: int) -> tuple[str, Vector]:
        """Return a start as it is kept, and the position before what it begins with. Raises: Invalid."""
        if start == BEGINNING:
            return start, await self._beginning(stream)
        if start == END:
            return start, await self._engine.heads()
        instant = _instant(start)
        if to_us(instant) > now_us:
            raise _wrong("Must not lie in the future.", 'Give "end" to start with what comes from now on.')
        oldest = from_us(now_us) - self._retention
        if stream is Stream.EVENTS and instant < oldest:  # P11: a gap is never silent
            raise _wrong(
                f"Events are kept for {durations.show(self._retention)}: those from then are gone.",
                'Give a later time, or "beginning" for all that are left; records have the latest states.',
            )
        then, first = await self._engine.position_at(to_us(instant)), await self._beginning(stream)
        return iso(instant), tuple(max(pair) for pair in zip(then, first, strict=True))

    async def _beginning(self, stream: Stream) -> Vector:
        return await self._engine.trimmed() if stream is Stream.EVENTS else start(self._engine.partitions)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(_FORM, "Correct it.") from None
    if instant.tzinfo is None:
        raise _wrong("The time must say its zone: end it with Z, or an offset such as +02:00.", "Add it.")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise _wrong(_FORM, "Correct it.") from None


def _wrong(detail: str, fix: str) -> Invalid:
    return Invalid("The consumer cannot start there.", errors=[("start", detail)], fix=fix)
