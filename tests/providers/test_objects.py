"""Raw objects into observations: the fast way and the careful way agree, and one bad object costs no
neighbour.
"""

import json
from datetime import datetime
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import Retry
from headwater.kit.clock import to_us
from headwater.providers.fetch import FORMATS, Fields, Instant, Mark, check_fields
from headwater.providers.fetch.cut import Cut, cutter
from headwater.providers.fetch.objects import Sighted, reader
from headwater.providers.paging import Cursor

FIELDS = Fields(
    id="id",
    created_at=Instant(path="times.made"),
    updated_at=Instant(path="times.changed"),
    version="v",
    deleted=Mark(path="gone"),
)
PLAIN = Fields(updated_at=Instant(path="at", format=FORMATS["ms"]))


def read(fields: Fields, *raws: bytes, doubtful: bool = False, prefix: str = "") -> Sighted:
    return reader(fields)(Cut(raws, {}, doubtful), prefix)


def reasons(sighted: Sighted) -> list[tuple[str | None, str]]:
    return [(reject.context.get("id"), reject.message) for reject in sighted.rejected]


def test_an_object_is_observed() -> None:
    """Id, times and version are read; the body and its fingerprint are of the bytes as they came."""
    raw = b'{ "id": 7, "times": {"changed": "2026-01-02T03:04:05.000006Z"}, "v": "12", "x": 1.50 }'
    [one] = read(FIELDS, raw).observed
    assert (one.id, one.raw, one.version, one.created_us, one.deleted) == ("7", raw, 12, None, False)
    assert one.updated_us == 1767323045000006
    assert one.fingerprint == xxhash.xxh3_128_digest(raw)


def test_without_a_version_the_update_time_is_it() -> None:
    """The API's own order of an object's states, where it has no other."""
    [one] = read(PLAIN, b'{"id": "a", "at": 1700000000123}').observed
    assert (one.version, one.updated_us) == (1700000000123000, 1700000000123000)


@pytest.mark.parametrize(
    ("value", "deleted"), [("true", True), ("false", False), ("null", False), ('"x"', True)]
)
def test_a_mark_says_deleted(value: str, deleted: bool) -> None:
    """Anything but null and false; then there is no body to keep."""
    [one] = read(FIELDS, f'{{"id": 1, "gone": {value}}}'.encode()).observed
    assert one.deleted is deleted
    assert (one.raw == b"") is deleted


@pytest.mark.parametrize(
    ("equals", "value", "deleted"),
    [
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        ("gone", "gone", True),
        (0, 0, True),
        (0, None, False),
    ],
)
def test_a_mark_may_name_its_value(equals: Any, value: Any, deleted: bool) -> None:
    """`true` is not `1`."""
    assert Mark(path="x", equals=equals).says_deleted(value) is deleted


@pytest.mark.parametrize("doubtful", [False, True])
@pytest.mark.parametrize(
    ("raw", "id", "reason"),
    [
        (b"3", None, "not an object"),
        (b"null", None, "not an object"),
        (b"{}", None, "its id"),
        (b'{"id": ""}', None, "its id"),
        (b'{"id": null}', None, "its id"),
        (b'{"id": 1.5}', None, "its id"),
        (b'{"id": true}', None, "its id"),
        (b'{"id": {"a": 1}}', None, "its id"),
        (b'{"id": "a", "times": {"changed": "yesterday"}}', "p/a", "no time"),
        (b'{"id": "a", "times": {"changed": 17}}', "p/a", "no time"),
        (b'{"id": "a", "v": 1.5}', "p/a", "no whole number"),
        (b'{"id": "a", "v": true}', "p/a", "no whole number"),
        (b'{"id": "a", "v": "x"}', "p/a", "no whole number"),
    ],
)
def test_what_is_not_as_declared_is_rejected_alone(
    raw: bytes, id: str | None, reason: str, doubtful: bool
) -> None:
    """With its id, where it could be read, and a reason without its content (P8); its neighbours are read."""
    sighted = read(FIELDS, b'{"id": 1}', raw, b'{"id": 2}', doubtful=doubtful, prefix="p/")
    assert [one.id for one in sighted.observed] == ["p/1", "p/2"]
    [(told, why)] = reasons(sighted)
    assert told == id
    assert reason in why
    assert "yesterday" not in why


