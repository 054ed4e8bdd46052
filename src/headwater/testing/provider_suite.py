"""What every provider must do, as tests: subclass `ProviderSuite` and supply recorded answers.

    class TestAcme(ProviderSuite):
        @pytest.fixture
        def recording(self) -> Recording:
            return Recording(provider=ACME, answers={"/v2/things?limit=2": Recorded(body=…), …}, …)

The answers are served on loopback and read through the real HTTP client, so that statuses, waits and cut
connections are what they would be. Some collection must have three pages or more. Not here: what only a live
account shows (`headwater rest probe`).
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from headwater.errors import Halt, HeadwaterError, Retry
from headwater.kit.budget import Bucket, Governor, Urgency
from headwater.kit.clock import SystemClock
from headwater.kit.http import Client, Http, open_session
from headwater.providers.provider import JSON, Collection, Page, Provider, Scope
from headwater.testing.recorded_api import Recorded, RecordedApi, Twist, always, from_request, halved

_SECRET = "a-secret-that-must-not-be-seen"  # noqa: S105 looked for in errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A provider, and what its API answered, by path and query.

    `empty` is the answer of a list with nothing in it. `scopes` has a parent record for each collection that
    is read below one. The credential's `properties` are made up: every secret one is the same conspicuous
    text.
    """

    provider: Provider
    answers: Mapping[str, Recorded]
    empty: Recorded
    scopes: Mapping[str, Scope] = field(default_factory=dict[str, Scope])

    @property
    def properties(self) -> dict[str, JSON]:
        """A credential's properties."""
        return dict.fromkeys(self.provider.credential_kinds[0].schema.get("properties", {}), _SECRET)

    @asynccontextmanager
    async def open(
        self, twist: Twist | None = None, *, cut_short: bool = False
    ) -> AsyncGenerator[tuple[Http, RecordedApi]]:
        """Open the API, as it was recorded or with what goes wrong."""
        clock = SystemClock()
        async with RecordedApi(self.provider.base_url, self.answers, twist) as api, open_session() as session:
            api.cut_short = cut_short
            yield (
                Client(
                    api.base_url,
                    authorizer=self.provider.authorize(
                        self.provider.credential_kinds[0].name, self.properties
                    ),
                    limiter=Governor(unhurried(self.provider.budget), clock),
                    urgency=Urgency.CHANGES,
                    clock=clock,
                    headers=self.provider.headers,
                    session=session,
                ),
                api,
            )

    async def pages(self, http: Http, collection: Collection, resume: JSON | None = None) -> list[Page]:
        """Read a collection whole."""
        scope = self.scopes.get(collection.name)
        return [page async for page in collection.read_all(http, scope, resume)]


def unhurried(budget: Iterable[Bucket]) -> tuple[Bucket, ...]:
    """Return buckets of the same names that hold nobody up."""
    return tuple(replace(bucket, allowed=1_000_000, concurrent=None) for bucket in budget)


