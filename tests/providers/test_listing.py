"""What is asked of an API, and what becomes of its answers: changes since, conditions, parents, single
objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from headwater.errors import Halt, Retry
from headwater.kit.http import Answer
from headwater.providers import fetch, paging
from headwater.providers.fetch import FORMATS, Fields, Instant, Listing, SinceParam, Single, Validity
from headwater.providers.provider import Page, Scope, Since

AT = Instant(path="at", format=FORMATS["ms"])
BY_TIME = Fields(updated_at=AT)
PARENT = Scope(
    id="7/8", data=b'{"id": "7/8", "full_name": "octo/re po", "owner": {"login": "a&b"}, "ok": true}'
)


@dataclass
class Api:
    """Answers what it is told to, in turn, and keeps what it was asked."""

    answers: list[tuple[int, bytes, dict[str, str]]]
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    async def get(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset({200}),
        bucket: str = "default",
    ) -> Answer:
        self.asked.append((url, dict(query or {}), dict(headers or {})))
        status, body, given = self.answers.pop(0)
        if status not in accept:
            raise Halt(code="refused")
        return Answer(status=status, headers=given, body=body, url=f"https://api.test{url}", asked_us=5)


def api(*answers: bytes | tuple[int, bytes, dict[str, str]]) -> Api:
    return Api([(200, each, {}) if isinstance(each, bytes) else each for each in answers])


async def pages(reading: Any) -> list[Page]:
    return [page async for page in reading]


@pytest.mark.parametrize(
    ("since", "sent"),
    [
        (SinceParam(send="since"), "2026-01-02T03:04:05.678901Z"),
        (SinceParam(send="since", format=FORMATS["iso_ms"]), "2026-01-02T03:04:05.678Z"),
        (SinceParam(send="since", format=FORMATS["iso_s"]), "2026-01-02T03:04:05Z"),
        (SinceParam(send="since", format=FORMATS["date"]), "2026-01-02"),
        (SinceParam(send="since", format=FORMATS["s"]), "1767323045"),
        (SinceParam(send="since", format=FORMATS["ms"], template='"{value}"'), '"1767323045678"'),
        (SinceParam(send="since", format=FORMATS["ms"], inclusive=False), "1767323045677"),
        (SinceParam(send="since", format=FORMATS["s"], inclusive=False), "1767323044"),
        (
            SinceParam(send="since", format=FORMATS["iso_s"], template="at:>{value}"),
            "at:>2026-01-02T03:04:05Z",
        ),
    ],
)
async def test_changes_are_asked_for_from_an_instant(since: SinceParam, sent: str) -> None:
    """In the API's own way; never from later than the instant."""
    door = api(b"[]")
    read = fetch.read_since(Listing(path="/x", params={"a": "1"}), BY_TIME, since)
    await pages(read(door, None, Since(updated_us=1767323045_678901), None))
    assert door.asked == [("/x", {"a": "1", "since": sent}, {})]


async def test_everything_is_asked_for_without_an_instant() -> None:
    """The parameter is left out, what goes with it stays; before 1970 is 1970."""
    since = SinceParam(send="since", format=FORMATS["ms"], inclusive=False, params={"sort": "at"})
    read = fetch.read_since(Listing(path="/x"), BY_TIME, since)
    door = api(b"[]", b"[]")
    await pages(read(door, None, Since(), None))
    await pages(read(door, None, Since(updated_us=0), None))
    assert [query for _, query, _ in door.asked] == [{"sort": "at"}, {"sort": "at", "since": "0"}]


async def test_a_reading_that_goes_on_asks_what_it_asked_at_first() -> None:
    """Whatever the checkpoint has become since: the pages of one reading are of one question."""
    listing = Listing(path="/x", items="d", pager=paging.Cursor(take="next", send="c"))
    read = fetch.read_since(listing, BY_TIME, SinceParam(send="since", format=FORMATS["us"]))
    door = api(b'{"d": [], "next": "n"}', b'{"d": []}', b'{"d": []}')
    first, _ = await pages(read(door, None, Since(updated_us=100), None))
    await pages(read(door, None, Since(updated_us=900), first.resume))
    assert [query for _, query, _ in door.asked] == [
        {"since": "100"},
        {"since": "100", "c": "n"},
        {"since": "100", "c": "n"},
    ]


ETAG = {"etag": '"v1"', "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT"}
MORE = b'{"d": [], "next": "n"}'
LAST = b'{"d": []}'


@pytest.mark.parametrize(
    ("validity", "answers", "kept"),
    [
        (Validity.NOTHING, [LAST], False),
        (Validity.ANSWER, [LAST], True),
        (Validity.ANSWER, [MORE, LAST], False),
        (Validity.COLLECTION, [MORE, LAST], True),
    ],
)
async def test_validators_are_kept_where_they_vouch_for_the_list(
    validity: Validity, answers: list[bytes], kept: bool
) -> None:
    """An ETag of a first page says nothing of the second, unless it is the whole collection's."""
    listing = Listing(path="/x", items="d", pager=paging.Cursor(take="next", send="c"), validity=validity)
    door = api(*((200, body, ETAG) for body in answers))
    found = await pages(fetch.read_since(listing, BY_TIME, None)(door, None, Since(), None))
    wanted = {"ETag": ETAG["etag"], "Last-Modified": ETAG["last-modified"]} if kept else None
    assert [page.validators for page in found] == [wanted, *[None] * (len(answers) - 1)]


