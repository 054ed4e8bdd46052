"""A collection, as a document says it. It becomes a `provider.Collection` made by `providers.fetch`."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic import model_validator as validator
from pydantic_core import CoreSchema

from headwater.providers.rest.paged import Paging
from headwater.providers.rest.part import Address, BodyPath, Duration, Name, Part, Path, Texts, Times


class InstantField(Part):
    """Where an object says when something happened. The field alone is enough where `times` fits."""

    field: Path
    """Path of the field."""
    format: Times | None = None
    """How the time is written: `iso`, or a number of `s`, `ms` or `us` since 1970, or an HTTP date (`http`).
    Default: `times` of the defaults.
    """

    @validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"field": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "string"}, {**schema}], "description": schema.get("description", "")}


class Since(Part):
    """How the API is asked for what has changed since an instant."""

    send: str
    """The query parameter, such as `updated_since`."""
    format: Times | None = None
    """How the instant is sent: `iso` (microseconds), `iso_ms`, `iso_s`, `date`, or a number of `s`, `ms`,
    `us`. Default: as `updated_at` is written.
    """
    template: str = "{value}"
    """What is sent, with `{value}` where the instant stands, such as `updated_at:>={value}`, or `"{value}"`
    with its quotes for an ETag.
    """
    inclusive: bool = True
    """The API gives what changed *at* the instant, too. If it gives only what changed after it, say false:
    one unit less is sent then, and nothing is missed.
    """
    order: Literal["ascending", "unknown"] = "unknown"
    """`ascending`: the oldest change comes first, and each page moves the checkpoint. `unknown`: only the
    whole list does.
    """
    params: Texts = Field(default={})
    """Query parameters that are sent with it, such as a sort order."""


class DeletedList(Part):
    """A list of what was deleted."""

    path: Address
    """Its path below the base URL."""
    params: Texts = Field(default={})
    """Its query parameters."""
    items: BodyPath = ""
    """Path of the array in the answer. Empty: the body is the array."""
    id: Path = "id"
    """Path of the deleted object's id."""
    deleted_at: InstantField | None = None
    """When it was deleted."""
    since: Since | None = None
    """How the list is asked for what was deleted since an instant. Needs `deleted_at`."""
    paging: Paging | None = None
    """How it is paged. Default: as the collection is."""


class Deleted(Part):
    """How deletes show. Without it they are noticed by listing everything from time to time (a sweep)."""

    field: Path | None = None
    """Path of a member of the object that says that it is deleted, such as `deleted` or `archived_at`."""
    equals: str | int | bool | None = None
    """Its value that means deleted. Default: anything but null and false."""
    list: DeletedList | None = None
    """The API lists deleted objects."""


class One(Part):
    """How one object is read. It must look there as it does in the list, byte for byte, or each look is a
    change.
    """

    path: Address
    """Its path below the base URL, with `{id}`."""
    params: Texts = Field(default={})
    """Its query parameters."""
    item: BodyPath = ""
    """Path of the object in the answer. Empty: the body is the object."""
    gone: list[Annotated[int, Field(ge=400, le=499)]] = Field(default=[404, 410])
    """Statuses that say that there is no such object any more."""


class Ids(Part):
    """A cheaper list that shows only which objects exist. It is what sweeps read."""

    path: Address
    """Its path below the base URL."""
    params: Texts = Field(default={})
    """Its query parameters."""
    items: BodyPath | None = None
    """Path of the array in the answer. Default: as in the collection's list."""
    id: Path | None = None
    """Path of the id in each of its objects. Default: as in the collection's list."""
    paging: Paging | None = None
    """How it is paged. Default: as the collection is."""


class Poll(Part):
    """How often the API is asked while a sync is continuous: oftener while there are changes, seldom while
    there are none.
    """

    shortest: Duration = timedelta(seconds=1)
    """The shortest wait between two looks."""
    longest: Duration = timedelta(seconds=30)
    """The longest wait between two looks."""


class Defaults(Part):
    """What holds for every collection that does not say otherwise."""

    items: BodyPath | None = None
    """Path of the array in an answer."""
    id: Path | None = None
    """Path of an object's id."""
    created_at: InstantField | None = None
    """Where objects say when they were made."""
    updated_at: InstantField | None = None
    """Where objects say when they were last changed."""
    times: Times = "iso"
    """How times are written."""
    paging: Paging | None = None
    """How lists are paged."""


class CollectionPart(Part):
    """One class of objects of the API."""

    path: Address
    """The list's path below the base URL. `{parent.id}` and `{parent.…}` (any member of the parent record)
    stand for the parent's values, `{config.…}` for a setting of the sync.
    """
    description: str = ""
    """What it is, in a sentence."""
    params: Texts = Field(default={})
    """Query parameters of the list. They may have placeholders, too."""
    headers: Texts = Field(default={})
    """Headers of the list's requests."""
    items: BodyPath | None = None
    """Path of the array of objects in the answer, such as `data` or `result.items`. Absent: the body is the
    array.
    """
    null_is_empty: bool = False
    """The API writes `null` for an empty array."""
    id: Path | None = None
    """Path of the object's id, text or a whole number. Default: `id`."""
    id_scope: Literal["collection", "parent"] = "collection"
    """`parent`: ids are unique only below one parent record, so upstream ids are `<parent id>/<id>`."""
    created_at: InstantField | None = None
    """Where the object says when it was made."""
    updated_at: InstantField | None = None
    """Where the object says when it was last changed. Absent: the time of its observation counts."""
    version: Path | None = None
    """Path of a whole number that grows with each change of the object. Default: `updated_at` orders its
    states.
    """
    parent: Name | None = None
    """The collection below whose records this one is read, once for each."""
    paging: Paging | None = None
    """How the list is paged. Default: not at all."""
    total: Path | None = None
    """Path of the number of objects in all, for the progress of a backfill."""
    total_header: str | None = None
    """The header with that number."""
    since: Since | None = None
    """How the API is asked for what has changed. Absent: each look reads the whole list."""
    deleted: Deleted | None = None
    """How deletes show."""
    one: One | None = None
    """How one object is read: confirms deletes at once."""
    ids: Ids | None = None
    """A cheaper list for sweeps."""
    poll: Poll = Poll()
    """How often the API is asked."""
    sweep_every: Duration = timedelta(hours=1)
    """How often everything is listed to find what the other ways have missed."""
    overlap: Duration = timedelta(seconds=10)
    """How far behind the last known change each look begins: covers objects that show up late."""
    volatile: list[str] = Field(default=[])
    """Top-level members that change at every read (signed URLs, view counters): kept, but no change by
    themselves.
    """
    fields_in: str | None = None
    """The top-level member in which the API keeps an object's fields, such as `properties`: then events tell
    the fields in it apart.
    """
    conditional: Literal["never", "page", "collection"] = "never"
    """Whether `ETag` or `Last-Modified` of a list are sent back to hear that nothing has changed (304).
    `collection`: they cover the whole collection. `page`: they cover one answer, so they help while the list
    fits into one page.
    """
