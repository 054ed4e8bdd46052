"""The webhook target against a receiver: what arrives, in which order, what becomes of the refused."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.plugins.certificates import make_certificates
from tests.targets.webhook_rig import OTHER_SECRET, SECRET, Receiver, messages_in, receiver_in

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.targets.target import Item
from headwater.targets.webhook import WebhookSettings
from headwater.targets.webhook.target import LONGEST, WebhookTarget
from headwater.testing.clock import ManualClock
from headwater.testing.target_rig import PAYLOAD, Author, Found, Writer, delivery


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiver_in(tmp_path) as made:
        yield made


def settings(receiver: Receiver, **given: Any) -> WebhookSettings:
    return WebhookSettings.model_validate({"url": receiver.url, "allow_private": True} | given)


@asynccontextmanager
async def writing(
    receiver: Receiver, clock: ManualClock | None = None, stream: Stream = Stream.EVENTS, **given: Any
) -> AsyncIterator[Writer]:
    target = WebhookTarget(settings(receiver, **given), delivery(stream), clock)
    try:
        yield Writer(target, delivery(stream))
    finally:
        await target.close()


async def raised(writer: Writer, *items: Item) -> HeadwaterError:
    with pytest.raises(HeadwaterError) as caught:
        await writer.write(*items)
    for text in (str(caught.value), repr(caught.value), str(caught.value.context), caught.value.fix or ""):
        assert PAYLOAD not in text
    return caught.value


def order(receiver: Receiver) -> Mapping[str, list[int]]:
    """The versions of each record in the order in which they were taken."""
    seen: dict[str, list[int]] = {}
    for message in receiver.messages():
        found = Found.of(Stream.EVENTS, message)
        seen.setdefault(found.record, []).append(found.updated_idx)
    return seen


# --- what arrives -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [False, True])
async def test_every_request_is_signed_with_every_key(receiver: Receiver, batch: bool) -> None:
    """The specification's own library takes it; the custom headers are there."""
    author = Author(Stream.EVENTS)
    items = [author.created(f"{n}") for n in range(20)]
    given = {"secrets": [OTHER_SECRET, SECRET], "headers": {"X-Own": "yes"}, "batch": batch}
    async with writing(receiver, **given, max_batch_messages=7) as writer:
        assert await writer.deliver(*items) == []
    requests = receiver.requests()
    assert len(requests) == (3 if batch else 20)
    for request in requests:
        assert request.path == "/hooks"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-own"] == "yes"
        assert abs(int(request.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
        for secret in (SECRET, OTHER_SECRET):
            Webhook(secret).verify(request.body, request.headers)
    ids = [request.headers["webhook-id"] for request in requests]
    assert batch or sorted(ids) == sorted(item.message_id for item in items)
    assert len(set(ids)) == len(ids)


async def test_p4_a_repeat_carries_the_same_id(receiver: Receiver) -> None:
    """Also from another process, and whatever else was sent between."""
    item = Author(Stream.RECORDS).created("a")
    for _ in range(2):
        async with writing(receiver, stream=Stream.RECORDS) as writer:
            await writer.deliver(item)
    assert [request.headers["webhook-id"] for request in receiver.requests()] == [item.message_id] * 2


@pytest.mark.parametrize("batch", [False, True])
async def test_p5_records_go_side_by_side_and_each_in_order(receiver: Receiver, batch: bool) -> None:
    """As many requests at once as were allowed, not more."""
    await receiver.turn(delay_ms=3)
    author = Author(Stream.EVENTS)
    items = [author.updated(f"{n % 17}") for n in range(200)]
    async with writing(receiver, concurrency=5, batch=batch, max_batch_messages=3) as writer:
        await writer.deliver(*items)
    for seen in order(receiver).values():
        assert seen == sorted(seen)
    assert sorted(receiver.messages()) == sorted(item.json for item in items)
    told = await receiver.told()
    assert told["most_at_once"] == 5 if not batch else 1 <= told["most_at_once"] <= 5


async def test_batches_are_no_larger_than_set(receiver: Receiver) -> None:
    """In messages and in bytes."""
    author = Author(Stream.RECORDS)
    items = [author.created(f"{n}", b'"' + b"x" * 1_000 + b'"') for n in range(30)]
    given: dict[str, Any] = {"batch": True, "max_batch_messages": 12, "max_batch_bytes": 10_000}
    async with writing(receiver, stream=Stream.RECORDS, **given) as writer:
        await writer.deliver(*items)
    assert all(len(request.body) <= 10_000 for request in receiver.requests())
    assert max(len(messages_in(request)) for request in receiver.requests()) == 7


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("status", [400, 404, 422, 500])
async def test_a_refused_message_holds_up_its_record_alone(
    receiver: Receiver, batch: bool, status: int
) -> None:
    """The others pass; it goes in when it is taken, and what follows it after that."""
    await receiver.turn(status=status, only="poison")
    author = Author(Stream.EVENTS)
    bad = [author.created("bad", b'"poison"'), author.updated("bad")]
    items = [author.created("a"), bad[0], author.created("b"), bad[1], author.created("c")]
    async with writing(receiver, batch=batch, concurrency=2) as writer:
        written = await writer.write(*items)
        assert (written.count, [one.index for one in written.held]) == (5, [1, 3])
        written = await writer.write(bad[0])
        assert [one.index for one in written.held] == [0], "and alone it stops nobody"
        await receiver.turn(status=200)
        assert await writer.deliver(*bad) == []
    assert sorted(receiver.messages()) == sorted(item.json for item in items)
    for seen in order(receiver).values():
        assert seen == sorted(seen)


async def test_a_message_that_crashes_the_receiver_is_found_out(receiver: Receiver) -> None:
    """No answer comes to it, again and again; then others get their turn."""
    await receiver.turn(drop=True, only="poison")
    author = Author(Stream.EVENTS)
    bad, good = author.created("bad", b'"poison"'), author.created("good")
    async with writing(receiver) as writer:
        for _ in range(5):
            assert isinstance(await raised(writer, bad), Retry)
        written = await writer.write(bad)
        assert [one.code for one in written.held] == ["target.unreachable"]
        assert await writer.deliver(good) == []
        assert [one.index for one in (await writer.write(bad)).held] == [0]


async def test_a_receiver_that_is_away_is_asked_little(receiver: Receiver) -> None:
    """All wait; a batch of many costs it a few requests."""
    author = Author(Stream.EVENTS)
    items = [author.created(f"{n}") for n in range(500)]
    async with writing(receiver) as writer:
        await receiver.turn(status=503)
        error = await raised(writer, *items)
        assert isinstance(error, Retry)
        assert error.error_code == "target.busy"
        assert (await receiver.told())["tried"] < 20
        await receiver.turn(status=200)
        assert await writer.deliver(*items) == []
    assert len(receiver.messages()) == 500


async def test_a_wait_that_is_asked_for_is_waited(receiver: Receiver) -> None:
    """No request goes out before it is over, whatever the consumer does; for an hour at most."""
    clock, author = ManualClock(), Author(Stream.EVENTS)
    items = [author.created(f"{n}") for n in range(100)]
    async with writing(receiver, clock) as writer:
        await receiver.turn(status=429, retry_after="120", only='"n":50,')
        written = await writer.write(*items)
        assert 49 in {one.index for one in written.held}
        assert written.held[0].after == timedelta(seconds=120)
        tried = (await receiver.told())["tried"]
        for left in (120, 50):
            error = await raised(writer, *items[written.count :])
            assert isinstance(error, Retry)
            assert error.after == timedelta(seconds=left)
            clock.us += 70_000_000
        assert (await receiver.told())["tried"] == tried
        await receiver.turn(status=503, retry_after="86400", only="")
        assert isinstance(await raised(writer, *items), Retry)
        error = await raised(writer, *items)
        assert isinstance(error, Retry)
        assert error.after == LONGEST


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"status": 410}, "target.endpoint_gone"),
        ({"status": 404}, "target.endpoint_missing"),
        ({"status": 302, "location": "/elsewhere"}, "target.redirected"),
        ({"authorization": "Bearer other"}, "target.refused"),
    ],
)
async def test_what_nobody_but_a_person_can_mend_halts(
    receiver: Receiver, switches: Mapping[str, Any], code: str
) -> None:
    """When nothing passes; a redirect leads nowhere."""
    await receiver.turn(**switches)
    async with writing(receiver) as writer:
        error = await raised(writer, *(Author(Stream.EVENTS).created(f"{n}") for n in range(10)))
        assert isinstance(error, Halt)
        assert error.error_code == code
        assert error.fix
    assert receiver.messages() == []


