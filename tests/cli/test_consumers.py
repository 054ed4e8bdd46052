"""`headwater consumer`, its dead letters, and `sync create --to`: what is sent and printed, how it ends."""

import io

import pytest
from tests.cli.conftest import Headwater, Outcome
from tests.cli.fake_server import NOW, World, consumer, health, http_consumer, record, uuid

from headwater.cli import following
from headwater.cli.failures import Exit

LETTER = {
    "id": uuid(400),
    "sync_id": uuid(1),
    "collection_id": "acme:contact",
    "upstream_id": "c1",
    "updated_idx": 7,
    "deliveries": 3,
    "code": "item.rejected",
    "error": "Too large.",
    "dead_at": NOW,
    "redrive": False,
    "record": record(7),
}


def sent(world: World, method: str) -> list[object]:
    return [body for verb, _, body in world.requests if verb == method]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once; nobody is there to be asked."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(following, "EVERY", 0)


# --- made ---------------------------------------------------------------------------------------------------


def test_a_consumer_to_a_target_that_there_is(headwater: Headwater, world: World) -> None:
    """By its name; filters with several values; what was not given is left to the server."""
    made = headwater(
        "consumer", "create", "Warehouse", "--stream", "events", "--start", "end", "--max-deliver", "5",
        "-f", "collection_id=acme:contact", "-f", "collection_id=acme:deal", "-f", "event=deleted",
    )  # fmt: skip
    assert made.out.startswith(f"Consumer {uuid(502)} (records to Depot) writes to Warehouse.")
    assert sent(world, "POST") == [
        {
            "target_id": uuid(300),
            "stream": "events",
            "filters": {"collection_id": ["acme:contact", "acme:deal"], "event": ["deleted"]},
            "start": "end",
            "max_deliver": 5,
        }
    ]
    assert headwater("consumer", "create", "Warehouse", "-f", "red").code == Exit.USAGE
    assert headwater("consumer", "create", "Attic").code == Exit.NOT_FOUND


def test_a_consumer_to_a_url(headwater: Headwater, world: World) -> None:
    """A target of the same kind and settings is used again: the server knows."""
    made = headwater("consumer", "create", "depot://host", "--external-id", "o", "--json")
    assert made.json["target_id"] == uuid(502)
    assert sent(world, "POST") == [
        {"url": "depot://host", "reuse": True, "external_id": "o"},
        {"target_id": uuid(502), "external_id": "o", "stream": "records"},
    ]


def test_a_sync_that_is_forwarded_in_one_line(headwater: Headwater, world: World) -> None:
    """Credential, target, sync and consumer; the target before the sync, so that a wrong one makes none."""
    made = headwater(
        "sync",
        "create",
        "acme",
        "--set",
        "token=t",
        "--another",
        "--to",
        "depot://host",
        "--stream",
        "events",
    )
    assert made.code == 0
    posted = [(path, body) for verb, path, body in world.requests if verb == "POST"]
    assert [path for path, _ in posted] == ["/v1/credentials", "/v1/targets", "/v1/syncs", "/v1/consumers"]
    assert posted[1][1] == {"url": "depot://host", "reuse": True}
    assert posted[3][1] == {
        "target_id": uuid(502),
        "stream": "events",
        "filters": {"sync_id": uuid(502)},
        "name": "Acme to Depot at host",
    }
    assert "headwater consumer watch" in made.err
    world.answers["/v1/targets"] = [(422, {"detail": "No.", "errors": [{"field": "url", "detail": "Bad."}]})]
    count = len(world.families["syncs"])
    refused = headwater("sync", "create", "acme", "--set", "token=t", "--another", "--to", "gopher://x")
    assert (refused.code, len(world.families["syncs"])) == (Exit.REFUSED, count)


# --- looked at ----------------------------------------------------------------------------------------------


def test_both_kinds_are_listed(headwater: Headwater, world: World) -> None:
    """Managed ones first; as JSON exactly what the API gave."""
    found = headwater("consumer", "list", "--json").json
    assert found == world.families["consumers"] + world.families["http-consumers"]
    assert (
        headwater("consumer", "list").out.splitlines()[2] == f"{uuid(320)}\tWorkers\tevents\thttp\t\t\t\t\t"
    )


def test_a_consumer_is_shown_with_what_is_wrong(headwater: Headwater, world: World) -> None:
    """Its filters, how far it is, its notes."""
    world.families["consumers"][0] |= {
        "health": health("error", "Lost 7 events."),
        "filters": {"provider": "*", "sync_id": "*", "collection_id": ["acme:*"], "event": "*"},
    }
    shown = headwater("consumer", "show", "First")
    assert "collection_id\tacme:*\n" in shown.out
    assert "behind\tat most 1,234\n" in shown.out
    assert "Lost 7 events." in shown.err
    assert "ack_wait_ms\t30000\n" in headwater("consumer", "show", uuid(320)).out
    assert headwater("consumer", "show", "Third").code == Exit.NOT_FOUND
    assert headwater("consumer", "show", uuid(9)).code == Exit.NOT_FOUND


