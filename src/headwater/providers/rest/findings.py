"""What a probe found out about an API: facts, and what follows from them. Not here: asking (`probe`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headwater.kit import durations
from headwater.kit.clock import from_us
from headwater.providers.rest.collection import CollectionPart, InstantField
from headwater.providers.rest.paged import KeysetPaging, Paging

_EARLIEST_LIKELY = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was seen of one collection. None: not found out."""

    collection: str
    pages: int = 0
    whole: bool = False
    """The list was read to its end."""
    objects: int = 0
    examples: tuple[str, ...] = ()
    """A few upstream ids."""
    duplicates: int = 0
    """How many ids came more than once."""
    rejected: int = 0
    """How many objects cannot be read as declared."""
    reasons: tuple[str, ...] = ()
    """Why, each once."""
    earliest_at: datetime | None = None
    latest_at: datetime | None = None
    """The range of the update times seen."""
    largest_tie: int = 0
    """The most objects that share one update time."""
    total: int | None = None
    """How many objects the API says there are."""
    page_sizes: tuple[int, ...] = ()
    ascending: bool | None = None
    """Changes come with the oldest first."""
    inclusive: bool | None = None
    """Asked for changes since an instant, the API gives what changed at that instant, too."""
    not_modified: bool | None = None
    """Asked again with its validators, the API says that nothing has changed (304)."""
    single: str | None = None
    """The single-object path gives the object `same` as the list, `different`, or `none`."""
    error: str | None = None
    """Why the probe of this collection ended early."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What a probe found. Nothing in it is of the objects' content but a few ids."""

    provider: str
    account: str | None
    """The upstream account, where the document says how it is told."""
    requests: int
    """How many requests the probe made."""
    collections: tuple[Findings, ...]
    error: str | None = None
    """Why nothing could be probed."""

    @property
    def sound(self) -> bool:
        """Whether everything could be read as it is declared. Warnings do not count against it."""
        return self.error is None and all(not each.error and not each.rejected for each in self.collections)


def warnings(
    part: CollectionPart, found: Findings, updated: InstantField | None, paging: Paging | None
) -> Iterator[str]:
    """Return what a person should know before relying on this declaration, as sentences."""
    yield from _about_objects(found, updated, paging)
    yield from _about_deletes(part, found)
    yield from _about_changes(part, found, updated)
    yield from _about_pages(found, paging)


def _about_objects(found: Findings, updated: InstantField | None, paging: Paging | None) -> Iterator[str]:
    if found.rejected:
        yield f"{found.rejected} objects cannot be read as declared. {' '.join(found.reasons)}"
    if found.duplicates and not (isinstance(paging, KeysetPaging) and paging.inclusive):
        yield (
            f"{found.duplicates} ids came more than once: the list moves while it is read, or its paging"
            " repeats. Sort it by something that does not change."
        )
    if updated and found.objects and found.latest_at is None:
        yield f"No object has a time at {updated.field}: is the path right?"
    if found.latest_at and not _EARLIEST_LIKELY < found.latest_at < datetime.now(UTC) + timedelta(days=366):
        yield f"Update times reach {found.latest_at:%Y-%m-%d}: probably their format is another (s, ms, us)."
    if not found.objects and found.whole:
        yield "The list is empty, so little could be found out. Probe again when something is in it."


def _about_deletes(part: CollectionPart, found: Findings) -> Iterator[str]:
    every = durations.show(part.sweep_every)
    if found.single == "different":
        yield (
            "One object looks different when read alone than in the list, so that reading it would look"
            " like a change. Find the parameters that make them alike, or leave out one."
        )
    if found.single == "none":
        yield "The single-object path says that an object of the list does not exist: is it right?"
    if part.deleted is None and part.one is None:
        yield (
            "No tombstones and no single-object path: a delete is noticed after two sweeps, one every"
            f" {every}."
        )
    elif part.deleted is None:
        yield f"No tombstones: a delete is noticed by the next sweep, one every {every}."


def _about_changes(part: CollectionPart, found: Findings, updated: InstantField | None) -> Iterator[str]:
    if part.since is None:
        what = "No since parameter" if updated else "No since parameter and no update time"
        yield f"{what}: each look reads the whole list."
        if found.not_modified and part.conditional == "never":
            yield (
                "It answers 304 to its own ETag: with conditional, a look costs one request while"
                " nothing changes."
            )
        return
    if found.inclusive is False and part.since.inclusive:
        yield (
            "Asked for changes since an instant, the API leaves out what changed at that instant. Say"
            " inclusive: false, or changes on one instant can be missed."
        )
    if found.inclusive and not part.since.inclusive:
        yield (
            "Asked for changes since an instant, the API gives what changed at it, too: inclusive: true"
            " is enough."
        )
    if found.ascending is False and part.since.order == "ascending":
        yield "Changes do not come with the oldest first, as declared. Say order: unknown."
    if found.ascending and part.since.order == "unknown":
        yield "Changes came with the oldest first. If the API promises that, order: ascending saves work."
    if found.not_modified is False and part.conditional != "never":
        yield "It does not answer 304 to its own validators: conditional has no effect."
    if found.not_modified and part.conditional == "never":
        yield "It answers 304 to its own ETag: conditional would make looks cheaper."


def _about_pages(found: Findings, paging: Paging | None) -> Iterator[str]:
    size = paging.size if paging else None
    full = found.page_sizes if not found.whole else found.page_sizes[:-1]
    if size is None or not full:
        return
    if max(full) < size.count:
        yield (
            f"Pages hold {max(full)} objects at most, though {size.count} are asked for: set size.count"
            " to that."
        )
    if size.honoured and min(full) < size.count:
        yield (
            f"A page that is not the last held {min(full)} objects instead of {size.count}. With"
            " size.honoured it would be taken as the last, and the rest would be missed: say false."
        )
    if isinstance(paging, KeysetPaging) and paging.inclusive and found.largest_tie >= size.count:
        yield (
            f"{found.largest_tie} objects share one update time, and a page holds {size.count}: reading"
            " would stop"
            " there. Add the id to the keyset, or page by a cursor."
        )


def instants(times_us: list[int]) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last of some instants."""
    return (from_us(min(times_us)), from_us(max(times_us))) if times_us else (None, None)
