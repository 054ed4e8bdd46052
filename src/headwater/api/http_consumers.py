"""`/v1/http-consumers`: made, listed, changed, removed; their messages handed out and settled."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from headwater.api.access import Admin, Reader
from headwater.api.head import ASKED_BY_HEAD
from headwater.api.http_consumer_shapes import (
    AckedShape,
    BatchSize,
    ExtendedShape,
    HttpConsumerInput,
    HttpConsumerPatch,
    HttpConsumerShape,
    MessagesShape,
    NackedShape,
    NackInput,
    NextInput,
    ResetInput,
    TokensInput,
    WaitFor,
)
from headwater.api.lists import Owned
from headwater.api.parts import Here, Parts
from headwater.api.shapes import Listed, listed
from headwater.api.strict import JSON_TYPES, media_types
from headwater.consumers.handout import Batch
from headwater.consumers.pull import Worker
from headwater.management.caller import Caller
from headwater.management.http_consumers import HttpConsumerChange, NewHttpConsumer
from headwater.model.position import Stream

router = APIRouter(prefix="/v1/http-consumers", tags=["consumers"])

_JSON = [Depends(media_types(*JSON_TYPES))]
_MESSAGES: dict[int | str, dict[str, Any]] = {
    200: {"model": MessagesShape, "description": "Messages; none when there is none."},
    410: {"description": "The consumer fell behind the retention of events and has stopped: reset it."},
    429: {"description": "Too many long polls wait at this consumer; Retry-After says when to ask again."},
}


@router.get("", response_model=Listed[HttpConsumerShape])
async def list_http_consumers(
    parts: Here, caller: Reader, wanted: Owned, stream: Literal["records", "events"] | None = None
) -> object:
    """List consumers over HTTP."""
    only = None if stream is None else Stream(stream)
    return listed(await parts.services.http_consumers.page(caller, wanted, only), HttpConsumerShape.of)


@router.post("", response_model=HttpConsumerShape, status_code=201, dependencies=_JSON)
async def create_http_consumer(parts: Here, caller: Admin, body: HttpConsumerInput) -> object:
    """Make a consumer over HTTP."""
    new = NewHttpConsumer(
        name=body.name,
        stream=Stream(body.stream),
        filters=body.filters.given(),
        ack_wait=timedelta(milliseconds=body.ack_wait_ms),
        max_deliver=body.max_deliver,
        max_ack_pending=body.max_ack_pending,
        deliver_policy=body.deliver_policy,
        external_id=body.external_id,
        metadata=body.metadata,
    )
    return HttpConsumerShape.of(await parts.services.http_consumers.create(caller, new))


@router.get("/{consumer_id}", response_model=HttpConsumerShape)
async def get_http_consumer(parts: Here, caller: Reader, consumer_id: str) -> object:
    """Read one consumer over HTTP."""
    return HttpConsumerShape.of(await parts.services.http_consumers.get(caller, consumer_id))


@router.patch("/{consumer_id}", response_model=HttpConsumerShape, dependencies=_JSON)
async def change_http_consumer(
    parts: Here, caller: Admin, consumer_id: str, body: HttpConsumerPatch
) -> object:
    """Change a consumer over HTTP; it goes on from where it stands."""
    change = HttpConsumerChange(
        name=body.name,
        filters=None if body.filters is None else body.filters.given(),
        ack_wait=None if body.ack_wait_ms is None else timedelta(milliseconds=body.ack_wait_ms),
        max_deliver=body.max_deliver,
        max_ack_pending=body.max_ack_pending,
        metadata=body.metadata,
    )
    return HttpConsumerShape.of(await parts.services.http_consumers.change(caller, consumer_id, change))


@router.delete("/{consumer_id}", status_code=204)
async def delete_http_consumer(parts: Here, caller: Admin, consumer_id: str) -> None:
    """Remove a consumer over HTTP, with its dead letters."""
    await parts.services.http_consumers.delete(caller, consumer_id)


@router.post("/{consumer_id}/next", responses=_MESSAGES, response_class=Response, dependencies=_JSON)
async def take_next(
    request: Request, parts: Here, caller: Reader, consumer_id: str, body: NextInput | None = None
) -> Response:
    """Take messages; wait for one if there is none. Each must be acknowledged within `ack_wait_ms`."""
    asked = body or NextInput()
    return await _next(request, parts, caller, consumer_id, asked.batch_size, asked.wait_for)


@router.get("/{consumer_id}/next", responses=_MESSAGES, response_class=Response)
async def get_next(
    request: Request,
    parts: Here,
    caller: Reader,
    consumer_id: str,
    batch_size: Annotated[BatchSize, Query()] = 1,
    wait_for: Annotated[WaitFor, Query()] = 0,
) -> Response:
    """Take messages; wait for one if there is none. Each must be acknowledged within `ack_wait_ms`."""
    if ASKED_BY_HEAD in request.scope:  # the messages would be taken, and nobody would see them
        raise HTTPException(405, headers={"Allow": "GET, POST"})
    return await _next(request, parts, caller, consumer_id, batch_size, wait_for)


@router.get("/{consumer_id}/peek", responses=_MESSAGES, response_class=Response)
async def peek(
    parts: Here, caller: Reader, consumer_id: str, batch_size: Annotated[BatchSize, Query()] = 1
) -> Response:
    """Look at what comes next, and take nothing."""
    return _answer(await parts.services.http_consumers.peek(caller, consumer_id, batch_size))


@router.post("/{consumer_id}/ack", response_model=AckedShape, dependencies=_JSON)
async def ack(parts: Here, caller: Reader, consumer_id: str, body: TokensInput) -> object:
    """Acknowledge messages: they are never handed out again. A token that has run out is `unknown`."""
    return AckedShape.of(await parts.services.http_consumers.ack(caller, consumer_id, body.ack_tokens))


@router.post("/{consumer_id}/nack", response_model=NackedShape, dependencies=_JSON)
async def nack(parts: Here, caller: Reader, consumer_id: str, body: NackInput) -> object:
    """Give messages back, to be handed out again at once or after a delay."""
    delay = timedelta(milliseconds=body.delay_ms)
    return NackedShape.of(
        await parts.services.http_consumers.nack(caller, consumer_id, body.ack_tokens, delay)
    )


@router.post("/{consumer_id}/extend", response_model=ExtendedShape, dependencies=_JSON)
async def extend(parts: Here, caller: Reader, consumer_id: str, body: TokensInput) -> object:
    """Ask for more time: the wait for these messages starts anew."""
    return ExtendedShape.of(await parts.services.http_consumers.extend(caller, consumer_id, body.ack_tokens))


@router.post("/{consumer_id}/reset", response_model=HttpConsumerShape, dependencies=_JSON)
async def reset_http_consumer(
    parts: Here, caller: Admin, consumer_id: str, body: ResetInput | None = None
) -> object:
    """Start over. What is out is forgotten, dead letters stay."""
    policy = None if body is None else body.deliver_policy
    return HttpConsumerShape.of(await parts.services.http_consumers.reset(caller, consumer_id, policy))


async def _next(
    request: Request, parts: Parts, caller: Caller, consumer_id: str, batch_size: int, wait_ms: int
) -> Response:
    worker = Worker(request.is_disconnected, parts.stopping)
    wait = timedelta(milliseconds=wait_ms)
    return _answer(await parts.services.http_consumers.next(caller, consumer_id, batch_size, wait, worker))


def _answer(batch: Batch) -> Response:
    """Return messages as JSON, made of bytes: an object is what its API sent, token by token."""
    kind = batch.stream.value.removesuffix("s").encode()
    messages = (
        b'{"%b":%b}' % (kind, message.json)
        if message.token is None
        else b'{"ack_token":"%b","%b":%b}' % (str(message.token).encode(), kind, message.json)
        for message in batch.messages
    )
    backlog = batch.backlog
    body = b'{"data":[%b],"info":{"num_pending":%d,"num_ack_pending":%d,"num_pending_is_estimate":%b}}' % (
        b",".join(messages),
        backlog.pending,
        backlog.ack_pending,
        b"true" if backlog.is_estimate else b"false",
    )
    return Response(body, media_type="application/json")
