from pathlib import Path

import pytest

from headwater.store.location import Location


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:p%40ss@host:5433/name", "postgresql://user:***@host:5433/name"),
        ("postgres://user:p%40ss@host/name", "postgresql://user:***@host/name"),
        ("postgresql+psycopg://user:p%40ss@host/name", "postgresql://user:***@host/name"),
        (
            "postgresql://host/name?user=user&password=p%40ss&sslmode=require",
            "postgresql://host/name?sslmode=require&user=user",
        ),
        ("postgresql:///name?host=/run/socket", "postgresql:///name?host=%2Frun%2Fsocket"),
    ],
)
def test_postgresql_in_its_forms(url: str, shown: str) -> None:
    """What is shown has no password (P8), what the driver gets has it."""
    location = Location.parse(url)
    assert location.dialect == "postgresql"
    assert location.path is None
    assert sorted(location.shown) == sorted(shown)
    assert "p%40ss" not in location.shown + repr(location)
    assert "p@ss" not in location.shown + repr(location)
    assert location.url.startswith("postgresql://")
    assert ("p%40ss" in location.url) == ("p%40ss" in url)
    assert location.engine_url.drivername == "postgresql+psycopg"


def test_sqlite_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Absolute, relative, in the home, and with characters that URLs know."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    for url, path in {
        "sqlite:////srv/data.db": "/srv/data.db",
        "sqlite:///data.db": f"{tmp_path}/data.db",
        "sqlite:///~/data.db": "/home/somebody/data.db",
        "sqlite:////srv/with space/100%.db": "/srv/with space/100%.db",
    }.items():
        location = Location.parse(url)
        assert location.dialect == "sqlite"
        assert location.path == Path(path)
        assert location.shown == f"sqlite:///{path}"
