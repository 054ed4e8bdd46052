"""Every way of paging against a program that pages so: whole, resumed, empty, in a circle."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.shelf import Shelf, items

from headwater.errors import Halt, Retry
from headwater.providers import fetch, paging
from headwater.providers.fetch import Fields, Listing
from headwater.providers.provider import Page

SIZE = paging.Size(send="limit", count=3)
HONOURED = paging.Size(send="limit", count=3, honoured=True)
WAYS = {
    "cursor": Listing(
        path="/cursor", items="data", pager=paging.Cursor(take="meta.next", send="token", size=SIZE)
    ),
    "flagged": Listing(
        path="/flagged",
        items="data",
        pager=paging.Cursor(take="next", send="token", size=SIZE, end=paging.Flag(path="has_more")),
    ),
    "header cursor": Listing(
        path="/header_cursor", pager=paging.HeaderCursor(header="X-Next", send="token", size=SIZE)
    ),
    "header url": Listing(path="/header_url", pager=paging.HeaderUrl(header="Next-Page", size=SIZE)),
    "link": Listing(path="/link", pager=paging.LinkHeader(size=SIZE)),
    "next url": Listing(
        path="/next_url", items="value", pager=paging.NextUrl(take="@odata\\.nextLink", size=SIZE)
    ),
    "offset": Listing(path="/offset", items="data", pager=paging.Offset(send="skip", size=SIZE)),
    "offset, honoured": Listing(
        path="/offset", items="data", pager=paging.Offset(send="skip", size=HONOURED)
    ),
    "page number": Listing(path="/pages", items="data", pager=paging.PageNumber(send="page", size=SIZE)),
    "last page": Listing(
        path="/pages", items="data", pager=paging.PageNumber(send="page", size=SIZE, last="pages")
    ),
    "keyset": Listing(path="/keyset", pager=paging.Keyset(send={"after_id": "id"}, size=SIZE)),
    "keyset by time": Listing(
        path="/since", pager=paging.Keyset(send={"since": "updated_at"}, size=SIZE, inclusive=True)
    ),
}
STUCK = set(WAYS) - {"flagged", "keyset by time", "last page"}


async def read(shelf: Shelf, listing: Listing, resume: object = None) -> list[Page]:
    reading: AsyncIterator[Page] = fetch.read_all(listing, Fields())(shelf.door(), None, resume)
    return [page async for page in reading]


def ids(pages: list[Page]) -> list[str]:
    return [one.id for page in pages for one in page.observed]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 8, 9])
@pytest.mark.parametrize("way", WAYS)
async def test_everything_is_read_and_the_end_is_the_end(way: str, count: int) -> None:
    """Empty, less than a page, whole pages, a rest: nothing is missing, only the last has no resume."""
    pages = await read(Shelf(items(count)), WAYS[way])
    assert list(dict.fromkeys(ids(pages))) == [item["id"] for item in items(count)]
    assert [page.resume is None for page in pages] == [False] * (len(pages) - 1) + [True]


@pytest.mark.parametrize("way", WAYS)
async def test_a_reading_goes_on_after_each_page(way: str) -> None:
    """Started again with a page's resume, it reads what comes behind that page."""
    shelf = Shelf(items(8))
    whole = await read(shelf, WAYS[way])
    for number, page in enumerate(whole[:-1], start=1):
        assert ids(await read(shelf, WAYS[way], page.resume)) == ids(whole[number:])


@pytest.mark.parametrize("way", sorted(STUCK))
async def test_a_circle_is_an_error_and_not_the_end(way: str) -> None:
    """An API that gives the same place or the same page again is asked later, and is never believed to be at
    its end.
    """
    shelf = Shelf(items(9))
    shelf.stuck = True
    with pytest.raises(Retry) as caught:
        await read(shelf, WAYS[way])
    assert caught.value.error_code == "provider.page_loop"


@pytest.mark.parametrize("way", ["header url", "link"])
async def test_a_next_page_elsewhere_is_refused(way: str) -> None:
    """Credentials do not follow an answer to another origin."""
    shelf = Shelf(items(9))
    shelf.foreign = True
    with pytest.raises(Halt) as caught:
        await read(shelf, WAYS[way])
    assert caught.value.error_code == "provider.foreign_url"


async def test_a_single_answer_is_everything() -> None:
    """Without paging there is one request, whatever it holds."""
    [page] = await read(Shelf(items(20)), Listing(path="/single"))
    assert len(page.observed) == 20
    assert page.resume is None


async def test_more_objects_on_one_instant_than_a_page_holds_are_said() -> None:
    """A keyset by time alone cannot go behind them: a person is told, instead of looping or leaving some out
    (C2).
    """
    same = [item | {"updated_at": "2026-01-01T00:00:07Z"} for item in items(4)]
    with pytest.raises(Halt) as caught:
        await read(Shelf(same), WAYS["keyset by time"])
    assert caught.value.error_code == "provider.page_ties"
    assert "keyset" in (caught.value.fix or "")
    assert len(ids(await read(Shelf(same), WAYS["cursor"]))) == 4


async def test_ties_at_a_page_border_are_read_whole() -> None:
    """Objects that share their instant with the last one of a page come with the next page."""
    held = [item | {"updated_at": f"2026-01-01T00:00:{n // 2:02}Z"} for n, item in enumerate(items(9))]
    found = ids(await read(Shelf(held), WAYS["keyset by time"]))
    assert set(found) == {item["id"] for item in held}


