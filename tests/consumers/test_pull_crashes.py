"""A process that serves a consumer over HTTP is killed between any two of its steps; another one goes on."""

from contextlib import suppress
from datetime import timedelta
from typing import cast

import pytest
from tests.consumers.counter import Counter, bodies, open_counter, tokens
from tests.consumers.mortal import Fuse, Killed, MortalDatabase
from tests.management.office import Office

from headwater.consumers.pull import Pulls
from headwater.model.position import Stream
from headwater.store.database import Database
from headwater.streams.cursor import Cursors
from headwater.streams.reading import Streams

MOST_STEPS = 80
Answered = list[tuple[str, int]]


async def lives(here: Office, counter: Counter, fuse: Fuse, answered: Answered) -> None:
    """Let a process hand out and settle everything, or be killed; `answered` gets what it said it did."""
    streams = Streams(
        engine=here.engine,
        slots=here.services.slots,
        cursors=Cursors(here.vault),
        created_event_name="created",
    )
    mortal = cast("Database", MortalDatabase(here.database, fuse))
    retention = timedelta(days=7)
    pulls = Pulls(database=mortal, streams=streams, clock=here.clock, event_retention=retention)
    with suppress(Killed):
        while (batch := await pulls.next(counter.consumer, 2, timedelta(), counter.worker)).messages:
            first, *others = tokens(batch)
            await pulls.ack(counter.consumer, [first])
            answered.append(said(batch.messages and bodies(batch)[0]))
            if others and not fuse.taken % 3:
                await pulls.nack(counter.consumer, others, timedelta())
            elif others:
                await pulls.ack(counter.consumer, others)
                answered.append(said(bodies(batch)[1]))


def said(body: object) -> tuple[str, int]:
    """Return which message a body is."""
    found = cast("dict[str, object]", body)
    return str(found["upstream_id"]), cast("int", found["updated_idx"])


@pytest.mark.parametrize("stream", list(Stream))
async def test_p7_p9_a_kill_at_any_step_loses_nothing(here: Office, stream: Stream) -> None:
    """P7: the position passes only what is settled, or written down as out; what is settled stays so."""
    first = await open_counter(here, stream=stream)
    for ids in (("a", "b"), ("a", "c"), ("a", "d", "b"), ("e",)):
        await first.write(*ids)
    every = 1 if here.database.dialect == "sqlite" else 7  # the steps are the same
    for steps in range(1, MOST_STEPS, every):
        counter = await open_counter(here, stream=stream)
        counter.slot = first.slot
        answered: Answered = []
        fuse = Fuse(steps)
        await lives(here, counter, fuse, answered)
        before = len(answered)
        await counter.pass_time(31)
        await lives(here, counter, Fuse(None), answered)
        repeated = set(answered[:before]) & set(answered[before:])
        assert not repeated, f"{repeated} came again after their acknowledgement was answered"
        places = [at for id, at in answered if id == "a"]
        assert places == sorted(places)
        mine = [row for row in await here.rows("outstanding") if row.consumer_id == counter.consumer.id]
        assert not mine
        lost = await unsettled(here, counter, answered, stream)
        assert len(lost) <= 1, "at most the answer that was cut off is not in the diary"
        if not fuse.dead:
            assert not lost
            return
    pytest.fail("the process takes more steps than were tried")


async def unsettled(
    here: Office, counter: Counter, answered: Answered, stream: Stream
) -> set[tuple[str, int]]:
    """Return what is in the stream and was not answered for."""
    read = await here.engine.read(stream, (0,) * here.engine.partitions)
    own = [entry for entry in read.entries if entry.slot == counter.slot.number]
    return {(entry.upstream_id, entry.position) for entry in own} - set(answered)
