import psycopg
import pytest


def test_a_database_is_fresh_and_durable(postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        row = connection.execute(
            "SELECT current_setting('fsync'), current_setting('listen_addresses')"
        ).fetchone()
    assert row == ("on", "127.0.0.1")


def test_another_test_sees_nothing_of_it(postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == []


def test_a_test_that_asks_for_it_is_marked(request: pytest.FixtureRequest, postgres_url: str) -> None:
    assert postgres_url.startswith("postgresql://")
    assert request.node.get_closest_marker("server")
