"""Pushing to addresses that others have named: what came of it, and what is kept out of private networks."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.loopback import Asked, loopback, reply

from headwater.kit.http import Answered, Failure, Pusher
from headwater.kit.http.network import is_public
from headwater.kit.http.push import _public_socket

SECOND = timedelta(seconds=1)


@asynccontextmanager
async def pusher(*, allow_private: bool = True, timeout: timedelta = 5 * SECOND) -> AsyncIterator[Pusher]:
    made = Pusher(connections=2, timeout=timeout, allow_private=allow_private)
    try:
        yield made
    finally:
        await made.close()
        await made.close()


async def pushed(
    answer: Callable[[Asked], bytes | None], **given: timedelta
) -> tuple[Answered | Failure, list[Asked]]:
    """Push once to a server that answers with these bytes."""
    async with loopback(answer) as site, pusher(**given) as pushing:
        outcome = await pushing.push("POST", f"{site.url}/hook?a=b%20c", {"X-Own": "yes"}, b"{}")
    return outcome, site.asked


# --- what came of it ----------------------------------------------------------------------------------------


async def test_what_is_sent() -> None:
    """Path, headers and body as they were given, and no cookie nor packing."""
    outcome, [asked] = await pushed(lambda _: reply(204, b""))
    assert outcome == Answered(status=204)
    assert (asked.method, asked.target, asked.body) == ("POST", "/hook?a=b%20c", b"{}")
    assert asked.headers["x-own"] == "yes"
    assert asked.headers["accept-encoding"] == "identity"


async def test_nothing_is_followed_and_every_status_is_an_answer() -> None:
    """A redirect is told, not followed."""
    outcome, asked = await pushed(lambda _: reply(302, Location="http://169.254.169.254/latest"))
    assert outcome == Answered(status=302)
    assert len(asked) == 1


async def test_the_wait_that_an_endpoint_asks_for() -> None:
    """In seconds or as a date, by its own clock."""
    outcome, _ = await pushed(lambda _: reply(429, Retry_After="7"))
    assert outcome == Answered(status=429, retry_after=7 * SECOND)
    dates = {"Retry_After": "Tue, 24 Nov 2026 08:00:30 GMT", "Date": "Tue, 24 Nov 2026 08:00:00 GMT"}
    outcome, _ = await pushed(lambda _: reply(503, **dates))
    assert outcome == Answered(status=503, retry_after=30 * SECOND)


@pytest.mark.parametrize("promised", [10_000_000, 100_000_000])
async def test_a_large_or_endless_body_changes_nothing(promised: int) -> None:
    """The status has said it; the rest is left where it is."""
    head = b"HTTP/1.1 200 Fine\r\nContent-Length: %d\r\n\r\n" % promised
    outcome, _ = await pushed(lambda _: head + b"x" * 1_000_000)
    assert outcome == Answered(status=200)


@pytest.mark.parametrize(
    ("raw", "failure"),
    [
        (b"", Failure.UNREACHABLE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Failure.BROKEN),
        (None, Failure.TIMEOUT),
    ],
)
async def test_why_no_answer_came(raw: bytes | None, failure: Failure) -> None:
    """The connection was closed, something else listens there, or it hangs."""
    outcome, _ = await pushed(lambda _: raw, timeout=SECOND / 4)
    assert outcome is failure


async def test_a_connection_that_was_dropped_is_replaced_once() -> None:
    """As one that was idle for too long."""
    answers = [b"", reply(200)]
    outcome, asked = await pushed(lambda _: answers.pop(0))
    assert outcome == Answered(status=200)
    assert len(asked) == 2


async def test_nobody_there_and_no_address() -> None:
    """Each is told apart."""
    async with pusher() as pushing:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        assert await pushing.push("POST", f"http://127.0.0.1:{port}/", {}, b"") is Failure.UNREACHABLE
        assert await pushing.push("POST", "http://2130706433/", {}, b"") is Failure.ADDRESS


# --- the guard ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "100.64.0.1", "100.100.100.200", "169.254.169.254", "169.254.0.1", "192.0.0.192", "192.0.2.1",
        "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255", "168.63.129.16", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "100::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1", "2002:7f00:1::1", "2002:808:808::1", "2001:0:808:808::1",
        "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "", "1.2.3", "8.8.8.8 ",
        "::ffff:1.2.3",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    """This machine, private networks, metadata services, and all that is no plain address."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8",
     "64:ff9b::8.8.8.8"],
)  # fmt: skip
def test_addresses_that_are(address: str) -> None:
    """Also those that stand for one of IPv4."""
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_however_it_is_written(address: object) -> None:
    """As IPv4, mapped, and through a translator."""
    plain = is_public(str(address))
    assert is_public(f"::ffff:{address}") == plain
    assert is_public(f"64:ff9b::{address}") == plain


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "0"])
async def test_private_networks_are_out_of_reach(host: str) -> None:
    """However the address is written, nothing is sent; `0` and octets are no address at all."""
    async with loopback(lambda _: reply()) as site, pusher(allow_private=False) as pushing:
        port = site.url.rpartition(":")[2]
        outcome = await pushing.push("POST", f"http://{host}:{port}/", {}, b"{}")
        assert outcome in (Failure.PRIVATE, Failure.ADDRESS)
        assert site.asked == []


def test_the_address_that_is_connected_to_is_the_one_that_is_looked_at() -> None:
    """The guard stands where the socket is made, after names are resolved: a second look-up has no part."""
    inside, outside = ("127.0.0.1", 80), ("8.8.8.8", 80)
    with pytest.raises(OSError, match="not a public address"):
        _public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", inside))
    with pytest.raises(OSError, match="not a public address"):
        _public_socket((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", outside))
    with _public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", outside)) as made:
        assert made.family == socket.AF_INET
