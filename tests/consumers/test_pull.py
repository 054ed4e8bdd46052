"""Messages fetched over HTTP and acknowledged: what is handed out, to whom, in which order, how often."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update
from tests.consumers.counter import Counter, bodies, ids_of, open_counter, tokens
from tests.management.office import ADMIN, Office, office

from headwater.consumers import holding
from headwater.errors import Gone, NotFound, TooMany
from headwater.model.position import Stream
from headwater.store import schema
from headwater.streams import reading

EVERY = [Stream.EVENTS, Stream.RECORDS]


@pytest.mark.parametrize("stream", EVERY)
async def test_messages_come_in_order_and_once(here: Office, stream: Stream) -> None:
    """What was acknowledged never comes again."""
    counter = await open_counter(here, stream=stream)
    await counter.write("a", "b", "c")
    first, second = await counter.next(2), await counter.next(2)
    assert (ids_of(first), ids_of(second)) == (["a", "b"], ["c"])
    settled = await counter.ack(*tokens(first), *tokens(second))
    assert (settled.count, settled.unknown) == (3, [])
    await counter.pass_time(60)
    assert (await counter.next()).messages == []
    assert await here.rows("outstanding") == []


async def test_a_message_is_as_the_stream_shows_it(here: Office) -> None:
    """The Event, the Record."""
    events = await open_counter(here)
    records = Counter(here, (await open_counter(here, stream=Stream.RECORDS)).consumer, events.slot)
    await events.write("a", n=12345678901234567890)
    (event,) = bodies(await events.next())
    assert (event["event"], event["data"]) == ("created", {"id": "a", "n": 12345678901234567890})
    (record,) = bodies(await records.next())
    assert (record["deleted"], record["data"]) == (False, {"id": "a", "n": 12345678901234567890})


async def test_p4_a_message_that_was_not_acknowledged_comes_again(here: Office) -> None:
    """After `ack_wait`, to whoever asks then; the same message."""
    counter = await open_counter(here, ack_wait=timedelta(seconds=30))
    await counter.write("a")
    first = await counter.next()
    await counter.pass_time(29)
    assert (await counter.next()).messages == []
    await counter.pass_time(2)
    second = await counter.next()
    assert bodies(second) == bodies(first)
    assert tokens(second) != tokens(first)
    await counter.ack(*tokens(second))
    await counter.pass_time(99)
    assert (await counter.next()).messages == []


async def test_a_token_that_has_run_out_or_was_used_is_unknown(here: Office) -> None:
    """Never an error, and never an acknowledgement of somebody else's hand-out."""
    counter = await open_counter(here)
    await counter.write("a", "b")
    first = await counter.take(1)
    await counter.pass_time(31)
    assert (await counter.ack(first["a"])).unknown == [first["a"]]
    second = await counter.take()
    assert (await counter.ack(first["a"])).unknown == [first["a"]]
    forged = "ffffffffffffffff" + second["a"][16:]
    settled = await counter.ack(second["a"], "nonsense", second["a"], forged, "9" * 200)
    assert (settled.count, settled.unknown) == (1, ["nonsense", forged, "9" * 200])
    assert (await counter.ack(second["a"])).unknown == [second["a"]]
    assert (await counter.nack(second["a"])).unknown == [second["a"]]
    assert (await counter.extend(second["a"], second["b"])).unknown == [second["a"]]


async def test_tokens_are_of_their_consumer(here: Office) -> None:
    """Another consumer's mean nothing."""
    one = await open_counter(here)
    other = Counter(here, (await open_counter(here)).consumer, one.slot)
    await one.write("a")
    taken, _ = await one.take(), await other.take()
    assert (await other.ack(taken["a"])).unknown == [taken["a"]]
    assert (await one.ack(taken["a"])).count == 1


async def test_a_message_that_was_given_back_comes_at_once_or_after_a_delay(here: Office) -> None:
    """Before others that were never handed out."""
    counter = await open_counter(here)
    await counter.write("a", "b", "c")
    taken = await counter.take(2)
    assert (await counter.nack(taken["a"])).count == 1
    await counter.nack(taken["b"], delay=timedelta(seconds=5))
    assert ids_of(await counter.next()) == ["a", "c"]
    await counter.pass_time(6)
    assert ids_of(await counter.next()) == ["b"]


