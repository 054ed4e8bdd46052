"""Documents: what they become, and their mistakes with the place of each."""

import copy
import json
import re
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.test_listing import api, pages

from headwater.errors import Halt, Invalid, Retry
from headwater.providers import paging, rest
from headwater.providers.catalogue import Catalogue
from headwater.providers.provider import Scope, Since
from headwater.providers.rest import declare
from headwater.providers.rest.places import Source

DOCUMENT = """\
name: acme
title: Acme
base_url: https://{config.shop}.acme.test/v2/
config:
  shop: {title: The shop}
  area: {default: eu/west}
headers: {Acme-Area: "{config.area}"}
auth: {kind: header, name: X-Key, prefix: "Key "}
check: {path: /me, account: account.name}
rate_limit: {requests: 50, seconds: 10, concurrent: 2}
defaults:
  items: data
  updated_at: changed
  times: s
  paging:
    kind: cursor
    take: next
    send: cursor
    size: {send: limit, count: 100}
collections:
  customer:
    path: /customers
    params: {archived: false, area: "{config.area}"}
    since: {send: since, order: ascending}
    deleted: {field: deleted}
    one: {path: "/customers/{id}", item: data}
    ids: {path: /customer_ids}
    overlap: 1m
    poll: {shortest: 5s, longest: 1m}
    sweep_every: 4h
    volatile: [avatar_url]
    fields_in: properties
  note:
    parent: customer
    path: /{config.area}/customers/{parent.id}/notes
    id_scope: parent
    items: ""
    paging: {kind: none}
    updated_at: {field: at, format: iso}
    conditional: page
    deleted:
      list: {path: "/customers/{parent.id}/deleted_notes", deleted_at: at, since: {send: since}}
"""


def acme() -> Any:
    return rest.provider(rest.parse(DOCUMENT), 3)


def test_a_document_becomes_a_provider() -> None:
    """Everything that it says is there."""
    provider = acme()
    assert (provider.name, provider.title, provider.version) == ("acme", "Acme", 3)
    [bucket] = provider.budget
    assert (bucket.allowed, bucket.per.total_seconds(), bucket.concurrent) == (50, 10, 2)
    [kind] = provider.credential_kinds
    assert (kind.name, kind.secret, kind.schema["required"]) == ("header", frozenset({"key"}), ["key"])
    customer, note = provider.collections
    assert customer.read_since
    assert customer.read_one
    assert customer.read_ids
    assert not customer.read_removed
    assert (customer.since_in_order, customer.sees_deletes, customer.reads_whole) == (True, True, False)
    assert (customer.overlap.seconds, customer.sweep_every.seconds) == (60, 4 * 3600)
    assert [wait.seconds for wait in customer.poll_every] == [5, 60]
    assert (customer.nested_fields, customer.volatile) == ("properties", {"avatar_url"})
    assert note.parent == "customer"
    assert note.read_removed
    assert (note.since_in_order, note.sees_deletes, note.reads_whole) == (False, True, True)


async def test_the_config_fills_the_addresses() -> None:
    """Host, headers, paths and parameters; a setting that has a default may be left out."""
    provider = acme().configured({"shop": "blue"})
    assert provider.base_url == "https://blue.acme.test/v2"
    assert provider.headers == {"Acme-Area": "eu/west"}
    customer, note = provider.collections
    door = api(b'{"data": []}', b"[]", b'{"data": [], "account": {"name": "Blue"}}')
    await pages(customer.read_all(door, None, None))
    await pages(note.read_all(door, Scope(id="c1", data=b'{"id": "c1"}'), None))
    assert [asked[:2] for asked in door.asked] == [
        ("/customers", {"archived": "false", "area": "eu/west", "limit": "100"}),
        ("/eu/west/customers/c1/notes", {}),
    ]
    assert await provider.check(door) == "Blue"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "config.shop"),
        ({"shop": True}, "config.shop"),
        ({"shop": "evil.test/"}, "config.shop"),
        ({"shop": "evil.test#"}, "config.shop"),
        ({"shop": "user@evil"}, "config.shop"),
    ],
)
def test_a_config_that_does_not_fit(config: dict[str, Any], field: str) -> None:
    """A value in the base URL cannot send the credential elsewhere."""
    with pytest.raises(Invalid) as caught:
        acme().configured(config)
    assert [place for place, _ in caught.value.errors] == [field]


