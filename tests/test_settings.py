from datetime import timedelta
from pathlib import Path

import pytest

from headwater import settings
from headwater.errors import Halt
from headwater.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set but the home."""
    import os

    for name in [name for name in os.environ if name.startswith("HEADWATER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path))


def test_the_defaults_work_on_one_machine(tmp_path: Path) -> None:
    """One file in the home, this machine only, a week of events."""
    chosen = Settings.load()
    assert chosen.database.reveal() == f"sqlite:///{tmp_path}/headwater.db"
    assert (chosen.host, chosen.port) == ("127.0.0.1", 8080)
    assert chosen.event_retention == timedelta(days=7)
    assert chosen.secret_key_file == tmp_path / "secret.key"
    assert chosen.api_key_file == tmp_path / "api.key"
    assert chosen.keys == []


def test_without_a_home_it_is_the_platforms_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On Linux below XDG_DATA_HOME."""
    monkeypatch.delenv("HEADWATER_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Settings.load().home == tmp_path / "headwater"


def test_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the forms that people write."""
    for name, value in {
        "HOME": "~/elsewhere",
        "EVENT_RETENTION": "36h",
        "LEASE_TIME": "PT30S",
        "METRICS_OPEN": "true",
        "URL": "https://sync.example/",
        "SECRET_KEYS": "one, two,",
        "PARTITIONS": "4",
    }.items():
        monkeypatch.setenv(f"HEADWATER_{name}", value)
    monkeypatch.setenv("HOME", "/home/somebody")
    chosen = Settings.load()
    assert chosen.home == Path("/home/somebody/elsewhere")
    assert chosen.event_retention == timedelta(hours=36)
    assert chosen.lease_time == timedelta(seconds=30)
    assert chosen.metrics_open
    assert chosen.server_url == "https://sync.example"
    assert chosen.keys == ["one", "two"]
    assert chosen.partitions == 4


def test_what_is_given_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option of the command line overrides the environment."""
    monkeypatch.setenv("HEADWATER_PORT", "1")
    assert Settings.load(port=2).port == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "secret-4711"),
        ("PORT", "70000"),
        ("EVENT_RETENTION", "secret-4711"),
        ("EVENT_RETENTION", "1s"),
        ("LEASE_TIME", "1h"),
        ("LOG_LEVEL", "secret-4711"),
        ("CREATED_EVENT_NAME", "secret-4711"),
        ("URL", "ftp://secret-4711"),
        ("METRICS_OPEN", "secret-4711"),
        ("PARTITIONS", "0"),
    ],
)
def test_a_wrong_value_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """But not repeated: it may be a secret in the wrong place (P8)."""
    monkeypatch.setenv(f"HEADWATER_{name}", value)
    with pytest.raises(Halt) as caught:
        Settings.load()
    assert caught.value.error_code == "settings.invalid"
    assert f"HEADWATER_{name}" in caught.value.message
    assert "secret-4711" not in caught.value.message
    assert caught.value.fix


def test_all_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody likes to correct one after the other."""
    monkeypatch.setenv("HEADWATER_PORT", "x")
    monkeypatch.setenv("HEADWATER_LEASE_TIME", "x")
    with pytest.raises(Halt, match=r"HEADWATER_PORT.*HEADWATER_LEASE_TIME"):
        Settings.load()


def test_every_setting_is_explained_and_no_secret_is_shown() -> None:
    """As `headwater settings` prints them (P8)."""
    chosen = Settings.load(
        database_url="postgresql://user:pass-4711@host/name", secret_keys="key-4711", api_key="api-4711"
    )
    shown = {one.name: one for one in chosen.shown()}
    assert set(shown) == set(Settings.model_fields)
    assert all(one.description and one.variable == f"HEADWATER_{one.name.upper()}" for one in shown.values())
    assert shown["database_url"].value == "postgresql://user:***@host/name"
    assert shown["event_retention"].value == "7d"
    assert {name for name, one in shown.items() if one.chosen} == {
        "home",
        "database_url",
        "secret_keys",
        "api_key",
    }
    assert "4711" not in str(shown) + repr(chosen) + str(chosen) + chosen.model_dump_json()


def test_a_mistyped_variable_is_noticed() -> None:
    """It names the one that was meant, where one is near."""
    environment = {"HEADWATER_DATABSE_URL": "", "HEADWATER_QQQQ": "", "HEADWATER_PORT": "", "HOME": ""}
    near, far = settings.unknown(environment)
    assert "HEADWATER_DATABASE_URL?" in near
    assert near.startswith("HEADWATER_DATABSE_URL ")
    assert far.startswith("HEADWATER_QQQQ ")
    assert "Did you mean" not in far


def test_a_mistyped_variable_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is warned of, not refused: other programs may use the prefix."""
    monkeypatch.setenv("HEADWATER_QQQQ", "1")
    assert Settings.load().port == 8080
