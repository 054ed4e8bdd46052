"""What is Redis's own: where things lie, tombstones and times to live, trimming, TLS, a cluster, errors."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
import redis.exceptions as driver
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot
from tests.plugins.redis import RedisTls
from tests.plugins.servers import Server
from tests.targets.redis_cluster import redis_cluster_in, wait_until_whole
from tests.targets.redis_rig import documented_rights, read_back

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.model.position import Stream
from headwater.targets.redis import REDIS, RedisSettings
from headwater.targets.redis.calls import Calls
from headwater.targets.redis.errors import meaning
from headwater.targets.redis.keys import Keys
from headwater.targets.target import Item
from headwater.testing.target_rig import SLOTS, Author, Writer, assert_holds, delivery, opened


class Place:
    """A prefix of its own on a server, and what is there."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url, self.prefix = url, prefix
        self.redis = Redis.from_url(url)

    def settings(self, **given: Any) -> RedisSettings:
        return RedisSettings.model_validate({"url": self.url, "prefix": self.prefix} | given)

    async def write(self, stream: Stream, *items: Item, **given: Any) -> None:
        target = REDIS.make(self.settings(**given), delivery(stream))
        try:
            assert await Writer(target, delivery(stream)).deliver(*items) == []
        finally:
            await target.close()

    async def raised(self, stream: Stream, *items: Item, **given: Any) -> HeadwaterError:
        with pytest.raises(HeadwaterError) as caught:
            await self.write(stream, *items, **given)
        return caught.value

    async def entries(self) -> list[tuple[str, str]]:
        """Ids of the entries of the only stream, with their events' ids."""
        key = Keys(self.prefix).events(Author(Stream.EVENTS).created("any"))
        return [(id.decode(), fields[b"event_id"].decode()) for id, fields in await self.redis.xrange(key)]


@pytest.fixture
async def place(redis_server: str, own_name: str) -> AsyncIterator[Place]:
    made = Place(redis_server, own_name)
    async with aclosing(made.redis):
        yield made


@pytest.fixture
async def own(killable_redis: Server, own_name: str) -> AsyncIterator[Place]:
    """A place on a server that the test may turn as it likes."""
    made = Place(killable_redis.url, own_name)
    async with aclosing(made.redis):
        yield made


RECORDS = Author(Stream.RECORDS)


# --- where things lie ---------------------------------------------------------------------------------------


async def test_the_layout_is_the_documented_one(place: Place) -> None:
    """Whoever reads Redis finds records and events by these keys."""
    author = Author(Stream.RECORDS)
    record, key = author.created("a/b"), f"{SLOTS[0].slot.sync_id}/acme:contact"
    await place.write(Stream.RECORDS, record)
    assert await place.redis.get(f"{place.prefix}:record:{{{key}/a/b}}") == record.json
    await place.write(Stream.RECORDS, record, layout="hash")
    assert await place.redis.hget(f"{place.prefix}:collection:{{{key}}}", "a/b") == record.json
    event = Author(Stream.EVENTS).created("a/b")
    await place.write(Stream.EVENTS, event)
    [(id, fields)] = await place.redis.xrange(f"{place.prefix}:events:{{{key}}}")
    assert id == b"1-0"
    assert fields == {b"event_id": event.message_id.encode(), b"json": event.json}


@pytest.mark.parametrize("upstream_id", ["a", "", "}", "{}", "a}b{c}", "ä", "\ud800"])
def test_the_keys_of_a_call_share_their_slot(upstream_id: str) -> None:
    """A cluster runs a script only where all its keys are."""
    item = (0, RECORDS.created(upstream_id)), (1, RECORDS.deleted(upstream_id, owned=SLOTS[1]))
    for layout, cluster in itertools.product(("key", "hash"), (True,)):
        given = {"url": "redis://h", "layout": layout, "cluster": cluster}
        calls = Calls(RedisSettings.model_validate(given))
        for rounds in (calls.records(item), calls.events(item), calls.check_records(), calls.check_events()):
            for call in itertools.chain.from_iterable(rounds):
                assert len({key_slot(key) for key in call.keys}) == 1
                assert all(key.startswith(b"headwater:") for key in call.keys)


async def test_nothing_is_left_of_a_check(place: Place) -> None:
    """Neither a key nor a tombstone."""
    for layout in ("key", "hash"):
        target = REDIS.make(place.settings(layout=layout))
        await target.check()
        await target.close()
    await asyncio.sleep(0.01)
    assert [key async for key in place.redis.scan_iter(f"{place.prefix}:*")] == []


