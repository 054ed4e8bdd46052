"""JSON as bytes: nothing is lost by cutting and shortening, and equality is by value."""

import json
import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.kit import jsonbytes, jsonscan

DEEP = 100_000

# Texts of JSON are made token by token, so that a test knows each spelling.
PLAIN = st.text(
    st.characters(exclude_characters='"\\', min_codepoint=0x20, exclude_categories=["Cs"]), max_size=5
)
ESCAPES = st.sampled_from(
    ["\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00", '\\"', "\\\\", "\\/", "\\n", "\\u0041"]
)
STRINGS = st.lists(PLAIN | ESCAPES, max_size=4).map(lambda pieces: f'"{"".join(pieces)}"')
NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "1",
        "1.0",
        "1e0",
        "10E-1",
        "0.1",
        "1.50",
        "-7",
        "12345678901234567890123",
        "1e400",
        "9007199254740993",
    ]
)
SCALARS = STRINGS | NUMBERS | st.sampled_from(["true", "false", "null"])
WHITE = st.text(" \t\n\r", max_size=2)


def joined(opener: str, pieces: list[list[str]], closer: str) -> list[str]:
    """Return the tokens of an array or object around those of its parts."""
    inside = [token for piece in pieces for token in [",", *piece]][1:]
    return [opener, *inside, closer]


def containers(values: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    arrays = st.lists(values, max_size=4).map(lambda parts: joined("[", parts, "]"))
    named = st.tuples(STRINGS, values).map(lambda pair: [pair[0], ":", *pair[1]])
    return arrays | st.lists(named, max_size=4).map(lambda parts: joined("{", parts, "}"))


TOKENS = st.recursive(SCALARS.map(lambda token: [token]), containers, max_leaves=12)


@st.composite
def spread(draw: st.DrawFn, tokens: list[str]) -> bytes:
    """Draw a text with white space anywhere between the tokens."""
    return "".join(draw(WHITE) + token for token in [*tokens, ""]).encode()


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    return draw(spread(draw(TOKENS)))


def exact(raw: bytes) -> Any:
    """Return the value as Python compares it: numbers as tagged decimals, so that `true` is not `1`."""

    def tagged(spelled: str) -> tuple[str, Decimal]:
        return "number", Decimal(spelled)

    return json.loads(raw.decode(), parse_int=tagged, parse_float=tagged)


# Shortening


@given(TOKENS, st.data())
def test_compact_keeps_every_token_as_spelled(tokens: list[str], data: st.DataObject) -> None:
    """Only white space between tokens goes."""
    assert jsonbytes.compact(data.draw(spread(tokens))) == "".join(tokens).encode()


@given(TOKENS, st.data())
def test_the_strict_scanner_sees_the_tokens(tokens: list[str], data: st.DataObject) -> None:
    """The slow path agrees with what was written, not only for texts that the fast path refuses."""
    seen = [token.decode() for token in jsonscan.tokens(data.draw(spread(tokens)))]
    assert seen == tokens


BROKEN = [
    b"", b" ", b"tru", b"NaN", b"Infinity", b"01", b"1.", b"-", b"1e", b".5", b"+1", b"'a'", b"1 2",
    b"[1,]", b"[,1]", b"[1", b"]", b"[1}", b"[1 2]", b"[:]", b'["\\ud800",]', b'["\\ud800", NaN]',
    b'{"a"}', b'{"a":}', b'{"a":1,}', b"{1:2}", b'{"a":1}}', b'{"a":1 "b":2}',
    b'"a', b'"\n"', b'"\x01"', b'"\\x"', b'"\\u12g4"', b'"\\ud800', b'"\xff"', b'"\xed\xa0\x80"',
    b"\xef\xbb\xbf1", b"1\x00", b"\xa01",
]  # fmt: skip


@pytest.mark.parametrize("raw", BROKEN)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    """By both paths alike."""
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the contract
        jsonbytes.compact(raw)
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the contract
        list(jsonscan.tokens(raw))


@given(st.binary(max_size=12) | st.text(string.printable + '{}[]":,\\', max_size=12).map(str.encode))
def test_the_strict_scanner_takes_what_python_takes(raw: bytes) -> None:
    """Python's parser is the judge of what is JSON, but for its constants and its `utf-8` leniency."""
    try:
        json.loads(raw.decode(), parse_constant=jsonbytes._refuse)
        valid = True
    except ValueError:
        valid = False
    try:
        list(jsonscan.tokens(raw))
        taken = True
    except ValueError:
        taken = False
    assert taken == valid


def test_nesting_without_end_is_shortened() -> None:
    """Where the interpreter's stack ends, the scanner goes on."""
    assert jsonbytes.compact(b"[ " * DEEP + b"] " * DEEP) == b"[" * DEEP + b"]" * DEEP


# Cutting


@given(st.lists(texts(), max_size=6), st.sampled_from([(), ("data",), ("a", "ü")]), WHITE)
def test_cutting_gives_the_elements_back(elements: list[bytes], path: tuple[str, ...], white: str) -> None:
    """Whatever the elements are, each comes back as it was written, but for the white space around it."""
    body = b"[%b]" % b",".join(elements)
    for name in reversed(path):
        body = b'{"x":[{}],%b:%b,"y":"]}"}' % (json.dumps(name).encode(), body)
    cut = jsonbytes.cut(white.encode() + body + white.encode(), path)
    assert cut == [element.strip() for element in elements]


@pytest.mark.parametrize(
    "broken", [b"NaN", b'{"a": -Infinity}', b'"\\q"', b'"\xff"', b'{"a": 01}', b"{]}"[:1] + b"}", b""]
)
def test_a_broken_element_does_not_cost_its_neighbours(broken: bytes) -> None:
    """What is broken inside one element stays in it."""
    assert jsonbytes.cut(b'{"items": [{"a": 1}, %b , "z"]}' % broken, ["items"]) == [
        b'{"a": 1}',
        broken,
        b'"z"',
    ]


@given(st.lists(texts(), min_size=1, max_size=4), st.data())
def test_half_a_page_is_never_the_end(elements: list[bytes], data: st.DataObject) -> None:
    """A body cut off anywhere is refused, not taken for a shorter page."""
    body = b'{"items":[%b],"next":"2"}' % b",".join(elements)
    until = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the contract
        jsonbytes.cut(body[:until], ["items"])


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"items": null}', b'{"items": {}}', b'{"items": [1}]', b'{"items": []} x', b'{"items" []}',
     b'{"items": []}}', b'{"items": [1}', b"[]"],
)  # fmt: skip
def test_what_has_no_such_array_is_refused(body: bytes) -> None:
    """An array that is missing is an error, not an empty page."""
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the contract
        jsonbytes.cut(body, ["items"])


