"""What is asked of a sync, below `/v1/syncs/{id}`: backfills and sweeps; and what it could not read."""

from fastapi import APIRouter, Depends

from headwater.api.access import Admin, Reader
from headwater.api.inputs import BackfillInput, SweepInput
from headwater.api.lists import Paged
from headwater.api.parts import Here
from headwater.api.shapes import BackfillEntry, BackfillsStarted, Listed, RejectedShape, SweepShape, listed
from headwater.api.strict import JSON_TYPES, media_types

router = APIRouter(prefix="/v1/syncs/{sync_id}", tags=["syncs"])


@router.post(
    "/backfills",
    response_model=BackfillsStarted,
    status_code=202,
    responses={409: {"description": "The sync is paused."}},
    dependencies=[Depends(media_types(*JSON_TYPES))],
)
async def start_backfills(
    parts: Here, caller: Admin, sync_id: str, body: BackfillInput | None = None
) -> object:
    """Start backfills anew; of all collections where none is named."""
    wanted = None if body is None else body.collection_ids
    started = await parts.services.orders.backfill(caller, sync_id, wanted)
    return {"data": [BackfillEntry.of(one) for one in started]}


@router.get("/backfills", response_model=Listed[BackfillEntry])
async def list_backfills(parts: Here, caller: Reader, sync_id: str, wanted: Paged) -> object:
    """List backfills, the newest first, with progress, rate and the time they may still take."""
    return listed(await parts.services.orders.backfills(caller, sync_id, wanted), BackfillEntry.of)


@router.post(
    "/sweeps",
    response_model=SweepShape,
    status_code=202,
    responses={409: {"description": "There is nothing to confirm, or the sync is paused."}},
    dependencies=[Depends(media_types(*JSON_TYPES))],
)
async def order_sweep(parts: Here, caller: Admin, sync_id: str, body: SweepInput) -> object:
    """Ask for a sweep, or with `confirm` let the one go on that stopped at the brake."""
    sweep = await parts.services.orders.sweep(caller, sync_id, body.collection_id, confirm=body.confirm)
    return SweepShape.of(sweep)


@router.get("/sweeps", response_model=Listed[SweepShape])
async def list_sweeps(parts: Here, caller: Reader, sync_id: str, wanted: Paged) -> object:
    """List sweeps that were asked for or found something, the newest first."""
    return listed(await parts.services.orders.sweeps(caller, sync_id, wanted), SweepShape.of)


@router.get("/rejected", response_model=Listed[RejectedShape])
async def list_rejected(parts: Here, caller: Reader, sync_id: str, wanted: Paged) -> object:
    """List objects that could not be read as their collection says, with reasons.

    One leaves the list once it can be read, or when a backfill or a sweep has read everything without it.
    """
    return listed(await parts.services.orders.rejected(caller, sync_id, wanted), RejectedShape.of)
