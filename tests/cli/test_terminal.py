"""What people see on a terminal: heads, colours, bars, one line for each change."""

from datetime import UTC, datetime

import pytest
from rich.console import Console
from tests.cli.conftest import Headwater
from tests.cli.fake_server import NOW, World, credential, event, health, record, sync, uuid

from headwater.cli import progress, show
from headwater.cli.failures import Exit

GREEN, YELLOW, RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands believe that a person looks on."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_tables_have_heads_and_colours(headwater: Headwater) -> None:
    """Health at a glance."""
    found = headwater("sync", "list").out
    assert "HEALTH" in found
    assert f"{GREEN}ok" in found


def test_a_sync_with_trouble(headwater: Headwater, world: World) -> None:
    """Its notes are told below its facts."""
    broken = sync(1, "First", "failed", health=health("error", "The token was [revoked]."))
    world.families["syncs"] = [broken]
    found = headwater("sync", "show", "First")
    assert f"{RED}failed" in found.out
    assert "The token was [revoked]." in found.err


def test_events_are_told_in_a_line_each(headwater: Headwater, world: World) -> None:
    """What changed, from what to what; brackets in data are no markup."""
    world.streams["events"] = [
        event(1),
        event(2, "updated", previous_data={"name": None, "note": "x" * 100}),
        event(3, "deleted", data={"id": "c3", "first_name": "Ada", "last_name": "Ł", "title": "Dr"}),
    ]
    found = headwater("events")
    first, second, third = found.out.splitlines()
    assert f"{GREEN}created" in first
    assert "Zoë [Łukasz]" in first
    assert f"{YELLOW}updated" in second
    assert "name: – → Zoë [Łukasz], note: " + "x" * 59 + "… → –" in second
    assert f"{RED}deleted" in third
    assert third.endswith("Ada Ł")
    assert "--cursor 3" in found.err


ODD = "a \ud800 :smile: [red]x[/] \x1b[2J"
"""A lone surrogate, what Rich takes for an emoji and for markup, and what clears a terminal's screen."""


@pytest.mark.parametrize("stream", ["records", "events"])
def test_data_is_shown_literally(headwater: Headwater, world: World, stream: str) -> None:
    """Nothing in other people's objects crashes a listing, is drawn differently or moves the cursor."""
    made = record if stream == "records" else event
    world.streams[stream] = [made(1, data={"id": ODD, "name": ODD}, upstream_id="ids:a:[b]")]
    found = headwater(stream)
    assert found.code == Exit.OK
    assert "ids:a:[b]" in found.out
    assert r"a \ud800 :smile: [red]x[/] \x1b[2J" in found.out


def test_notes_and_errors_are_shown_literally(headwater: Headwater, world: World) -> None:
    """They may quote data."""
    notes = health("error", f"It said {ODD}.")
    world.families["credentials"] = [credential(100, ODD, health=notes)]
    assert r"It said a \ud800 :smile: [red]x[/] \x1b[2J." in headwater("credential", "show", uuid(100)).err
    assert r"a \ud800 :smile: [red]x[/]" in headwater("credential", "list").out
    world.families["syncs"] = [sync(1, "First", health=notes)]
    assert r"a \ud800 :smile: [red]x[/] \x1b[2J" in headwater("doctor").out


def test_records_are_told_in_a_line_each(headwater: Headwater, world: World) -> None:
    """Those that are gone, too."""
    world.streams["records"] = [record(1), record(2, deleted=True)]
    first, second = headwater("records").out.splitlines()
    assert "present" in first
    assert f"{RED}deleted" in second


def test_a_backfill_is_watched_until_it_is_over(headwater: Headwater, world: World) -> None:
    """With a bar, how fast it goes and how long it takes."""
    looks = [sync(1, "First", state) for state in ("backfilling", "live")]
    world.answers[f"/v1/syncs/{uuid(1)}"] = [(200, look) for look in looks]
    found = headwater("sync", "watch", "First", "--until-live")
    assert found.code == Exit.OK
    assert "━" in found.out
    assert "1,234" in found.out


def test_the_picture_of_a_backfill() -> None:
    """A bar where the total is known, a swinging one where it is not; none once it is live."""
    one = sync(1, "First", "backfilling")
    [collection] = one["collections"]
    console = Console(width=200, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(progress.picture(one))
    assert "2 s" in captured.get()
    assert progress.rate(collection).endswith("/s")
    collection["backfill"] |= {"started_at": None, "estimated_total": None}
    assert progress.rate(collection) == ""
    collection["state"] = "live"
    assert str(progress.bar(collection)) == ""
    assert progress.left(collection) == ""


def test_the_stream_of_a_sync_is_json(headwater: Headwater, world: World) -> None:
    """A line whenever something has changed, none otherwise."""
    looks = [sync(1, "First", state) for state in ("backfilling", "backfilling", "live")]
    world.answers[f"/v1/syncs/{uuid(1)}"] = [(200, look) for look in looks]
    found = headwater("sync", "watch", "First", "--until-live", "--json")
    assert found.lines == [looks[0], looks[2]]


def test_the_doctor_has_marks(headwater: Headwater, world: World) -> None:
    """A tick, a warning, a cross."""
    world.families["syncs"] = [sync(1, "First", health=health("warn", "It is slow."))]
    found = headwater("doctor")
    assert f"{GREEN}✓" in found.out
    assert f"{YELLOW}!" in found.out


def test_the_rest_of_the_credential_commands(headwater: Headwater, world: World) -> None:
    """Entered, shown, refused, forgotten."""
    assert "is kept" in headwater("credential", "create", "acme", "--set", "token=x", "--name", "Mine").out
    assert "--set token=…" in headwater("providers", "show", "acme").out
    assert headwater("providers", "show", "acme", "--json").json["name"] == "acme"
    assert headwater("credential", "create", "acme", "--set", "token=x", "--json").json["name"] == "Acme"
    world.families["credentials"] = [credential(100, "Acme")]
    assert headwater("credential", "show", "Acme", "--json").json == credential(100, "Acme")
    assert headwater("credential", "check", "Acme", "--json").json == credential(100, "Acme")
    assert "Forgot Acme" in headwater("credential", "delete", "Acme", "-y").out
    assert headwater("key", "create", "--scope", "admin", "--json").json["scopes"] == ["admin"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (0.25, "250 ms"), (1, "1 s"), (59, "59 s"), (90, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_durations_are_told_in_their_largest_unit(seconds: float | None, said: str) -> None:
    """As people say them."""
    assert show.lasting(seconds) == said


def test_how_long_ago() -> None:
    """Never, now, or so long ago."""
    eight = datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert show.ago(None) == "never"
    assert show.ago(NOW, eight) == "now"
    assert show.ago("2026-11-24T07:00:00.000000Z", eight) == "1 h ago"