async def test_more_time_is_a_wait_that_begins_anew(here: Office) -> None:
    """The token stays good."""
    counter = await open_counter(here)
    await counter.write("a")
    taken = await counter.take()
    for _ in range(3):
        await counter.pass_time(20)
        assert (await counter.extend(taken["a"])).count == 1
    assert (await counter.next()).messages == []
    assert (await counter.ack(taken["a"])).count == 1


async def test_p5_the_next_event_of_a_record_waits_for_the_one_that_is_out(here: Office) -> None:
    """However many ask; other records go on."""
    counter = await open_counter(here)
    await counter.write("a", n=1)
    await counter.write("a", n=2)
    await counter.write("b", n=3)
    await counter.write("a", n=4)
    seen = list[int]()
    assert [body["data"]["n"] for body in bodies(await counter.next())] == [1, 3]
    assert (await counter.next()).messages == []
    await counter.pass_time(31)
    for _ in range(3):
        batch = await counter.next()
        seen += [body["data"]["n"] for body in bodies(batch) if body["upstream_id"] == "a"]
        await counter.ack(*tokens(batch))
    assert seen == [1, 2, 4]
    assert (await counter.next()).messages == []


async def test_a_record_that_changes_while_it_is_out_comes_in_its_newest_version(here: Office) -> None:
    """After the acknowledgement, and the versions between never."""
    counter = await open_counter(here, stream=Stream.RECORDS)
    await counter.write("a", n=1)
    taken = await counter.take()
    await counter.write("a", n=2)
    assert (await counter.next()).messages == []
    await counter.write("a", n=3)
    assert (await counter.next()).messages == []
    await counter.ack(taken["a"])
    batch = await counter.next()
    assert [body["data"]["n"] for body in bodies(batch)] == [3]
    await counter.ack(*tokens(batch))
    assert await here.rows("outstanding") == []


@pytest.mark.parametrize("looked", [True, False])
async def test_the_old_version_of_a_record_never_comes_again(here: Office, looked: bool) -> None:
    """Whether its worker died or gave it back, and whether anybody had seen the new one."""
    counter = await open_counter(here, stream=Stream.RECORDS)
    await counter.write("a", n=1)
    await counter.take()
    await counter.write("a", n=2)
    if looked:
        assert (await counter.next()).messages == []
    await counter.pass_time(31)
    batch = await counter.next()
    assert [body["data"]["n"] for body in bodies(batch)] == [2]
    await counter.write("a", n=3)
    await counter.nack(*tokens(batch))
    await counter.delete("a")
    assert [body["deleted"] for body in bodies(await counter.next())] == [True]


async def test_at_most_so_many_are_out(here: Office) -> None:
    """`max_ack_pending` reached: only redeliveries."""
    counter = await open_counter(here, max_ack_pending=2)
    await counter.write("a", "b", "c")
    taken = await counter.take()
    assert list(taken) == ["a", "b"]
    assert (await counter.next()).messages == []
    await counter.nack(taken["b"])
    assert ids_of(await counter.next()) == ["b"]
    await counter.ack(taken["a"])
    assert ids_of(await counter.next()) == ["c"]


async def test_a_message_handed_out_too_often_is_a_dead_letter(here: Office) -> None:
    """`max_deliver` reached: it is kept with the reason, and what waits behind it goes on."""
    counter = await open_counter(here, max_deliver=2)
    await counter.write("a", n=1)
    await counter.write("a", n=2)
    for _ in range(2):
        assert [body["data"]["n"] for body in bodies(await counter.next())] == [1]
        await counter.pass_time(31)
    batch = await counter.next()
    assert [body["data"]["n"] for body in bodies(batch)] == [2]
    (dead,) = await here.rows("dead_letters")
    assert (dead.code, dead.deliveries, dead.upstream_id) == ("consumer.max_deliver", 2, "a")
    await counter.ack(*tokens(batch))
    assert (await counter.next()).messages == []


