"""The parts of the PostgreSQL target that need no server."""

import json
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.errors import Halt, Retry
from headwater.model.position import Stream
from headwater.model.secret import Secret
from headwater.targets.postgres import PostgresSettings, setup
from headwater.targets.postgres.columns import Columns, may_be_a_column, members, type_of, wider
from headwater.targets.postgres.failures import failure, is_about_an_item, mapped_errors
from headwater.targets.postgres.settings import LONGEST_NAME
from headwater.targets.postgres.tables import Layout, identifier, literal, quoted
from headwater.targets.postgres.text import held_json, held_text
from headwater.testing.target_rig import Author

URL = "postgresql://user:the-password@db.example:6432/app"


def settings(**options: Any) -> PostgresSettings:
    return PostgresSettings(**{"url": Secret(URL), **options})


# --- text ---------------------------------------------------------------------------------------------------

texts = st.text(st.characters(codec=None), max_size=8) | st.text('\\\0u0d8cD\ud800\udfff"', max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_json_is_held_with_everything_but_nul_and_half_pairs(value: Any) -> None:
    """However it is escaped; where there is neither, it is the very same text."""
    raw = json.dumps(value).encode()
    held = held_json(raw)
    assert json.loads(held) == replaced(json.loads(raw))
    assert (held is raw) == (json.loads(raw) == replaced(json.loads(raw)))


@given(texts)
def test_text_is_held_with_everything_but_nul_and_half_pairs(text: str) -> None:
    """In UTF-8."""
    assert held_text(text).decode() == replaced(text)


def test_an_escaped_backslash_is_no_escape() -> None:
    """`\\\\u0000` is a backslash and five letters."""
    assert held_json(rb'"\\u0000"') == rb'"\\u0000"'
    assert held_json(rb'"\\\u0000"') == rb'"\\\ufffd"'
    assert held_json(rb'"\ud83d\ude00\ud83d"') == rb'"\ud83d\ude00\ufffd"'


def replaced(value: Any) -> Any:
    match value:
        case str():
            return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)
        case list():
            return [replaced(one) for one in value]
        case dict():
            return {replaced(name): replaced(one) for name, one in value.items()}
        case _:
            return value


# --- names --------------------------------------------------------------------------------------------------


def test_names_are_quoted() -> None:
    """Nothing in a setting ends an identifier or a string."""
    assert quoted('a"; DROP') == '"a""; DROP"'
    assert literal("it's") == "'it''s'"


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_identifiers_fit_and_differ(name: str) -> None:
    """As long as PostgreSQL takes, and no longer; what was cut is told apart."""
    assert len(identifier(name).encode()) <= LONGEST_NAME
    assert identifier(name) != identifier(f"{name}x")


def test_the_statements_are_shown_as_they_are_run() -> None:
    """With the names of the settings, and for each layout the tables that it needs."""
    single = setup(settings(schema_name="sync ed", prefix="x_"))
    assert 'CREATE TABLE IF NOT EXISTS "sync ed"."x_records" (\n  "id" uuid PRIMARY KEY,' in single
    assert '"x_events"' in single
    assert '"x_tombstones"' not in single
    other = setup(settings(style="per_collection", deletes="hard"))
    assert '"public"."headwater_acme_contact"' in other
    assert '"headwater_records"' not in other
    assert '"headwater_tombstones"' in other


# --- columns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (True, "boolean"),
        (1, "bigint"),
        (2**63, "numeric"),
        (1.5, "numeric"),
        ("x", "text"),
        ("2024-11-10T18:39:00Z", "timestamp with time zone"),
        ("2024-11-10T18:39:00.070453+05:30", "timestamp with time zone"),
        ("2024-11-10", "text"),
        ("2024-13-10T18:39:00Z", "text"),
        ("2024-11-10T18:39:00", "text"),
        ("2024-11-10T18:39:60Z", "text"),
        ("0000-11-10T18:39:00Z", "text"),
        ([], "jsonb"),
        ({"a": 1}, "jsonb"),
    ],
)
def test_a_value_has_a_type(value: Any, type: str) -> None:
    """The narrowest that holds it."""
    assert type_of(value) == type


TYPES = st.sampled_from(["boolean", "bigint", "numeric", "text", "jsonb", "timestamp with time zone"])


@given(TYPES, TYPES, TYPES)
def test_widening_does_not_depend_on_the_order(a: str, b: str, c: str) -> None:
    """In whatever order values come, a column ends with one type."""
    assert wider(a, b) == wider(b, a)
    assert wider(wider(a, b), c) == wider(a, wider(b, c))
    assert wider(a, a) == a


def test_columns_follow_what_was_seen() -> None:
    """New ones are added, narrow ones get wider, others are left; one statement does it all."""
    author = Author(Stream.RECORDS)
    layout = Layout(settings(style="per_collection"))
    columns = Columns(layout.collection("acme:contact"), {"n": "bigint", "own": "uuid", "t": "text"})
    items = [
        author.created("a", b'{"n":1,"new":true,"own":"x","t":{},"null":null}'),
        author.created("b", b'{"n":1.5,"new":"yes","_hw_data":1,"ctid":2,"":3}'),
        author.created("c", b'[{"other":1}]'),
        author.created("d", b'{"huge":1e400}'),
    ]
    wanted = columns.wanted(items)
    assert wanted == {"n": "numeric", "new": "text", "huge": "numeric"}
    statement = columns.alteration(wanted)
    assert statement == (
        'ALTER TABLE "public"."headwater_acme_contact"'
        """ ALTER COLUMN "n" TYPE numeric USING ("_hw_data" ->> 'n')::numeric,"""
        ' ADD COLUMN IF NOT EXISTS "new" text, ADD COLUMN IF NOT EXISTS "huge" numeric'
    )
    assert Columns(columns.table, {**columns.present, **wanted}).wanted(items) == {}