@pytest.mark.parametrize(
    ("raw", "id", "reason"),
    [
        (b'{"id": "a", "x": "\xff"}', "a", "not valid JSON"),
        (b'{"id": "a", "x": NaN}', "a", "not valid JSON"),
        (b'{"id": "\\u0000"}', "\0", "no database keeps"),
        (b'{"id": "\\ud800"}', "\ud800", "no database keeps"),
    ],
)
def test_what_only_the_careful_way_sees(raw: bytes, id: str, reason: str) -> None:
    """A page with something odd in it is read object by object; what is rejected is told with its id."""
    body = b'[{"id": 1}, %b, {"id": 2}]' % raw
    sighted = reader(PLAIN)(cutter("")(body), "")
    assert [one.id for one in sighted.observed] == ["1", "2"]
    [(told, why)] = reasons(sighted)
    assert told == id
    assert reason in why


def test_odd_but_whole_objects_are_kept_as_they_are() -> None:
    """Lone surrogates, null characters and huge numbers are the API's business."""
    raw = b'{"id": "a", "s": "\\ud800", "z": "\\u0000", "n": 123456789012345678901234567890.10}'
    [one] = reader(PLAIN)(cutter("")(b"[%b]" % raw), "").observed
    assert one.raw == raw


def test_numbers_as_ids_are_exact() -> None:
    """Ids beyond 64 bits are text of their digits."""
    raw = b'{"id": 123456789012345678901234567890}'
    assert (
        read(PLAIN, raw).observed[0].id
        == read(PLAIN, raw, doubtful=True).observed[0].id
        == ("123456789012345678901234567890")
    )


def test_volatile_members_do_not_count() -> None:
    """The fingerprint is of the lasting part; the body keeps all."""
    fields = Fields(volatile=frozenset({"views"}))
    one, other = read(fields, b'{"id":1,"views":7,"a":2}', b'{"id":1,"views":8,"a":2}').observed
    assert one.fingerprint == other.fingerprint
    assert b"views" in one.raw


def test_listings_of_ids_carry_nothing_else() -> None:
    """Neither body nor fingerprint."""
    [one] = reader(PLAIN, bodies=False)(Cut([b'{"id": 1}'], {}, False), "").observed
    assert (one.id, one.raw, one.fingerprint) == ("1", b"", b"")


@pytest.mark.parametrize(("id", "version"), [("id", "id.v"), ("a.b", "a"), ("id", "id")])
def test_paths_that_contradict_each_other(id: str, version: str) -> None:
    """One path may not lead through another's end."""
    if id == version:
        check_fields(Fields(id=id, version=version))  # one member in two roles is no contradiction
        return
    with pytest.raises(ValueError, match="path"):
        check_fields(Fields(id=id, version=version))


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.one_of(
                    st.integers(), st.text(max_size=5), st.none(), st.booleans(), st.floats(allow_nan=False)
                ),
                "times": st.one_of(
                    st.none(),
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "changed": st.one_of(
                                st.datetimes().map(lambda at: at.isoformat() + "Z"),
                                st.datetimes().map(str),
                                st.none(),
                                st.text(max_size=3),
                            ),
                            "made": st.one_of(
                                st.none(), st.integers(), st.sampled_from(["2026-01-01", "2026-01-01T00:00Z"])
                            ),
                        },
                    ),
                ),
                "v": st.one_of(
                    st.integers(), st.none(), st.text(max_size=3), st.sampled_from(["1", "007", "-1"])
                ),
                "gone": st.one_of(st.booleans(), st.none()),
            },
        )
    )
)
def test_both_ways_agree(objects: list[dict[str, Any]]) -> None:
    """The fast way takes nothing that the careful way refuses, and reads the same where both read."""
    raws = [json.dumps(each, ensure_ascii=False).encode("utf-8", "surrogatepass") for each in objects]
    fast, careful = read(FIELDS, *raws), read(FIELDS, *raws, doubtful=True)
    if any(b"\\u0000" in raw for raw in raws):
        return  # such a page always goes the careful way
    assert fast.observed == careful.observed
    assert reasons(fast) == reasons(careful)


