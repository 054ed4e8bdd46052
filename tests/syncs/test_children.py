"""Collections that are read below each record of another: children come and go with their parents."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.syncs.conftest import NoHttp, records
from tests.syncs.shelf import Shelf
from tests.syncs.test_detectors import no_suspects

from headwater.errors import Halt
from headwater.kit.clock import SystemClock
from headwater.kit.http import Http
from headwater.model.lease import Fence
from headwater.model.record import Slot
from headwater.providers.provider import Collection, Page, Scope, Since
from headwater.streams.memory import MemoryStreams
from headwater.syncs.assignment import NOT_FOUND, Assignment
from headwater.syncs.backfill import backfill
from headwater.syncs.poll import poll
from headwater.syncs.sweep import sweep


@dataclass
class Library:
    """Shelves by name. A shelf that is not there answers as an API does: not found."""

    shelves: dict[str, Shelf] = field(default_factory=dict[str, Shelf])

    def _pages(
        self, scope: Scope | None, read: Callable[[Shelf], AsyncIterator[Page]]
    ) -> AsyncIterator[Page]:
        assert scope is not None
        if scope.id not in self.shelves:
            raise Halt(code=NOT_FOUND)
        return self._below(scope, read(self.shelves[scope.id]))

    async def _below(self, scope: Scope, pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
        async for page in pages:
            below = [
                type(one)(f"{scope.id}/{one.id}", *(getattr(one, name) for name in one.__struct_fields__[1:]))
                for one in page.observed
            ]
            yield replace(page, observed=below)

    async def read_all(self, http: Http, scope: Scope | None, resume: Any) -> AsyncIterator[Page]:
        """List a shelf."""
        async for page in self._pages(scope, lambda shelf: shelf.read_all(http, None, resume)):
            yield page

    async def read_since(
        self, http: Http, scope: Scope | None, since: Since, resume: Any
    ) -> AsyncIterator[Page]:
        """List what has changed on a shelf."""
        async for page in self._pages(scope, lambda shelf: shelf.read_since(http, None, since, resume)):
            yield page

    def collection(self) -> Collection:
        """Return what lies on the shelves as a collection below them."""
        return Collection(
            name="book",
            parent="thing",
            read_all=self.read_all,
            read_since=self.read_since,
            since_in_order=True,
        )


@dataclass
class Two:
    """The parents, and the children below them."""

    engine: MemoryStreams
    names: Shelf
    library: Library
    parents: Assignment
    children: Assignment

    def shelf(self, name: str) -> Shelf:
        """Put up a new shelf."""
        self.names.put(name)
        self.library.shelves[name] = Shelf()
        return self.library.shelves[name]

    async def held(self) -> set[str]:
        """Return the ids of the children that are held."""
        return {id for id in await records(self.engine) if "/" in id}


@pytest.fixture
async def two(engine: MemoryStreams) -> Two:
    """Return parents and children, not yet backfilled."""
    names, library = Shelf(), Library()

    def work(number: int, collection: Collection) -> Assignment:
        return Assignment(
            slot=Slot(number=number, partition=0, sync_id="s", collection_id=f"library:{collection.name}"),
            collection=collection,
            engine=engine,
            clock=SystemClock(),
            fence=Fence("sync:s", 1),
            open=lambda _urgency: NoHttp(),  # type: ignore[arg-type,return-value] - never called
        )

    parents, children = work(1, names.collection(one=True)), work(2, library.collection())
    children.parent = parents.slot
    return Two(engine, names, library, parents, children)


async def test_children_of_every_parent_are_backfilled(two: Two) -> None:
    """A backfill reads below each parent in turn."""
    two.shelf("a").put("1")
    two.shelf("b").put("1")
    two.shelf("c")
    await backfill(two.parents, "b1")
    await backfill(two.children, "b2")
    assert await two.held() == {"a/1", "b/1"}


async def test_p3_a_backfill_goes_on_in_the_middle_of_a_parent(two: Two) -> None:
    """After a crash the listing goes on below the parent that it had reached."""
    for name in "abc":
        shelf = two.shelf(name)
        for number in range(5):
            shelf.put(str(number))
    two.library.shelves["b"].failures = [None, Halt(code="provider.forbidden")]
    await backfill(two.parents, "b1")
    with pytest.raises(Halt):
        await backfill(two.children, "b2")
    pages = two.library.shelves["a"].pages
    await two.children.load()
    await backfill(two.children, "b2")
    assert len(await two.held()) == 15
    assert two.library.shelves["a"].pages == pages


async def test_children_of_a_new_parent_are_found_by_a_look(two: Two) -> None:
    """A parent that came after the backfill is read whole at the next look, then followed."""
    await backfill(two.parents, "b1")
    await backfill(two.children, "b2")
    two.shelf("new").put("1")
    await poll(two.parents, new_scopes=True)
    await poll(two.children, new_scopes=True)
    assert await two.held() == {"new/1"}
    two.library.shelves["new"].put("2")
    await poll(two.children, new_scopes=True)
    assert await two.held() == {"new/1", "new/2"}


async def test_a_parent_that_is_gone_holds_nothing_up(two: Two) -> None:
    """A parent that is not there any more does not stop its siblings, and deletes nothing by itself."""
    two.shelf("a").put("1")
    two.shelf("b").put("1")
    await backfill(two.parents, "b1")
    await backfill(two.children, "b2")
    del two.library.shelves["a"]
    two.library.shelves["b"].put("2")
    await poll(two.children, new_scopes=True)
    suspects = no_suspects()
    for _ in range(2):
        two.library.shelves["b"].now_us += 10_000_000
        await sweep(two.children, suspects)
    assert await two.held() == {"a/1", "b/1", "b/2"}


async def test_children_go_with_their_parent(two: Two) -> None:
    """Once the parent is known to be deleted, its children are missing, and two sweeps delete them."""
    two.shelf("a").put("1")
    two.shelf("b").put("1")
    await backfill(two.parents, "b1")
    await backfill(two.children, "b2")
    del two.library.shelves["a"]
    two.names.drop("a")
    await poll(two.parents, new_scopes=True)
    suspects = no_suspects()
    for _ in range(2):
        two.library.shelves["b"].now_us += 10_000_000
        await sweep(two.children, suspects)
    assert await two.held() == {"b/1"}