async def test_too_large_a_body_is_sent_in_parts(receiver: Receiver) -> None:
    """413 is no reason to lose anything; a single message that is too large is held."""
    await receiver.turn(largest_bytes=5_000)
    author = Author(Stream.EVENTS)
    items = [author.created(f"{n}", b'"' + b"x" * 700 + b'"') for n in range(20)]
    large = author.created("large", b'"' + b"x" * 6_000 + b'"')
    async with writing(receiver, batch=True) as writer:
        written = await writer.write(*items, large)
        assert (written.count, [one.index for one in written.held]) == (21, [20])
    assert sorted(receiver.messages()) == sorted(item.json for item in items)


async def test_a_large_answer_is_an_answer(receiver: Receiver) -> None:
    """Its body is not read whole, and not kept."""
    await receiver.turn(answer_bytes=10_000_000)
    async with writing(receiver) as writer:
        author = Author(Stream.EVENTS)
        assert await writer.deliver(*(author.created(f"{n}") for n in range(5))) == []
    assert len(receiver.messages()) == 5


async def test_p7_what_was_not_answered_in_time_is_not_stored(receiver: Receiver) -> None:
    """A Retry after the target's own time-out; what the receiver took meanwhile comes again."""
    await receiver.turn(delay_ms=1_300)
    item = Author(Stream.EVENTS).created("a")
    async with writing(receiver, timeout="1s") as writer:
        error = await raised(writer, item)
        assert isinstance(error, Retry)
        assert error.error_code == "target.timeout"
        await receiver.turn(delay_ms=0)
        assert await writer.deliver(item) == []
    assert {request.headers["webhook-id"] for request in receiver.requests()} == {item.message_id}


