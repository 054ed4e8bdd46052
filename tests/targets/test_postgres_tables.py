"""What is in the tables of a PostgreSQL target, what it needs there, what it says when that is missing."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.plugins.servers import Server
from tests.targets.postgres_rig import PASSWORD, USER, PostgresRig, postgres_rig

from headwater.errors import Halt, LeaseLost, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.streams.render import Renderer
from headwater.targets.postgres import POSTGRES, PostgresSettings, connecting, setup
from headwater.targets.postgres.tables import Layout
from headwater.targets.postgres.target import MOST_REJECTED
from headwater.targets.target import Delivery
from headwater.testing.target_rig import SLOTS, Author, assert_holds, delivery, opened

pytestmark = pytest.mark.server

RECORDS, EVENTS = delivery(Stream.RECORDS), delivery(Stream.EVENTS)


@pytest.fixture
async def rig(target_postgres: Server) -> AsyncIterator[PostgresRig]:
    async with postgres_rig(target_postgres) as rig:
        assert isinstance(rig, PostgresRig)
        yield rig


async def halted(rig: PostgresRig, of: Delivery | None = RECORDS, **options: Any) -> Halt:
    """Return why it cannot be written to."""
    target = POSTGRES.make(rig.settings(**options), of)
    try:
        with pytest.raises(Halt) as caught:
            await target.check()
    finally:
        await target.close()
    return caught.value


# --- rights and tables --------------------------------------------------------------------------------------

DOCUMENTED = re.findall(
    r"```sql\n(.*?)```", (Path(__file__).parents[2] / "docs/targets/postgres.md").read_text(), re.DOTALL
)


@pytest.mark.parametrize("style", ["single", "per_collection"])
@pytest.mark.parametrize("deletes", ["soft", "hard"])
async def test_the_documented_rights_are_enough(target_postgres: Server, style: str, deletes: str) -> None:
    """A person creates the tables that are shown and grants what the docs say; Headwater creates nothing."""
    async with postgres_rig(target_postgres, style=style, deletes=deletes, create_tables=False) as rig:
        assert isinstance(rig, PostgresRig)
        [grants] = [text for text in DOCUMENTED if f"-- {style}, {deletes}" in text]
        rig.run(f"REVOKE ALL ON SCHEMA synced FROM {USER}")
        rig.run(setup(rig.settings()))
        if style == "per_collection":
            table = Layout(rig.settings()).collection("acme:odd__c")
            rig.run(table.ddl, f"ALTER TABLE {table.quoted} ADD COLUMN n bigint")
        rig.run(grants)
        for stream in Stream:
            author = Author(stream)
            items = [author.created(f"{at}", owned=SLOTS[at % 3]) for at in range(9)]
            items += [author.deleted("1"), author.updated("2")]
            async with opened(rig, delivery(stream, consumer=stream)) as writer:
                await writer.target.check()
                await writer.deliver(*items)
            await assert_holds(rig, stream, items)
        if style == "per_collection":
            kept = rig.query("SELECT count(n) AS filled, count(*) AS all FROM synced.headwater_acme_odd__c")
            assert kept == [{"filled": 3, "all": 3}]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        ("ALTER TABLE {records} DROP COLUMN deleted", "lacks the column deleted"),
        (
            "ALTER TABLE {records} ALTER COLUMN upstream_id TYPE varchar(9)",
            "has the type character varying(9)",
        ),
        ("ALTER TABLE {records} DROP CONSTRAINT headwater_records_pkey", "does not keep id unique"),
        (
            "TRUNCATE {records}; ALTER TABLE {records} ADD COLUMN tenant text NOT NULL",
            "wants a value for the column tenant",
        ),
        ("REVOKE UPDATE ON {records} FROM writer; REVOKE INSERT ON {positions} FROM writer", "may not write"),
        ("DROP TABLE {records}", "no table headwater_records"),
        ("REVOKE USAGE ON SCHEMA synced FROM writer", "may not write"),
        ("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC", "may not write"),
    ],
)
async def test_what_is_wrong_is_told_with_the_statement_that_mends_it(
    rig: PostgresRig, break_it: str, said: str
) -> None:
    """By a check, and by a write in the middle of its work; the statement is run, and all is well."""
    admins = setup(rig.settings())
    rig.run(admins, f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA synced TO {USER}")
    names = {name: f"synced.headwater_{name}" for name in ("records", "positions")}
    author = Author(Stream.RECORDS)
    async with opened(rig, RECORDS) as writer:
        await writer.deliver(author.created("before"))
        rig.run(*break_it.format(**names, database=rig.admin.rpartition("/")[2]).split("; "))
        errors = await mended(rig)
        assert said in errors[0].message
        assert {error.error_code for error in errors} <= {"target.schema", "target.forbidden"}
        rig.run("ALTER TABLE synced.headwater_records RENAME COLUMN provider TO vendor")
        with pytest.raises(Halt) as caught:
            await writer.write(author.created("meanwhile"))
        assert "lacks the column provider" in caught.value.message
        rig.run("ALTER TABLE synced.headwater_records RENAME COLUMN vendor TO provider")
        await writer.deliver(author.created("after"))


async def mended(rig: PostgresRig) -> list[Halt]:
    """Run what each check says, until it says nothing more. Return what it said."""
    errors: list[Halt] = []
    target = POSTGRES.make(rig.settings(create_tables=False), RECORDS)
    while len(errors) < 9:
        try:
            await target.check()
        except Halt as error:
            errors.append(error)
            statement = re.fullmatch(r"Run: (.*;)( Or .*)?", error.fix or "", re.DOTALL)
            assert statement is not None
            rig.run(statement[1])
        else:
            await target.close()
            return errors
    pytest.fail("mending has no end")


async def test_a_view_is_no_table(rig: PostgresRig) -> None:
    """It is left alone."""
    rig.run("CREATE VIEW synced.headwater_records AS SELECT 1 AS id")
    assert "is no table" in (await halted(rig)).message


async def test_a_server_that_only_reads_is_told_from_a_right(rig: PostgresRig) -> None:
    """As a standby, or a user who may not write at all."""
    rig.run(f"ALTER ROLE {USER} SET default_transaction_read_only = on")
    try:
        error = await halted(rig)
    finally:
        rig.run(f"ALTER ROLE {USER} RESET default_transaction_read_only")
    assert (error.error_code, "primary" in (error.fix or "")) == ("target.forbidden", True)


async def test_a_schema_is_created_by_who_may(rig: PostgresRig) -> None:
    """Else it is asked for."""
    error = await halted(rig, schema_name="new one")
    assert error.fix == f'Run: CREATE SCHEMA "new one" AUTHORIZATION "{USER}";'
    rig.run(f"GRANT CREATE ON DATABASE {rig.admin.rpartition('/')[2]} TO {USER}")
    target = POSTGRES.make(rig.settings(schema_name="new one"), RECORDS)
    await target.check()
    assert rig.query("SELECT FROM pg_namespace WHERE nspname = 'new one'") == []
    await target.position()  # type: ignore[attr-defined] # it is transactional
    await target.close()
    assert len(rig.query("SELECT FROM pg_namespace WHERE nspname = 'new one'")) == 1


async def test_many_processes_may_begin_at_once(rig: PostgresRig) -> None:
    """One of them creates the tables."""
    author = Author(Stream.RECORDS)
    items = [author.created(f"{number}") for number in range(6)]

    async def write(number: int) -> None:
        of = delivery(Stream.RECORDS, consumer=f"{number}")
        settings = rig.settings(style="per_collection")
        async with opened(rig, of, settings) as writer:
            await writer.deliver(items[number])

    await asyncio.gather(*(write(number) for number in range(6)))
    await assert_holds(rig, Stream.RECORDS, items)


# --- what is in them ----------------------------------------------------------------------------------------


async def test_what_jsonb_cannot_hold_is_there_as_text(rig: PostgresRig) -> None:
    """As the API sent it, beside an object that can be queried."""
    author = Author(Stream.EVENTS)
    odd, plain = b'{"a":"\\u0000","b":1.10}', b'{"a":"\\\\u0000"}'
    async with opened(rig, EVENTS) as writer:
        await writer.deliver(author.created("odd", odd), author.created("plain", plain))
    found = rig.query("SELECT upstream_id, data, data_text FROM synced.headwater_events ORDER BY updated_idx")
    assert found == [
        {"upstream_id": "odd", "data": '{"a": "\ufffd", "b": 1.10}'.encode(), "data_text": odd.decode()},
        {"upstream_id": "plain", "data": b'{"a": "\\\\u0000"}', "data_text": None},
    ]


async def test_the_word_for_a_new_record_is_that_of_the_event(rig: PostgresRig) -> None:
    """It is a setting of Headwater."""
    author = Author(Stream.EVENTS)
    author._renderer = Renderer("inserted")
    async with opened(rig, EVENTS) as writer:
        await writer.deliver(author.created("a"), author.updated("a"), author.deleted("a"))
    found = rig.query("SELECT event FROM synced.headwater_events ORDER BY updated_idx")
    assert [row["event"] for row in found] == ["inserted", "updated", "deleted"]


async def test_fields_have_columns_that_get_wider(target_postgres: Server) -> None:
    """Whatever came first, earlier rows show their own values; nothing is dropped."""
    async with postgres_rig(target_postgres, style="per_collection") as rig:
        assert isinstance(rig, PostgresRig)
        author = Author(Stream.RECORDS)
        async with opened(rig, RECORDS) as writer:
            await writer.deliver(
                author.created(
                    "1", b'{"id":7,"when":"2024-11-10T18:39:00+01:00","on":true,"tags":["a"],"x":null}'
                )
            )
            await writer.deliver(author.created("2", b'{"id":1.50,"when":"soon","on":false,"MixedCase":"y"}'))
        async with opened(rig, delivery(Stream.RECORDS, epoch=2)) as writer:
            await writer.deliver(
                author.created("3", b'{"id":"seven","on":null,"tags":"none","a b\\"c":12345678901234567890}'),
                author.updated("1", b'{"id":8}'),
            )
        types = rig.query(
            "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
            " WHERE table_name = 'headwater_acme_contact' AND column_name NOT LIKE '\\_hw\\_%' ORDER BY 1"
        )
        assert {row["name"]: row["type"] for row in types} == {
            "id": "text",
            "when": "text",
            "on": "boolean",
            "tags": "text",
            "MixedCase": "text",
            'a b"c': "numeric",
        }
        rows = rig.query(
            'SELECT id, "when", "on", tags, "MixedCase" FROM synced.headwater_acme_contact'
            " ORDER BY _hw_upstream_id"
        )
        assert [tuple(row.values()) for row in rows] == [
            ("8", None, None, None, None),
            ("1.50", "soon", False, None, "y"),
            ("seven", None, None, "none", None),
        ]


async def test_earlier_rows_get_their_own_value_when_a_column_gets_wider(target_postgres: Server) -> None:
    """From the raw object, so nothing depends on what the column could hold before."""
    async with postgres_rig(target_postgres, style="per_collection") as rig:
        assert isinstance(rig, PostgresRig)
        author = Author(Stream.RECORDS)
        async with opened(rig, RECORDS) as writer:
            await writer.deliver(author.created("1", b'{"v":"2024-11-10T18:39:00+01:00","w":[1,{"a":2}]}'))
            await writer.deliver(author.created("2", b'{"v":"later","w":3}'))
        rows = rig.query("SELECT v, w FROM synced.headwater_acme_contact ORDER BY _hw_upstream_id")
        assert [tuple(row.values()) for row in rows] == [
            ("2024-11-10T18:39:00+01:00", '[1, {"a": 2}]'),
            ("later", "3"),
        ]


async def test_two_consumers_may_widen_the_same_table(target_postgres: Server) -> None:
    """What one of them knows of the columns may be old; values are right all the same."""
    async with postgres_rig(target_postgres, style="per_collection") as rig:
        assert isinstance(rig, PostgresRig)
        author = Author(Stream.RECORDS)
        one, two = delivery(Stream.RECORDS, consumer="1"), delivery(Stream.RECORDS, consumer="2")
        async with opened(rig, one) as first, opened(rig, two) as second:
            await first.deliver(author.created("1", b'{"v":1,"t":"2024-11-10T18:39:00Z"}'))
            await second.deliver(author.created("2", b'{"v":"x","t":"y","new":1}'))
            await first.deliver(author.created("3", b'{"v":2,"t":"2024-11-10T18:39:01Z"}'))
            await first.deliver(author.created("4", b'{"new":"text now"}'))
        rows = rig.query("SELECT v, t, new FROM synced.headwater_acme_contact ORDER BY _hw_upstream_id")
        assert [tuple(row.values()) for row in rows] == [
            ("1", "2024-11-10T18:39:00Z", None),
            ("x", "y", "1"),
            ("2", "2024-11-10T18:39:01Z", None),
            (None, None, "text now"),
        ]


async def test_what_a_person_did_to_a_table_is_respected(target_postgres: Server) -> None:
    """Columns of other types, of no field, and those that fill themselves."""
    async with postgres_rig(target_postgres, style="per_collection") as rig:
        assert isinstance(rig, PostgresRig)
        table = Layout(rig.settings()).collection("acme:contact")
        rig.run(
            table.ddl,
            f"ALTER TABLE {table.quoted} ADD COLUMN day date, ADD COLUMN note text DEFAULT 'mine',"
            " ADD COLUMN twice bigint GENERATED ALWAYS AS (_hw_updated_idx * 2) STORED",
            f"ALTER TABLE {table.quoted} OWNER TO {USER}",
        )
        author = Author(Stream.RECORDS)
        async with opened(rig, RECORDS) as writer:
            rejected = await writer.deliver(
                author.created("1", b'{"day":"2024-02-29","twice":"no","_hw_deleted":"what?"}'),
                author.created("2", b'{"day":"2023-02-29"}'),
            )
        assert [item.entry.upstream_id for item in rejected] == ["2"]
        rows = rig.query(f"SELECT day::text, twice FROM {table.quoted}")
        assert rows == [{"day": "2024-02-29", "twice": 2}]


async def test_a_view_on_a_column_that_must_get_wider_is_told(target_postgres: Server) -> None:
    """PostgreSQL refuses that; a person has to drop the view for a moment."""
    async with postgres_rig(target_postgres, style="per_collection") as rig:
        assert isinstance(rig, PostgresRig)
        author = Author(Stream.RECORDS)
        async with opened(rig, RECORDS) as writer:
            await writer.deliver(author.created("1", b'{"v":1}'))
            rig.run("CREATE VIEW synced_view AS SELECT v FROM synced.headwater_acme_contact")
            wider = author.created("2", b'{"v":"x"}')
            with pytest.raises(Halt) as caught:
                await writer.write(wider)
            assert caught.value.error_code == "target.schema"
            assert "views" in (caught.value.fix or "")
            rig.run("DROP VIEW synced_view")
            await writer.deliver(wider)


async def test_columns_that_a_person_keeps_are_told_when_they_are_too_narrow(target_postgres: Server) -> None:
    """With the statement that makes room."""
    async with postgres_rig(target_postgres, style="per_collection") as rig:
        assert isinstance(rig, PostgresRig)
        table = Layout(rig.settings()).collection("acme:contact")
        rig.run(setup(rig.settings()), f"ALTER TABLE {table.quoted} ADD COLUMN v bigint")
        rig.run(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA synced TO {USER}")
        author = Author(Stream.RECORDS)
        items = [author.created("1", b'{"v":1,"other":2}'), author.created("2", b'{"v":"x"}')]
        async with opened(rig, RECORDS, rig.settings(create_tables=False)) as writer:
            with pytest.raises(Halt) as caught:
                await writer.write(*items)
            assert caught.value.fix is not None
            rig.run(caught.value.fix.removeprefix("Run: "))
            await writer.deliver(*items)
        assert rig.query(f"SELECT v FROM {table.quoted} ORDER BY 1") == [{"v": "1"}, {"v": "x"}]


# --- what goes wrong ----------------------------------------------------------------------------------------


def raising(state: str) -> str:
    """Return the statements that make the server raise an error for one id."""
    return f"""