@pytest.mark.parametrize(
    ("name", "written", "instant_us"),
    [
        ("iso", '"2026-01-02T03:04:05Z"', 1767323045_000000),
        ("iso", '"2026-01-02T03:04:05.123456+01:00"', 1767319445_123456),
        ("iso", '"2026-01-02T03:04:05"', 1767323045_000000),
        ("iso", '"2026-01-02 03:04:05+0000"', 1767323045_000000),
        ("date", '"2026-01-02"', 1767312000_000000),
        ("s", "1767323045", 1767323045_000000),
        ("s", "1767323045.5", 1767323045_500000),
        ("s", '"1767323045"', 1767323045_000000),
        ("ms", "1767323045678", 1767323045_678000),
        ("us", "1767323045678901", 1767323045_678901),
        ("http", '"Fri, 02 Jan 2026 03:04:05 GMT"', 1767323045_000000),
    ],
)
def test_instants_are_read(name: str, written: str, instant_us: int) -> None:
    """In every format, by both ways; without a zone it is UTC."""
    fields = Fields(updated_at=Instant(path="at", format=FORMATS[name]))
    raw = f'{{"id": 1, "at": {written}}}'.encode()
    for doubtful in (False, True):
        sighted = read(fields, raw, doubtful=doubtful)
        assert reasons(sighted) == []
        assert sighted.observed[0].updated_us == instant_us


@pytest.mark.parametrize("name", FORMATS)
@given(at=st.datetimes(min_value=datetime(1971, 1, 1)))
def test_instants_are_written_as_they_are_read(name: str, at: datetime) -> None:
    """What is sent is the instant, or the last whole unit before it: never later, so nothing is left out."""
    format, us = FORMATS[name], to_us(at)
    written = format.write(us)
    back = format.read(int(written) if written.isdigit() else written)
    assert back <= us
    assert us - back < format.unit_us


@pytest.mark.parametrize("written", ["1e400", "1e30", "-1e30", '"inf"', '"nan"', '"x"', "[]", "true"])
def test_numbers_that_are_no_instant(written: str) -> None:
    """Beyond the calendar or no number at all: the object is rejected, whichever way reads it."""
    for doubtful in (False, True):
        [(id, why)] = reasons(read(PLAIN, f'{{"id": 1, "at": {written}}}'.encode(), doubtful=doubtful))
        assert (id, "no time" in why) == ("1", True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        b'{"data": [{"id": 1}, {"id"',
        b'{"data": [1, 2]',
        b'{"data": {"id": 1}}',
        b'{"data": null}',
        b'{"date": []}',
        b'{"data": "\xff"}',
        b'["data"]',
        b"[" * 100_000,
    ],
)
def test_half_a_page_is_not_the_end(body: bytes) -> None:
    """Broken, cut off, or without a list where it should be: asked again (C3)."""
    with pytest.raises(Retry) as caught:
        cutter("data", ("next",))(body)
    assert caught.value.error_code == "provider.broken_answer"


def test_null_is_an_empty_list_only_where_it_is_said() -> None:
    """Some APIs write null for an empty array."""
    assert cutter("data", null_is_empty=True)(b'{"data": null}').items == []


def test_the_envelope_is_read_beside_the_items() -> None:
    """By both ways: what paging needs, and nothing else."""
    paths = tuple(Cursor(take="page.next", send="c").paths)
    for text in ('"x"', '"\\ud800"'):
        cut = cutter("in.data", paths)(
            f'{{"a": {text}, "in": {{"data": [{{}}, 1]}}, "page": {{"next": "n"}}}}'.encode()
        )
        assert [bytes(item) for item in cut.items] == [b"{}", b"1"]
        assert cut.values == {"page.next": "n"}
    assert cutter("data", ("page.next",))(b'{"data": []}').values == {"page.next": None}