async def test_a_dead_letter_that_is_called_back_comes_again(here: Office) -> None:
    """As soon as nothing of its record is out, and with as many tries as at first."""
    counter = await open_counter(here, max_deliver=1)
    await counter.write("a", n=1)
    await counter.write("a", n=2)
    await counter.next()
    await counter.pass_time(31)
    second = await counter.next()
    await counter.call_back()
    assert (await counter.next()).messages == []
    await counter.ack(*tokens(second))
    batch = await counter.next()
    assert [body["data"]["n"] for body in bodies(batch)] == [1]
    await counter.ack(*tokens(batch))
    assert await here.rows("dead_letters") == []
    assert await here.rows("outstanding") == []


async def test_a_record_that_was_called_back_comes_only_if_it_is_the_newest(here: Office) -> None:
    """A version that was replaced meanwhile is dropped."""
    counter = await open_counter(here, stream=Stream.RECORDS, max_deliver=1)
    await counter.write("a", n=1)
    await counter.write("b", n=1)
    await counter.next()
    await counter.pass_time(31)
    assert (await counter.next()).messages == []
    assert len(await here.rows("dead_letters")) == 2
    await counter.write("a", n=2)
    await counter.call_back()
    found = [(body["upstream_id"], body["data"]["n"]) for body in bodies(await counter.next())]
    assert sorted(found) == [("a", 2), ("b", 1)]
    assert await here.rows("dead_letters") == []


async def test_looking_takes_nothing(here: Office) -> None:
    """And shows what is due before what is new."""
    counter = await open_counter(here)
    await counter.write("a", "b", "c")
    taken = await counter.take(2)
    await counter.nack(taken["b"])
    for _ in range(2):
        batch = await counter.peek(2)
        assert ids_of(batch) == ["b", "c"]
        assert [message.token for message in batch.messages] == [None, None]
    assert ids_of(await counter.next()) == ["b", "c"]


async def test_starting_over(here: Office) -> None:
    """Everything comes again; tokens from before mean nothing."""
    counter = await open_counter(here)
    await counter.write("a", "b")
    taken = await counter.take()
    await counter.ack(taken["a"])
    await counter.reset()
    assert (await counter.ack(taken["b"])).unknown == [taken["b"]]
    assert ids_of(await counter.next()) == ["a", "b"]
    await counter.reset("new")
    assert (await counter.next()).messages == []
    await counter.write("c")
    assert ids_of(await counter.next()) == ["c"]


async def test_the_backlog_counts_what_is_left(here: Office) -> None:
    """What was not handed out, and what was handed out and is not settled."""
    counter = await open_counter(here)
    await counter.write("a", "b", "c", "d")
    await counter.write("a", n=2)
    backlog = (await counter.next(1)).backlog
    assert (backlog.pending, backlog.ack_pending, backlog.is_estimate) == (4, 1, False)
    batch = await counter.next(9)
    assert (batch.backlog.pending, batch.backlog.ack_pending) == (1, 4)
    await counter.nack(*tokens(batch))
    assert (await counter.peek()).backlog.ack_pending == 4


async def test_the_backlog_of_a_filtered_consumer_is_an_estimate(here: Office) -> None:
    """Until the end is reached."""
    counter = await open_counter(here, filters={"event": ["created"]})
    await counter.write("a", "a", "a", "b")
    first = await counter.next(1)
    assert ids_of(first) == ["a"]
    assert first.backlog.is_estimate
    assert first.backlog.pending >= 1
    second = await counter.next(5)
    assert ids_of(second) == ["b"]
    assert (second.backlog.pending, second.backlog.is_estimate) == (0, False)


async def test_p11_events_lost_to_retention_stop_the_consumer(here: Office) -> None:
    """Told with their number, until it is reset."""
    counter = await open_counter(here)
    await counter.write("a", "b", "c")
    here.clock.move(8 * 86_400)
    await here.engine.trim(here.clock.now_us(), 100)
    await counter.write("d")
    for ask in (counter.next, counter.peek):
        with pytest.raises(Gone, match="up to 3 events") as stopped:
            await ask()
        assert stopped.value.error_code == "consumer.gap"
    await counter.reset()
    assert ids_of(await counter.next()) == ["d"]