async def test_p9_a_write_that_is_cancelled_leaves_nothing_behind(receiver: Receiver) -> None:
    """No request goes on by itself, and the same batch goes in through the same target."""
    await receiver.turn(delay_ms=300)
    author = Author(Stream.EVENTS)
    items = [author.created(f"{n}") for n in range(50)]
    async with writing(receiver) as writer:
        before = asyncio.all_tasks()
        doing = asyncio.create_task(writer.write(*items))
        await asyncio.sleep(0.1)
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing
        assert asyncio.all_tasks() <= before
        await receiver.turn(delay_ms=0)
        assert await writer.deliver(*items) == []
    assert set(receiver.messages()) == {item.json for item in items}


async def test_a_message_is_given_up_after_its_time(receiver: Receiver) -> None:
    """It goes to the dead letters, its followers have their own time."""
    clock, author = ManualClock(), Author(Stream.EVENTS)
    await receiver.turn(status=422, only="poison")
    bad, good = author.created("bad", b'"poison"'), author.created("good")
    async with writing(receiver, clock, give_up_after="10m") as writer:
        assert [one.index for one in (await writer.write(good, bad)).held] == [1]
        clock.us += 601_000_000
        written = await writer.write(bad)
        assert [(one.index, one.code) for one in written.rejected] == [(0, "target.item_refused")]


# --- getting there ------------------------------------------------------------------------------------------


async def test_private_networks_are_out_of_reach_unless_allowed(receiver: Receiver) -> None:
    """By number and by name; a check says so before a consumer does."""
    item, port = Author(Stream.EVENTS).created("a"), receiver.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        async with writing(receiver, url=f"http://{host}:{port}", allow_private=False) as writer:
            for error in (await raised(writer, item), await _raised_by_check(writer)):
                assert isinstance(error, Halt)
                assert error.error_code == "target.private_network"
    assert receiver.messages() == []


async def test_a_check_sends_no_message(receiver: Receiver) -> None:
    """A receiver that knows no HEAD passes as well."""
    async with writing(receiver) as writer:
        await writer.target.check()
        assert await receiver.told() == {"tried": 0, "most_at_once": 0}
    assert receiver.messages() == []


async def test_https_trusts_the_authority_that_is_given_and_no_other(tmp_path: Path) -> None:
    """Without the authority there is no safe connection, and nothing is sent."""
    made = make_certificates(tmp_path)
    options = ("--certificate", str(made.certificate), "--key", str(made.key))
    item = Author(Stream.EVENTS).created("a")
    with receiver_in(tmp_path, *options, scheme="https") as receiver:
        async with writing(receiver) as writer:
            error = await raised(writer, item)
            assert isinstance(error, Retry)
            assert error.error_code == "target.certificate"
        async with writing(receiver, ca=made.authority.read_text()) as writer:
            assert await writer.deliver(item) == []
        assert receiver.messages() == [item.json]


async def _raised_by_check(writer: Writer) -> HeadwaterError:
    with pytest.raises(HeadwaterError) as caught:
        await writer.target.check()
    return caught.value