CREATE FUNCTION raise_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.upstream_id = 'bad' THEN RAISE EXCEPTION 'words of %', NEW.data USING ERRCODE = '{state}'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER raises BEFORE INSERT ON synced.headwater_records FOR EACH ROW EXECUTE FUNCTION raise_it();"""


@pytest.mark.parametrize(
    ("state", "expected", "code"),
    [
        ("53100", Halt, "target.full"),
        ("40001", Retry, "target.busy"),
        ("40P01", Retry, "target.busy"),
        ("57P01", Retry, "target.unreachable"),
        ("XX001", Halt, "target.damaged"),
    ],
)
async def test_the_servers_own_trouble_is_nobodys_message(
    rig: PostgresRig, state: str, expected: type[Halt | Retry], code: str
) -> None:
    """Full disk, serialisation, deadlock, shutdown, damage: the whole batch waits, and goes in afterwards."""
    author = Author(Stream.RECORDS)
    items = [author.created("good"), author.created("bad")]
    async with opened(rig, RECORDS) as writer:
        rig.run(raising(state))
        with pytest.raises(expected) as caught:
            await writer.write(*items)
        assert caught.value.error_code == code
        await assert_holds(rig, Stream.RECORDS, [])
        rig.run("DROP TRIGGER raises ON synced.headwater_records")
        await writer.deliver(*items)
    await assert_holds(rig, Stream.RECORDS, items)


async def test_p8_what_a_trigger_or_a_constraint_refuses_is_one_message(rig: PostgresRig) -> None:
    """The reason names the constraint, never the values."""
    author = Author(Stream.RECORDS)
    items = [author.created(id) for id in ("a", "bad", "b", "long name")]
    async with opened(rig, RECORDS) as writer:
        rig.run(raising("P0001"))
        rig.run("ALTER TABLE synced.headwater_records ADD CONSTRAINT short CHECK (length(upstream_id) < 5)")
        written = await writer.write(*items)
        assert [(one.index, one.code) for one in written.rejected] == [
            (1, "target.item_refused"),
            (3, "target.item_refused"),
        ]
        assert written.rejected[0].reason == "PostgreSQL refuses it (SQLSTATE P0001)."
        assert "constraint short of headwater_records" in written.rejected[1].reason
        assert await writer.deliver(*items) == [items[1], items[3]]


async def test_what_only_cannot_be_there_together_is_found(rig: PostgresRig) -> None:
    """A person's own unique index: the later of two is refused."""
    author = Author(Stream.RECORDS)
    items = [
        author.created(id, b'{"email":"%b"}' % mail) for id, mail in (("a", b"x"), ("b", b"y"), ("c", b"x"))
    ]
    async with opened(rig, RECORDS) as writer:
        rig.run("CREATE UNIQUE INDEX ON synced.headwater_records ((data ->> 'email'))")
        rejected = await writer.deliver(*items)
    assert rejected == [items[2]]