async def test_times_are_asked_for_as_they_are_written() -> None:
    """`since` has the format of `updated_at`, that of the defaults here."""
    [customer, _] = acme().configured({"shop": "blue"}).collections
    door = api(b'{"data": [{"id": 1, "changed": 1700000000, "deleted": true}]}')
    [page] = await pages(customer.read_since(door, None, Since(updated_us=1_600_000_000_000_000), None))
    assert door.asked[0][1]["since"] == "1600000000"
    assert [(one.deleted, one.updated_us) for one in page.observed] == [(True, 1_700_000_000_000_000)]


def test_json_is_read_alike() -> None:
    """The same document in JSON, tabs and all, is the same document."""
    data = yaml.safe_load(DOCUMENT)
    for indent in (None, 2, "\t"):
        assert rest.parse(json.dumps(data, indent=indent)) == rest.parse(DOCUMENT)


def mistakes(text: str) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        rest.parse(text)
    assert caught.value.error_code == "provider.document_invalid"
    return caught.value.errors


@pytest.mark.parametrize(
    ("old", "new", "place", "what"),
    [
        ("name: acme", "name: Acme!", "name (line 1, column 1)", "snake_case"),
        ("name: acme", "nme: acme", "nme (line 1, column 1)", "did you mean name?"),
        ("    take: next\n", "", "defaults.paging.take (line 15, column 3)", "is missing"),
        (
            "    take: next",
            "    takes: next",
            "defaults.paging.takes (line 17, column 5)",
            "did you mean take?",
        ),
        ("kind: cursor", "kind: cursr", "defaults.paging (line 15, column 3)", "one of none, cursor"),
        ("take: next", "take: a..b", "defaults.paging.take (line 17, column 5)", "dotted path"),
        ("times: s", "times: secs", "defaults.times (line 14, column 3)", "one of iso"),
        ("requests: 50", "requests: many", "rate_limit.requests (line 10, column 14)", "not text"),
        ("requests: 50", "requests: 0", "rate_limit.requests (line 10, column 14)", "greater"),
        ("  customer:\n", "  Customer:\n", "collections.Customer (line 21, column 3)", "snake_case"),
        (
            "path: /customers\n",
            "path: customers\n",
            "collections.customer.path (line 22, column 5)",
            'with "/"',
        ),
        ("path: /customers\n", "path: /c?a=1\n", "collections.customer.path (line 22, column 5)", "params"),
        ("overlap: 1m", "overlap: soon", "collections.customer.overlap (line 28, column 5)", "duration"),
        ("overlap: 1m", "overlap: 60", "collections.customer.overlap (line 28, column 5)", "duration"),
        ("5s", "5m", "collections.customer.poll.shortest (line 29, column 12)", "longer than"),
        (
            "/customers/{id}",
            "/customers/{uid}",
            "collections.customer.one.path (line 26, column 11)",
            "{uid}",
        ),
        ("/customers/{id}", "/customers", "collections.customer.one.path (line 26, column 11)", "no {id}"),
        (
            "parent: customer",
            "parent: custmer",
            "collections.note.parent (line 34, column 5)",
            "mean customer?",
        ),
        ("parent: customer", "parent: note", "collections.note.parent (line 34, column 5)", "circle"),
        ("    parent: customer\n", "", "collections.note.id_scope (line 35, column 5)", "has none"),
        ("{parent.id}/notes", "{parent}/notes", "collections.note.path (line 35, column 5)", "{parent}"),
        ("{config.area}/cu", "{config.are}/cu", "collections.note.path (line 35, column 5)", "config.area?"),
        ("{config.area}/cu", "{config.area/cu", "collections.note.path (line 35, column 5)", "brace"),
        ("{config.shop}", "{config.shp}", "base_url (line 3, column 1)", "config.shop?"),
        ("https://", "ftp://", "base_url (line 3, column 1)", "https://"),
        ("{field: deleted}", "{}", "collections.customer.deleted (line 25, column 5)", "a field or a list"),
        (
            "{field: deleted}",
            "{equals: 1}",
            "collections.customer.deleted.equals (line 25, column 15)",
            "no field",
        ),
        (
            "deleted_at: at, ",
            "",
            "collections.note.deleted.list.since (line 42, column 60)",
            "needs deleted_at",
        ),
        ("  updated_at: changed\n", "", "collections.customer.since (line 23, column 5)", "needs updated_at"),
        ("items: data", "items: next.data", "collections.customer.paging (line 21, column 3)", "next"),
        (
            "conditional: page",
            "conditional: yes",
            "collections.note.conditional (line 40, column 5)",
            "never",
        ),
        (
            "archived: false",
            "archived: [1]",
            "collections.customer.params.archived (line 23, column 14)",
            "text",
        ),
        (
            "    take: next",
            "    take: next\n    more: m\n    done: d",
            "defaults.paging.done (line 19, column 5)",
            "beside more",
        ),
        (
            "{send: since, order: ascending}",
            "{send: s, template: x}",
            "collections.customer.since.template (line 24, column 22)",
            "{value}",
        ),
        (
            "path: /customer_ids",
            "path: '/customer_ids/{id}'",
            "collections.customer.ids.path (line 27, column 11)",
            "{id}",
        ),
        ("{parent.id}/notes", "notes", "collections.note.parent (line 34, column 5)", "is not used"),
        (
            "deleted_at: at, since",
            "paging: {kind: offset, send: o, more: a, done: b}, deleted_at: at, since",
            "collections.note.deleted.list.paging.done (line 42, column 101)",
            "beside more",
        ),
        ("title: Acme", "title: &a Acme", "document (line 2, column 8)", "anchors"),
        ("title: Acme", "title: !x Acme", "title (line 2, column 8)", "tag"),
        ("title: Acme", "name: Acme", "name (line 2, column 1)", "twice"),
        ("title: Acme", "title: [Acme", "document (line 3, column 9)", "neither YAML nor JSON"),
        ("kind: header", "kind: digest", "auth (line 8, column 1)", "one of none, bearer"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, place: str, what: str) -> None:
    """The dotted path, line and column, and what to write instead."""
    assert old in DOCUMENT
    found = mistakes(DOCUMENT.replace(old, new, 1))
    told = [sentence for where, sentence in found if where == place]
    assert told, found
    assert any(what in sentence for sentence in told), found


def test_all_mistakes_are_told_at_once() -> None:
    """Of unreadable fields, of rules between fields, of names that stand twice."""
    text = DOCUMENT.replace("kind: header", "kind: digest").replace("parent: customer", "parent: nobody")
    text = text.replace("requests: 50", "request: 50") + "name: twice\n"
    assert {where.partition(" ")[0] for where, _ in mistakes(text)} == {
        "name",
        "auth",
        "rate_limit.request",
        "collections.note.parent",
    }


def test_rules_between_fields_are_tried_on_what_can_be_read_of_a_part() -> None:
    """A misspelt field hides neither an unknown parent nor a wrong placeholder, even within its own part."""
    text = DOCUMENT.replace("parent: customer", "parent: custmer").replace(
        "conditional: page", "condition: x"
    )
    text = text.replace("{config.area}/cu", "{config.are}/cu").replace("/customers/{id}", "/customers/{uid}")
    text = text.replace("overlap: 1m", "overlap: soon")
    assert {where.partition(" ")[0] for where, _ in mistakes(text)} == {
        "collections.note.parent",
        "collections.note.condition",
        "collections.note.path",
        "collections.customer.one.path",
        "collections.customer.overlap",
    }


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("    take: next\n", "", "defaults.paging.take"),
        ("times: s", "times: secs", "defaults.times"),
        ("updated_at: changed", "updated_at: [changed]", "defaults.updated_at"),
        ("{field: deleted}", "{member: deleted}", "collections.customer.deleted.member"),
        ("parent: customer", "parent: 3", "collections.note.parent"),
        ("path: /customers\n", "path: customers\n", "collections.customer.path"),
        ("name: acme", "name: Acme!", "name"),
        ("https://", "ftp://", "base_url"),
    ],
)
def test_what_cannot_be_read_is_not_said_to_be_missing(old: str, new: str, place: str) -> None:
    """One mistake is told once, at its place."""
    assert old in DOCUMENT
    assert [where.partition(" ")[0] for where, _ in mistakes(DOCUMENT.replace(old, new, 1))] == [place]