# --- versions, deletes, times to live -----------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["key", "hash"])
async def test_p4_in_whatever_order_versions_come_the_newest_stays(place: Place, layout: str) -> None:
    """Also when the newest is a delete, and with every message written more than once."""
    author, dice = Author(Stream.RECORDS), random.Random(3)
    items = [author.created(f"{number}") for number in range(40)]
    for number in dice.choices(range(40), k=300):
        items.append(dice.choice([author.updated, author.deleted])(f"{number}"))
    scrambled = dice.sample(items * 2, k=len(items) * 2)
    for begin in range(0, len(scrambled), 50):
        await place.write(Stream.RECORDS, *scrambled[begin : begin + 50], layout=layout)
    newest = {item.entry.upstream_id: item for item in items}
    expected = sorted(item.json for item in newest.values() if not item.deleted)
    assert sorted(await read_back(place.redis, place.prefix, Stream.RECORDS)) == expected


@pytest.mark.parametrize("layout", ["key", "hash"])
async def test_a_record_with_a_long_head_is_compared_too(place: Place, layout: str) -> None:
    """Its version lies far into what is held, or across the end of what is looked at first."""
    for length in (500, *range(600, 700), 1_000, 5_000):
        author = Author(Stream.RECORDS)
        author.position = 1_000_000
        old, new = author.created("x" * length), author.updated("x" * length)
        await place.write(Stream.RECORDS, new, layout=layout)
        await place.write(Stream.RECORDS, old, layout=layout)
        assert new.json in await read_back(place.redis, place.prefix, Stream.RECORDS)


async def test_an_id_that_looks_like_a_version_is_none(place: Place) -> None:
    """What a record's text holds is escaped, so it is not taken for the version."""
    author = Author(Stream.RECORDS)
    for id in (',"updated_idx":99999,', '","updated_idx":99999,"', '\\","updated_idx":99999}'):
        old, new = author.created(id), author.updated(id)
        await place.write(Stream.RECORDS, old)
        await place.write(Stream.RECORDS, new)
        assert new.json in await read_back(place.redis, place.prefix, Stream.RECORDS)


@pytest.mark.parametrize("layout", ["key", "hash"])
async def test_a_tombstone_goes_when_its_time_is_over_or_the_record_is_back(
    place: Place, layout: str
) -> None:
    """It is a key of its own, with the version."""
    author, keys = Author(Stream.RECORDS), Keys(place.prefix)
    items = [author.created("a"), author.deleted("a"), author.created("a")]
    gone = keys.gone(items[0]) if layout == "key" else keys.gone_from_collection(items[0])
    await place.write(Stream.RECORDS, *items[:2], layout=layout, tombstone_ttl="2m")
    assert await place.redis.get(gone) == b"2"
    assert 100 < await place.redis.ttl(gone) <= 120
    await place.write(Stream.RECORDS, items[2], layout=layout)
    assert await place.redis.get(gone) is None


@pytest.mark.parametrize("layout", ["key", "hash"])
async def test_a_soft_delete_leaves_the_last_state(place: Place, layout: str) -> None:
    """With `deleted` true, and no tombstone beside it."""
    author = Author(Stream.RECORDS)
    items = [author.created("a"), author.deleted("a")]
    await place.write(Stream.RECORDS, *items, layout=layout, deletes="soft")
    await place.write(Stream.RECORDS, items[0], layout=layout, deletes="soft")
    assert await read_back(place.redis, place.prefix, Stream.RECORDS) == [items[1].json]
    assert len([key async for key in place.redis.scan_iter(f"{place.prefix}:*")]) == 1


async def test_records_live_as_long_as_ttl_says(place: Place) -> None:
    """Counted from the last write."""
    item = Author(Stream.RECORDS).created("a")
    await place.write(Stream.RECORDS, item, ttl="1h")
    assert 3_500 < await place.redis.ttl(Keys(place.prefix).record(item)) <= 3_600


# --- streams ------------------------------------------------------------------------------------------------


async def test_an_event_that_comes_after_newer_ones_is_appended_once(place: Place) -> None:
    """As a dead letter that is redriven: behind the others, and no repeat doubles it."""
    author = Author(Stream.EVENTS)
    items = [author.created(f"{number}") for number in range(6)]
    await place.write(Stream.EVENTS, items[0], items[1], items[4])
    for _ in range(2):
        await place.write(Stream.EVENTS, items[2], items[3])
    await place.write(Stream.EVENTS, *items)
    entries = [("1-0", 0), ("2-0", 1), ("5-0", 4), ("5-1", 2), ("5-2", 3), ("6-0", 5)]
    assert await place.entries() == [(id, items[at].message_id) for id, at in entries]


