import psycopg
import pytest
from tests.plugins.servers import Server


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


def test_a_killed_server_comes_back_with_what_it_acknowledged(killable_postgres: Server) -> None:
    with psycopg.connect(killable_postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    connection = psycopg.connect(killable_postgres.url)
    killable_postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    killable_postgres.start()
    with psycopg.connect(killable_postgres.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


def test_the_server_with_tls_is_who_it_says(postgres_tls: str) -> None:
    with psycopg.connect(postgres_tls) as connection:
        row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert row == (True,)
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        psycopg.connect(f"{postgres_tls.partition('?')[0]}?sslmode=verify-full&sslrootcert=system")