def test_settings_that_cannot_be_read_have_names() -> None:
    """Addresses that use them are right."""
    text = DOCUMENT.replace("{default: eu/west}", "3")
    assert [where.partition(" ")[0] for where, _ in mistakes(text)] == ["config.area"]
    without = re.sub(r"config:\n.*\n.*\n", "config: none\n", DOCUMENT)
    assert [where.partition(" ")[0] for where, _ in mistakes(without)] == ["config"]


def test_json_mistakes_have_places_too() -> None:
    """Of the line and column in JSON."""
    text = '{"name": "x",\n\t"base_url": 3,\n\t"collections": {"a": {"path": "/a", "itemz": "d"}}}'
    assert mistakes(text) == [
        ("base_url (line 2, column 2)", "should be text, not a number"),
        (
            "collections.a.itemz (line 3, column 38)",
            "is not known here; did you mean items?",
        ),
    ]


@pytest.mark.parametrize(
    "text", ["", "3", "[]", "null", "\x00", "{" * 3000, "a" * 300_000, "a:\tb", "- " * 500]
)
def test_what_is_no_document(text: str) -> None:
    """Is refused with a sentence, whatever it is."""
    assert mistakes(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("2026-01-02", "2026-01-02"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("12:30", "12:30"),
        ("true", True),
        ("~", None),
        ("-1.5e3", -1500.0),
        ("12", 12),
        ('"\\ud83d\\ude00"', "\ud83d\ude00"),
    ],
)
def test_yaml_means_what_json_would(text: str, value: Any) -> None:
    """No surprises of YAML: what is no JSON scalar is text."""
    assert Source(f"a: {text}").data == {"a": value}


