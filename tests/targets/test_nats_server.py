"""What only a real NATS server shows: streams made or missing, limits, repeats, order, TLS, keys, rights."""

import asyncio
import base64
import binascii
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from nats.js.api import DiscardPolicy
from tests.plugins.certificates import Certificates, make_certificates
from tests.plugins.servers import Server
from tests.targets.nats_rig import PASSWORD, NatsRig, nats_in, nats_rig
from tests.targets.test_nats_parts import PUBLIC, SEED

from headwater.errors import Halt, HeadwaterError
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.nats import NATS, NatsSettings, subjects
from headwater.targets.nats.nkeys import UserKey
from headwater.targets.target import Item, Mark, Written
from headwater.testing.target_rig import SLOTS, Author, assert_holds, delivery, opened

pytestmark = pytest.mark.server

MARK = Mark(1, (1,))
SECURE = """
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}" }}
max_payload: {max_payload}
tls {{ cert_file: "{files.certificate}", key_file: "{files.key}" }}
authorization {{ users: [ {{ nkey: "{public}" }} ] }}
# {user} {password}
"""
OPERATED = """
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}" }}
max_payload: {max_payload}
operator: "{operator}"
resolver: MEMORY
system_account: {system}
resolver_preload: {{ {account}: "{account_jwt}", {system}: "{system_jwt}" }}
# {user} {password}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with nats_in(tmp_path_factory.mktemp("nats")).running() as server:
        yield server


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


async def write(settings: NatsSettings, stream: Stream, *items: Item) -> Written:
    """Write one batch with a target of its own."""
    target = NATS.make(settings, delivery(stream))
    try:
        return await target.write(items, MARK)
    finally:
        await target.close()


async def halted(settings: NatsSettings, stream: Stream = Stream.RECORDS) -> HeadwaterError:
    """Return the Halt of a check and of a write, which agree."""
    target = NATS.make(settings, delivery(stream))
    try:
        with pytest.raises(Halt) as checked:
            await target.check()
        with pytest.raises(Halt) as written:
            await target.write([Author(stream).created("a")], MARK)
    finally:
        await target.close()
    assert checked.value.error_code == written.value.error_code
    return checked.value


# --- streams ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", Stream)
async def test_a_missing_stream_halts_and_says_how_to_make_it(server: Server, stream: Stream) -> None:
    """With the subjects that it needs."""
    rig = NatsRig(server)
    error = await halted(rig.settings(), stream)
    assert error.error_code == "target.missing"
    assert f"--subjects='{rig.name}.{stream.value}.>'" in (error.fix or "")


@pytest.mark.parametrize("stream", Stream)
async def test_a_stream_is_made_where_that_is_allowed(server: Server, stream: Stream) -> None:
    """Of records it holds the newest of each, of events all, and it drops repeats."""
    rig = NatsRig(server)
    rig.name = f"{rig.name}{stream.value}"
    settings = rig.settings(create_stream=True, stream=rig.name, duplicate_window_ms=60_000, max_age_days=3)
    author = Author(stream)
    items = [author.created("a"), author.updated("a"), author.created("b")]
    try:
        target = NATS.make(settings, delivery(stream))
        await target.check()
        await target.close()
        assert (await write(settings, stream, *items)).count == 3
        async with rig.client() as client:
            config = (await client.jetstream().stream_info(rig.name)).config
        assert config.subjects == [f"{rig.name}.{stream.value}.>"]
        assert config.duplicate_window == 60
        assert config.max_age == (3 * 86_400 if stream is Stream.EVENTS else 0)
        found = await rig.messages(f"{rig.name}.")
        assert [payload for _, payload in found] == [
            item.json for item in (items if stream is Stream.EVENTS else items[1:])
        ]
    finally:
        await rig.remove()


async def test_a_stream_that_cannot_be_made_halts(server: Server) -> None:
    """One server keeps no three copies."""
    rig = NatsRig(server)
    target = NATS.make(rig.settings(create_stream=True, replicas=3), delivery(Stream.RECORDS))
    with pytest.raises(Halt) as caught:
        await target.write([Author(Stream.RECORDS).created("a")], MARK)
    await target.close()
    assert caught.value.error_code in ("target.settings_refused", "target.unusable")


async def test_a_stream_that_was_removed_halts(server: Server) -> None:
    """Though the connection has stood before; with a new one it goes on."""
    async with nats_rig(server) as rig, opened(rig, delivery(Stream.EVENTS)) as writer:
        author = Author(Stream.EVENTS)
        await writer.deliver(author.created("a"))
        await rig.remove()
        with pytest.raises(Halt) as caught:
            await writer.write(author.created("b"), author.created("c"))
        assert caught.value.error_code == "target.missing"
        await rig.make()
        await writer.deliver(author.updated("b"))


# --- limits -------------------------------------------------------------------------------------------------


async def test_what_is_too_large_for_the_stream_is_rejected(server: Server) -> None:
    """By the server; the others of the same batch, and of the same record, go in."""
    async with nats_rig(server, max_msg_size=2_000) as rig, opened(rig, delivery(Stream.EVENTS)) as writer:
        author = Author(Stream.EVENTS)
        large = b'"' + b"x" * 3_000 + b'"'
        items = [author.created("a"), author.updated("a", large), author.updated("a"), author.created("b")]
        written = await writer.write(*items)
        assert written.count == 4
        assert [(one.index, one.code) for one in written.rejected] == [(1, "target.item_too_large")]
        await assert_holds(rig, Stream.EVENTS, [items[0], items[2], items[3]])


async def test_p5_a_full_subject_holds_up_its_record_alone(server: Server) -> None:
    """What comes behind it of the same record is held too, and in order once there is room."""
    config: dict[str, Any] = {
        "max_msgs_per_subject": 1,
        "discard": DiscardPolicy.NEW,
        "discard_new_per_subject": True,
    }
    async with nats_rig(server, **config) as rig, opened(rig, delivery(Stream.RECORDS)) as writer:
        author = Author(Stream.RECORDS)
        items = [author.created("a"), author.created("b"), author.updated("a"), author.updated("a")]
        items.append(author.created("c"))
        written = await writer.write(*items)
        assert (written.count, [one.index for one in written.held]) == (5, [2, 3])
        assert {one.code for one in written.held} == {"target.item_held"}
        await assert_holds(rig, Stream.RECORDS, [items[0], items[1], items[4]])
        async with rig.client() as client:
            await client.jetstream().purge_stream(rig.name)
        assert [one.index for one in (await writer.write(*items[2:4])).held] == [1]
        await assert_holds(rig, Stream.RECORDS, [items[2]])


async def test_a_full_stream_is_waited_for(server: Server) -> None:
    """Its readers may take messages out."""
    async with nats_rig(server, max_msgs=3, discard=DiscardPolicy.NEW) as rig:
        author = Author(Stream.EVENTS)
        items = [author.created(f"{number}") for number in range(6)]
        with pytest.raises(HeadwaterError) as caught:
            await write(rig.settings(), Stream.EVENTS, *items)
        assert caught.value.error_code == "target.full"


async def test_an_id_that_makes_the_subject_too_long_is_rejected(server: Server) -> None:
    """The server would end the connection."""
    async with nats_rig(server) as rig, opened(rig, delivery(Stream.RECORDS)) as writer:
        author = Author(Stream.RECORDS)
        items = [author.created("ü" * 1_000), author.created("a")]
        assert await writer.deliver(*items) == items[:1]
        await assert_holds(rig, Stream.RECORDS, items[1:])


# --- order and repeats --------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 7, 512])
async def test_p5_messages_of_a_record_never_overtake_each_other(server: Server, window: int) -> None:
    """However many are under way."""
    async with nats_rig(server) as rig:
        author = Author(Stream.EVENTS)
        items = [author.updated(f"{number % 5}", owned=SLOTS[number % 3]) for number in range(300)]
        written = await write(rig.settings(window=window), Stream.EVENTS, *items)
        assert (written.count, written.rejected, written.held) == (300, [], [])
        seen: dict[str, list[int]] = {}
        for subject, payload in await rig.messages(rig.name):
            seen.setdefault(subject, []).append(json.loads(payload)["updated_idx"])
        assert len(seen) == 15
        assert all(order == sorted(order) for order in seen.values())


async def test_p4_a_repeat_is_dropped_by_the_server(server: Server) -> None:
    """From another connection as well; the id of the message tells."""
    async with nats_rig(server) as rig:
        author = Author(Stream.EVENTS)
        items = [author.created("a"), author.updated("a")]
        for _ in range(3):
            assert (await write(rig.settings(), Stream.EVENTS, *items)).count == 2
        assert len(await rig.messages(rig.name)) == 2


async def test_an_id_is_read_back_from_its_subject(server: Server) -> None:
    """As the docs tell readers."""
    async with nats_rig(server) as rig:
        await write(rig.settings(), Stream.RECORDS, Author(Stream.RECORDS).created("a.b/*> ü"))
        [(subject, _)] = await rig.messages(rig.name)
        assert subjects.text(subject.rpartition(".")[2]) == "a.b/*> ü"


async def test_p7_a_cancelled_write_can_be_repeated(server: Server) -> None:
    """Whatever of it was stored already: nothing is missing and nothing is there twice."""
    async with nats_rig(server) as rig, opened(rig, delivery(Stream.EVENTS)) as writer:
        author = Author(Stream.EVENTS)
        items = [author.created(f"{number}") for number in range(500)]
        writing = asyncio.create_task(writer.write(*items))
        await asyncio.sleep(0.02)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await writer.deliver(*items)
        await assert_holds(rig, Stream.EVENTS, items)


# --- whom it lets in ----------------------------------------------------------------------------------------


async def test_p12_the_least_rights_are_enough(server: Server) -> None:
    """Those that the docs name: to publish below the prefix, to have an inbox."""
    rig = NatsRig(server)
    own = rig.name
    rig.name = "least"
    await rig.make()
    try:
        settings = rig.settings(username="least", password=Secret(PASSWORD))
        target = NATS.make(settings, delivery(Stream.RECORDS))
        await target.check()
        assert (await target.write([Author(Stream.RECORDS).created("a")], MARK)).count == 1
        await target.close()
        error = await halted(rig.settings(username="least", subject_prefix=own))
        assert error.error_code == "target.forbidden"
        assert own not in error.message
    finally:
        await rig.remove()


async def test_tls_and_a_key_without_another_package(tmp_path: Path, files: Certificates) -> None:
    """The certificate is checked, and only a signature is sent."""
    with nats_in(tmp_path, SECURE, files=files, public=PUBLIC).running() as secure:
        ca = files.authority.read_text()

        def settings(**other: Any) -> NatsSettings:
            known = {"servers": secure.url, "ca": ca, "nkey": Secret(SEED), "timeout_ms": 3_000}
            return NatsSettings(**{**known, "create_stream": True, **other})

        assert (await write(settings(), Stream.RECORDS, Author(Stream.RECORDS).created("a"))).count == 1
        assert (await halted(settings(ca=None, tls=True))).error_code == "target.certificate"
        assert (await halted(settings(ca="no PEM"))).error_code == "target.certificate"
        other = Secret(seed_of(b"\1" * 32, "U"))
        assert (await halted(settings(nkey=other))).error_code == "target.refused"


async def test_a_creds_file_logs_in(tmp_path: Path) -> None:
    """Where an operator signs accounts and an account signs users."""
    operator, account, user, system = (
        Key(bytes([number]) * 32, kind) for number, kind in enumerate("OAUA", 1)
    )
    limits = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    everything = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "imports": -1, "exports": -1}
    account_jwt = operator.jwt(
        account.public, {"type": "account", "version": 2, "limits": {**everything, **limits}}
    )
    system_jwt = operator.jwt(system.public, {"type": "account", "version": 2, "limits": everything})
    user_jwt = account.jwt(user.public, {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
    creds = (
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed_of(user.raw, 'U')}\n------END USER NKEY SEED------\n"
    )
    known = {
        "operator": operator.jwt(operator.public, {"type": "operator", "version": 2}),
        "account": account.public,
        "account_jwt": account_jwt,
        "system": system.public,
        "system_jwt": system_jwt,
    }
    with nats_in(tmp_path, OPERATED, **known).running() as server:
        settings = NatsSettings(
            servers=server.url, credentials=Secret(creds), create_stream=True, timeout_ms=3_000
        )
        assert (await write(settings, Stream.RECORDS, Author(Stream.RECORDS).created("a"))).count == 1
        forged = Secret(creds.replace(seed_of(user.raw, "U"), seed_of(b"\7" * 32, "U")))
        assert (await halted(settings.model_copy(update={"credentials": forged}))).error_code == (
            "target.refused"
        )


class Key:
    """A key of NATS that can sign others, as `nsc` makes them."""

    PREFIXES: ClassVar = {"O": 14 << 3, "A": 0, "U": 20 << 3}

    def __init__(self, raw: bytes, kind: str) -> None:
        self.raw = raw
        self._key = UserKey(Secret(seed_of(raw, "U")))
        content = bytes([self.PREFIXES[kind]]) + base64.b32decode(self._key.public)[1:33]
        self.public = base64.b32encode(content + crc(content)).decode().rstrip("=")

    def jwt(self, subject: str, claims: dict[str, Any]) -> str:
        """A JWT of these claims about `subject`, signed by this key."""
        body = {"iat": 1_700_000_000, "iss": self.public, "sub": subject, "name": "test", "jti": "x"}
        head, body_text = (
            encoded(json.dumps(part).encode())
            for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, {**body, "nats": claims})
        )
        return f"{head}.{body_text}.{self._key.sign(f'{head}.{body_text}').decode()}"


def seed_of(raw: bytes, kind: str) -> str:
    prefix = Key.PREFIXES[kind]
    content = bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]) + raw
    return base64.b32encode(content + crc(content)).decode().rstrip("=")


def crc(content: bytes) -> bytes:
    return binascii.crc_hqx(content, 0).to_bytes(2, "little")


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