def test_a_byte_order_mark_is_passed_over() -> None:
    """Some servers put one before their JSON."""
    assert jsonbytes.cut(b"\xef\xbb\xbf[1, 2]", ()) == [b"1", b"2"]
    assert jsonbytes.get(b'\xef\xbb\xbf{"next": "a"}', ["next"]) == "a"


# Members


@given(st.dictionaries(st.text(max_size=4), texts(), max_size=5))
def test_members_are_the_raw_values(wanted: dict[str, bytes]) -> None:
    """By name, in order, spelled as sent."""
    raw = b"{%b}" % b",".join(json.dumps(name).encode() + b" :" + value for name, value in wanted.items())
    found = jsonbytes.members(raw)
    assert list(found.items()) == [(name, value.strip()) for name, value in wanted.items()]


@pytest.mark.parametrize("extra", [b"", b',"s":"\\ud800"'])
def test_of_a_repeated_name_the_last_counts(extra: bytes) -> None:
    """On the fast path and on the slow one."""
    assert jsonbytes.members(b'{"a":1,"\\u0061":2%b}' % extra)["a"] == b"2"


@pytest.mark.parametrize(
    "raw", [b"[]", b"1", b"", b'{"a":1', b'{"a"}', b"{1:2}", b'{"\\ud800":1', b'{"\\q":1}']
)
def test_members_of_what_is_no_object(raw: bytes) -> None:
    """Refused."""
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the contract
        jsonbytes.members(raw)


