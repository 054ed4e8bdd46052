"""`/v1/consumers`: managed consumers, which forward a stream to a target."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from headwater.api.access import Admin, Reader
from headwater.api.consumer_inputs import ConsumerInput, ConsumerPatch, ConsumerReset
from headwater.api.consumer_shapes import ConsumerShape
from headwater.api.lists import Described
from headwater.api.parts import Here
from headwater.api.shapes import Listed, listed
from headwater.api.strict import JSON_TYPES, media_types
from headwater.management.consumers import ConsumerChange, ConsumersOf, NewConsumer
from headwater.model.consumer import Batching, OnGap
from headwater.model.position import Stream
from headwater.model.sync import Status

router = APIRouter(prefix="/v1/consumers", tags=["consumers"])


def chosen(
    target_id: Annotated[
        str | None, Query(max_length=200, description="Only those that write to it.")
    ] = None,
    stream: Literal["records", "events"] | None = None,
    status: Literal["active", "paused"] | None = None,
) -> ConsumersOf:
    """Return which consumers are wanted."""
    return ConsumersOf(
        target_id=target_id,
        stream=None if stream is None else Stream(stream),
        status=None if status is None else Status(status),
    )


@router.get("", response_model=Listed[ConsumerShape])
async def list_consumers(
    parts: Here, caller: Reader, wanted: Described, only: Annotated[ConsumersOf, Depends(chosen)]
) -> object:
    """List managed consumers, with how far behind they are."""
    return listed(await parts.services.consumers.page(caller, wanted, only), ConsumerShape.of)


@router.post(
    "", response_model=ConsumerShape, status_code=201, dependencies=[Depends(media_types(*JSON_TYPES))]
)
async def create_consumer(parts: Here, caller: Admin, body: ConsumerInput) -> object:
    """Make a managed consumer; it begins at its start."""
    new = NewConsumer(
        target_id=body.target_id,
        name=body.name,
        stream=Stream(body.stream),
        filters=body.filters.given(),
        start=body.start,
        on_gap=OnGap(body.on_gap),
        max_deliver=body.max_deliver,
        batch=Batching(**body.batch.given()),
        status=Status(body.status),
        external_id=body.external_id,
        metadata=body.metadata,
    )
    return ConsumerShape.of(await parts.services.consumers.create(caller, new))


@router.get("/{consumer_id}", response_model=ConsumerShape)
async def get_consumer(parts: Here, caller: Reader, consumer_id: str) -> object:
    """Read one managed consumer."""
    return ConsumerShape.of(await parts.services.consumers.get(caller, consumer_id))


@router.patch(
    "/{consumer_id}", response_model=ConsumerShape, dependencies=[Depends(media_types(*JSON_TYPES))]
)
async def change_consumer(parts: Here, caller: Admin, consumer_id: str, body: ConsumerPatch) -> object:
    """Change a managed consumer. `{"status": "paused"}` pauses it, `{"status": "active"}` resumes it."""
    change = ConsumerChange(
        name=body.name,
        filters=None if body.filters is None else body.filters.given(),
        on_gap=None if body.on_gap is None else OnGap(body.on_gap),
        max_deliver=body.max_deliver,
        batch=None if body.batch is None else body.batch.given(),
        status=None if body.status is None else Status(body.status),
        metadata=body.metadata,
    )
    return ConsumerShape.of(await parts.services.consumers.change(caller, consumer_id, change))


@router.delete("/{consumer_id}", status_code=204)
async def delete_consumer(parts: Here, caller: Admin, consumer_id: str) -> None:
    """Remove a managed consumer with its dead letters; what it has written stays in the target."""
    await parts.services.consumers.delete(caller, consumer_id)


@router.post(
    "/{consumer_id}/reset", response_model=ConsumerShape, dependencies=[Depends(media_types(*JSON_TYPES))]
)
async def reset_consumer(parts: Here, caller: Admin, consumer_id: str, body: ConsumerReset) -> object:
    """Let a managed consumer begin anew: at the beginning, the end, or a time back to which it goes.

    What waited to be tried again is forgotten, since it is read again; dead letters stay.
    """
    return ConsumerShape.of(await parts.services.consumers.reset(caller, consumer_id, body.start))
