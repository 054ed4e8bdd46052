"""`GET /v1/records`, `GET /v1/events` and the single record: pages by cursor, long poll, NDJSON."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from headwater.api import export
from headwater.api.access import Reader as ReadingCaller
from headwater.api.parts import Here, Parts
from headwater.api.stream_shapes import EventPage, Record, RecordPage
from headwater.errors import Gone, Invalid
from headwater.management.caller import Caller
from headwater.model.position import Stream
from headwater.model.record import EventKind
from headwater.streams.engine import Read
from headwater.streams.filters import Filters
from headwater.streams.reading import Reader

router = APIRouter(prefix="/v1", tags=["streams"])

_NDJSON = "application/x-ndjson"
_SLICE_SECONDS = 5.0
"""How soon a long poll notices that its client has gone."""
_KINDS = {
    "created": EventKind.CREATED,
    "inserted": EventKind.CREATED,
    "updated": EventKind.UPDATED,
    "deleted": EventKind.DELETED,
}

Many = Annotated[list[str] | None, Query(max_length=100)]
Cursor = Annotated[str | None, Query(max_length=4096, description="Go on after this cursor.")]
Limit = Annotated[
    int | None, Query(ge=1, le=1000, description="Entries in a page; 100 where it is left out.")
]
Wait = Annotated[
    int | None, Query(ge=0, le=60_000, description="Milliseconds to wait for an entry when there is none.")
]


def filters(
    sync_id: Many = None,
    provider: Many = None,
    collection_id: Annotated[
        list[str] | None, Query(max_length=100, description="Full ids, or all of a provider's: `stripe:*`.")
    ] = None,
    upstream_id: Many = None,
    deleted: Annotated[bool | None, Query(description="Both where it is left out.")] = None,
) -> Filters:
    """Return the filters that both streams have."""
    return Filters(
        sync_id=_set(sync_id),
        provider=_set(provider),
        collection_id=_set(collection_id),
        upstream_id=_set(upstream_id),
        deleted=deleted,
    )


RecordFilters = Annotated[Filters, Depends(filters)]


def event_filters(
    common: RecordFilters,
    event: Annotated[list[Literal["created", "inserted", "updated", "deleted"]] | None, Query()] = None,
) -> Filters:
    """Return the filters of the event stream."""
    return Filters(
        sync_id=common.sync_id,
        provider=common.provider,
        collection_id=common.collection_id,
        upstream_id=common.upstream_id,
        deleted=common.deleted,
        event=frozenset(_KINDS[word] for word in event or ()),
    )


EventFilters = Annotated[Filters, Depends(event_filters)]


async def reader_of(parts: Parts, caller: Caller, stream: Stream, chosen: Filters) -> Reader:
    """Return the reader of a stream for a caller. Raises: Invalid for filters that name what is not here."""
    await parts.services.selections.refuse_unknown(chosen, caller.external_id)
    return parts.streams.reader(stream, chosen, caller.external_id)


def _page(model: type[Any]) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "model": model,
            "description": "A page; with `Accept: application/x-ndjson` everything up to the end, as lines.",
            "content": {_NDJSON: {"schema": {"type": "string"}}},
        },
        409: {"description": "The cursor is ahead of the stream."},
        410: {"description": "The cursor is older than what is kept; `earliest_cursor` is what is left."},
    }


@router.get("/records", responses=_page(RecordPage), response_class=Response)
async def list_records(
    request: Request,
    parts: Here,
    caller: ReadingCaller,
    chosen: RecordFilters,
    after_cursor: Cursor = None,
    limit: Limit = None,
    wait_for: Wait = None,
) -> Response:
    """Read the record stream: each record once, in the order of their last changes."""
    reader = await reader_of(parts, caller, Stream.RECORDS, chosen)
    return await _answer(request, parts, reader, after_cursor, limit, wait_for)


@router.get("/events", responses=_page(EventPage), response_class=Response)
async def list_events(
    request: Request,
    parts: Here,
    caller: ReadingCaller,
    chosen: EventFilters,
    after_cursor: Cursor = None,
    limit: Limit = None,
    wait_for: Wait = None,
) -> Response:
    """Read the event stream: every change that is kept, in order for each record."""
    reader = await reader_of(parts, caller, Stream.EVENTS, chosen)
    return await _answer(request, parts, reader, after_cursor, limit, wait_for)


@router.get(
    "/records/{sync_id}/{collection_id}/{upstream_id:path}",
    responses={200: {"model": Record}},
    response_class=Response,
)
async def get_record(
    parts: Here, caller: ReadingCaller, sync_id: str, collection_id: str, upstream_id: str
) -> Response:
    """Read one record, deleted or not. An upstream id may have slashes in it."""
    body = await parts.streams.record(caller.external_id, (sync_id, collection_id, upstream_id))
    return Response(body, media_type="application/json")


async def _answer(
    request: Request, parts: Parts, reader: Reader, cursor: str | None, limit: int | None, wait_ms: int | None
) -> Response:
    if _NDJSON in request.headers.get("accept", ""):
        given = [name for name, value in (("limit", limit), ("wait_for", wait_ms)) if value is not None]
        if given:
            raise Invalid(
                "NDJSON streams everything up to the end.",
                errors=[(name, "Has no meaning together with NDJSON.") for name in given],
                fix="Leave it out, or ask for application/json.",
            )
        lines = await export.lines(parts, reader, cursor)
        return StreamingResponse(lines, media_type=_NDJSON)
    read = await _first(reader, cursor, limit or 100)
    if not read.entries and wait_ms:
        read = await _wait(request, parts, reader, read, limit or 100, wait_ms)
    rendered = await parts.streams.render(reader.stream, read.entries)
    body = b'{"%b":[%b],"cursor":"%b","has_more":%b}' % (
        reader.stream.value.encode(),
        b",".join(rendered),
        reader.cursor(read.position).encode(),
        b"true" if read.has_more else b"false",
    )
    return Response(body, media_type="application/json")


async def _first(reader: Reader, cursor: str | None, limit: int) -> Read:
    while True:
        try:
            return await reader.fill(await reader.begin(cursor), limit)
        except Gone:
            if cursor is not None:
                raise
            # Retention took a step between our two looks: the beginning is elsewhere now.


async def _wait(request: Request, parts: Parts, reader: Reader, read: Read, limit: int, wait_ms: int) -> Read:
    """Look again until there is something, the time is over, the client has gone or the process stops."""
    deadline = parts.clock.monotonic() + wait_ms / 1000
    while not read.entries and not parts.stopping.is_set():
        left = deadline - parts.clock.monotonic()
        if left <= 0 or await request.is_disconnected():
            break
        if not read.has_more:
            await parts.moved(read.position, min(left, _SLICE_SECONDS))
        read = await reader.fill(read.position, limit)
    return read


def _set(values: list[str] | None) -> frozenset[str]:
    """Return a filter's values; `*` is no filter."""
    return frozenset() if values is None or "*" in values else frozenset(values)
