"""Stripe's feed of events, followed for all collections at once.

The feed is late and out of order: an event may show up after younger ones. So each look reads to the present,
and reads the last minutes again: from `whole`, the second up to which everything was given for good. What was
given since then is known by its id, and not given twice; one that comes late is only a hint, since younger
news of its object may have been taken in. A long way behind, time is cut into windows, so that no look holds
more than a few pages.

Source: https://docs.stripe.com/api/events/list (newest first, `created`, 30 days); that events show up out of
order was seen by others (blog.sequin.io, Estuary's source-stripe-native, which stays behind for it). Read
2026-11-24.
"""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta

import msgspec
import xxhash

from headwater.errors import Gone, Reject
from headwater.kit.http import Http
from headwater.providers import fetch, paging
from headwater.providers.provider import JSON, Feed, FeedPage, News
from headwater.providers.stripe.access import EVENTS
from headwater.providers.stripe.events import SECOND_US, Event, news_of, read_event

REACHES = timedelta(days=30)
_LATE_S = 300
"""So late an event may show up."""
_AGAIN_S = 60
"""How often the last minutes are read again, where that takes more than one page."""
_FRESH_S = 15
"""How far back every look reads at least."""
_FAR_S = 900
"""From here on the way to the present is walked in windows."""
_WINDOW_S, _LONGEST_S = 60, 86_400
_FEW, _MANY = 1, 10
"""Pages of a window after which the next is longer, or shorter."""
_PAGE = 100
_DIGEST = 11
"""Letters that stand for an event's id: 64 bits, so that mistaking one is out of the question."""


class Position(msgspec.Struct):
    """A place in the feed. `at` in µs; `whole` in seconds; `seen`: by second, the ids given since `whole`."""

    at: int
    whole: int
    seen: dict[str, str] = {}

    def knows(self, event: Event) -> bool:
        """Say whether an event was given already."""
        if event.created_s < self.whole:
            return True
        given = self.seen.get(str(event.created_s), "")
        digest = _digest(event.id)
        return any(given[at : at + _DIGEST] == digest for at in range(0, len(given), _DIGEST))

    def after(self, events: Sequence[Event], at: int, whole: int) -> "Position":
        """Return the place behind these events."""
        seen = {second: given for second, given in self.seen.items() if int(second) >= whole}
        for event in events:
            if event.created_s >= whole:
                second = str(event.created_s)
                seen[second] = seen.get(second, "") + _digest(event.id)
        return Position(max(self.at, at), whole, seen)

    def json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        return {"at": self.at, "whole": self.whole, "seen": self.seen}


def feed(account: str | None = None) -> Feed:
    """Return the feed of an account: a connected one, or the key's own."""

    def read(http: Http, position: Mapping[str, JSON] | None) -> AsyncIterator[FeedPage]:
        return _noted(http) if position is None else _read(http, msgspec.convert(position, Position), account)

    return Feed(read=read, reaches=REACHES)


async def _noted(http: Http) -> AsyncIterator[FeedPage]:
    """Note where the feed is now: what happened before is in the lists, which are read after this."""
    page = await _page(http, {"limit": "1"}, None)
    second = page.asked_us // SECOND_US
    position = Position(page.asked_us, second - _FRESH_S)
    yield FeedPage(news=(), asked_us=page.asked_us, position=position.json())


async def _read(http: Http, position: Position, account: str | None) -> AsyncIterator[FeedPage]:
    """Read from a place to the present."""
    first = await _page(http, _window(position.whole, None), None)
    now = first.asked_us // SECOND_US
    if position.at < first.asked_us - REACHES // timedelta(microseconds=1):
        raise Gone("The sync is further behind than Stripe keeps events.", code="feed.expired")
    if first.has_more and now - position.at // SECOND_US > _FAR_S:
        async for page in _caught_up(http, position, now, account):
            position = msgspec.convert(page.position, Position)
            yield page
        first = await _page(http, _window(position.whole, None), None)
    yield await _to_the_present(http, position, first, account)


