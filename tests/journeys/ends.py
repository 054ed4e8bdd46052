"""How a journey ends: the changes stop, Headwater catches up, and everything is compared with the truth."""

import asyncio
import time
from collections.abc import Callable, Sequence

from tests.journeys import compare
from tests.journeys.client import Client, Follower
from tests.journeys.entries import Seen
from tests.journeys.processes import FakeApi, Truth

STEP = 0.5


async def eventually(true: Callable[[], bool], seconds: float, told: Callable[[], str]) -> None:
    """Wait until something is true. `told` says what is wrong when it does not come."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, told()
        await asyncio.sleep(STEP / 5)


async def whole_truth(fake: FakeApi) -> Truth:
    """End the changes and return the truth once all of it is visible."""
    fake.control("stop")
    await eventually(lambda: fake.truth().unseen == 0, 30, lambda: "the fake API keeps changes")
    return fake.truth()


async def settled(client: Client, truth: Truth, seconds: float) -> list[Seen]:
    """Wait until the record stream equals the truth; return it as it is then, or when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        records = await client.whole("records")
        if not compare.stream_equals(truth.objects, records) or time.monotonic() > deadline:
            return records
        await asyncio.sleep(STEP)


def all_faults(truth: Truth, records: Sequence[Seen], events: Sequence[Seen]) -> list[str]:
    """Compare both streams with the truth."""
    return [
        *compare.stream_equals(truth.objects, records),
        *compare.final_states_have_events(truth.states, events),
        *compare.order_holds(truth.states, events),
        *compare.nothing_twice(events),
        *compare.events_tell_their_difference(events),
    ]


async def followed(
    followers: tuple[Follower, Follower], records: Sequence[Seen], events: Sequence[Seen]
) -> list[str]:
    """Compare what two readers of records and events got on the way with the streams as they are."""
    of_records, of_events = followers
    return [
        *compare.follower_is_up_to_date(await of_records.catch_up(), records),
        *compare.follower_has_everything(await of_events.catch_up(), events),
    ]


def told(faults: Sequence[str], *more: str) -> str:
    """Return the first faults for a failed assertion."""
    return "\n".join([f"{len(faults)} faults:", *faults[:12], *more])
