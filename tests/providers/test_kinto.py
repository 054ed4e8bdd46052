"""A real Kinto, read by the document in `examples/` alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.plugins.kinto import Kinto

from headwater.errors import Halt
from headwater.kit.budget import Governor, Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Client, Http, open_session
from headwater.model.record import Observed
from headwater.providers import rest
from headwater.providers.provider import Collection, Page, Provider, Since

DOCUMENT = Path(__file__).parents[2] / "examples" / "kinto" / "kinto.yaml"


@pytest.fixture
def provider(kinto: Kinto) -> Provider:
    """The provider of the test's bucket, with pages of three so that a few records make several."""
    text = DOCUMENT.read_text().replace("count: 1000", "count: 3")
    return rest.provider(rest.parse(text)).configured({"base_url": kinto.base_url, "bucket": kinto.bucket})


@pytest.fixture
def article(provider: Provider) -> Collection:
    [found] = provider.collections
    return found


@pytest.fixture
async def door(kinto: Kinto, provider: Provider) -> AsyncIterator[Http]:
    """The real door, with the credential of Kinto's user."""
    credential = {"username": kinto.username, "password": kinto.password}
    clock = SystemClock()
    async with open_session() as session:
        yield Client(
            provider.base_url,
            authorizer=provider.authorize("basic", credential),
            limiter=Governor((), clock),
            urgency=Urgency.CHANGES,
            clock=clock,
            headers=provider.headers,
            session=session,
        )


async def pages(reading: AsyncIterator[Page]) -> list[Page]:
    return [page async for page in reading]


def observed(pages: list[Page]) -> list[Observed]:
    return [one for page in pages for one in page.observed]


async def test_every_record_is_listed_over_several_pages(
    kinto: Kinto, door: Http, article: Collection
) -> None:
    """`Next-Page` is followed to its end; times and ids are Kinto's; the bytes are what it sent."""
    made = [kinto.create(title=f"No. {number}") for number in range(8)]
    found = await pages(article.read_all(door, None, None))
    assert [len(page.observed) for page in found] == [3, 3, 2]
    assert found[-1].resume is None
    assert [one.id for one in observed(found)] == [record["id"] for record in made]
    assert [one.updated_us for one in observed(found)] == [record["last_modified"] * 1000 for record in made]
    assert b'"title":"No. 0"' in found[0].observed[0].raw


async def test_a_listing_goes_on_after_any_of_its_pages(
    kinto: Kinto, door: Http, article: Collection
) -> None:
    """What was not read before a restart is read after it, and nothing else."""
    made = [kinto.create(title=f"No. {number}")["id"] for number in range(7)]
    for page in (await pages(article.read_all(door, None, None)))[:-1]:
        rest_of_it = await pages(article.read_all(door, None, page.resume))
        seen = made.index(page.observed[-1].id) + 1
        assert [one.id for one in observed(rest_of_it)] == made[seen:]


async def test_changes_show_creates_updates_and_tombstones(
    kinto: Kinto, door: Http, article: Collection
) -> None:
    """`_since` gives what has changed at or after an instant, oldest first, deleted records as deleted."""
    old, kept, gone = (kinto.create(title=title) for title in ("old", "kept", "gone"))
    changed = kinto.update(kept["id"], title="changed")
    deleted = kinto.delete(gone["id"])
    new = kinto.create(title="new")
    assert article.read_since is not None
    since = Since(updated_us=changed["last_modified"] * 1000)
    found = await pages(article.read_since(door, None, since, None))
    assert [(one.id, one.deleted, one.version) for one in observed(found)] == [
        (kept["id"], False, changed["last_modified"] * 1000),
        (gone["id"], True, deleted["last_modified"] * 1000),
        (new["id"], False, new["last_modified"] * 1000),
    ]
    assert old["id"] not in {one.id for one in observed(found)}


async def test_an_unchanged_collection_says_so(kinto: Kinto, door: Http, article: Collection) -> None:
    """The ETag of the last answer gets a 304, until something changes."""
    record = kinto.create(title="one")
    assert article.read_since is not None
    since = Since(updated_us=record["last_modified"] * 1000)
    [first] = await pages(article.read_since(door, None, since, None))
    again = Since(updated_us=since.updated_us, validators=first.validators)
    [unchanged] = await pages(article.read_since(door, None, again, None))
    assert unchanged.unchanged
    assert not unchanged.observed
    assert unchanged.resume is None
    kinto.update(record["id"], title="two")
    [changed] = await pages(article.read_since(door, None, again, None))
    assert [b'"two"' in one.raw for one in changed.observed] == [True]


async def test_one_record_looks_as_it_does_in_the_list(kinto: Kinto, door: Http, article: Collection) -> None:
    """The single read is the canonical one: byte for byte the object of the list. What is gone is deleted."""
    record = kinto.create(title="one", ratio=1.50, deep={"b": [1], "a": None})
    [listed] = observed(await pages(article.read_all(door, None, None)))
    assert article.read_one is not None
    [one] = (await article.read_one(door, None, record["id"])).observed
    assert one == listed
    kinto.delete(record["id"])
    [gone] = (await article.read_one(door, None, record["id"])).observed
    assert (gone.id, gone.deleted, gone.raw) == (record["id"], True, b"")


async def test_sweeps_read_ids_only(kinto: Kinto, door: Http, article: Collection) -> None:
    """The list for sweeps names every record and carries no bodies."""
    made = {kinto.create(title=f"No. {number}")["id"] for number in range(4)}
    assert article.read_ids is not None
    found = observed(await pages(article.read_ids(door, None, None)))
    assert {one.id for one in found} == made
    assert {one.raw for one in found} == {b""}


async def test_the_account_is_told_by_the_check(kinto: Kinto, provider: Provider, door: Http) -> None:
    """A credential's account is Kinto's own name of the user."""
    assert provider.check is not None
    assert await provider.check(door) == f"account:{kinto.username}"


async def test_a_wrong_password_calls_a_person(kinto: Kinto, provider: Provider, article: Collection) -> None:
    """Kinto's 401 stops the reading."""
    clock = SystemClock()
    async with open_session() as session:
        wrong = Client(
            provider.base_url,
            authorizer=provider.authorize("basic", {"username": kinto.username, "password": "wrong"}),
            limiter=Governor((), clock),
            urgency=Urgency.CHANGES,
            clock=clock,
            headers={},
            session=session,
        )
        with pytest.raises(Halt) as caught:
            await pages(article.read_all(wrong, None, None))
    assert caught.value.error_code == "provider.credential_refused"
