"""`GET /v1/records/tail` and `/v1/events/tail`: server-sent events, one for each entry, with its cursor as
id.

A tail begins at the end of the stream, or after `Last-Event-ID` or `after_cursor`. Heartbeats carry the
cursor too, so that a reader whose filters find nothing does not fall behind. Source: html.spec.whatwg.org,
9.2 (read 2026-11-24).
"""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from headwater.api import problems
from headwater.api.access import Reader as ReadingCaller
from headwater.api.parts import Here, Parts
from headwater.api.streams import Cursor, EventFilters, RecordFilters, reader_of
from headwater.errors import HeadwaterError
from headwater.model.position import Stream, Vector
from headwater.model.record import Entry
from headwater.streams.reading import Reader, advanced

router = APIRouter(prefix="/v1", tags=["streams"])

_HEARTBEAT_SECONDS = 15.0
_LIMIT = 500
_MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

LastEventId = Annotated[str | None, Header(max_length=4096, description="Resume after this id.")]
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events `record`, `created`, `updated`, `deleted`, `error`.",
        "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    409: {"description": "The cursor is ahead of the stream."},
}


@router.get("/records/tail", responses=_ANSWER, response_class=Response)
async def tail_records(
    parts: Here,
    caller: ReadingCaller,
    chosen: RecordFilters,
    after_cursor: Cursor = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow the record stream."""
    reader = await reader_of(parts, caller, Stream.RECORDS, chosen)
    return await _tail(parts, reader, last_event_id or after_cursor)


@router.get("/events/tail", responses=_ANSWER, response_class=Response)
async def tail_events(
    parts: Here,
    caller: ReadingCaller,
    chosen: EventFilters,
    after_cursor: Cursor = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow the event stream."""
    reader = await reader_of(parts, caller, Stream.EVENTS, chosen)
    return await _tail(parts, reader, last_event_id or after_cursor)


async def _tail(parts: Parts, reader: Reader, cursor: str | None) -> Response:
    begin = await parts.engine.heads() if cursor is None else await reader.begin(cursor)
    return StreamingResponse(frames(parts, reader, begin), media_type=_MEDIA_TYPE, headers=_HEADERS)


async def frames(parts: Parts, reader: Reader, position: Vector) -> AsyncGenerator[bytes]:
    """Return server-sent events without end: entries as they come, heartbeats when none do."""
    yield b"retry: 2000\n: heartbeat\nid: %b\n\n" % reader.cursor(position).encode()
    beaten = parts.clock.monotonic()
    while not parts.stopping.is_set():
        try:
            read = await reader.fill(position, _LIMIT)
        except HeadwaterError as error:
            body = problems.of_error(error).body  # P11: a gap is told, never silent
            yield b"event: error\ndata: %b\n\n" % bytes(body)
            return
        if read.entries:
            yield await _frames(parts, reader, position, read.entries, read.position)
            beaten = parts.clock.monotonic()
        position = read.position
        if read.has_more:
            continue
        left = beaten + _HEARTBEAT_SECONDS - parts.clock.monotonic()
        if left <= 0:
            yield b": heartbeat\nid: %b\n\n" % reader.cursor(position).encode()
            beaten, left = parts.clock.monotonic(), _HEARTBEAT_SECONDS
        await parts.moved(position, left)


async def _frames(
    parts: Parts, reader: Reader, position: Vector, entries: list[Entry], after: Vector
) -> bytes:
    rendered = await parts.streams.render(reader.stream, entries)
    frames: list[bytes] = []
    for number, (entry, body) in enumerate(zip(entries, rendered, strict=True), 1):
        position = after if number == len(entries) else advanced(position, [entry])
        name = "record" if reader.stream is Stream.RECORDS else parts.streams.renderer.word(entry)
        frames.append(
            b"id: %b\nevent: %b\ndata: %b\n\n" % (reader.cursor(position).encode(), name.encode(), body)
        )
    return b"".join(frames)
