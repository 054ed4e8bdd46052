"""Pages as the product's own reader makes them of the API's answers: to measure what comes after them."""

from collections.abc import Sequence

from benchmarks.databases import SLOT
from benchmarks.objects import World
from headwater.kit.clock import SystemClock
from headwater.model.record import Change, Origin
from headwater.providers.fetch.cut import cutter
from headwater.providers.fetch.objects import Fields, Instant, reader
from headwater.providers.provider import Page
from headwater.syncs.decide import Shape, fold

GROUP = 4_000
"""Records of one transaction: what a backfill takes at most."""

SHAPE = Shape(slot=SLOT.number)

_cut = cutter("data", ("next",))
_read = reader(Fields(updated_at=Instant(path="updated_at"), created_at=Instant(path="created_at")))


def groups(world: World, begin: int, end: int, *, changed: bool = False) -> list[list[Page]]:
    """Return the pages of objects `begin` to `end`, in groups that are committed together."""
    asked_us = SystemClock().now_us()
    first, last = begin // world.page_size, -(-end // world.page_size)
    pages = [
        Page(observed=_read(_cut(world.body(number, changed=changed)), "").observed, asked_us=asked_us)
        for number in range(first, last)
    ]
    size = GROUP // world.page_size
    return [pages[at : at + size] for at in range(0, len(pages), size)]


def changes(group: Sequence[Page]) -> list[Change]:
    """Return what a group changes where nothing is held yet."""
    seen = [(observed, page.asked_us) for page in group for observed in page.observed]
    return fold({}, seen, Origin.BACKFILL, SHAPE).changes