async def test_p4_an_old_event_that_is_out_survives_retention(here: Office) -> None:
    """It is kept beside the log where the log may lose it; one held back behind it is told to be lost."""
    counter = await open_counter(here)
    await counter.write("a", n=1)
    await counter.write("a", n=2)
    here.clock.move(6 * 86_400)
    first = await counter.next()
    here.clock.move(2 * 86_400)
    await here.engine.trim(here.clock.now_us(), 100)
    await counter.pass_time(31)
    second = await counter.next()
    assert bodies(second) == bodies(first)
    await counter.ack(*tokens(second))
    assert (await counter.next()).messages == []
    (dead,) = await here.rows("dead_letters")
    assert (dead.code, dead.upstream_id, dead.payload) == ("consumer.gap", "a", b"")


async def test_p11_an_event_lost_while_it_was_out_does_not_hold_up_the_next(here: Office) -> None:
    """It was young when it was handed out, and nobody asked for days: it is told to be lost, by its place."""
    counter = await open_counter(here, ack_wait=timedelta(days=7.5))
    await counter.write("a", n=1)
    await counter.next()
    async with here.database.write() as connection:  # PostgreSQL's clock says that it is years old
        await connection.execute(update(schema.outstanding).values(payload=None))
    await counter.pass_time(3 * 86_400)
    await counter.write("a", n=2)
    assert (await counter.next()).messages == []
    await counter.pass_time(5 * 86_400)
    await here.engine.trim(here.clock.now_us() - 7 * 86_400_000_000, 100)
    assert [body["data"]["n"] for body in bodies(await counter.next())] == [2]
    (dead,) = await here.rows("dead_letters")
    assert (dead.code, dead.payload) == ("consumer.gap", b"")