def test_get_decodes_one_value() -> None:
    """Through objects; a broken neighbour does not matter, and integers of any length are exact."""
    raw = b' {"meta": {"next": "\\ud800", "total": 123456789012345678901, "none": null}, "items": [NaN]} '
    assert jsonbytes.get(raw, ["meta", "next"]) == "\ud800"
    assert jsonbytes.get(raw, ["meta", "total"]) == 123456789012345678901
    assert jsonbytes.get(raw, ["meta", "none"]) is None
    assert jsonbytes.get(raw, ["meta", "gone"]) is None
    assert jsonbytes.get(raw, ["meta", "next", "deeper"]) is None
    assert jsonbytes.get(b"[1]", ()) == [1]
    with pytest.raises(ValueError, match="NaN"):
        jsonbytes.get(raw, ["items"])


# Equality


@given(TOKENS, st.data())
def test_same_is_reflexive_whatever_the_white_space(tokens: list[str], data: st.DataObject) -> None:
    """A text is the same as itself, spread differently."""
    assert jsonbytes.same(data.draw(spread(tokens)), data.draw(spread(tokens)))


@given(texts(), texts())
def test_same_is_symmetric_and_agrees_with_decimals(a: bytes, b: bytes) -> None:
    """Python's exact decimals are the judge."""
    assert jsonbytes.same(a, b) == jsonbytes.same(b, a) == (exact(a) == exact(b))


@given(texts(), texts())
def test_digests_agree_with_values(a: bytes, b: bytes) -> None:
    """What is compared beyond the stack's depth is compared the same way."""
    assert (jsonbytes._digest(a) == jsonbytes._digest(b)) == (exact(a) == exact(b))


def mutual(values: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [(a, b) for i, a in enumerate(values) for b in values[i + 1 :]]


ALIKE = [
    (b"1", b"1.0"), (b"1", b"1e0"), (b"100", b"1E+2"), (b"0.001", b"1e-3"), (b"-0", b"0.00e5"),
    (b"0e99999", b"0"), (b"12345678901234567890.0", b"12345678901234567890"),
    (b"1e999999999999", b"10e999999999998"), (b"1e%b" % (b"9" * 5000), b"1E+0%b" % (b"9" * 5000)),
    (b'"\\u0041"', b'"A"'),
    (b'"\\ud83d\\ude00"', '"😀"'.encode()), (b'"\\/"', b'"/"'), (b'"\\uD800"', b'"\\ud800"'),
    (b'{"a":1,"b":2}', b'{"b":2,"a":1}'), (b'{"a":1,"a":2}', b'{"a":2}'), (b'["\\u0000"]', b'[ "\\u0000"]'),
]  # fmt: skip

UNLIKE = [
    (b"0.1", b"0.10000000000000001"), (b"9007199254740993", b"9007199254740992"), (b"1", b"-1"),
    (b"1e999999999999", b"1e999999999998"), (b"1e%b" % (b"9" * 5000), b"1e%b" % (b"8" * 5000)),
    (b"1e9", b"1e-9"), (b"10", b"1"), (b'"a"', b'"\\ud800a"'), (b'"\\ud800"', b'"\\ud801"'),
    (b"[1,2]", b"[2,1]"), (b"{}", b"[]"), (b'{"a":null}', b"{}"),
    (b'["a","b"]', b'["ab"]'), (b"[[1],2]", b"[[1,2]]"), (b'["number"]', b"[1]"),
    *mutual([b"1", b"true", b'"1"', b"[1]", b'{"1":1}', b"null", b'""', b"false", b"0"]),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), ALIKE)
def test_other_spellings_of_one_value(a: bytes, b: bytes) -> None:
    """Are the same."""
    assert jsonbytes.same(a, b)
    assert jsonbytes._digest(a) == jsonbytes._digest(b)


@pytest.mark.parametrize(("a", "b"), UNLIKE)
def test_other_values(a: bytes, b: bytes) -> None:
    """Are not the same."""
    assert not jsonbytes.same(a, b)
    assert jsonbytes._digest(a) != jsonbytes._digest(b)


