"""A collection of a document, with its defaults, as the values that `fetch` reads by. Builds nothing that
asks.
"""

from collections.abc import Callable, Iterator
from typing import assert_never

from headwater.providers import fetch, paging
from headwater.providers.rest.auth import QueryAuth
from headwater.providers.rest.collection import CollectionPart, DeletedList, InstantField, Since
from headwater.providers.rest.document import RestDocument
from headwater.providers.rest.paged import (
    CursorPaging,
    Ended,
    HeaderCursorPaging,
    HeaderUrlPaging,
    KeysetPaging,
    LinkHeaderPaging,
    NextUrlPaging,
    NoPaging,
    OffsetPaging,
    PageNumberPaging,
    Paging,
    Size,
)
from headwater.providers.rest.settings import Settings

_VALIDITY = {
    "never": fetch.Validity.NOTHING,
    "page": fetch.Validity.ANSWER,
    "collection": fetch.Validity.COLLECTION,
}


class Declared:
    """What is declared of a collection, the document's defaults included."""

    def __init__(self, document: RestDocument, collection: CollectionPart, settings: Settings) -> None:
        """Look at a collection of a document, for a sync of these settings."""
        self._settings = settings
        self._collection = collection
        self._defaults = document.defaults
        auth = document.auth
        self._hidden = frozenset({auth.name}) if isinstance(auth, QueryAuth) else frozenset[str]()

    @property
    def updated_at(self) -> InstantField | None:
        """Where objects say when they were last changed."""
        return self._collection.updated_at or self._defaults.updated_at

    @property
    def paged(self) -> Paging | None:
        """How the list is paged."""
        return self._collection.paging or self._defaults.paging

    def fields(self) -> fetch.Fields:
        """Return what is read of an object."""
        collection, mark = self._collection, self._collection.deleted
        return fetch.Fields(
            id=collection.id or self._defaults.id or "id",
            created_at=self._instant(collection.created_at or self._defaults.created_at),
            updated_at=self._instant(self.updated_at),
            version=collection.version,
            deleted=fetch.Mark(path=mark.field, equals=mark.equals) if mark and mark.field else None,
            volatile=frozenset(collection.volatile),
            scoped=collection.id_scope == "parent",
        )

    def listing(self) -> fetch.Listing:
        """Return the list of the objects."""
        collection = self._collection
        return fetch.Listing(
            path=self._settings.path(collection.path),
            params=self._settings.texts(collection.params),
            headers=self._settings.texts(collection.headers),
            items=self._items,
            null_is_empty=collection.null_is_empty,
            pager=self._pager(collection.paging),
            total=collection.total,
            total_header=collection.total_header,
            validity=_VALIDITY[collection.conditional],
            hidden=self._hidden,
        )

    def ids(self) -> tuple[fetch.Listing, fetch.Fields] | None:
        """Return the list for sweeps and what is read of its objects."""
        ids = self._collection.ids
        if ids is None:
            return None
        listing = fetch.Listing(
            path=self._settings.path(ids.path),
            params=self._settings.texts(ids.params),
            headers=self._settings.texts(self._collection.headers),
            items=self._items if ids.items is None else ids.items,
            null_is_empty=self._collection.null_is_empty,
            pager=self._pager(ids.paging or self._collection.paging),
            hidden=self._hidden,
        )
        whole = self.fields()
        return listing, fetch.Fields(id=ids.id or whole.id, scoped=whole.scoped)

    def removed(self) -> tuple[fetch.Listing, fetch.Fields, fetch.SinceParam | None] | None:
        """Return the list of deleted objects, what is read of them, and how it is asked for news."""
        deleted = self._collection.deleted.list if self._collection.deleted else None
        if deleted is None:
            return None
        listing = fetch.Listing(
            path=self._settings.path(deleted.path),
            params=self._settings.texts(deleted.params),
            headers=self._settings.texts(self._collection.headers),
            items=deleted.items,
            null_is_empty=self._collection.null_is_empty,
            pager=self._pager(deleted.paging or self._collection.paging),
            hidden=self._hidden,
        )
        return listing, self._removed_fields(deleted), self._since(deleted.since, deleted.deleted_at)

    def one(self) -> fetch.Single | None:
        """Return the address of one object."""
        one = self._collection.one
        if one is None:
            return None
        return fetch.Single(
            path=self._settings.path(one.path),
            params=self._settings.texts(one.params),
            headers=self._settings.texts(self._collection.headers),
            item=one.item,
            gone=frozenset(one.gone),
        )

    def since(self) -> fetch.SinceParam | None:
        """Return how the API is asked for changes."""
        return self._since(self._collection.since, self.updated_at)

    def trials(self) -> Iterator[tuple[tuple[str, ...], Callable[[], object]]]:
        """Return what tells whether paths contradict each other, with the field to name; each may raise
        ValueError.
        """
        yield ("updated_at",), lambda: fetch.check_fields(self.fields())
        yield ("paging",), lambda: fetch.check_listing(self.listing())
        if self._collection.ids:
            yield ("ids",), lambda: [fetch.check_listing(ids[0]) for ids in (self.ids(),) if ids]
        if self._collection.deleted and self._collection.deleted.list:
            yield (
                ("deleted", "list"),
                lambda: [fetch.check_listing(one[0]) for one in (self.removed(),) if one],
            )

    @property
    def _items(self) -> str:
        items = self._collection.items
        return (self._defaults.items or "") if items is None else items

    def _removed_fields(self, deleted: DeletedList) -> fetch.Fields:
        return fetch.Fields(
            id=deleted.id,
            updated_at=self._instant(deleted.deleted_at),
            scoped=self._collection.id_scope == "parent",
        )

    def _instant(self, field: InstantField | None) -> fetch.Instant | None:
        if field is None:
            return None
        return fetch.Instant(path=field.field, format=fetch.FORMATS[field.format or self._defaults.times])

    def _since(self, since: Since | None, at: InstantField | None) -> fetch.SinceParam | None:
        if since is None:
            return None
        written = since.format or (at and at.format) or self._defaults.times
        return fetch.SinceParam(
            send=since.send,
            format=fetch.FORMATS[written],
            template=since.template,
            inclusive=since.inclusive,
            params=since.params,
        )

    def _pager(self, part: Paging | None) -> paging.Pager:
        return pager(part or self._defaults.paging or NoPaging(kind="none"))