async def test_streams_are_trimmed_and_stay_trimmed(place: Place) -> None:
    """About so many stay, the newest; a repeat of older ones does not bring them back."""
    author = Author(Stream.EVENTS)
    items = [author.created(f"{number}") for number in range(2_000)]
    await place.write(Stream.EVENTS, *items, max_events=300)
    kept = await place.entries()
    assert 300 <= len(kept) < 600
    assert [event for _, event in kept] == [item.message_id for item in items[-len(kept) :]]
    await place.write(Stream.EVENTS, *items, max_events=300)
    assert await place.entries() == kept


async def test_without_max_events_nothing_is_trimmed(place: Place) -> None:
    """Until memory is full."""
    author = Author(Stream.EVENTS)
    await place.write(Stream.EVENTS, *(author.created(f"{n}") for n in range(500)), max_events=None)
    assert len(await place.entries()) == 500


async def test_another_event_under_the_same_number_is_no_repeat(place: Place) -> None:
    """As after a restored backup of our database."""
    first, second = Author(Stream.EVENTS).created("a"), Author(Stream.EVENTS).created("b")
    for _ in range(2):
        await place.write(Stream.EVENTS, first)
        await place.write(Stream.EVENTS, second)
    assert await place.entries() == [("1-0", first.message_id), ("1-1", second.message_id)]


# --- what goes wrong ----------------------------------------------------------------------------------------


async def test_scripts_that_redis_forgets_are_loaded_again(own: Place) -> None:
    """As after a restart, or when someone flushes them."""
    author = Author(Stream.RECORDS)
    async with opened(_Opening(own), delivery(Stream.RECORDS)) as writer:
        for number in range(3):
            await own.redis.script_flush()
            assert await writer.deliver(author.created(f"{number}")) == []
    assert len(await read_back(own.redis, own.prefix, Stream.RECORDS)) == 3


async def test_a_key_that_is_anothers_concerns_its_record_alone(place: Place) -> None:
    """That one goes to the dead letters; a whole hash or stream that is another's is a Halt."""
    author, keys = Author(Stream.RECORDS), Keys(place.prefix)
    items = [author.created("a"), author.created("b"), author.created("c")]
    await place.redis.lpush(keys.record(items[1]), "theirs")
    target = REDIS.make(place.settings(), delivery(Stream.RECORDS))
    written = await Writer(target, delivery(Stream.RECORDS)).write(*items)
    await target.close()
    assert written.count == 3
    assert [(one.index, one.code) for one in written.rejected] == [(1, "target.item_refused")]
    assert len([key async for key in place.redis.scan_iter(f"{place.prefix}:record:*", _type="string")]) == 2
    await place.redis.set(keys.collection(items[0]), "theirs")
    await place.redis.set(keys.events(items[0]), "theirs")
    for stream in Stream:
        error = await place.raised(stream, items[0], layout="hash")
        assert isinstance(error, Halt)
        assert error.error_code == "target.unusable"


async def test_a_full_redis_is_a_halt(own: Place) -> None:
    """It has room again when a person has made some, and the same batch goes in."""
    author = Author(Stream.RECORDS)
    await own.redis.config_set("maxmemory", "1mb")
    items = [author.created("a"), author.created("b")]
    for stream in Stream:
        error = await own.raised(stream, *items)
        assert isinstance(error, Halt)
        assert error.error_code == "target.full"
    await own.redis.config_set("maxmemory", "0")
    await own.write(Stream.RECORDS, *items)


async def test_a_replica_is_a_retry(own: Place) -> None:
    """It may become the primary; until then nothing is written."""
    await own.redis.replicaof("127.0.0.1", "1")
    error = await own.raised(Stream.RECORDS, RECORDS.created("a"))
    assert isinstance(error, Retry)
    assert error.error_code == "target.busy"
    await own.redis.replicaof("NO", "ONE")
    await own.write(Stream.RECORDS, RECORDS.created("a"))


async def test_a_server_that_hangs_is_a_retry(own: Place) -> None:
    """After the target's own time-out."""
    await own.redis.execute_command("CLIENT", "PAUSE", "1500", "ALL")
    error = await own.raised(Stream.RECORDS, RECORDS.created("a"), timeout="1s")
    assert isinstance(error, Retry)
    assert error.error_code == "target.timeout"