class ProviderSuite:
    """All that a provider promises in `providers/provider.py`, of lists."""

    @pytest.fixture
    def recording(self) -> Recording:
        """The provider and its answers. To be supplied."""
        raise NotImplementedError

    @pytest.fixture
    async def longest(self, recording: Recording) -> Collection:
        """The collection with the most pages."""
        async with recording.open() as (http, _):
            sizes = {
                one.name: len(await recording.pages(http, one)) for one in recording.provider.collections
            }
        name = max(sizes, key=lambda name: sizes[name])
        assert sizes[name] >= 3, "record a collection with a first, a middle and a last page"
        found = recording.provider.collection(name)
        assert found is not None
        return found

    async def test_every_collection_yields_ids_and_times(self, recording: Recording) -> None:
        """Each object once, with its id, its bytes, and its update time where the API has one."""
        async with recording.open() as (http, api):
            for collection in recording.provider.collections:
                pages = await recording.pages(http, collection)
                observed = [one for page in pages for one in page.observed]
                assert observed, f"record something of {collection.name}"
                assert len({one.id for one in observed}) == len(observed)
                assert all(
                    one.id and (one.deleted or (one.raw and len(one.fingerprint) == 16)) for one in observed
                )
                assert not [reject for page in pages for reject in page.rejected]
                if collection.updated_at_source == "upstream":
                    assert all(one.updated_us is not None for one in observed)
        assert api.unknown == []

    async def test_only_the_last_page_is_the_end(self, recording: Recording) -> None:
        """Every page before it says how to go on."""
        async with recording.open() as (http, _):
            for collection in recording.provider.collections:
                pages = await recording.pages(http, collection)
                assert [page.resume is None for page in pages] == [False] * (len(pages) - 1) + [True]

    async def test_an_empty_list_is_one_page(self, recording: Recording) -> None:
        """With nothing in it, and the end."""
        async with recording.open(lambda number, answer: recording.empty) as (http, _):
            for collection in recording.provider.collections:
                [page] = await recording.pages(http, collection)
                assert (list(page.observed), page.resume) == ([], None)

    async def test_a_reading_resumes_after_each_page(self, recording: Recording) -> None:
        """From every page's `resume` it misses nothing."""
        async with recording.open() as (http, _):
            for collection in recording.provider.collections:
                pages = await recording.pages(http, collection)
                for number, page in enumerate(pages[:-1], start=1):
                    missing = [one.id for later in pages[number:] for one in later.observed]
                    again = await recording.pages(http, collection, page.resume)
                    assert set(missing) <= {one.id for later in again for one in later.observed}

    async def test_a_repeated_page_is_an_error(self, recording: Recording, longest: Collection) -> None:
        """An API that gives the same page for ever is neither read for ever nor believed to be at its end."""
        second: list[Recorded] = []

        def stuck(number: int, answer: Recorded) -> Recorded:
            if number == 2:
                second.append(answer)
            return second[0] if second else answer

        async with recording.open(stuck) as (http, _):
            error = await self._error(recording, http, longest)
        assert isinstance(error, Retry)
        assert error.error_code == "provider.page_loop"

    @pytest.mark.parametrize(
        ("twist", "expected"),
        [
            (always(401), Halt),
            (always(403), Halt),
            (always(429), Retry),
            (always(500), Retry),
            (always(502, b"<html>"), Retry),
            (always(503), Retry),
            (always(200, b""), Retry),
            (always(200, b"<html>"), Retry),
            (always(200, b"3"), Retry),
            (halved, Retry),
        ],
        ids=["401", "403", "429", "500", "502", "503", "nothing", "html", "number", "half"],
    )
    @pytest.mark.parametrize("first", [1, 2])
    async def test_what_goes_wrong_is_told_and_is_not_the_end(
        self,
        recording: Recording,
        longest: Collection,
        first: int,
        twist: Twist,
        expected: type[HeadwaterError],
    ) -> None:
        """A person is called for the credential, everything else is asked again; no secret shows (P8)."""
        async with recording.open(from_request(first, twist)) as (http, _):
            error = await self._error(recording, http, longest, pages_before=first - 1)
        assert isinstance(error, expected)
        assert _SECRET not in f"{error} {error.message} {error.fix} {error.context} {error!r}"

    async def test_a_connection_that_ends_early_is_asked_again(
        self, recording: Recording, longest: Collection
    ) -> None:
        """Half a body is no answer."""
        async with recording.open(cut_short=True) as (http, _):
            assert isinstance(await self._error(recording, http, longest), Retry)

    async def test_the_apis_own_wait_is_kept(self, recording: Recording, longest: Collection) -> None:
        """`Retry-After` is what the error says."""
        async with recording.open(always(429, Retry_After="7")) as (http, _):
            error = await self._error(recording, http, longest)
        assert isinstance(error, Retry)
        assert error.after is not None
        assert timedelta(seconds=6) <= error.after <= timedelta(seconds=8)

    async def _error(
        self, recording: Recording, http: Http, collection: Collection, *, pages_before: int | None = None
    ) -> HeadwaterError:
        """Read until it goes wrong; return how."""
        pages: list[Page] = []
        reading = collection.read_all(http, recording.scopes.get(collection.name), None)
        try:
            async for page in reading:
                pages.append(page)
        except HeadwaterError as error:
            assert pages_before is None or len(pages) == pages_before
            assert all(page.resume is not None for page in pages)
            return error
        pytest.fail("it was read as if nothing had gone wrong")
