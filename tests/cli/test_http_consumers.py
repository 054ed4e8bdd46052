"""`headwater consumer http`: what is sent and printed, how it ends."""

from tests.cli.conftest import Headwater
from tests.cli.fake_server import World, event, http_consumer, uuid

from headwater.cli.failures import Exit

AT = f"/v1/http-consumers/{uuid(320)}"
BATCH = {
    "data": [{"ack_token": "a.0.1", "event": event(1)}, {"ack_token": "a.0.2", "event": event(2)}],
    "info": {"num_pending": 1234, "num_ack_pending": 2, "num_pending_is_estimate": True},
}


def posted(world: World) -> list[tuple[str, object]]:
    return [(path, body) for verb, path, body in world.requests if verb == "POST"]


def test_one_is_made(headwater: Headwater, world: World) -> None:
    """With what was given; the rest is left to the server."""
    world.answers["/v1/http-consumers"] = [(201, http_consumer(321, "billing"))] * 2
    made = headwater(
        "consumer", "http", "create", "--name", "billing", "--deliver", "1h", "--ack-wait-ms", "60000",
        "-f", "collection_id=acme:*", "--max-ack-pending", "50", "--metadata", "team=eu",
    )  # fmt: skip
    assert made.out.startswith(f"Consumer {uuid(321)} (billing) hands out events.")
    assert posted(world) == [
        (
            "/v1/http-consumers",
            {
                "stream": "events",
                "filters": {"collection_id": ["acme:*"]},
                "deliver_policy": "1h",
                "ack_wait_ms": 60000,
                "max_ack_pending": 50,
                "name": "billing",
                "metadata": {"team": "eu"},
            },
        )
    ]
    assert headwater("consumer", "http", "create", "--json").json == http_consumer(321, "billing")


def test_one_is_changed(headwater: Headwater, world: World) -> None:
    """Only what was named."""
    assert headwater("consumer", "http", "update", "Workers", "--max-deliver", "3").code == 0
    assert world.families["http-consumers"][0]["max_deliver"] == 3
    assert headwater("consumer", "http", "update", "Workers").code == Exit.USAGE


def test_messages_are_taken_and_printed(headwater: Headwater, world: World) -> None:
    """One line each; with --ack they are acknowledged after that."""
    world.answers[f"{AT}/next"] = [(200, BATCH), (200, BATCH)]
    world.answers[f"{AT}/ack"] = [(200, {"acked": 2, "unknown": []})]
    taken = headwater("consumer", "http", "next", "Workers", "-n", "2", "--wait", "1.5")
    assert taken.lines == BATCH["data"]
    assert "at most 1,234 to come, 2 out" in taken.err
    assert headwater("consumer", "http", "next", "Workers", "--ack").lines == BATCH["data"]
    assert posted(world) == [
        (f"{AT}/next", {"batch_size": 2, "wait_for": 1500}),
        (f"{AT}/next", {"batch_size": 1, "wait_for": 0}),
        (f"{AT}/ack", {"ack_tokens": ["a.0.1", "a.0.2"]}),
    ]


def test_looking_takes_nothing(headwater: Headwater, world: World) -> None:
    """What comes next, without tokens."""
    info = BATCH["info"] | {"num_pending_is_estimate": False}  # type: ignore[operator]
    world.answers[f"{AT}/peek"] = [(200, {"data": [{"event": event(1)}], "info": info})]
    looked = headwater("consumer", "http", "peek", "Workers")
    assert looked.lines == [{"event": event(1)}]
    assert "at most" not in looked.err


def test_messages_are_answered_for(headwater: Headwater, world: World) -> None:
    """Tokens that had run out are told; where all had, the command fails."""
    world.answers[f"{AT}/ack"] = [
        (200, {"acked": 1, "unknown": ["b"]}),
        (200, {"acked": 0, "unknown": ["b"]}),
    ]
    world.answers[f"{AT}/nack"] = [(200, {"nacked": 1, "unknown": []})]
    world.answers[f"{AT}/extend"] = [(200, {"extended": 1, "unknown": []})]
    assert "acked 1; 1 had run out" in headwater("consumer", "http", "ack", "Workers", "a", "b").err
    assert headwater("consumer", "http", "ack", "Workers", "b").code == Exit.REFUSED
    assert "nacked 1" in headwater("consumer", "http", "nack", "Workers", "a", "--delay", "2").err
    assert "extended 1" in headwater("consumer", "http", "extend", "Workers", "a").err
    assert (f"{AT}/nack", {"ack_tokens": ["a"], "delay_ms": 2000}) in posted(world)


def test_a_managed_consumer_has_no_messages_to_fetch(headwater: Headwater) -> None:
    """It is said what to do instead."""
    refused = headwater("consumer", "http", "next", "First")
    assert refused.code == Exit.USAGE
    assert "headwater consumer http create" in refused.err
