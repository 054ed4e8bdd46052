"""What users may write as filters of a consumer or of a stream: words that mean something, so that a typing
mistake is never a reader that waits for ever.

Not here: what filters find (`consumers.selection`, `streams.filters`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from headwater.consumers.selection import EVENTS
from headwater.errors import Invalid
from headwater.management import schemas
from headwater.management.providers import Providers
from headwater.management.schemas import Mistake
from headwater.model.consumer import Selection
from headwater.model.position import Stream
from headwater.model.record import Slot
from headwater.streams.filters import Filters
from headwater.streams.slots import SlotTable

EVERYTHING = "*"
_KNOWN_FILTERS = 1_000
"""Filters that are remembered to be right: nobody asks twice for each page."""
_NAMES = ("provider", "sync_id", "collection_id", "event")

Given = Mapping[str, Sequence[str]]
"""Filters as a user gave them: name to values; what is left out wants everything."""


class Selections:
    """Makes selections of filters."""

    def __init__(self, providers: Providers, slots: SlotTable) -> None:
        """Know what is in the catalogue, and what the streams have of each tenant."""
        self._providers = providers
        self._slots = slots
        self._passed = set[tuple[Filters, str | None]]()

    async def refuse_unknown(self, filters: Filters, tenant: str | None) -> None:
        """Refuse filters of a stream that name a sync, provider or collection that a tenant does not have.

        Raises: Invalid `filter.unknown`, with parameters as fields.
        """
        if (filters, tenant) in self._passed:
            return
        found = [
            *await self._of_syncs(sorted(filters.sync_id), tenant),
            *await self._of_collections(
                sorted(filters.provider) or [EVERYTHING], sorted(filters.collection_id), tenant
            ),
        ]
        if found:
            fields = [(field.removeprefix("filters.").partition(".")[0], said) for field, said in found]
            raise Invalid(
                "The filters name what is not here.",
                errors=list(dict.fromkeys(fields)),
                code="filter.unknown",
                fix="Correct what `errors` names; GET /v1/providers lists collections, GET /v1/syncs syncs.",
            )
        if len(self._passed) >= _KNOWN_FILTERS:
            self._passed.clear()
        self._passed.add((filters, tenant))

    async def of(self, stream: Stream, given: Given, tenant: str | None) -> Selection:
        """Return the selection that filters mean for a consumer of a tenant. Raises: Invalid."""
        wanted = {name: _values(given.get(name, (EVERYTHING,))) for name in _NAMES}
        found = [
            *((f"filters.{name}", schemas.unknown(name, _NAMES)) for name in given if name not in _NAMES),
            *((f"filters.{name}", "Must name something.") for name in _NAMES if not wanted[name]),
            *_of_events(stream, wanted["event"]),
            *await self._of_syncs(wanted["sync_id"], tenant),
            *await self._of_collections(wanted["provider"], wanted["collection_id"], tenant),
        ]
        if found:
            raise Invalid(
                "The consumer's filters would not find what they say.",
                errors=found,
                fix="Correct the fields that `errors` names; GET /v1/providers lists collections, GET "
                "/v1/syncs syncs.",
            )
        return Selection(**wanted)

    async def _of_syncs(self, sync_ids: Sequence[str], tenant: str | None) -> list[Mistake]:
        """Return the mistakes of a filter by sync. One that was removed is known by what it has left."""
        known = {slot.sync_id for slot in await self._own(tenant)}
        return [
            (f"filters.sync_id.{number}", "There is no such sync.")
            for number, sync_id in enumerate(sync_ids)
            if sync_id not in known and sync_id != EVERYTHING
        ]

    async def _of_collections(
        self, providers: Sequence[str], ids: Sequence[str], tenant: str | None
    ) -> list[Mistake]:
        known = {
            one.name: {f"{one.name}:{each.name}" for each in one.collections}
            for one in await self._providers.all()
        }
        for slot in await self._own(tenant):  # also what a removed provider has left
            known.setdefault(slot.provider, set()).add(slot.collection_id)
        return [
            *(
                (f"filters.provider.{number}", _unknown(name, known, "provider"))
                for number, name in enumerate(providers)
                if name not in known and name != EVERYTHING
            ),
            *_of_ids(ids, providers, known),
        ]

    async def _own(self, tenant: str | None) -> list[Slot]:
        """Return the slots of a tenant, or of everybody: another's are not told from none (P12)."""
        slots = await self._slots.now()
        return [
            owned.slot
            for owned in slots.by_number.values()
            if tenant is None or owned.external_id == tenant  # P12
        ]


def _of_ids(
    ids: Sequence[str], providers: Sequence[str], known: Mapping[str, Iterable[str]]
) -> Iterator[Mistake]:
    for number, id in enumerate(ids):
        field = f"filters.collection_id.{number}"
        provider, colon, name = id.partition(":")
        if id == EVERYTHING:
            continue
        if not colon:
            yield field, 'Must be "provider:collection", or "provider:*" for all of a provider.'
        elif provider not in known:
            yield field, _unknown(provider, known, "provider")
        elif name != EVERYTHING and id not in known[provider]:
            yield field, _unknown(id, known[provider], "collection")
        elif EVERYTHING not in providers and provider not in providers:
            yield field, "Is a collection of a provider that the filter on provider leaves out."


def _of_events(stream: Stream, words: Sequence[str]) -> Iterator[Mistake]:
    if stream is Stream.RECORDS and words != (EVERYTHING,):
        yield "filters.event", "Is for events only: a record is the latest state, whatever led to it."
        return
    for number, word in enumerate(words):
        if word not in EVENTS and word != EVERYTHING:
            yield f"filters.event.{number}", "Must be one of " + ", ".join(EVENTS) + "."


def _values(given: Sequence[str]) -> tuple[str, ...]:
    """Return each value once; `*` among others is all of them."""
    return (EVERYTHING,) if EVERYTHING in given else tuple(dict.fromkeys(given))


def _unknown(name: str, known: Iterable[str], what: str) -> str:
    return schemas.unknown(name, known).replace("field", what)