def test_escapes_of_json_are_read_as_json_reads_them() -> None:
    """Two surrogates are one character."""
    assert Source('{"a": "\\ud83d\\ude00"}').data == {"a": "😀"}


CHANGES = st.sampled_from([None, 3, -1, True, "", "x", "{x}", [], {}, {"kind": "cursor"}, "/a", ["a"], 1.5])


@given(st.data())
def test_no_document_breaks_the_reader(data: st.DataObject) -> None:
    """Whatever is put in place of a value, it is read or refused with places."""
    document = copy.deepcopy(yaml.safe_load(DOCUMENT))
    part: Any = document
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(part[key], (dict, list)) or not part[key] or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = data.draw(CHANGES)
    errors: list[tuple[str, str]] | None = None
    try:
        rest.provider(rest.parse(json.dumps(document)))
    except Invalid as error:
        errors = error.errors
    assert errors is None or (errors and all("(line " in place for place, _ in errors))


def test_editors_are_told_what_may_stand_there() -> None:
    """The JSON Schema takes the document, and says what each field is."""
    schema = rest.json_schema()
    jsonschema.validate(yaml.safe_load(DOCUMENT), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(DOCUMENT.replace("take:", "tke:")), schema)
    parts = [part.get("anyOf", [part])[-1] for part in schema["$defs"].values()]
    fields = [field for part in [schema, *parts] for field in part["properties"].values()]
    assert [field for field in fields if not {"description", "const", "$ref"} & field.keys()] == []


@pytest.mark.parametrize(
    ("kind", "properties"), [("bearer", {"token": "t"}), ("header", {}), ("header", {"key": ""})]
)
def test_a_credential_that_does_not_fit(kind: str, properties: dict[str, str]) -> None:
    """Of another kind, or without its value: a person is told what to store."""
    with pytest.raises(Halt) as caught:
        acme().authorize(kind, properties)
    assert "header" in (caught.value.fix or "")


def test_the_catalogue_keeps_step_with_the_documents() -> None:
    """Built-in providers first; a document that cannot be read any more costs no other."""
    builtin = rest.provider(
        rest.parse("{name: own, base_url: 'https://own.test', collections: {a: {path: /a}}}")
    )
    catalogue = Catalogue([builtin])
    catalogue.reload([("acme", 1, DOCUMENT), ("own", 4, DOCUMENT), ("broken", 1, "nothing")])
    assert [provider.name for provider in catalogue.all()] == ["acme", "own"]
    assert catalogue.get("own") is builtin
    first = catalogue.get("acme")
    catalogue.reload([("acme", 1, DOCUMENT)])
    assert catalogue.get("acme") is first
    catalogue.reload([("acme", 2, DOCUMENT)])
    assert (catalogue.get("acme") or builtin).version == 2
    catalogue.reload([])
    assert catalogue.get("acme") is None