def test_there_is_an_end_to_columns() -> None:
    """An API that makes up field names does not break the table."""
    author = Author(Stream.RECORDS)
    table = Layout(settings(style="per_collection")).collection("acme:contact")
    columns = Columns(table, {f"c{number}": "text" for number in range(299)})
    wanted = columns.wanted([author.created("a", b'{"x":1,"y":2,"c0":3}')])
    assert (columns.alteration(wanted) or "").count("ADD COLUMN") == 1
    assert (
        Columns(table, {f"c{number}": "text" for number in range(300)}).wanted(
            [author.created("a", b'{"x":1}')]
        )
        == {}
    )


def test_a_fields_name_is_its_columns_or_it_has_none() -> None:
    """Names that PostgreSQL or we need, and those it cannot hold, have no column."""
    assert may_be_a_column("Größe (m²)")
    for name in ("", "xmin", "_hw_id", "x" * 64, "ü" * 32):
        assert not may_be_a_column(name)


def test_what_postgresql_refuses_has_no_members() -> None:
    """It is PostgreSQL's to say so."""
    assert members(b'"text"') == {}
    assert members(b"[" * 100_000 + b"]" * 100_000) == {}
    assert set(members(b'{"\\u0000a":"\\ud800","n":' + b"9" * 5_000 + b"}")) == {"\ufffda", "n"}


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "mysql://user:the-password@host/db"}, "postgresql://"),
        ({"url": "postgresql://user:the-password@[host/db"}, "postgresql://"),
        ({"url": "the-password"}, "postgresql://"),
        ({"url": f"{URL}?sslkey=/etc/shadow"}, "sslkey"),
        ({"url": f"{URL}?sslrootcert=/etc/ca.pem"}, "root_certificate"),
        ({"url": f"{URL}?nonsense=1"}, "postgresql://"),
        ({"schema_name": ""}, "at least 1"),
        ({"schema_name": "a\0b"}, "printable"),
        ({"prefix": "x" * 40}, "31 bytes"),
        ({"client_certificate": "PEM"}, "belong together"),
        ({"style": "both"}, "single"),
        ({"timeout_seconds": 1}, "5"),
        ({"tables": "x"}, "not permitted"),
    ],
)
def test_p8_wrong_settings_are_refused_without_showing_them(options: dict[str, Any], said: str) -> None:
    """The sentence says what is wrong, not with which value."""
    with pytest.raises(ValidationError) as caught:
        settings(**options)
    errors = caught.value.errors(include_input=False, include_url=False)
    assert said in str(errors)
    assert "the-password" not in str(errors)


def test_p8_settings_show_where_and_not_how() -> None:
    """Host, port and database may be seen."""
    assert settings().where == "db.example:6432/app"
    assert "the-password" not in f"{settings()!r} {settings()} {settings().model_dump_json()}"


# --- errors -------------------------------------------------------------------------------------------------


def subclasses(of: type[psycopg.Error]) -> set[type[psycopg.Error]]:
    return {of} | {found for one in of.__subclasses__() for found in subclasses(one)}


@pytest.mark.parametrize("error", sorted(subclasses(psycopg.Error), key=lambda one: one.__name__))
def test_every_error_of_the_driver_is_one_of_ours(error: type[psycopg.Error]) -> None:
    """With a code and something to do, and without the server's text."""
    raised = error("the server's text")
    ours = failure(raised, "db.example:5432/app")
    assert isinstance(ours, Halt | Retry)
    assert ours.error_code.startswith("target.")
    assert ours.fix
    assert "the server's text" not in f"{ours} {ours.fix}"
    with pytest.raises(type(ours)), mapped_errors("db.example:5432/app"):
        raise raised


@pytest.mark.parametrize(
    ("state", "expected", "code"),
    [
        ("40001", Retry, "target.busy"),
        ("40P01", Retry, "target.busy"),
        ("55P03", Retry, "target.busy"),
        ("57014", Retry, "target.busy"),
        ("53300", Retry, "target.busy"),
        ("57P01", Retry, "target.unreachable"),
        ("57P03", Retry, "target.unreachable"),
        ("08006", Retry, "target.unreachable"),
        ("53100", Halt, "target.full"),
        ("28P01", Halt, "target.refused"),
        ("3D000", Halt, "target.missing"),
        ("42501", Halt, "target.forbidden"),
        ("25006", Halt, "target.forbidden"),
        ("42P01", Halt, "target.schema"),
        ("42703", Halt, "target.schema"),
        ("0A000", Halt, "target.schema"),
        ("XX001", Halt, "target.damaged"),
        ("99999", Halt, "target.failed"),
    ],
)
def test_states_mean_what_to_do(state: str, expected: type[Exception], code: str) -> None:
    """Waiting for what passes, a person for the rest."""
    error = psycopg.Error("text")
    error.sqlstate = state
    ours = failure(error, "here")
    assert (type(ours), ours.error_code) == (expected, code)
    assert not is_about_an_item(error)


@pytest.mark.parametrize("state", ["22P05", "22003", "23505", "23514", "23502", "44000", "54000", "P0001"])
def test_some_states_are_about_an_item(state: str) -> None:
    """A value or a row that does not go in, while others may."""
    error = psycopg.Error("text")
    error.sqlstate = state
    assert is_about_an_item(error)


def test_time_outs_are_waited_for() -> None:
    """The same batch may go in later."""
    with pytest.raises(Retry), mapped_errors("here"):
        raise TimeoutError