async def test_a_key_in_the_query_stays_out_of_the_place() -> None:
    """The next page's URL is kept without what proves who we are (P8)."""
    listing = Listing(
        path="/header_url",
        params={"key": "secret"},
        pager=paging.HeaderUrl(header="Next-Page", size=SIZE),
        hidden=frozenset({"key"}),
    )
    first = (await read(Shelf(items(4)), listing))[0]
    assert "secret" not in str(first.resume)
    assert "token=" in str(first.resume)


async def test_a_forgotten_cursor_begins_the_list_anew() -> None:
    """A place that the API refuses after a restart of ours costs a second reading, not a person."""
    shelf = Shelf(items(7))
    whole = await read(shelf, WAYS["offset"])
    shelf.app.router.routes.clear()  # the API has been replaced by one that refuses the place
    door = shelf.door()
    with pytest.raises(Halt):
        [page async for page in fetch.read_all(WAYS["offset"], Fields())(door, None, whole[0].resume)]
    assert [url.partition("skip=")[2] for url in door.asked] == ["3", "0"]


SEEN = {"url": "https://api.test/v2/list", "headers": {}}


@pytest.mark.parametrize(
    ("pager", "values"),
    [
        (paging.Cursor(take="next", send="c", end=paging.Flag(path="more")), {"more": "yes"}),
        (paging.Cursor(take="next", send="c", end=paging.Flag(path="more")), {"more": True}),
        (paging.Cursor(take="next", send="c"), {"next": {"a": 1}}),
        (paging.Cursor(take="next", send="c"), {"next": True}),
        (paging.NextUrl(take="next", end=paging.Flag(path="more")), {"more": True, "next": None}),
        (paging.NextUrl(take="next"), {"next": "https://[bad"}),
        (paging.PageNumber(send="page", last="pages"), {"pages": None}),
        (paging.PageNumber(send="page", last="pages"), {"pages": "many"}),
        (paging.Offset(send="skip", end=paging.Flag(path="more")), {"more": True}),
    ],
)
def test_an_answer_that_contradicts_itself_is_asked_again(
    pager: paging.Pager, values: dict[str, object]
) -> None:
    """What is not as declared is never read as the end."""
    with pytest.raises(Retry) as caught:
        pager.follow(paging.Seen(**SEEN, count=0, values=values), None)
    assert caught.value.error_code == "provider.broken_answer"


@pytest.mark.parametrize("last", [b'{"id": ""}', b'{"id": null}', b"3", b'{"id": "\\ud800"}', b'{"id": [1]}'])
def test_a_keyset_needs_the_last_object(last: bytes) -> None:
    """Without its field nobody knows how to go on."""
    pager = paging.Keyset(send={"after": "id"})
    with pytest.raises(Retry):
        pager.follow(paging.Seen(**SEEN, count=1, first=last, last=last), None)


def test_a_flag_may_say_that_it_was_all() -> None:
    """`done` is the other word for no more."""
    pager = paging.Cursor(take="next", send="c", end=paging.Flag(path="done", more=False))
    assert pager.follow(paging.Seen(**SEEN, count=1, values={"next": 5, "done": False}), None) == "5"
    assert pager.follow(paging.Seen(**SEEN, count=1, values={"next": 5, "done": True}), None) is None


def test_an_inclusive_keyset_needs_its_size() -> None:
    """Only a full page tells it to go on, so it must know when one is full."""
    with pytest.raises(ValueError, match="page size"):
        paging.Keyset(send={"since": "at"}, inclusive=True)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('<https://a/?p=2>; rel="next"', {"next": "https://a/?p=2"}),
        ("<https://a/2>;rel=next", {"next": "https://a/2"}),
        (
            '<https://a/,;2>; title="x; rel=\\"no"; rel="next prev"',
            {"next": "https://a/,;2", "prev": "https://a/,;2"},
        ),
        (
            '<https://a/1>; rel="prev", <https://a/3>; REL="Next"',
            {"prev": "https://a/1", "next": "https://a/3"},
        ),
        ("<https://a/1>", {}),
        ("garbage", {}),
        ("", {}),
    ],
)
def test_links_are_read(header: str, found: dict[str, str]) -> None:
    """RFC 8288: quoted or not, several relations, any order of parameters."""
    assert paging.links(header) == found


@given(st.text(max_size=200))
def test_any_link_header_is_read_without_a_fault(header: str) -> None:
    """Whatever stands in the header, it is links or none."""
    assert isinstance(paging.links(header), dict)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.test/x", "https://A.test:443/y?z", True),
        ("http://a.test", "https://a.test", False),
        ("https://a.test", "https://b.a.test", False),
        ("https://a.test:8443", "https://a.test", False),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    """Scheme, host and port make an origin."""
    assert paging.same_origin(one, other) is same


@given(st.lists(st.text(min_size=1).filter(lambda name: "\\" not in name), min_size=1, max_size=4))
def test_a_path_names_any_member(names: list[str]) -> None:
    """A dot inside a name takes a backslash; then every name can be reached."""
    path = ".".join(name.replace(".", "\\.") for name in names)
    assert paging.steps(path) == names
    value: object = 7
    for name in reversed(names):
        value = {name: value}
    assert paging.dig(value, path) == 7
    assert paging.dig([], path) is None