async def test_nothing_new_is_one_request() -> None:
    """With the validators of the last answer, a 304 is a page that says so."""
    listing = Listing(path="/x", validity=Validity.COLLECTION)
    known = {"ETag": '"v1"', "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}
    door = api((304, b"", {}))
    [page] = await pages(fetch.read_since(listing, BY_TIME, None)(door, None, Since(validators=known), None))
    assert page.unchanged
    assert (page.observed, page.resume, page.validators, page.asked_us) == ((), None, known, 5)
    assert door.asked[0][2] == {
        "If-None-Match": '"v1"',
        "If-Modified-Since": "Fri, 02 Jan 2026 03:04:05 GMT",
    }


async def test_a_304_that_nobody_asked_for_is_refused() -> None:
    """It would look like an empty list."""
    with pytest.raises(Halt):
        await pages(fetch.read_all(Listing(path="/x"), BY_TIME)(api((304, b"", {})), None, None))


async def test_a_list_of_the_deleted() -> None:
    """Whatever stands in it is gone, with the time at which it went."""
    read = fetch.read_since(Listing(path="/gone"), BY_TIME, SinceParam(send="since"), gone=True)
    [page] = await pages(read(api(b'[{"id": 3, "at": 9}]'), None, Since(), None))
    [one] = page.observed
    assert (one.id, one.deleted, one.raw, one.version) == ("3", True, b"", 9000)


async def test_children_are_read_below_their_parent() -> None:
    """Ids stay one segment, other values may fill several; parameters are filled, too; ids are scoped."""
    listing = Listing(
        path="/r/{parent.full_name}/{parent.id}/issues", params={"owner": "{parent.owner.login}"}
    )
    door = api(b'[{"id": 1}]')
    [page] = await pages(fetch.read_all(listing, Fields(scoped=True))(door, PARENT, None))
    assert door.asked[0][:2] == ("/r/octo/re%20po/7%2F8/issues", {"owner": "a&b"})
    assert page.observed[0].id == "7/8/1"


@pytest.mark.parametrize("member", ["none", "ok", "owner"])
async def test_a_parent_without_the_member_stops_the_reading(member: str) -> None:
    """An address with a hole would list something else."""
    with pytest.raises(Halt) as caught:
        await pages(fetch.read_all(Listing(path=f"/r/{{parent.{member}}}"), Fields())(api(), PARENT, None))
    assert caught.value.error_code == "provider.parent_field"


async def test_one_object_in_its_canonical_shape() -> None:
    """Found inside its answer, by its own id below its parent."""
    single = Single(path="/r/{parent.id}/x/{id}", item="data.it", params={"id": "{id}"})
    door = api(b'{"data": {"it": {"id": "a/b",  "at": 1}}}')
    page = await fetch.read_one(single, Fields(scoped=True, updated_at=AT))(door, PARENT, "7/8/a/b")
    assert door.asked[0][:2] == ("/r/7%2F8/x/a%2Fb", {"id": "a/b"})
    [one] = page.observed
    assert (one.id, one.raw, page.resume) == ("7/8/a/b", b'{"id": "a/b",  "at": 1}', None)


@pytest.mark.parametrize("status", [404, 410])
async def test_one_object_that_is_gone(status: int) -> None:
    """404 and 410 are an answer: deleted, without a body."""
    page = await fetch.read_one(Single(path="/x/{id}"), BY_TIME)(api((status, b"no", {})), None, "a")
    assert [(one.id, one.deleted, one.raw) for one in page.observed] == [("a", True, b"")]


async def test_another_object_under_the_address_deletes_nothing() -> None:
    """An answer of another id says nothing about the one that was asked for."""
    page = await fetch.read_one(Single(path="/x/{id}"), BY_TIME)(api(b'{"id": "b"}'), None, "a")
    assert page.observed == ()
    assert [reject.context["id"] for reject in page.rejected] == ["a"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": ', b'{"date": {}}'])
async def test_half_an_answer_of_one_object_is_asked_again(body: bytes) -> None:
    """Without the object where it should be, nothing is known."""
    with pytest.raises(Retry):
        await fetch.read_one(Single(path="/x/{id}", item="data"), BY_TIME)(api(body), None, "a")


@pytest.mark.parametrize(
    ("body", "headers", "total"),
    [
        (b'{"d": [], "n": 12}', {}, 12),
        (b'{"d": [], "n": "12"}', {}, 12),
        (b'{"d": [], "n": "many"}', {}, None),
        (b'{"d": []}', {"x-total": "5"}, 5),
        (b'{"d": []}', {}, None),
    ],
)
async def test_totals_are_told(body: bytes, headers: dict[str, str], total: int | None) -> None:
    """For progress, where the API says how many there are."""
    listing = Listing(path="/x", items="d", total="n", total_header="X-Total")
    [page] = await pages(fetch.read_all(listing, BY_TIME)(api((200, body, headers)), None, None))
    assert page.estimated_total == total


async def test_a_failed_page_comes_after_those_before_it() -> None:
    """They count; the reading does not end (C3)."""
    listing = Listing(path="/x", items="d", pager=paging.Cursor(take="next", send="c"))
    door = api(b'{"d": [{"id": 1}], "next": "n"}', b'{"d": [')
    reading = fetch.read_all(listing, BY_TIME)(door, None, None)
    first = await anext(reading)
    with pytest.raises(Retry):
        await anext(reading)
    assert ([one.id for one in first.observed], first.resume) == (["1"], {"token": "n"})