def pager(part: Paging) -> paging.Pager:
    """Return the pager that a document's paging describes."""
    size = _size(part.size)
    end = _end(part) if isinstance(part, Ended) else None
    match part:
        case NoPaging():
            return paging.Single(size=size)
        case CursorPaging():
            return paging.Cursor(take=part.take, send=part.send, size=size, end=end)
        case HeaderCursorPaging():
            return paging.HeaderCursor(header=part.header, send=part.send, size=size)
        case HeaderUrlPaging():
            return paging.HeaderUrl(header=part.header, size=size)
        case LinkHeaderPaging():
            return paging.LinkHeader(rel=part.rel, size=size)
        case NextUrlPaging():
            return paging.NextUrl(take=part.take, size=size, end=end)
        case OffsetPaging():
            return paging.Offset(send=part.send, size=size, end=end)
        case PageNumberPaging():
            return paging.PageNumber(send=part.send, start=part.start, last=part.last, size=size, end=end)
        case KeysetPaging():
            return paging.Keyset(send=part.send, inclusive=part.inclusive, size=size, end=end)
    assert_never(part)


def _size(size: Size | None) -> paging.Size | None:
    return size and paging.Size(send=size.send, count=size.count, honoured=size.honoured)


def _end(part: Ended) -> paging.Flag | None:
    if part.more:
        return paging.Flag(path=part.more)
    return paging.Flag(path=part.done, more=False) if part.done else None