async def test_a_deferred_constraint_is_found_too(rig: PostgresRig) -> None:
    """It would speak only at the end of the transaction."""
    author = Author(Stream.RECORDS)
    items = [author.created("a"), author.created("b")]
    async with opened(rig, RECORDS) as writer:
        rig.run(
            "CREATE TABLE known (id text PRIMARY KEY)",
            "INSERT INTO known VALUES ('a')",
            f"GRANT SELECT ON known TO {USER}",
            "ALTER TABLE synced.headwater_records ADD FOREIGN KEY (upstream_id) REFERENCES known"
            " DEFERRABLE INITIALLY DEFERRED",
        )
        assert await writer.deliver(*items) == [items[1]]


async def test_many_bad_messages_are_found_in_several_goes(rig: PostgresRig) -> None:
    """So that no write takes for ever."""
    author = Author(Stream.RECORDS)
    bad = [author.created(f"bad {number}", rig.refused) for number in range(MOST_REJECTED + 20)]
    good = [author.created(f"good {number}") for number in range(50)]
    async with opened(rig, RECORDS) as writer:
        written = await writer.write(*bad, *good)
        assert (written.count, len(written.rejected)) == (0, MOST_REJECTED)
        assert await writer.deliver(*bad, *good) == bad
    await assert_holds(rig, Stream.RECORDS, good)


