"""The pure parts of the webhook target: signatures, parcels, what answers mean alone and together."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from tests.targets.webhook_rig import OTHER_SECRET, SECRET

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.kit.http import Answered, Failure
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.target import Item, Written
from headwater.targets.webhook import WebhookSettings, parcels
from headwater.targets.webhook.answers import TAKEN, Answer, Sense, meaning
from headwater.targets.webhook.parcels import Parcel
from headwater.targets.webhook.sending import STREAK, Sending
from headwater.targets.webhook.signing import headers, key_of
from headwater.targets.webhook.verdict import ROUNDS, Patience
from headwater.testing.clock import ManualClock
from headwater.testing.target_rig import Author

KEYS = [key_of(Secret(SECRET)), key_of(Secret(OTHER_SECRET))]
NOW = int(datetime.now(UTC).timestamp())

# --- signatures ---------------------------------------------------------------------------------------------


def test_the_published_example() -> None:
    """Key, id, time and body with the signature that belongs to them.

    Source: https://github.com/standard-webhooks/standard-webhooks, libraries/python/tests, read 2026-11-24.
    """
    made = headers(KEYS[:1], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(max_size=200), st.uuids())
def test_the_specifications_own_library_takes_our_signatures(body: bytes, id: object) -> None:
    """With the one key and, while keys change, with either; not with another body."""
    text = body.decode("latin-1")
    for keys, known in ((KEYS[:1], [SECRET]), (KEYS, [SECRET, OTHER_SECRET])):
        made = headers(keys, str(id), NOW, text.encode())
        for secret in known:
            Webhook(secret).verify(text.encode(), made, json_parse=False)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(text.encode() + b" ", made, json_parse=False)


def test_without_a_key_nothing_is_signed() -> None:
    """Id and time are there all the same."""
    assert headers([], "id", 1, b"") == {"webhook-id": "id", "webhook-timestamp": "1"}


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"url": "ftp://h/"},
        {"url": "https://"},
        {"url": "https://user:secret-words@h/"},
        {"url": "https://h:port/"},
        {"url": "https://h/a b"},
        {"secrets": ["secret-words"]},
        {"secrets": ["whsec_secret-words"]},
        {"secrets": ["whsec_c2hvcnQ="]},
        {"headers": {"Webhook-Id": "secret-words"}},
        {"headers": {"Content-Type": "secret-words"}},
        {"headers": {"a b": "secret-words"}},
        {"headers": {"X-A": "secret-words\r\nX-B: 1"}},
        {"headers": {"X-A": "1", "x-a": "2"}},
        {"timeout": "1h"},
        {"give_up_after": "1s"},
        {"concurrency": 0},
        {"ca": "secret-words"},
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    """With a sentence that does not repeat a secret."""
    with pytest.raises(ValidationError) as caught:
        WebhookSettings.model_validate({"url": "https://h/"} | given)
    assert "secret-words" not in str([one["msg"] for one in caught.value.errors(include_input=False)])


def test_p8_secrets_and_headers_are_masked() -> None:
    """Their names show, their values do not."""
    given = {"url": "https://h/", "secrets": [SECRET], "headers": {"Authorization": "secret-words"}}
    settings = WebhookSettings.model_validate(given)
    shown = f"{settings!r} {settings.model_dump_json()}"
    assert "Authorization" in shown
    assert "secret-words" not in shown
    assert SECRET not in shown


# --- parcels ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 400), max_size=40), st.integers(1, 10), st.integers(400, 3_000))
def test_a_batch_is_cut_into_parcels_that_fit(sizes: list[int], most: int, most_bytes: int) -> None:
    """All of it, in order; more than fits goes alone."""
    author = Author(Stream.RECORDS)
    batch = [author.created(f"{n}", b'"' + b"x" * size + b'"') for n, size in enumerate(sizes)]
    cut = parcels.cut(batch, most, most_bytes)
    assert [at for parcel in cut for at in parcel.indexes] == list(range(len(batch)))
    for parcel in cut:
        assert 1 <= len(parcel.indexes) <= most
        _, body = parcels.together(Stream.RECORDS, [batch[at] for at in parcel.indexes])
        assert len(body) <= most_bytes or len(parcel.indexes) == 1


def test_the_body_of_many_is_a_list_under_the_streams_name() -> None:
    """The same messages have the same id at every repeat; others, and another cut, have another."""
    author = Author(Stream.EVENTS)
    items = [author.created("a"), author.created("b")]
    id, body = parcels.together(Stream.EVENTS, items)
    assert msgspec.json.decode(body) == {"events": [msgspec.json.decode(item.json) for item in items]}
    assert parcels.together(Stream.EVENTS, items)[0] == id
    assert "." not in id
    assert len({id, *(parcels.together(Stream.EVENTS, some)[0] for some in (items[:1], items[::-1]))}) == 3
    assert parcels.single(items[0]) == (items[0].message_id, items[0].json)


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 4), st.integers(1, 5), st.randoms())
async def test_p5_parcels_of_a_record_go_one_after_another(
    records: list[int], most_messages: int, most: int, dice: random.Random
) -> None:
    """Whatever the requests take; never more than so many at once, and all of them are sent."""
    author = Author(Stream.EVENTS)
    batch = [author.updated(f"{record}") for record in records]
    running, ended, peak = set[str](), list[int](), 0

    async def work(parcel: Parcel) -> None:
        nonlocal peak
        mine = {batch[at].record_id for at in parcel.indexes}
        assert not running & mine
        running.update(mine)
        peak = max(peak, len(running))
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        running.difference_update(mine)
        ended.extend(parcel.indexes)

    cut = parcels.cut(batch, most_messages, 10**9)
    await parcels.each_in_order(batch, cut, work, most=most, stopped=lambda: False)
    assert sorted(ended) == list(range(len(batch)))
    assert peak <= most * most_messages
    for record in set(records):
        mine = [at for at in ended if records[at] == record]
        assert mine == sorted(mine)


async def test_a_cancelled_batch_leaves_no_request_behind() -> None:
    """Those under way are ended with it."""
    author, started, left = Author(Stream.EVENTS), asyncio.Event(), list[int]()
    batch = [author.created("a"), author.created("b")]

    async def work(parcel: Parcel) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.append(parcel.indexes[0])

    cut = parcels.cut(batch, 1, 1_000)
    doing = asyncio.create_task(parcels.each_in_order(batch, cut, work, most=2, stopped=lambda: False))
    await started.wait()
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    assert sorted(left) == [0, 1]


# --- a batch on its way -------------------------------------------------------------------------------------


class Endpoint:
    """Answers a request by the upstream ids in it."""

    clock: ManualClock | None = None
    """One that moves on by 4 seconds with each request."""

    def __init__(self, *bad: str, status: int = 500, retry_after: timedelta | None = None) -> None:
        self.bad, self.answer = set(bad), meaning(Answered(status=status, retry_after=retry_after))
        self.asked: list[tuple[str, ...]] = []

    async def __call__(self, items: Sequence[Item]) -> Answer:
        self.asked.append(tuple(item.entry.upstream_id for item in items))
        if self.clock is not None:
            await self.clock.sleep(4)
        return self.answer if self.bad & set(self.asked[-1]) else TAKEN


async def sent(
    batch: Sequence[Item], endpoint: Endpoint, most: int = 1, clock: ManualClock | None = None
) -> Mapping[int, Answer]:
    clock = clock or ManualClock()
    sending = Sending(batch, endpoint, clock.monotonic)
    cut = parcels.cut(batch, most, 10**9)
    await parcels.each_in_order(batch, cut, sending.send, most=1, stopped=sending.is_over)
    return sending.answers


def events(*ids: str) -> list[Item]:
    author = Author(Stream.EVENTS)
    return [author.updated(id) for id in ids]


async def test_what_follows_a_refused_message_of_its_record_is_not_sent() -> None:
    """The others are."""
    endpoint = Endpoint("bad")
    answers = await sent(events("a", "bad", "b", "bad", "c"), endpoint)
    assert {at: answer.sense for at, answer in answers.items()} == {
        0: Sense.TAKEN,
        1: Sense.REFUSED,
        2: Sense.TAKEN,
        4: Sense.TAKEN,
    }


@given(st.sets(st.integers(0, 15), max_size=3), st.sampled_from([400, 404, 413, 422, 500]))
async def test_a_refused_parcel_is_halved_until_the_message_is_found(bad: set[int], status: int) -> None:
    """With few more requests, and nothing twice to a receiver that refuses parcels whole."""
    endpoint = Endpoint(*map(str, bad), status=status)
    answers = await sent(events(*(f"{n}" for n in range(16))), endpoint, most=16)
    assert {at for at, answer in answers.items() if answer is not TAKEN} == bad
    assert len(answers) == 16
    taken = [id for ids in endpoint.asked for id in ids if not endpoint.bad & set(ids)]
    assert sorted(taken) == sorted(str(n) for n in range(16) if n not in bad)
    assert len(endpoint.asked) <= 1 + 2 * 4 * len(bad)


async def test_an_endpoint_that_is_not_well_is_not_stormed() -> None:
    """So many failures in a row end the batch; a wait that is asked for ends it at once."""
    ids = [f"{n}" for n in range(50)]
    endpoint = Endpoint(*ids)
    assert len(await sent(events(*ids), endpoint)) == STREAK
    assert len(endpoint.asked) == STREAK
    busy = Endpoint(*ids[3:], status=429, retry_after=timedelta(seconds=9))
    assert sorted(await sent(events(*ids), busy)) == [0, 1, 2, 3]
    down = Endpoint(*ids, status=503)
    await sent(events(*ids), down, most=10)
    assert [len(ids) for ids in down.asked] == [10] * 5, "and nothing is halved then"


async def test_what_a_slow_endpoint_has_taken_is_noted_from_time_to_time() -> None:
    """A batch ends after half a minute, however much of it there is."""
    endpoint, clock = Endpoint(), ManualClock()
    endpoint.clock = clock
    assert sorted(await sent(events(*(f"{n}" for n in range(50))), endpoint, clock=clock)) == list(range(8))


# --- what answers mean --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "sense", "code"),
    [
        (Answered(status=200), Sense.TAKEN, ""),
        (Answered(status=202), Sense.TAKEN, ""),
        (Answered(status=299), Sense.TAKEN, ""),
        (Answered(status=301), Sense.PERSON, "target.redirected"),
        (Answered(status=308), Sense.PERSON, "target.redirected"),
        (Answered(status=400), Sense.REFUSED, "target.item_refused"),
        (Answered(status=401), Sense.PERSON, "target.refused"),
        (Answered(status=403), Sense.PERSON, "target.refused"),
        (Answered(status=404), Sense.PERSON, "target.endpoint_missing"),
        (Answered(status=408), Sense.LATER, "target.busy"),
        (Answered(status=409), Sense.REFUSED, "target.item_refused"),
        (Answered(status=410), Sense.PERSON, "target.endpoint_gone"),
        (Answered(status=413), Sense.REFUSED, "target.item_refused"),
        (Answered(status=422), Sense.REFUSED, "target.item_refused"),
        (Answered(status=429), Sense.LATER, "target.busy"),
        (Answered(status=500), Sense.REFUSED, "target.item_refused"),
        (Answered(status=502), Sense.LATER, "target.busy"),
        (Answered(status=503), Sense.LATER, "target.busy"),
        (Answered(status=504), Sense.LATER, "target.busy"),
        (Answered(status=599), Sense.REFUSED, "target.item_refused"),
        (Failure.PRIVATE, Sense.PERSON, "target.private_network"),
        (Failure.TIMEOUT, Sense.LATER, "target.timeout"),
    ],
)
def test_what_an_answer_means(outcome: Answered | Failure, sense: Sense, code: str) -> None:
    """If nothing else is known."""
    answer = meaning(outcome)
    assert (answer.sense, answer.code) == (sense, code)


def test_every_answer_and_every_failure_says_what_to_do() -> None:
    """There is none without a code and a sentence."""
    for outcome in (*Failure, *(Answered(status=status) for status in (*range(100, 200), *range(300, 600)))):
        answer = meaning(outcome)
        assert answer.sense is not Sense.TAKEN
        assert answer.code.startswith("target.")
        assert answer.reason.endswith(".")
        assert answer.fix.endswith(".")


# --- and together -------------------------------------------------------------------------------------------

BAD, BUSY, GONE = (meaning(Answered(status=status)) for status in (500, 503, 410))


def judged(
    patience: Patience, batch: Sequence[Item], answers: Mapping[int, Answer], now: float = 0
) -> Written:
    return patience.judge(batch, answers, now)


def raised(
    patience: Patience, batch: Sequence[Item], answers: Mapping[int, Answer], now: float = 0
) -> HeadwaterError:
    with pytest.raises(HeadwaterError) as caught:
        patience.judge(batch, answers, now)
    return caught.value


def test_while_others_pass_a_message_is_held_with_what_follows_it() -> None:
    """With the wait that was asked for; what lies behind the last one sent is left for the next batch."""
    batch = events("a", "bad", "b", "bad", "c", "d")
    slow = meaning(Answered(status=429, retry_after=timedelta(seconds=9)))
    written = judged(Patience(None), batch, {0: TAKEN, 1: slow, 2: TAKEN, 4: TAKEN})
    assert written.count == 5
    assert [(one.index, one.code, one.after) for one in written.held] == [
        (1, "target.busy", timedelta(seconds=9)),
        (3, "target.item_not_sent", None),
    ]
    assert not written.rejected


@pytest.mark.parametrize(("answer", "kind"), [(BAD, Retry), (BUSY, Retry), (GONE, Halt)])
def test_when_nothing_passes_all_wait(answer: Answer, kind: type[HeadwaterError]) -> None:
    """Again and again; then one is held, so that others get their turn, and all wait again."""
    patience, batch = Patience(None), events("a", "b", "c")
    for _ in range(3):
        for _ in range(ROUNDS):
            error = raised(patience, batch, {0: answer, 1: answer})
            assert type(error) is kind
            assert (error.error_code, error.fix) == (answer.code, answer.fix)
        written = judged(patience, batch, {0: answer, 1: answer})
        assert (written.count, [one.index for one in written.held]) == (1, [0])
        batch = events(*(f"{random.random()}" for _ in range(3)))


def test_a_lone_message_that_is_refused_is_held_the_second_time() -> None:
    """There is nothing to compare it with, and it must not stop what comes after it."""
    patience, batch = Patience(None), events("bad")
    assert isinstance(raised(patience, batch, {0: BAD}), Retry)
    assert [one.index for one in judged(patience, batch, {0: BAD}).held] == [0]
    assert [one.index for one in judged(patience, batch, {0: BUSY}).held] == [0], "and from then on"


def test_messages_that_are_known_to_be_refused_stop_nothing() -> None:
    """A batch of nothing but these is held again, though nothing of it passes."""
    patience, batch = Patience(None), events("a", "b", "bad", "worse")
    judged(patience, batch, {0: TAKEN, 1: TAKEN, 2: BAD, 3: BUSY})
    written = judged(patience, batch[2:], {0: BAD, 1: BUSY})
    assert [one.index for one in written.held] == [0, 1]
    assert isinstance(raised(patience, events("c", "bad"), {0: BUSY}), Retry), "others show that it is down"


def test_the_longest_wait_that_was_asked_for_counts() -> None:
    """Of those that came."""
    waits = [meaning(Answered(status=503, retry_after=timedelta(seconds=n))) for n in (3, 8, 5)]
    error = raised(Patience(None), events("a", "b", "c"), dict(enumerate(waits)))
    assert isinstance(error, Retry)
    assert error.after == timedelta(seconds=8)


def test_a_message_is_given_up_after_its_time() -> None:
    """Counted from its first refusal; another one, and what follows it, begin their own."""
    patience, batch = Patience(timedelta(minutes=5)), events("a", "bad", "bad", "b")
    first = judged(patience, batch, {0: TAKEN, 1: BAD, 3: TAKEN}, now=0)
    assert [one.index for one in first.held] == [1, 2]
    again = judged(patience, batch[1:2], {0: BAD}, now=299)
    assert [one.index for one in again.held] == [0]
    last = judged(patience, batch[1:3], {0: BAD}, now=300)
    assert ([one.index for one in last.rejected], list(last.held)) == ([0], [])
    assert last.rejected[0].code == "target.item_refused"
    with pytest.raises(Retry):
        judged(patience, batch[2:3], {0: BAD}, now=301)


def test_an_endpoint_that_is_away_for_that_long_halts() -> None:
    """Nothing is given up for it; as soon as something passes, the time begins anew."""
    patience, batch = Patience(timedelta(minutes=5)), events("a", "b")
    assert isinstance(raised(patience, batch, {0: BUSY, 1: BUSY}, now=0), Retry)
    error = raised(patience, batch, {0: BUSY, 1: BUSY}, now=301)
    assert isinstance(error, Halt)
    assert error.error_code == "target.gave_up"
    assert judged(patience, batch, {0: TAKEN, 1: TAKEN}, now=400).count == 2
    assert isinstance(raised(patience, batch, {0: BUSY, 1: BUSY}, now=500), Retry)


def test_what_is_remembered_is_bounded() -> None:
    """The oldest is forgotten first; what fails now is known."""
    patience, author = Patience(None), Author(Stream.EVENTS)
    for _ in range(12):
        batch = [author.created(f"{n}") for n in range(1_001)]
        judged(patience, batch, {0: TAKEN, **dict.fromkeys(range(1, 1_001), BAD)})
    assert len(patience._failing) == 10_000


def test_nothing_sent_is_nothing_done() -> None:
    """An empty batch, for one."""
    assert judged(Patience(None), [], {}) == Written(0, [], [])