def test_watching_until_nothing_is_left(headwater: Headwater, world: World) -> None:
    """A line whenever something has changed; as JSON for scripts."""
    path = f"/v1/consumers/{uuid(310)}"
    first, late = consumer(310, "First"), consumer(310, "First", lag={"messages": 1234, "seconds": 99})
    done = consumer(310, "First", lag={"messages": 0, "seconds": 0.0})
    world.answers[path] = [(200, one) for one in (first, first, late, done)]
    watched = headwater("consumer", "watch", uuid(310), "--until-current")
    assert watched.out == "First\tactive\tok\t1,234\t1 min\t2\nFirst\tactive\tok\t0\t0 ms\t2\n"
    world.answers[path] = [(200, one) for one in (first, first, done)]
    assert headwater("consumer", "watch", uuid(310), "--until-current", "--json").lines == [first, done]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"status": "paused"}, "headwater consumer resume"),
        ({"health": health("error", "The table is missing.")}, "The table is missing."),
    ],
)
def test_watching_one_that_stands_still_ends(
    headwater: Headwater, world: World, more: dict[str, object], said: str
) -> None:
    """With the reason."""
    world.families["consumers"][0] |= more
    watched = headwater("consumer", "watch", "First", "--until-current")
    assert (watched.code, said in watched.err) == (Exit.FAILED, True)


def test_a_consumer_is_drawn_with_its_last_note() -> None:
    """On a terminal."""
    drawn = following.picture(consumer(1, "First", health=health("warn", "Slow.")))
    assert str(drawn.caption) == "Slow."
    assert drawn.row_count == 1


# --- told what to do ----------------------------------------------------------------------------------------


def test_pausing_resuming_and_removing(headwater: Headwater, world: World) -> None:
    """Of managed ones; one over HTTP does nothing by itself."""
    assert headwater("consumer", "pause", "First").out == "First rests.\n"
    assert headwater("consumer", "resume", "First", "--json").json["status"] == "active"
    assert sent(world, "PATCH") == [{"status": "paused"}, {"status": "active"}]
    assert headwater("consumer", "pause", "Workers").code == Exit.USAGE
    assert headwater("consumer", "delete", "Workers", "--yes").code == 0
    assert world.families["http-consumers"] == []
    assert headwater("consumer", "delete", "First").code == Exit.FAILED


def test_beginning_anew(headwater: Headwater, world: World) -> None:
    """At a start or by a policy; asked first, since everything comes once more."""
    assert headwater("consumer", "reset", "First").code == Exit.FAILED
    world.answers[f"/v1/consumers/{uuid(310)}/reset"] = [(200, consumer(310, "First"))]
    world.answers[f"/v1/http-consumers/{uuid(320)}/reset"] = [(200, http_consumer(320, "Workers"))]
    time = "2026-11-24T08:00:00Z"
    assert (
        headwater("consumer", "reset", "First", "--start", time, "-y").out
        == f"First begins anew at {time}.\n"
    )
    assert headwater("consumer", "reset", "Workers", "-y", "--json").json["name"] == "Workers"
    assert sent(world, "POST") == [{"start": time}, {"deliver_policy": "all"}]


# --- dead letters -------------------------------------------------------------------------------------------


def test_dead_letters_are_listed_and_shown(headwater: Headwater, world: World) -> None:
    """Of both kinds of consumer; with the message in it."""
    for family, number, name in (("consumers", 310, "First"), ("http-consumers", 320, "Workers")):
        path = f"/v1/{family}/{uuid(number)}/dead-letters"
        world.answers[path] = [(200, {"data": [LETTER], "cursor": None, "has_more": False}) for _ in "12"]
        world.answers[f"{path}/{uuid(400)}"] = [(200, LETTER), (200, LETTER | {"record": None})]
        assert headwater("consumer", "dead-letters", "list", name, "--json").json == [LETTER]
        listed = headwater("consumer", "dead-letters", "list", name).out
        assert listed.startswith(f"{uuid(400)}\tacme:contact\tc1\t7\t3\t")
        assert listed.endswith("\tToo large.\n")
        shown = headwater("consumer", "dead-letters", "show", name, uuid(400))
        assert "code\titem.rejected\n" in shown.out
        assert '"upstream_id"' in shown.out
        assert "retention" in headwater("consumer", "dead-letters", "show", name, uuid(400)).err


def test_dead_letters_are_redriven_and_discarded(headwater: Headwater, world: World) -> None:
    """Some by their ids, or all of them."""
    path = f"/v1/consumers/{uuid(310)}/dead-letters"
    world.answers[path + "/redrive"] = [(202, {"redriven": 1}), (202, {"redriven": 2})]
    world.answers[path + "/discard"] = [(200, {"discarded": 2})]

    def letters(*words: str) -> Outcome:
        return headwater("consumer", "dead-letters", *words)

    assert letters("redrive", "First", uuid(400)).out == "1 message will be delivered once more.\n"
    assert letters("redrive", "First", "--all", "--json").json == {"redriven": 2}
    assert letters("discard", "First", "--all").code == Exit.FAILED
    assert letters("discard", "First", "--all", "-y").out == "2 messages gone.\n"
    assert sent(world, "POST") == [{"ids": [uuid(400)]}, {"all": True}, {"all": True}]
    for wrong in ((), (uuid(400), "--all")):
        assert letters("redrive", "First", *wrong).code == Exit.USAGE