AUTHS: list[tuple[dict[str, Any], dict[str, str], dict[str, str], dict[str, str]]] = [
    ({"kind": "none"}, {}, {}, {}),
    ({"kind": "bearer"}, {"token": "t"}, {"Authorization": "Bearer t"}, {}),
    ({"kind": "basic"}, {"username": "u", "password": "p"}, {"Authorization": "Basic dTpw"}, {}),
    ({"kind": "header", "name": "X-Key", "prefix": "Key "}, {"key": "k"}, {"X-Key": "Key k"}, {}),
    ({"kind": "query", "name": "key"}, {"key": "k"}, {}, {"key": "k"}),
]


def small(**more: Any) -> Any:
    document = {
        "name": "small",
        "base_url": "https://small.test",
        "collections": {"a": {"path": "/a"}},
        **more,
    }
    return rest.provider(rest.parse(json.dumps(document)))


@pytest.mark.parametrize(
    ("part", "properties", "headers", "query"), AUTHS, ids=lambda value: value.get("kind")
)
async def test_requests_are_signed_as_the_document_says(
    part: dict[str, Any], properties: dict[str, str], headers: dict[str, str], query: dict[str, str]
) -> None:
    """With what the credential holds, in the place that the document names."""
    sent: dict[str, str] = {}
    added: dict[str, str] = {}
    await small(auth=part).authorize(part["kind"], properties).apply(sent, added)
    assert (sent, added) == (headers, query)


def test_client_credentials_are_asked_for_as_the_document_says() -> None:
    """Token address, scopes and further parameters are the document's, id and secret the credential's."""
    part = {
        "kind": "oauth2_client_credentials",
        "token_url": "https://small.test/token",
        "scopes": ["read", "list"],
        "params": {"audience": "api"},
        "client_in": "body",
    }
    provider = small(auth=part)
    [kind] = provider.credential_kinds
    assert kind.secret == {"client_secret"}
    form, headers = provider.authorize(part["kind"], {"client_id": "i", "client_secret": "s"}).request()
    assert headers == {}
    assert form == {
        "grant_type": "client_credentials",
        "scope": "read list",
        "audience": "api",
        "client_id": "i",
        "client_secret": "s",
    }


@pytest.mark.parametrize(
    ("part", "pager"),
    [
        ({"kind": "none"}, paging.Single()),
        ({"kind": "cursor", "take": "n", "send": "c", "more": "m"},
         paging.Cursor(take="n", send="c", end=paging.Flag(path="m"))),
        ({"kind": "cursor", "take": "n", "send": "c", "done": "d"},
         paging.Cursor(take="n", send="c", end=paging.Flag(path="d", more=False))),
        ({"kind": "header_cursor", "header": "H", "send": "c"}, paging.HeaderCursor(header="H", send="c")),
        ({"kind": "header_url", "header": "H"}, paging.HeaderUrl(header="H")),
        ({"kind": "link_header", "rel": "more"}, paging.LinkHeader(rel="more")),
        ({"kind": "next_url", "take": "n"}, paging.NextUrl(take="n")),
        ({"kind": "offset", "send": "o"}, paging.Offset(send="o")),
        ({"kind": "page_number", "send": "p", "start": 0, "last": "l"},
         paging.PageNumber(send="p", start=0, last="l")),
        ({"kind": "keyset", "send": {"after": "id"}, "size": {"send": "n", "count": 9, "honoured": True}},
         paging.Keyset(send={"after": "id"}, size=paging.Size(send="n", count=9, honoured=True))),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_every_kind_of_paging_becomes_its_pager(part: dict[str, Any], pager: paging.Pager) -> None:
    """With everything that the document says of it."""
    collection = {"path": "/a", "items": "data", "paging": part}
    document = rest.RestDocument.model_validate(
        {"name": "x", "base_url": "https://x.test", "collections": {"a": collection}}
    )
    found = document.collections["a"].paging
    assert found is not None
    assert declare.pager(found) == pager


async def test_a_check_that_answers_no_json_is_asked_again() -> None:
    """Half an answer tells no account; where none is to be told, any answer will do."""
    with pytest.raises(Retry):
        await small(check={"path": "/me", "account": "name"}).check(api(b"<html>"))
    assert await small(check={"path": "/me"}).check(api(b"<html>")) is None
    assert await small(check={"path": "/me", "account": "name"}).check(api(b"{}")) is None
