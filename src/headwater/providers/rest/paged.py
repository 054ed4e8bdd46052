"""The ways of paging, as a document says them. They become the pagers of `providers.paging`."""

from typing import Annotated, Literal

from pydantic import Field

from headwater.providers.rest.part import Part, Path


class Size(Part):
    """How many objects a page holds."""

    send: str
    """The query parameter that asks for it."""
    count: Annotated[int, Field(ge=1)]
    """The number to ask for: the most that the API allows. Fewer pages are fewer requests."""
    honoured: bool = False
    """The API documents that every page but the last holds exactly so many objects. Then a shorter page is
    taken as the last, which saves one request; else reading goes on to an empty page.
    """


class Paged(Part):
    """What all ways of paging have."""

    size: Size | None = None
    """How many objects a page holds."""


class Ended(Paged):
    """What ways of paging have whose end a member of the answer may say."""

    more: Path | None = None
    """Path of a member that is `true` while there are more pages, such as `has_more`."""
    done: Path | None = None
    """Path of a member that is `true` on the last page, such as `end_of_stream`."""


class NoPaging(Paged):
    """One answer holds everything."""

    kind: Literal["none"]


class CursorPaging(Ended):
    """The answer's body holds a cursor, which is sent to get the next page. No cursor: the end."""

    kind: Literal["cursor"]
    take: Path
    """Path of the cursor in the answer, such as `meta.next_cursor`."""
    send: str
    """The query parameter that it is sent as."""


class HeaderCursorPaging(Paged):
    """A header of the answer holds a cursor, which is sent to get the next page. No header: the end."""

    kind: Literal["header_cursor"]
    header: str
    """The header's name."""
    send: str
    """The query parameter that the cursor is sent as."""


class HeaderUrlPaging(Paged):
    """A header of the answer holds the URL of the next page. No header: the end."""

    kind: Literal["header_url"]
    header: str
    """The header's name, such as `Next-Page`."""


class LinkHeaderPaging(Paged):
    """The answer's `Link` header holds the URL of the next page, with `rel="next"`. No such link: the end."""

    kind: Literal["link_header"]
    rel: str = "next"
    """The link's relation."""


class NextUrlPaging(Ended):
    """The answer's body holds the URL of the next page. No URL: the end."""

    kind: Literal["next_url"]
    take: Path
    """Path of the URL in the answer, such as `links.next`. A dot inside a name takes a backslash:
    `@odata\\.nextLink`.
    """


class OffsetPaging(Ended):
    """A parameter says how many objects to leave out. The end: `more` or `done`, else an empty page."""

    kind: Literal["offset"]
    send: str
    """The query parameter of the offset."""


class PageNumberPaging(Ended):
    """A parameter is the page's number. The end: `more`, `done` or `last`, else an empty page."""

    kind: Literal["page_number"]
    send: str
    """The query parameter of the number."""
    start: int = 1
    """The number of the first page."""
    last: Path | None = None
    """Path of the number of the last page in the answer, such as `total_pages`."""


class KeysetPaging(Ended):
    """Fields of the page's last object are sent to get what comes behind it. The end: `more` or `done`, else
    an empty page.
    """

    kind: Literal["keyset"]
    send: Annotated[dict[str, Path], Field(min_length=1)]
    """Query parameter to field of the object, such as `{starting_after: id}`. The fields must be unique
    together.
    """
    inclusive: bool = False
    """The API gives what is *at or behind* the value (`updated_since`, sorted by it), so that objects with
    the last value come again. Needs a `size` that the API honours.
    """


Paging = Annotated[
    NoPaging
    | CursorPaging
    | HeaderCursorPaging
    | HeaderUrlPaging
    | LinkHeaderPaging
    | NextUrlPaging
    | OffsetPaging
    | PageNumberPaging
    | KeysetPaging,
    Field(discriminator="kind"),
]