def nest(inside: bytes) -> bytes:
    return b'{"a":[' * (DEEP // 2) + inside + b"]}" * (DEEP // 2)


def test_nesting_without_end_is_compared_by_value() -> None:
    """100,000 levels down, spelling still does not count and value does."""
    assert jsonbytes.same(nest(b"1.0"), nest(b" 1"))
    assert not jsonbytes.same(nest(b"1"), nest(b"2"))


def test_comparing_what_is_not_json() -> None:
    """Is refused, on the quick path and on the deep one."""
    with pytest.raises(ValueError, match="NaN"):
        jsonbytes.same(b"[NaN]", b"[1]")
    with pytest.raises(ValueError, match="not JSON"):
        jsonbytes.same(nest(b"NaN"), nest(b"1"))


# Changes

OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c", "p", "\ud800"]), texts(), max_size=4)
NESTED = st.tuples(OBJECTS, st.none() | OBJECTS)


def written(value: dict[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(json.dumps(name).encode() + b":" + inner for name, inner in value.items())


def whole(value: tuple[dict[str, bytes], dict[str, bytes] | None]) -> bytes:
    outer, inner = value
    return written(outer | ({"p": written(inner)} if inner is not None else {}))


def without_null(value: dict[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if inner is not None}


@given(NESTED.map(whole), NESTED.map(whole))
def test_previous_laid_over_new_gives_old(old: bytes, new: bytes) -> None:
    """Absent and null alike."""
    prior = jsonbytes.changed(old, new)
    assert (prior is None) == jsonbytes.same(old, new)
    overlaid = exact(new) | exact(prior or b"{}")
    assert without_null(overlaid) == without_null(exact(old))


@given(NESTED.map(whole), NESTED.map(whole))
def test_previous_laid_over_new_gives_old_one_level_down(old: bytes, new: bytes) -> None:
    """The member that holds the fields is laid over by itself where both sides have one."""
    prior = jsonbytes.changed(old, new, nested="p")
    assert (prior is None) == jsonbytes.same(old, new)
    laid, over = exact(new), exact(prior or b"{}")
    inner = over.pop("p", laid.get("p"))
    if isinstance(inner, dict) and isinstance(laid.get("p"), dict):
        inner = without_null(laid["p"] | inner)
    before = exact(old)
    if isinstance(before.get("p"), dict) and isinstance(laid.get("p"), dict):
        before["p"] = without_null(before["p"])
    assert without_null(laid | over | {"p": inner}) == without_null(before)


def test_changed_reports_prior_raw_values_in_order() -> None:
    """Members of the old object first, in its order, compact, spelled as they were; then new ones as null."""
    old = b'{"b": 1.50, "same": 1, "a": {"x": [1, 2]}, "gone": "\\u0041"}'
    new = b'{"c": 1, "same": 1.0, "a": {"x": [1, 3]}, "b": 2}'
    assert jsonbytes.changed(old, new) == b'{"b":1.50,"a":{"x":[1,2]},"gone":"\\u0041","c":null}'


def test_changed_reports_in_the_same_nesting() -> None:
    """Of the member that holds the fields, only those that differ."""
    old, new = (
        b'{"id": 1, "properties": {"a": 1, "b": 2}}',
        b'{"properties": {"b": 2.0, "a": 3, "c": 4}, "id": 1}',
    )
    assert jsonbytes.changed(old, new, nested="properties") == b'{"properties":{"a":1,"c":null}}'


def test_changed_ignores_what_always_changes() -> None:
    """A member that is ignored neither counts nor is reported."""
    old, new = b'{"url": "s=1", "a": 1}', b'{"url": "s=2", "a": 2}'
    assert jsonbytes.changed(old, new, ignore=frozenset({"url"})) == b'{"a":1}'
    assert jsonbytes.changed(old, new, ignore=frozenset({"url", "a"})) is None


def test_a_lone_surrogate_in_a_name_is_reported_as_it_came() -> None:
    """Names are escaped where UTF-8 cannot hold them."""
    assert jsonbytes.changed(b'{"\\ud800": 1}', b"{}") == b'{"\\ud800":1}'


def test_lasting_leaves_out_what_always_changes() -> None:
    """Two reads that differ only there have the same bytes."""
    ignore = frozenset({"url"})
    first, second = b'{"id": 1, "url": "s=1", "a": [1 ]}', b'{ "id": 1, "url": "s=2", "a": [1 ]}'
    assert jsonbytes.lasting(first, ignore) == jsonbytes.lasting(second, ignore) == b'{"id":1,"a":[1 ]}'
