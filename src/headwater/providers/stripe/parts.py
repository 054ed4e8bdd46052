"""A long list read in parts at once: its time is cut into parts, and what a page leaves unread is cut again.

A list has one order, newest first, and only says what comes after an object; but it takes a filter by
`created`, so that its parts can be read side by side, as fast as the budget allows. Each part costs a page
that is not full, so there are never more than are read at once, and not more than pages were read: a short
list is not cut at all. The lowest part has no lower end, and the highest none above, so nothing is left out
whatever its time.

Source: https://docs.stripe.com/api/customers/list (`created`). Estuary's source-stripe-native reads in the
same way. Read 2026-11-24.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from headwater.kit.http import Http
from headwater.providers.provider import JSON, Page, Scope
from headwater.providers.stripe.access import own_account
from headwater.providers.stripe.reading import Listed, PlaceLost, Reading

AT_ONCE = 8
"""Parts that are read at once. At a quarter of a second an answer that is more than the budget lets go."""
_FOUNDED = 1_262_304_000
"""2010: nothing at Stripe is older. Where time is cut from, if the account's age is not told."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What is unread of `[low, high)` in seconds of `created`: all, or what comes after an object.

    `after` is the id of that object and `oldest` when it was created. Written as a JSON array.
    """

    low: int | None = None
    high: int | None = None
    after: str | None = None
    oldest: int | None = None

    def query(self) -> dict[str, str]:
        """Return the parameters that ask for it."""
        ends = {"created[gte]": self.low, "created[lt]": self.high}
        return {name: str(end) for name, end in ends.items() if end is not None}

    def without_place(self) -> "Part":
        """Return what to read where the object behind which it begins has been deleted since."""
        high = self.high if self.oldest is None else self.oldest + 1
        return Part(self.low, high)

    def rest(self, listed: Listed, wanted: int, floor: int) -> list["Part"]:
        """Return what a page leaves unread of it, in up to `wanted` parts of equal length."""
        if not listed.has_more:
            return []
        low = floor if self.low is None else self.low
        top = listed.oldest
        cuts: list[int] = []
        if top is not None and wanted > 1:
            cuts = sorted({low + (top - low) * part // wanted for part in range(1, wanted)})
            cuts = [cut for cut in cuts if low < cut < top]
        lows, highs = [self.low, *cuts], [*cuts, self.high]
        parts = [Part(low, high) for low, high in zip(lows[:-1], highs[:-1], strict=True)]
        return [Part(lows[-1], self.high, listed.last, top), *reversed(parts)]


async def read_in_parts(
    reading: Reading, http: Http, scope: Scope | None, resume: JSON | None
) -> AsyncIterator[Page]:
    """Read a whole list; pages come as they are answered. `resume` names the parts that are unread.

    Raises: Retry, Halt; what was yielded before counts.
    """
    parts, floor = _unread(resume)
    answered = len(parts) - 1
    running: dict[asyncio.Task[Listed], Part] = {}
    try:
        while parts or running:
            while parts and len(running) < AT_ONCE:
                part = parts.pop(0)
                asked = reading.listed(http, scope, part.query(), part.after)
                running[asyncio.create_task(asked, name="stripe-part")] = part
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                part = running.pop(task)
                try:
                    listed = task.result()
                except PlaceLost:
                    parts.insert(0, part.without_place())
                    continue
                answered += 1
                wanted = min(AT_ONCE, answered) - len(parts) - len(running)
                if listed.has_more and wanted > 1 and floor is None:
                    account = await own_account(http)
                    floor = (account and account.created) or _FOUNDED
                parts += part.rest(listed, wanted, floor or _FOUNDED)
                yield listed.page(_resume([*running.values(), *parts], floor))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _unread(resume: JSON | None) -> tuple[list[Part], int | None]:
    if resume is None:
        return [Part()], None
    return msgspec.convert(resume["parts"], list[Part]), resume["floor"]


def _resume(unread: Sequence[Part], floor: int | None) -> dict[str, Any] | None:
    if not unread:
        return None
    return {"parts": [list(msgspec.structs.astuple(part)) for part in unread], "floor": floor}
