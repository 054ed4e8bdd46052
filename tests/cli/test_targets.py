"""`headwater target`: what it sends, what it prints, how it ends."""

import io
from pathlib import Path

import pytest
from tests.cli.conftest import Headwater
from tests.cli.fake_server import World, health, target, uuid

from headwater.cli.failures import Exit

KINDS = [
    {
        "kind": name,
        "title": name.title(),
        "summary": "Keeps things.",
        "guarantee": "at least once",
        "streams": ["events", "records"],
        "schemes": [name],
        "settings": {
            "properties": {
                "url": {"description": "Where it is."},
                "shelf": {"default": "a", "description": "First part."},
            },
            "required": ["url"],
        },
        "secret": ["url"],
        "installed": name == "depot",
        "install": f"pip install 'headwater[{name}]'",
    }
    for name in ("depot", "ledger")
]


def sent(world: World, method: str) -> list[object]:
    return [body for verb, _, body in world.requests if verb == method]


def test_the_kinds(headwater: Headwater, world: World) -> None:
    """As JSON the answer itself; one of them with its settings."""
    world.families["target-kinds"] = list(KINDS)
    assert headwater("target", "kinds", "--json").json == KINDS
    assert headwater("target", "kinds", "ledger", "--json").json == KINDS[1]
    lines = headwater("target", "kinds").out.splitlines()
    assert lines[0] == "depot\tKeeps things.\tat least once\tevents, records\tdepot://\tthere"
    assert lines[1].endswith("pip install 'headwater[ledger]'")
    one = headwater("target", "kinds", "depot").out
    assert "url\t(must be given)\tWhere it is.\n" in one
    assert "shelf\ta\tFirst part.\n" in one
    assert headwater("target", "kinds", "attic").code == Exit.NOT_FOUND


def test_a_target_of_a_kind_or_a_url(
    headwater: Headwater, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets from files and variables; what was not given is left to the server."""
    secret = tmp_path / "url"
    secret.write_text("depot://u:pw@host\n")
    monkeypatch.setenv("DEPOT", "depot://env")
    assert headwater("target", "create", "depot", "--set", f"url=@{secret}", "--set", "level:=3").code == 0
    headwater("target", "create", "depot://host", "--name", "D", "--external-id", "o", "--metadata", "a=b")
    headwater("target", "create", "env:DEPOT")
    headwater("target", "create", f"@{secret}")
    assert sent(world, "POST") == [
        {"kind": "depot", "settings": {"url": "depot://u:pw@host", "level": 3}},
        {"url": "depot://host", "name": "D", "external_id": "o", "metadata": {"a": "b"}},
        {"url": "depot://env"},
        {"url": "depot://u:pw@host"},
    ]


def test_a_target_that_cannot_be_reached_says_why(headwater: Headwater, world: World) -> None:
    """It is kept: exit code 0, with the note; a check of it fails."""
    ill = target(302, "Ill", health=health("error", "Refused. Give another password."))
    world.answers["/v1/targets"] = [(201, ill)]
    made = headwater("target", "create", "depot://host")
    assert (made.code, "Give another password." in made.err) == (0, True)
    world.answers[f"/v1/targets/{uuid(300)}/check"] = [(200, ill), (200, ill)]
    checked = headwater("target", "check", "Warehouse")
    assert (checked.code, "Refused." in checked.err) == (Exit.FAILED, True)
    assert headwater("target", "check", "Warehouse", "--json").json == ill
    assert headwater("target", "check", "Warehouse").out == "Warehouse can be written.\n"


def test_showing_changing_and_forgetting(
    headwater: Headwater, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, external id or the beginning of an id."""
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody is there to be asked
    assert headwater("target", "show", "org_42", "--json").json["name"] == "Queue"
    assert "url\t********\n" in headwater("target", "show", "Warehouse").out
    headwater("target", "update", "Warehouse", "--set", "shelf:=null", "--name", "New")
    assert sent(world, "PATCH") == [{"name": "New", "settings": {"shelf": None}}]
    assert headwater("target", "update", "Queue").code == Exit.USAGE
    assert headwater("target", "delete", "Queue").code == Exit.FAILED
    assert headwater("target", "delete", "Queue", "--yes").code == 0
    assert headwater("target", "show", "Queue").code == Exit.NOT_FOUND


def test_a_list_by_kind(headwater: Headwater, world: World) -> None:
    """The server narrows it."""
    headwater("target", "list", "--kind", "depot", "--external-id", "o")
    assert "/v1/targets?limit=100&kind=depot&external_id=o" in [path for _, path, _ in world.requests]


def test_how_a_target_is_prepared(headwater: Headwater, world: World) -> None:
    """The text alone on stdout, so that it can be piped to where it belongs."""
    answers = [{"setup": "CREATE TABLE a;\nCREATE TABLE b;"}, {"setup": "CREATE TABLE a;"}, {"setup": None}]
    world.answers[f"/v1/targets/{uuid(300)}/setup"] = [(200, one) for one in answers]
    assert headwater("target", "setup", "Warehouse").out == "CREATE TABLE a;\nCREATE TABLE b;\n"
    assert headwater("target", "setup", "Warehouse", "--json").json == {"setup": "CREATE TABLE a;"}
    nothing = headwater("target", "setup", "Warehouse")
    assert (nothing.out, "Nothing has to be prepared" in nothing.err) == ("", True)