async def test_p9_a_write_that_is_cancelled_leaves_nothing_half_said(own: Place) -> None:
    """The next write through the same target does not take the answers of the cancelled one for its own."""
    author = Author(Stream.RECORDS)
    items = [author.created(f"{number}") for number in range(500)]
    async with opened(_Opening(own), delivery(Stream.RECORDS)) as writer:
        await writer.deliver(items[0])
        await own.redis.execute_command("CLIENT", "PAUSE", "300", "ALL")
        doing = asyncio.create_task(writer.write(*items))
        await asyncio.sleep(0.05)
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing
        assert await writer.deliver(*items) == []
    assert len(await read_back(own.redis, own.prefix, Stream.RECORDS)) == 500


async def test_a_server_that_takes_less_than_is_set_halts(own: Place) -> None:
    """Redis ends the connection over it, so the settings must say what it takes."""
    await own.redis.config_set("proto-max-bulk-len", 1_048_576)
    large = RECORDS.created("a", b'"' + b"x" * 2_000_000 + b'"')
    told = ""
    for _ in range(100):  # now and then the reset of the connection is faster than the reason
        told = (await own.raised(Stream.RECORDS, large)).error_code
        if told == "target.unusable":
            break
    assert told == "target.unusable"
    await own.write(Stream.RECORDS, RECORDS.created("b"))
    target = REDIS.make(own.settings(max_value_bytes=1_048_576), delivery(Stream.RECORDS))
    written = await Writer(target, delivery(Stream.RECORDS)).write(large, RECORDS.created("c"))
    await target.close()
    assert [(one.index, one.code) for one in written.rejected] == [(0, "target.item_too_large")]


ELSEWHERE = {
    "ChildDeadlockedError": "only in a process that was forked while a lock was held",
    "IncorrectPolicyType": "only for commands of modules, of which none is used",
}


def test_no_error_of_the_driver_is_unmapped() -> None:
    """Every class of its module is one that `mapped_errors` catches, and means a Retry or a Halt."""
    classes = [one for one in vars(driver).values() if isinstance(one, type) and issubclass(one, Exception)]
    assert len(classes) > 20
    for one in classes:
        if one.__name__ in ELSEWHERE:
            continue
        assert issubclass(one, (driver.RedisError, driver.RedisClusterException, OSError))
        error = meaning(one("12 127.0.0.1:1") if issubclass(one, driver.AskError) else one("secret-words"))
        assert isinstance(error, (Retry, Halt))
        assert error.fix
        assert error.error_code.startswith("target.")
        assert "secret-words" not in f"{error!r}{error.fix}{error.context}"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (
            driver.ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
            Halt,
            "target.full",
        ),
        (driver.ResponseError("MISCONF Redis is configured to save RDB snapshots"), Halt, "target.full"),
        (driver.ResponseError("BUSY Redis is busy running a script."), Retry, "target.busy"),
        (driver.ResponseError("NOREPLICAS Not enough good replicas to write."), Retry, "target.busy"),
        (driver.ConnectionError("max number of clients reached"), Retry, "target.busy"),
        (driver.BusyLoadingError("Redis is loading the dataset in memory"), Retry, "target.busy"),
        (driver.ReadOnlyError("You can't write against a read only replica."), Retry, "target.busy"),
        (driver.ClusterDownError("The cluster is down"), Retry, "target.busy"),
        (driver.MovedError("12 127.0.0.1:6379"), Halt, "target.unusable"),
        (driver.NoPermissionError("this user has no permissions"), Halt, "target.forbidden"),
        (driver.AuthenticationError("WRONGPASS invalid username-password pair"), Halt, "target.refused"),
        (driver.TimeoutError("Timeout reading"), Retry, "target.timeout"),
        (driver.ResponseError("unknown command 'EVALSHA'"), Halt, "target.unusable"),
    ],
)
def test_what_an_answer_means(answer: Exception, kind: type[HeadwaterError], code: str) -> None:
    """Waiting helps, or a person must act."""
    error = meaning(answer)
    assert type(error) is kind
    assert error.error_code == code


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://user:secret-words@h"},
        {"url": "redis://"},
        {"url": "redis://u:secret-words@h/x"},
        {"url": "redis://h:secret-words"},
        {"url": "redis://h/0?password=secret-words"},
        {"url": "redis://h", "ttl": "1h", "layout": "hash"},
        {"url": "rediss://h", "ca": "ca.pem"},
        {"url": "redis://h/3", "cluster": True},
        {"url": "redis://h", "prefix": "a{b}"},
        {"url": "redis://h", "tombstone_ttl": "1s"},
        {"url": "redis://h", "unknown": 1},
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    """With a sentence that does not repeat a secret."""
    with pytest.raises(ValidationError) as caught:
        RedisSettings.model_validate(given)
    assert "secret-words" not in str([one["msg"] for one in caught.value.errors(include_input=False)])


