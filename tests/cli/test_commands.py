"""The commands against a server: what they send, what they print, how they end."""

import io
from pathlib import Path

import pytest
from tests.cli.conftest import Headwater
from tests.cli.fake_server import NOW, World, credential, event, health, record, sync, uuid

from headwater.cli.failures import Exit

DOCUMENT = "name: crm\nbase_url: https://crm.example\ncollections:\n  contact: {path: /contacts}\n"


def sent(world: World, method: str) -> list[object]:
    return [body for verb, _, body in world.requests if verb == method]


# --- listings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["providers", "sync", "credential", "target", "key"])
def test_listings_print_one_json_document(headwater: Headwater, world: World, family: str) -> None:
    """All pages in one list, exactly as the API gave them."""
    world.page = 1
    plural = {"sync": "syncs", "credential": "credentials", "target": "targets", "key": "api-keys"}.get(
        family, family
    )
    assert headwater(family, "list", "--json").json == world.families[plural]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("providers", "acme\tAcme\tacme:contact"),
        ("sync", f"{uuid(1)}\tFirst\tacme\tactive\tok\t1,234\t1 s"),
        ("credential", f"{uuid(100)}\tAcme\tacme\tbearer\tok\t"),
        ("target", f"{uuid(300)}\tWarehouse\tdepot\tok\t"),
        ("consumer", f"{uuid(310)}\tFirst\trecords\t{uuid(300)}\tactive\tok\t1,234\t1 min\t2"),
        ("key", f"{uuid(7)}\twarehouse\thw_abc\tread\t\tnever"),
    ],
)
def test_listings_are_lines_with_tabs_for_other_programs(
    headwater: Headwater, command: str, line: str
) -> None:
    """Without a terminal there is no head, no frame and no colour."""
    found = headwater(command, "list")
    assert found.out.splitlines()[0] == line
    assert "\x1b" not in found.out


# --- choosing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [uuid(2), "Second", "org_42"])
def test_a_sync_is_known_by_id_name_and_external_id(headwater: Headwater, text: str) -> None:
    """Whatever a person has at hand."""
    assert headwater("sync", "show", text, "--json").json["id"] == uuid(2)


def test_a_name_of_nothing_and_a_name_of_several(headwater: Headwater, world: World) -> None:
    """Says what there is; asks for the id."""
    missing = headwater("sync", "show", "Third")
    assert missing.code == Exit.NOT_FOUND
    assert "First, Second" in missing.err
    world.families["syncs"].append(sync(3, "First"))
    several = headwater("sync", "show", "First")
    assert several.code == Exit.USAGE
    assert uuid(3) in several.err
    assert headwater("sync", "show", uuid(9)).code == Exit.NOT_FOUND


# --- exit codes -------------------------------------------------------------------------------------


