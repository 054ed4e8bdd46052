"""The commands that work on this machine: settings, doctor, db; and which key goes where."""

import os
import sqlite3
from pathlib import Path

import pytest
from tests.cli.conftest import Headwater
from tests.cli.fake_server import World, health, sync

from headwater.cli.connection import client_for
from headwater.cli.failures import Exit
from headwater.settings import Settings
from headwater.store.vault import Vault


def test_settings_are_shown_with_where_they_come_from(
    headwater: Headwater, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets are masked, mistyped variables are told (P8)."""
    monkeypatch.setenv("HEADWATER_DATABASE_URL", "postgresql://me:s3cret@db.example/headwater")
    monkeypatch.setenv("HEADWATER_PROT", "1")
    found = headwater("settings", "--json")
    by_name = {one["name"]: one for one in found.json}
    assert by_name["database_url"]["value"] == "postgresql://me:***@db.example/headwater"
    assert by_name["database_url"]["source"] == "environment"
    assert by_name["port"]["source"] == "default"
    assert "HEADWATER_PORT?" in found.err
    for shown in (headwater("settings"), headwater("settings", "--explain"), found):
        assert "s3cret" not in shown.out
        assert "hw_good" not in shown.out


def test_a_wrong_setting_is_one_sentence(headwater: Headwater, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever command meets it."""
    monkeypatch.setenv("HEADWATER_PORT", "many")
    for command in (("settings",), ("records",), ("db", "path")):
        found = headwater(*command)
        assert found.code == Exit.FAILED
        assert "HEADWATER_PORT" in found.err
        assert "Traceback" not in found.err


def test_the_database_is_looked_at_made_and_brought_up_to_date(headwater: Headwater, tmp_path: Path) -> None:
    """Looking makes nothing."""
    file = tmp_path / "home" / "headwater.db"
    assert headwater("db", "path").out == f"{file}\n"
    assert headwater("db", "version").out == "none\n"
    assert not file.exists()
    assert headwater("db", "migrate").code == Exit.OK
    shown = headwater("db", "show", "--json").json
    assert shown["up_to_date"] is True
    assert shown["schema"] == shown["newest_schema"] == headwater("db", "version").out.strip()


def test_a_new_secret_key_is_printed_without_a_server(
    headwater: Headwater, world: World, tmp_path: Path
) -> None:
    """Alone on its line, a new one each time; nothing is made or asked."""
    found = {headwater("key", "secret").out for _ in range(2)}
    assert len(found) == 2
    for key in found:
        vault = Vault.with_keys([key.strip()])
        assert vault.open(vault.seal(b"token")) == b"token"
    assert not (tmp_path / "home").exists()
    assert world.requests == []


def test_a_healthy_installation(headwater: Headwater, tmp_path: Path) -> None:
    """Nothing to do, exit code 0."""
    headwater("db", "migrate")
    found = headwater("doctor")
    assert found.code == Exit.OK
    assert "2 syncs, none in trouble." in found.out
    assert all(one["status"] != "error" for one in headwater("doctor", "--json").json)


def test_trouble_is_named_with_what_to_do(
    headwater: Headwater, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that others can read, a sync that stands still."""
    headwater("db", "migrate")
    key = tmp_path / "home" / "secret.key"
    key.write_text("k")
    key.chmod(0o644)
    world.families["syncs"] = [sync(1, "First", health=health("error", "The token was revoked."))]
    found = headwater("doctor")
    assert found.code == Exit.FAILED
    assert f"chmod 600 {key}" in found.out
    assert "First: The token was revoked." in found.out
    monkeypatch.setenv("HEADWATER_URL", "http://127.0.0.1:1")
    assert "headwater serve" in headwater("doctor").out


def test_a_database_of_another_release_or_of_somebody_else(headwater: Headwater, tmp_path: Path) -> None:
    """Said, not touched."""
    headwater("db", "migrate")
    file = tmp_path / "home" / "headwater.db"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'older'")
    connection.close()
    assert "another release (older)" in headwater("doctor").out
    assert "newer Headwater" in headwater("db", "migrate").err
    file.write_bytes(b"this is no database at all, but a long enough text to be looked at" * 20)
    found = headwater("doctor")
    assert found.code == Exit.FAILED
    assert "Traceback" not in found.out + found.err


def test_the_key_of_this_machine_goes_to_this_machine_only(tmp_path: Path) -> None:
    """P8: another server gets a key only when it was meant for it."""
    (tmp_path / "api.key").write_text("hw_local\n")

    class Here(Settings):
        @property
        def api_key_file(self) -> Path:
            return tmp_path / "api.key"

    for name in [name for name in os.environ if name.startswith("HEADWATER_")]:
        del os.environ[name]
    assert client_for(Here.load(url="http://127.0.0.1:9")).key == "hw_local"
    assert client_for(Here.load(url="https://far.example")).key is None
    assert client_for(Here.load(url="https://far.example", home=tmp_path)).key == "hw_local"
    given = {"url": "https://far.example", "api_key": "hw_far"}
    assert client_for(Here.load(**given)).key == "hw_far"