async def _to_the_present(http: Http, position: Position, page: "_Events", account: str | None) -> FeedPage:
    """Read from `whole` to now; or not so far back, where that is long and was done just now."""
    asked_us, events = page.asked_us, list(page.events)
    second = asked_us // SECOND_US
    again = second - _LATE_S - position.whole >= _AGAIN_S
    fresh = position.at // SECOND_US - _FRESH_S
    while page.has_more and (again or page.oldest >= fresh):
        page = await _page(http, _window(position.whole, None), page.last)
        events += page.events
    whole = position.whole if page.has_more else max(position.whole, second - _LATE_S)
    return _given(position, events, asked_us, (asked_us, whole), account)


async def _caught_up(
    http: Http, position: Position, now: int, account: str | None
) -> AsyncIterator[FeedPage]:
    """Walk in windows of time, oldest first, until a few minutes before now."""
    length = _WINDOW_S
    while (low := position.whole) < now - _LATE_S:
        high = min(low + length, now - _LATE_S)
        page = await _page(http, _window(low, high), None)
        asked_us, events, pages = page.asked_us, list(page.events), 1
        while page.has_more:
            page = await _page(http, _window(low, high), page.last)
            events, pages = [*events, *page.events], pages + 1
        given = _given(position, events, asked_us, (high * SECOND_US, high), account, more=True)
        position = msgspec.convert(given.position, Position)
        yield given
        if pages <= _FEW:
            length = min(length * 2, _LONGEST_S)
        elif pages > _MANY:
            length = max(length // 2, 1)


def _given(
    position: Position,
    events: Sequence[Event],
    asked_us: int,
    reached: tuple[int, int],
    account: str | None,
    *,
    more: bool = False,
) -> FeedPage:
    """Return what is new of these events, oldest first, and the place behind them: `(at, whole)`."""
    new: dict[str, Event] = {one.id: one for one in reversed(events) if not position.knows(one)}
    ordered = sorted(new.values(), key=lambda one: one.created_s)
    latest = max(map(int, position.seen), default=0)
    news: list[News] = []
    for event in ordered:
        news += news_of(event, account, late=event.created_s <= latest)
    return FeedPage(
        news=news, asked_us=asked_us, position=position.after(ordered, *reached).json(), more=more
    )


class _Events(msgspec.Struct):
    """A page of events, newest first."""

    events: list[Event]
    asked_us: int
    has_more: bool
    last: str | None
    oldest: int


async def _page(http: Http, query: Mapping[str, str], after: str | None) -> _Events:
    """Read one page. An event that cannot be read is left out: the sweep finds what it told."""
    answer = await http.get(
        "/v1/events", query={**query, **({"starting_after": after} if after else {})}, bucket=EVENTS
    )
    cut = _CUT(answer.body)
    has_more = cut.values.get("has_more")
    if not isinstance(has_more, bool):
        raise paging.broken("has neither true nor false at has_more")
    events: list[Event] = []
    for item in cut.items:
        try:
            events.append(read_event(bytes(item)))
        except Reject:
            continue
    last = events[-1].id if events else None
    if has_more and (last is None or last == after):
        raise paging.broken("says that there are more events, but not behind which")
    return _Events(events, answer.asked_us, has_more, last, events[-1].created_s if events else 0)


_CUT = fetch.cutter("data", ("has_more",))


def _window(low: int, high: int | None) -> dict[str, str]:
    ends = {"created[gte]": str(low)} | ({} if high is None else {"created[lt]": str(high)})
    return {"limit": str(_PAGE), **ends}


def _digest(id: str) -> str:
    """Return a few letters that stand for an event's id."""
    return urlsafe_b64encode(xxhash.xxh3_64_digest(id.encode())).decode()[:_DIGEST]