def test_a_wrong_key_is_told(headwater: Headwater, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 6, with what to do."""
    monkeypatch.setenv("HEADWATER_API_KEY", "hw_bad")
    found = headwater("sync", "list")
    assert found.code == Exit.KEY
    assert "Error: This API key is not known.\nFix: Do better.\n" in found.err
    assert "Traceback" not in found.err
    assert found.out == ""


def test_no_server_is_told(headwater: Headwater, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 5, with what to do."""
    monkeypatch.setenv("HEADWATER_URL", "http://127.0.0.1:1")
    found = headwater("records")
    assert found.code == Exit.UNREACHABLE
    assert "headwater serve" in found.err


def test_a_refused_request_names_its_fields(headwater: Headwater, world: World) -> None:
    """Exit code 4."""
    errors = [{"field": "rate_share", "detail": "Must be at most 1."}]
    problem = {
        "status": 422,
        "code": "request.invalid",
        "detail": "No.",
        "fix": "Correct it.",
        "errors": errors,
    }
    world.answers["/v1/syncs"] = [(422, problem)]
    found = headwater("sync", "create", "acme", "--credential", uuid(100), "--rate-share", "2")
    assert found.code == Exit.REFUSED
    assert "rate_share: Must be at most 1." in found.err


@pytest.mark.parametrize(
    ("status", "code"), [(400, 4), (403, 6), (404, 3), (409, 4), (410, 7), (429, 1), (500, 1), (503, 1)]
)
def test_every_refusal_has_its_exit_code(headwater: Headwater, world: World, status: int, code: int) -> None:
    """Also those that are not a problem document of ours."""
    world.answers["/v1/records"] = [(status, {"detail": "So it is."}), (status, "a proxy's page")]
    assert headwater("records").code == code
    assert headwater("records").code == code


def test_a_wrong_command_line(headwater: Headwater) -> None:
    """Exit code 2."""
    assert headwater("sync", "fly").code == Exit.USAGE
    assert headwater("records", "--limit", "0").code == Exit.USAGE
    assert headwater("key", "create", "--scope", "everything").code == Exit.USAGE


def test_the_version(headwater: Headwater) -> None:
    """Alone on its line."""
    assert headwater("--version").out.count(".") == 2


@pytest.mark.parametrize("arguments", [("records",), ("records", "--all"), ("events",)])
def test_what_no_encoding_writes_is_printed_as_its_escape(
    headwater: Headwater, world: World, arguments: tuple[str, ...]
) -> None:
    """A lone surrogate in an object: the JSON is the same object, a line of columns shows the escape."""
    data = {"id": "c1", "name": "Zoë \udfff", "raw": "\x00\x1b"}
    world.streams = {
        "records": [record(1, data=data, upstream_id="\ud800")],
        "events": [event(1, data=data, upstream_id="\ud800")],
    }
    found = headwater(*arguments, "--json")
    assert found.code == Exit.OK
    assert found.lines[0]["data"] == data
    plain = headwater(*arguments)
    assert plain.code == Exit.OK
    assert "\t\\ud800\t" in plain.out
    assert "\\udfff" in plain.out
    assert "\x1b" not in plain.out


# --- syncs ------------------------------------------------------------------------------------------


def test_a_sync_out_of_a_document_in_one_go(headwater: Headwater, world: World, tmp_path: Path) -> None:
    """The document is stored, the credential entered, the sync made."""
    (tmp_path / "crm.yaml").write_text(DOCUMENT)
    (tmp_path / "token").write_text("s3cret\n")
    found = headwater(
        "sync", "create", str(tmp_path / "crm.yaml"), "--set", f"token=@{tmp_path / 'token'}",
        "--config", "base_url=https://x.example", "--config", "depth:=3",
        "-c", "contact", "--name", "CRM", "--json",
    )  # fmt: skip
    assert found.code == Exit.OK
    assert sent(world, "PUT") == [DOCUMENT]
    credential, made = sent(world, "POST")
    assert credential == {"provider": "crm", "name": "CRM", "properties": {"token": "s3cret"}}
    assert made == {
        "provider": "crm",
        "credential_id": uuid(501),
        "name": "CRM",
        "collection_ids": ["crm:contact"],
        "config": {"base_url": "https://x.example", "depth": 3},
    }
    assert found.json["provider"] == "crm"
    assert "s3cret" not in found.out + found.err


def test_a_sync_with_a_credential_that_is_there(headwater: Headwater, world: World) -> None:
    """By its name; no other is entered."""
    second = headwater("sync", "create", "acme", "--credential", "Acme")
    assert second.code == Exit.REFUSED
    assert "--another" in second.err
    assert headwater("sync", "create", "acme", "--credential", "Acme", "--another").code == Exit.OK
    assert sent(world, "POST") == [{"provider": "acme", "credential_id": uuid(100)}]
    assert headwater("sync", "create", "acme", "--credential", "Acme", "--set", "a=b").code == Exit.USAGE


def test_waiting_until_a_sync_is_live(headwater: Headwater, world: World) -> None:
    """Each state that a collection comes to is a line."""
    looks = [sync(502, "Acme", state) for state in ("pending", "backfilling", "backfilling", "live")]
    world.answers[f"/v1/syncs/{uuid(502)}"] = [(200, look) for look in looks]
    found = headwater("sync", "create", "acme", "--credential", "Acme", "--another", "--wait")
    assert found.code == Exit.OK
    assert [line.split("\t")[1] for line in found.out.splitlines()] == ["pending", "backfilling", "live"]


def test_waiting_for_a_sync_that_stands_still(headwater: Headwater, world: World) -> None:
    """Ends with what its health says, and not never."""
    revoked = health("error", "The token was revoked.")
    world.families["syncs"] = [sync(1, "First", "backfilling", health=revoked)]
    found = headwater("sync", "watch", "First", "--until-live")
    assert found.code == Exit.FAILED
    assert "The token was revoked." in found.err
    world.families["syncs"] = [sync(1, "First", "paused", status="paused")]
    assert "headwater sync resume" in headwater("sync", "watch", "First", "--until-live", "--json").err


def test_orders_to_a_sync(headwater: Headwater, world: World) -> None:
    """Each is one request."""
    for order in (("pause",), ("resume",), ("check",), ("backfill", "-c", "contact"), ("backfill",)):
        assert headwater("sync", order[0], "First", *order[1:]).code == Exit.OK
    assert headwater("sync", "sweep", "First", "-c", "contact", "--confirm").code == Exit.OK
    assert headwater("sync", "delete", "First", "--records", "--yes").code == Exit.OK
    asked = [(verb, path, body) for verb, path, body in world.requests if verb != "GET"]
    one = f"/v1/syncs/{uuid(1)}"
    assert asked == [
        ("PATCH", one, {"status": "paused"}),
        ("PATCH", one, {"status": "active"}),
        ("POST", f"{one}/check", None),
        ("POST", f"{one}/backfills", {"collection_ids": ["acme:contact"]}),
        ("POST", f"{one}/backfills", {}),
        ("POST", f"{one}/sweeps", {"collection_id": "acme:contact", "confirm": True}),
        ("DELETE", f"{one}?records=delete", None),
    ]


def test_records_of_a_sync_that_is_gone_are_deleted_by_its_id(headwater: Headwater, world: World) -> None:
    """Removing it without them says how; a name, or nothing left, is not found."""
    kept = headwater("sync", "delete", "First", "--yes")
    assert f"headwater sync delete {uuid(1)} --records" in kept.err
    gone = {"status": 404, "code": "sync.not_found", "detail": "There is no such sync."}
    world.answers[f"/v1/syncs/{uuid(1)}"] = [(404, gone), (204, None), (404, gone), (404, gone)]
    assert headwater("sync", "delete", uuid(1), "--records", "--yes").code == Exit.OK
    assert ("DELETE", f"/v1/syncs/{uuid(1)}?records=delete", None) in world.requests
    assert headwater("sync", "delete", uuid(1), "--records", "--yes").code == Exit.NOT_FOUND
    assert headwater("sync", "delete", uuid(1), "--yes").code == Exit.NOT_FOUND
    assert headwater("sync", "delete", "First", "--records", "--yes").code == Exit.NOT_FOUND


def test_nothing_is_deleted_unasked(
    headwater: Headwater, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody can answer, nothing happens."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for command in (
        ("sync", "delete", "First"),
        ("credential", "delete", "Acme"),
        ("key", "revoke", "warehouse"),
    ):
        found = headwater(*command)
        assert found.code == Exit.FAILED
        assert "--yes" in found.err
    assert sent(world, "DELETE") == []


# --- credentials, keys, providers -------------------------------------------------------------------


def test_a_credential_that_is_refused_says_so(headwater: Headwater, world: World) -> None:
    """The check exits with 1."""
    refused = credential(100, "Acme", health=health("error", "The API answers 401."))
    world.families["credentials"] = [refused]
    found = headwater("credential", "check", "Acme")
    assert found.code == Exit.FAILED
    assert "The API answers 401." in found.err
    world.families["credentials"] = [credential(100, "Acme")]
    assert headwater("credential", "check", "Acme").out == "Acme works.\n"


def test_secrets_stay_masked(headwater: Headwater) -> None:
    """What the server masks is what is shown."""
    assert "token\t********" in headwater("credential", "show", "Acme").out


def test_a_new_key_stands_alone_on_stdout(headwater: Headwater, world: World) -> None:
    """So that a script can take it: KEY=$(headwater key create --scope read)."""
    found = headwater("key", "create", "--scope", "read", "--scope", "write", "--name", "etl")
    assert found.out == "hw_abcdefghi\n"
    assert sent(world, "POST") == [{"name": "etl", "scopes": ["read", "write"]}]
    assert headwater("key", "revoke", "hw_abc", "--yes").code == Exit.OK


def test_a_document_is_stored_as_it_was_written(headwater: Headwater, world: World, tmp_path: Path) -> None:
    """Its lines are what the server's errors name."""
    (tmp_path / "crm.yaml").write_text(f"# mine\n{DOCUMENT}")
    assert headwater("providers", "put", str(tmp_path / "crm.yaml")).out == "Stored crm, version 1.\n"
    assert sent(world, "PUT") == [f"# mine\n{DOCUMENT}"]
    assert "--set token=…" in headwater("providers", "show", "acme").out
    assert headwater("providers", "delete", "crm", "--yes").code == Exit.OK


# --- streams ----------------------------------------------------------------------------------------


def test_records_as_lines_of_json_with_the_cursor_last(headwater: Headwater, world: World) -> None:
    """As in the API's own lines, so that a script can go on later."""
    found = headwater("records", "--limit", "3", "--json")
    assert found.lines == [*world.streams["records"][:3], {"cursor": "3", "has_more": True}]
    rest = headwater("records", "--cursor", "3", "--json")
    assert rest.lines == [*world.streams["records"][3:], {"cursor": "5", "has_more": False}]


def test_everything_up_to_the_end(headwater: Headwater, world: World) -> None:
    """An answer without its last line is no answer (P11)."""
    found = headwater("events", "--all", "--json")
    assert found.lines == [*world.streams["events"], {"cursor": "5", "has_more": False}]
    world.whole = False
    broken = headwater("events", "--all", "--json")
    assert broken.code == Exit.UNREACHABLE
    assert "broke off" in broken.err


def test_filters_are_asked_of_the_server(headwater: Headwater, world: World) -> None:
    """A sync may be given by its name; a filter may be given several times."""
    headwater(
        "events", "--sync", "Second", "-c", "acme:contact", "-c", "acme:deal",
        "--id", "a/b", "--event", "deleted", "--provider", "acme",
    )  # fmt: skip
    asked = world.requests[-1][1]
    assert asked == (
        f"/v1/events?provider=acme&sync_id={uuid(2)}&collection_id=acme%3Acontact&collection_id=acme%3Adeal"
        "&upstream_id=a%2Fb&event=deleted&limit=20"
    )
    headwater("records", "--present")
    assert "deleted=false" in world.requests[-1][1]


def test_lines_for_other_programs(headwater: Headwater, world: World) -> None:
    """Time, what happened, collection, id, what changed; brackets and tabs in data do no harm."""
    updated = event(9, "updated", previous_data={"name": "before\tit"})
    world.streams["events"] = [updated]
    found = headwater("events")
    assert found.out == f'{NOW}\tupdated\tacme:contact\tc9\t{{"name": ["before\\tit", "Zoë [Łukasz]"]}}\n'


def test_following_goes_on_where_it_broke_off(headwater: Headwater, world: World) -> None:
    """The last id, a heartbeat's too, is what the server is asked to go on after."""
    first = 'retry: 2000\n: heartbeat\nid: 7\n\nid: 8\nevent: created\ndata: {"upstream_id": "a", "n": 1}\n\n'
    second = 'id: 9\nevent: updated\ndata: {"upstream_id":\ndata: "b"}\n\n'
    world.tails = [first.encode(), b": heartbeat\nid: 8\n\n", second.encode()]
    found = headwater("events", "--follow", "--json")
    assert found.lines == [{"upstream_id": "a", "n": 1}, {"upstream_id": "b"}]
    assert found.code == Exit.KEY  # the fake's tails are over, and it refuses another


def test_following_tells_of_a_gap(headwater: Headwater, world: World) -> None:
    """Falling behind the retention ends it with 7 (P11)."""
    problem = '{"status": 410, "code": "cursor.expired", "detail": "Too late.", "fix": "Start over."}'
    world.tails = [f"event: error\ndata: {problem}\n\n".encode()]
    found = headwater("events", "--follow", "--cursor", "1")
    assert found.code == Exit.GAP
    assert "Too late." in found.err


def test_a_credential_that_cannot_be_tried_is_not_said_to_work(headwater: Headwater, world: World) -> None:
    """Exit code 4 and why, not 0."""
    found = credential(100, "Acme")
    found["health"]["notes"] = [{"code": "credential.not_checked", "text": "It has no check.", "about": ""}]
    world.families["credentials"] = [found]
    outcome = headwater("credential", "check", "Acme")
    assert outcome.code == Exit.REFUSED
    assert "works" not in outcome.out
    assert "It has no check." in outcome.err
    assert headwater("credential", "check", "Acme", "--json").code == Exit.REFUSED


def test_a_check_without_an_answer_has_not_worked(headwater: Headwater, world: World) -> None:
    """A warning, too, is no success for a script."""
    world.families["credentials"] = [credential(100, "Acme", health=health("warn", "No answer."))]
    assert headwater("credential", "check", "Acme").code == Exit.FAILED


def test_a_credential_gets_a_new_secret(headwater: Headwater, world: World, tmp_path: Path) -> None:
    """Only what is named is sent; the secret may come out of a file."""
    (tmp_path / "token").write_text("n3w\n")
    found = headwater("credential", "update", "Acme", "--set", f"token=@{tmp_path / 'token'}", "--name", "A")
    assert found.code == Exit.OK
    assert sent(world, "PATCH") == [{"properties": {"token": "n3w"}, "name": "A"}]
    assert "n3w" not in found.out + found.err
    assert headwater("credential", "update", "A", "--metadata", "team=x", "--json").json["name"] == "A"
    assert headwater("credential", "update", "A").code == Exit.USAGE
