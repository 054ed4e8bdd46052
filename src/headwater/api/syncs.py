"""`/v1/syncs`: made, listed, changed, removed."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from headwater.api.access import Admin, Reader
from headwater.api.inputs import SyncInput, SyncPatch
from headwater.api.lists import Filtered
from headwater.api.parts import Here
from headwater.api.shapes import Listed, SyncShape, listed
from headwater.api.strict import JSON_TYPES, media_types
from headwater.management.syncs import UNSET, NewSync, SyncChange
from headwater.model.sync import Status

router = APIRouter(prefix="/v1/syncs", tags=["syncs"])


@router.get("", response_model=Listed[SyncShape])
async def list_syncs(parts: Here, caller: Reader, wanted: Filtered) -> object:
    """List syncs."""
    return listed(await parts.services.syncs.page(caller, wanted), SyncShape.of)


@router.post("", response_model=SyncShape, status_code=201, dependencies=[Depends(media_types(*JSON_TYPES))])
async def create_sync(parts: Here, caller: Admin, body: SyncInput) -> object:
    """Make a sync; the backfills of its collections begin."""
    new = NewSync(
        provider=body.provider,
        credential_id=body.credential_id,
        name=body.name,
        collection_ids=body.collection_ids,
        rate_share=body.rate_share,
        status=Status(body.status),
        max_age_days=body.max_age_days,
        sync_frequency=body.sync_frequency,
        config=body.config,
        external_id=body.external_id,
        metadata=body.metadata,
    )
    return SyncShape.of(await parts.services.syncs.create(caller, new))


@router.get("/{sync_id}", response_model=SyncShape)
async def get_sync(parts: Here, caller: Reader, sync_id: str) -> object:
    """Read one sync."""
    return SyncShape.of(await parts.services.syncs.get(caller, sync_id))


@router.patch("/{sync_id}", response_model=SyncShape, dependencies=[Depends(media_types(*JSON_TYPES))])
async def change_sync(parts: Here, caller: Admin, sync_id: str, body: SyncPatch) -> object:
    """Change a sync. `{"status": "paused"}` pauses it, `{"status": "active"}` resumes it.

    A collection that is added is backfilled; one that is left out keeps its records and ends its events.
    """
    given = body.model_fields_set
    change = SyncChange(
        name=body.name,
        collection_ids=body.collection_ids,
        rate_share=body.rate_share,
        status=None if body.status is None else Status(body.status),
        max_age_days=body.max_age_days if "max_age_days" in given else UNSET,
        sync_frequency=body.sync_frequency,
        config=body.config,
        external_id=body.external_id if "external_id" in given else UNSET,
        metadata=body.metadata,
    )
    return SyncShape.of(await parts.services.syncs.change(caller, sync_id, change))


_PAUSED: dict[int | str, dict[str, Any]] = {409: {"description": "The sync is paused."}}


@router.delete("/{sync_id}", status_code=204)
async def delete_sync(
    parts: Here,
    caller: Admin,
    sync_id: str,
    records: Annotated[
        Literal["keep", "delete"],
        Query(description="`keep` leaves them readable; `delete` gives each a `deleted` event first."),
    ] = "keep",
) -> None:
    """Remove a sync; with `records=delete` also the records of one that was removed without them."""
    await parts.services.removal.remove(caller, sync_id, with_records=records == "delete")


@router.post("/{sync_id}/check", response_model=SyncShape, status_code=202, responses=_PAUSED)
async def check_sync(parts: Here, caller: Admin, sync_id: str) -> object:
    """Look for changes now."""
    return SyncShape.of(await parts.services.syncs.check(caller, sync_id))