def test_durations_are_written_as_people_do() -> None:
    """And in ISO 8601, as they are shown."""
    settings = RedisSettings.model_validate({"url": "redis://h", "ttl": "36h"})
    assert settings.ttl == timedelta(hours=36)
    assert RedisSettings.model_validate(
        {"url": "redis://h"} | {"ttl": settings.model_dump(mode="json")["ttl"]}
    )


# --- TLS ----------------------------------------------------------------------------------------------------


async def test_tls_trusts_the_authority_that_is_given_and_no_other(
    redis_tls: RedisTls, own_name: str
) -> None:
    """Without the authority there is no safe connection, and nothing is sent."""
    place, author = Place(redis_tls.url, own_name), Author(Stream.RECORDS)
    await place.redis.aclose()
    await place.write(Stream.RECORDS, author.created("a"), ca=redis_tls.authority.read_text())
    error = await place.raised(Stream.RECORDS, author.created("b"))
    assert isinstance(error, Retry)
    assert error.error_code == "target.certificate"
    reader = Redis.from_url(redis_tls.url, ssl_ca_certs=str(redis_tls.authority))
    async with reader:
        assert len(await read_back(reader, own_name, Stream.RECORDS)) == 1


# --- a cluster ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    with redis_cluster_in(tmp_path_factory.mktemp("redis-cluster")) as nodes:
        yield nodes


@pytest.mark.server
@pytest.mark.parametrize("layout", ["key", "hash"])
async def test_p4_a_cluster_takes_it_all(cluster: list[Server], own_name: str, layout: str) -> None:
    """Records and events are spread over its nodes; a node that dies is a Retry, and nothing is lost.

    The user has no other rights than those that the docs name.
    """
    rights = [f"~{own_name}:*", "resetchannels", "-@all", *documented_rights()]
    for node in cluster:
        async with Redis.from_url(node.url) as client:
            await client.execute_command("ACL", "SETUSER", own_name, "on", ">secret-words", *rights)
    url = cluster[0].url.replace("://", f"://{own_name}:secret-words@")
    settings = RedisSettings.model_validate(
        {"url": url, "cluster": True, "prefix": own_name, "layout": layout}
    )
    for stream in Stream:
        author = Author(stream)
        items = [author.created(f"{number}", owned=SLOTS[number % 3]) for number in range(300)]
        items += [author.updated(f"{number}", owned=SLOTS[number % 3]) for number in range(0, 300, 3)]
        items += [author.deleted(f"{number}", owned=SLOTS[number % 3]) for number in range(0, 300, 7)]
        target = REDIS.make(settings, delivery(stream))
        writer = Writer(target, delivery(stream))
        await target.check()
        await writer.deliver(*items[:300])
        cluster[1].kill()
        with pytest.raises(Retry):
            await writer.write(*items)
        cluster[1].start()
        async with Redis.from_url(cluster[1].url) as client:
            await client.execute_command("ACL", "SETUSER", own_name, "on", ">secret-words", *rights)
        for node in cluster:
            wait_until_whole(node)
        await writer.deliver(*items)
        await target.close()
        await assert_holds(_ClusterReading(cluster[0], own_name), stream, items)
    error = await Place(cluster[0].url, own_name).raised(Stream.RECORDS, *items)
    assert isinstance(error, Halt)
    assert error.error_code == "target.unusable"


class _Reading:
    """What the suite asks of a rig to look at a target."""

    kind, faithful, deduplicates, compares, keeps_deleted = REDIS, True, True, True, False


class _Opening(_Reading):
    def __init__(self, place: Place) -> None:
        self.settings = place.settings


class _ClusterReading(_Reading):
    def __init__(self, node: Server, prefix: str) -> None:
        self.node, self.prefix = node, prefix

    async def read_back(self, stream: Stream) -> list[bytes]:
        async with RedisCluster.from_url(self.node.url) as redis:
            return await read_back(redis, self.prefix, stream)