async def test_a_record_that_changes_all_the_time_holds_the_stream_up_at_last(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what is held back of it stays bounded; nothing is lost."""
    monkeypatch.setattr(holding, "MOST_HELD", 20)
    counter = await open_counter(here)
    for number in range(23):
        await counter.write("a", n=number)
    await counter.write("b", n=-1)
    assert [body["data"]["n"] for body in bodies(await counter.next())] == [0]
    (row,) = await here.rows("outstanding")
    assert row.held.count(",") == 19
    await counter.pass_time(31)
    seen = list[int]()
    while batch := bodies(taken := await counter.next()):
        seen += [body["data"]["n"] for body in batch if body["upstream_id"] == "a"]
        await counter.ack(*tokens(taken))
    assert seen == list(range(23))


async def test_p9_another_process_goes_on_where_one_was_killed(here: Office) -> None:
    """What is out stays out, what is not comes; nothing is only in memory."""
    counter = await open_counter(here)
    await counter.write("a", n=1)
    await counter.write("b", "c")
    taken = await counter.take(2)
    await counter.write("a", n=2)
    await counter.next(1)
    again = reopened(counter)
    assert (await again.next()).messages == []
    assert (await again.ack(taken["a"])).count == 1
    assert [body["data"].get("n") for body in bodies(await again.next())] == [2]
    await again.pass_time(31)
    assert sorted(ids_of(await counter.next())) == ["a", "b", "c"]


async def test_p4_two_processes_never_hand_out_the_same_message(here: Office) -> None:
    """They ask at the same time, again and again."""
    counter = await open_counter(here)
    others = [reopened(counter) for _ in range(3)]
    for number in range(8):
        await counter.write(*(f"{number}.{id}" for id in range(10)))
        batches = await asyncio.gather(*(one.next(4) for one in (counter, *others)))
        seen = [id for batch in batches for id in ids_of(batch)]
        assert len(seen) == len(set(seen))
    await asyncio.gather(*(one.next() for one in others))
    assert len(await here.rows("outstanding")) == 80


async def test_an_idle_poll_writes_nothing(here: Office) -> None:
    """Nor does one that passes entries which nobody wants, until there are many of them."""
    counter = await open_counter(here, filters={"event": ["deleted"]})
    await counter.write("a", "b")
    before = await counter.standing()
    for _ in range(3):
        assert (await counter.next()).messages == []
    assert await counter.standing() == before
    await counter.delete("a")
    batch = await counter.next()
    assert ids_of(batch) == ["a"]
    assert await counter.standing() != before


async def test_what_was_passed_is_written_down_now_and_then(here: Office) -> None:
    """So that retention does not overtake a consumer that is asked and wants little."""
    counter = await open_counter(here, filters={"event": ["deleted"]})
    await counter.write("a")
    before = await counter.standing()
    await counter.next()
    here.clock.move(61)
    await counter.next()
    assert await counter.standing() != before


async def test_a_wait_ends_with_a_message(here: Office) -> None:
    """A new one, one that was given back, one that waited behind another, one whose worker died."""
    counter = await open_counter(here)
    wait = timedelta(seconds=50)
    waiting = asyncio.create_task(counter.next(wait=wait))
    await queued(counter)
    await counter.write("a", n=1)
    taken = await waiting
    assert ids_of(taken) == ["a"]
    waiting = asyncio.create_task(counter.next(wait=wait))
    await queued(counter)
    await counter.nack(*tokens(taken))
    taken = await waiting
    assert ids_of(taken) == ["a"]
    await counter.write("a", n=2)
    waiting = asyncio.create_task(counter.next(wait=wait))
    await queued(counter)
    await counter.ack(*tokens(taken))
    assert [body["data"]["n"] for body in bodies(await waiting)] == [2]


async def test_a_wait_ends_when_its_time_is_over(here: Office) -> None:
    """With nothing in its hands."""
    counter = await open_counter(here)
    waiting = asyncio.create_task(counter.next(wait=timedelta(milliseconds=50)))
    await queued(counter)
    here.clock.move(1)
    assert (await waiting).messages == []


async def test_a_wait_goes_on_through_a_long_stretch_that_nobody_wants(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look at the stream is bounded; a wait takes as many as it needs."""
    monkeypatch.setattr(reading, "_SCAN", 4)
    monkeypatch.setattr(reading, "_AT_LEAST", 2)
    counter = await open_counter(here, filters={"event": ["deleted"]})
    await counter.write(*(str(number) for number in range(30)))
    await counter.delete("7")
    assert (await counter.next(2)).messages == []
    assert ids_of(await counter.next(2, wait=timedelta(seconds=50))) == ["7"]


async def test_a_wait_ends_when_the_process_stops(here: Office) -> None:
    """With nothing in its hands."""
    counter = await open_counter(here)
    waiting = asyncio.create_task(counter.next(wait=timedelta(seconds=50)))
    await queued(counter)
    counter.worker.stopping.set()
    assert (await waiting).messages == []


async def test_a_wait_for_a_consumer_that_is_removed_ends(here: Office) -> None:
    """There is no such consumer any more."""
    counter = await open_counter(here)
    waiting = asyncio.create_task(counter.next(wait=timedelta(seconds=50)))
    await queued(counter)
    await here.services.http_consumers.delete(ADMIN, counter.consumer.id)
    with pytest.raises(NotFound):
        await waiting
    assert await here.rows("standings") == []


async def test_only_so_many_may_wait(here: Office) -> None:
    """More are refused, and told when to come back; a message that is there is handed out all the same."""
    counter = await open_counter(here)
    wait = timedelta(seconds=50)
    waiting = [asyncio.create_task(counter.next(1, wait)) for _ in range(20)]
    await queued(counter, 20)
    with pytest.raises(TooMany):
        await counter.next(1, wait)
    await counter.write(*(f"{number}" for number in range(20)))
    batches = await asyncio.gather(*waiting)
    assert sorted(id for batch in batches for id in ids_of(batch)) == sorted(map(str, range(20)))


async def queued(counter: Counter, count: int = 1) -> None:
    """Let so many workers come to their waits."""
    async with asyncio.timeout(30):
        while counter.office.services.pulls.waiting(counter.consumer.id) < count:  # noqa: ASYNC110 - none tells
            await asyncio.sleep(0)


def reopened(counter: Counter) -> Counter:
    """Return the same consumer as another process serves it."""
    here = counter.office
    return Counter(office(here.database, here.engine, here.clock), counter.consumer, counter.slot)