async def test_a_row_that_others_lock_is_waited_for(
    rig: PostgresRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A while, then the whole batch."""
    monkeypatch.setattr(connecting, "LOCK_SECONDS", 1)
    author = Author(Stream.RECORDS)
    old, new = author.created("a"), author.updated("a")
    async with opened(rig, RECORDS) as writer:
        await writer.deliver(old)
        with psycopg.connect(rig.admin) as connection:
            connection.execute("UPDATE synced.headwater_records SET data = data")
            with pytest.raises(Retry) as caught:
                await writer.write(new)
        assert caught.value.error_code == "target.busy"
        await writer.deliver(new)


async def test_a_connection_that_was_ended_is_opened_anew(rig: PostgresRig) -> None:
    """By an administrator, or an idle time-out."""
    author = Author(Stream.RECORDS)
    items = [author.created("a"), author.created("b")]
    async with opened(rig, RECORDS) as writer:
        await writer.deliver(items[0])
        rig.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'writer'")
        with pytest.raises(Retry) as caught:
            await writer.write(items[1])
        assert caught.value.error_code == "target.unreachable"
        await writer.deliver(items[1])
    await assert_holds(rig, Stream.RECORDS, items)


async def test_a_server_that_hangs_is_not_waited_for_without_end(rig: PostgresRig) -> None:
    """It takes the connection, and says nothing."""
    author = Author(Stream.RECORDS)
    items = [author.created("a"), author.created("b")]
    settings = rig.settings().model_copy(update={"timeout_seconds": 1})
    async with opened(rig, RECORDS, settings) as writer:
        await writer.deliver(items[0])
        pids = [row["pid"] for row in rig.query("SELECT pid FROM pg_stat_activity WHERE usename = 'writer'")]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(Retry) as caught:
                await writer.write(items[1])
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert caught.value.error_code == "target.timeout"
        await writer.deliver(items[1])
    await assert_holds(rig, Stream.RECORDS, items)


async def test_a_position_that_was_taken_away_ends_the_lease(rig: PostgresRig) -> None:
    """Nothing is written without one; whoever takes over begins at the beginning."""
    author = Author(Stream.RECORDS)
    async with opened(rig, RECORDS) as writer:
        await writer.deliver(author.created("a"))
        rig.run("TRUNCATE synced.headwater_positions")
        with pytest.raises(LeaseLost):
            await writer.write(author.created("b"))


# --- the connection -----------------------------------------------------------------------------------------


def read(path: str) -> str:
    return Path(path).read_text()


async def test_the_servers_certificate_is_checked(
    postgres_tls: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the authority that was given as text; its file is gone once there is a connection."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    url, _, query = postgres_tls.partition("?")
    authority = read(query.rpartition("sslrootcert=")[2])

    async def check(**options: Any) -> None:
        target = POSTGRES.make(PostgresSettings(url=Secret(options.pop("url", url)), **options), RECORDS)
        try:
            await target.check()
        finally:
            await target.close()

    await check(root_certificate=authority)
    with monkeypatch.context() as machine:
        machine.setenv("SSL_CERT_FILE", query.rpartition("sslrootcert=")[2])
        await check(sslmode="verify-full")
        await check(url=f"{url}?sslmode=verify-ca")
        await check(url=f"{url}?sslrootcert=system")
    await check(root_certificate=authority, sslmode="verify-ca")
    await check(sslmode="require")
    await check(root_certificate=authority, url=url.replace("127.0.0.1", "localhost"))
    for wrong in (
        {"sslmode": "verify-full"},
        {"url": f"{url}?sslmode=verify-full"},
        {"url": f"{url}?sslrootcert=system"},
        {"root_certificate": authority.replace("M", "N")},
        {
            "root_certificate": authority,
            "client_certificate": "no PEM",
            "client_key": Secret("secret-key-text"),
        },
    ):
        with pytest.raises(Halt) as caught:
            await check(**wrong)
        assert caught.value.error_code == "target.certificate"
        assert "secret-key-text" not in f"{caught.value!r} {caught.value.fix}"
    assert os.listdir(tmp_path) == []


def test_the_url_of_the_command_line_becomes_settings() -> None:
    """`--to postgresql://…`."""
    made = POSTGRES.settings(**POSTGRES.from_url(f"postgresql://{USER}:{PASSWORD}@host/db"))
    assert isinstance(made, PostgresSettings)
    assert (made.where, made.style) == ("host:5432/db", "single")
