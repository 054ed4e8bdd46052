"""A probe says what an API does where the document says something else."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.plugins.kinto import Kinto
from tests.providers.door import Door
from tests.providers.shelf import Shelf, items

from headwater.providers import rest
from headwater.providers.rest import Findings, ProbeReport
from headwater.providers.rest.collection import CollectionPart
from headwater.providers.rest.findings import warnings

KINTO = Path(__file__).parents[2] / "examples" / "kinto" / "kinto.yaml"


async def probed(shelf: Shelf, part: dict[str, Any], **limits: int) -> Findings:
    [found] = (await report(shelf, {"item": part}, **limits)).collections
    return found


async def report(shelf: Shelf, collections: dict[str, Any], **limits: int) -> ProbeReport:
    document = rest.RestDocument.model_validate(
        {"name": "shelf", "base_url": "https://api.test/v2", "collections": collections}
    )
    return await rest.probe(document, shelf.door(), **limits)


def cursor(count: int = 3, **size: Any) -> dict[str, Any]:
    return {
        "path": "/cursor",
        "items": "data",
        "updated_at": "updated_at",
        "paging": {
            "kind": "cursor",
            "take": "meta.next",
            "send": "token",
            "size": {"send": "limit", "count": count, **size},
        },
    }


def told(found: Findings, words: str) -> bool:
    return any(words in warning for warning in found.warnings)


async def test_what_a_list_is_like() -> None:
    """Pages, objects, ids, the range of update times; a few pages are enough."""
    found = await probed(Shelf(items(20)), cursor())
    assert (found.pages, found.whole, found.objects, found.page_sizes) == (3, False, 9, (3, 3, 3))
    assert found.examples == ("i000", "i001", "i002")
    assert (found.duplicates, found.rejected, found.largest_tie, found.error) == (0, 0, 1, None)
    assert str(found.earliest_at) == "2026-01-01 00:00:00+00:00"
    assert str(found.latest_at) == "2026-01-01 00:00:08+00:00"
    assert told(found, "a delete is noticed after two sweeps, one every 1h")
    assert told(found, "No since parameter: each look reads the whole list")


async def test_ids_that_come_twice() -> None:
    """Paging that repeats is seen."""
    found = await probed(Shelf([*items(3), *items(3)]), cursor())
    assert found.duplicates == 3
    assert told(found, "3 ids came more than once")


async def test_objects_that_are_not_as_declared() -> None:
    """Are counted, with the reasons, and make the report unsound."""
    held = [*items(2), {"no": "id"}, {"id": "x", "updated_at": "monday"}]
    whole = await report(Shelf(held), {"item": cursor()})
    [found] = whole.collections
    assert found.rejected == 2
    assert len(found.reasons) == 2
    assert not whole.sound
    assert "monday" not in str(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"updated_at": "updated"}, "No object has a time at updated"),
        ({"updated_at": {"field": "n", "format": "s"}}, "probably their format is another"),
        ({"updated_at": {"field": "n", "format": "s"}}, "1970-01-01"),
    ],
)
async def test_times_that_cannot_be_right(change: dict[str, Any], words: str) -> None:
    """A wrong path or format shows in the range of the times."""
    found = await probed(Shelf(items(4)), cursor() | change)
    assert told(found, words)


async def test_pages_that_are_shorter_than_asked_for() -> None:
    """The API has its own limit."""
    shelf = Shelf(items(20))
    shelf.most = 2
    found = await probed(shelf, cursor(count=5, honoured=True))
    assert told(found, "Pages hold 2 objects at most, though 5 are asked for")
    assert told(found, "A page that is not the last held 2 objects instead of 5")


SINCE = {
    "path": "/since",
    "updated_at": "updated_at",
    "paging": {"kind": "none", "size": {"send": "limit", "count": 50}},
    "since": {"send": "since", "format": "iso_s"},
}


async def test_a_cursor_that_is_inclusive_or_not() -> None:
    """Asked again from the last update time: does its object come again?"""
    found = await probed(Shelf(items(5)), SINCE)
    assert (found.inclusive, found.ascending) == (True, True)
    assert told(found, "order: ascending saves work")
    shelf = Shelf(items(5))
    shelf.exclusive = True
    found = await probed(shelf, SINCE)
    assert found.inclusive is False
    assert told(found, "Say inclusive: false")


async def test_an_order_that_is_not_the_declared_one() -> None:
    """Changes that come newest first."""
    shelf = Shelf(items(5))
    shelf.newest_first = True
    found = await probed(shelf, SINCE | {"since": SINCE["since"] | {"order": "ascending"}})
    assert found.ascending is False
    assert told(found, "Say order: unknown")


async def test_more_ties_than_a_page_holds() -> None:
    """Where reading would stop, the probe says so first."""
    same = [item | {"updated_at": "2026-01-01T00:00:07Z"} for item in items(4)]
    keyset = {"kind": "keyset", "send": {"since": "updated_at"}, "inclusive": True}
    part = SINCE | {"paging": keyset | {"size": {"send": "limit", "count": 3}}}
    found = await probed(Shelf(same), part)
    assert "than a page holds" in (found.error or "")


async def test_an_empty_list_says_little() -> None:
    """And that is said."""
    found = await probed(Shelf([]), cursor())
    assert (found.pages, found.whole, found.objects) == (1, True, 0)
    assert told(found, "The list is empty")


async def test_requests_are_few() -> None:
    """The probe stops where it was told to, and keeps what it has."""
    shelf = Shelf(items(50))
    whole = await report(shelf, {"a": cursor(), "b": cursor()}, requests=4)
    assert whole.requests == 4
    first, second = whole.collections
    assert (first.objects, second.objects) == (9, 0)
    assert "all the requests" in (second.error or "")


async def test_children_are_tried_below_a_few_parents() -> None:
    """In whatever order the document names them."""
    child = {"path": "/{parent.way}", "parent": "parent"}
    held = [{"id": "p", "way": "single"}]
    whole = await report(Shelf(held), {"child": child, "parent": {"path": "/single"}})
    assert [found.collection for found in whole.collections] == ["child", "parent"]
    assert [found.objects for found in whole.collections] == [1, 1]
    whole = await report(Shelf([]), {"child": child, "parent": {"path": "/single"}})
    assert "No record of parent" in (whole.collections[0].error or "")


async def test_what_the_api_refuses_is_in_the_report() -> None:
    """A collection that cannot be read costs no other."""
    whole = await report(Shelf(items(2)), {"wrong": {"path": "/nowhere"}, "right": {"path": "/single"}})
    wrong, right = whole.collections
    assert wrong.error
    assert right.objects == 2
    assert not whole.sound


async def test_the_kinto_document_is_right(kinto: Kinto) -> None:
    """The one in examples/ says what Kinto does: nothing to warn of."""
    for number in range(4):
        kinto.create(title=f"No. {number}")
    document = rest.parse(KINTO.read_text().replace("count: 1000", "count: 3"))
    config = {"base_url": kinto.base_url, "bucket": kinto.bucket}
    async with httpx.AsyncClient(auth=(kinto.username, kinto.password)) as client:
        whole = await rest.probe(document, Door(client, kinto.base_url), config=config)
    assert whole.account == f"account:{kinto.username}"
    [found] = whole.collections
    assert (found.objects, found.whole, found.single, found.ascending) == (4, True, "same", True)
    assert (found.inclusive, found.not_modified) == (False, True)
    assert found.warnings == ()
    assert whole.sound


def found(**more: Any) -> Findings:
    return Findings(collection="a", **({"pages": 1, "whole": True, "objects": 3} | more))


@pytest.mark.parametrize(
    ("part", "seen", "words"),
    [
        ({}, found(single="different"), "looks different when read alone"),
        ({}, found(single="none"), "is it right?"),
        ({"one": {"path": "/a/{id}"}, "sweep_every": "15m"}, found(), "by the next sweep, one every 15m"),
        ({}, found(), "No since parameter and no update time"),
        ({}, found(not_modified=True), "with conditional, a look costs one request"),
        (
            {"updated_at": "at", "since": {"send": "s", "inclusive": False}},
            found(inclusive=True),
            "inclusive: true is enough",
        ),
        ({"updated_at": "at", "since": {"send": "s"}}, found(not_modified=True), "make looks cheaper"),
        (
            {"updated_at": "at", "since": {"send": "s"}, "conditional": "page"},
            found(not_modified=False),
            "conditional has no effect",
        ),
        (
            {
                "updated_at": "at",
                "paging": {
                    "kind": "keyset",
                    "send": {"since": "at"},
                    "inclusive": True,
                    "size": {"send": "n", "count": 5},
                },
            },
            found(pages=2, page_sizes=(5, 1), largest_tie=5),
            "5 objects share one update time",
        ),
    ],
)
def test_what_follows_from_what_was_found(part: dict[str, Any], seen: Findings, words: str) -> None:
    """A sentence for each thing that a person should know."""
    collection = CollectionPart.model_validate({"path": "/a", **part})
    sentences = [*warnings(collection, seen, collection.updated_at, collection.paging)]
    assert any(words in sentence for sentence in sentences), sentences
