import nats
import pytest
from tests.plugins.servers import Server


async def test_nats_keeps_a_stream(nats_server: str, own_name: str) -> None:
    client = await nats.connect(nats_server)
    try:
        jetstream = client.jetstream()
        await jetstream.add_stream(name=own_name, subjects=[f"{own_name}.>"])
        acknowledged = await jetstream.publish(f"{own_name}.a", b"kept", headers={"Nats-Msg-Id": "1"})
        again = await jetstream.publish(f"{own_name}.a", b"kept", headers={"Nats-Msg-Id": "1"})
    finally:
        await client.close()
    assert (acknowledged.seq, again.seq, again.duplicate) == (1, 1, True)


async def test_a_killed_nats_comes_back_with_what_it_acknowledged(killable_nats: Server) -> None:
    client = await nats.connect(killable_nats.url)
    try:
        await client.jetstream().add_stream(name="S", subjects=["s"])
        await client.jetstream().publish("s", b"kept")
    finally:
        await client.close()
    killable_nats.kill()
    killable_nats.start()
    client = await nats.connect(killable_nats.url)
    try:
        message = await client.jetstream().get_msg("S", seq=1)
    finally:
        await client.close()
    assert message.data == b"kept"


def test_a_test_that_asks_for_nats_is_marked(request: pytest.FixtureRequest, nats_server: str) -> None:
    assert nats_server.startswith("nats://127.0.0.1:")
    assert request.node.get_closest_marker("server")
