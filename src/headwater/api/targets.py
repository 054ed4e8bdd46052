"""`/v1/targets` and `/v1/target-kinds`: where managed consumers write."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from headwater.api.access import Admin, Reader
from headwater.api.lists import Described, Paged, sliced
from headwater.api.parts import Here
from headwater.api.shapes import Listed, listed
from headwater.api.strict import JSON_TYPES, media_types
from headwater.api.target_inputs import TargetInput, TargetPatch
from headwater.api.target_shapes import SetupShape, TargetKindShape, TargetShape
from headwater.management.targets import NewTarget, TargetChange

router = APIRouter(prefix="/v1", tags=["targets"])


@router.get("/target-kinds", response_model=Listed[TargetKindShape])
async def list_target_kinds(parts: Here, _caller: Reader, wanted: Paged) -> object:
    """List the kinds of target: their settings, what they promise, and the URLs that tell them."""
    page = sliced(parts.services.targets.kinds(), wanted, lambda kind: kind.name)
    return listed(page, TargetKindShape.of)


@router.get("/targets", response_model=Listed[TargetShape])
async def list_targets(
    parts: Here,
    caller: Reader,
    wanted: Described,
    kind: Annotated[str | None, Query(max_length=200, description="Only of this kind.")] = None,
) -> object:
    """List targets; secrets are masked."""
    return listed(await parts.services.targets.page(caller, wanted, kind), TargetShape.of)


@router.post(
    "/targets",
    response_model=TargetShape,
    status_code=201,
    responses={200: {"model": TargetShape, "description": "With `reuse`: there was one like it."}},
    dependencies=[Depends(media_types(*JSON_TYPES))],
)
async def create_target(parts: Here, caller: Admin, body: TargetInput, response: Response) -> object:
    """Make a target. It is tried: one that cannot be reached is kept, and its health says why."""
    target, made = await parts.services.targets.create(
        caller,
        NewTarget(
            kind=body.kind,
            url=body.url,
            name=body.name,
            settings=body.settings,
            external_id=body.external_id,
            metadata=body.metadata,
            reuse=body.reuse,
        ),
    )
    response.status_code = 201 if made else 200
    return TargetShape.of(target)


@router.get("/targets/{target_id}", response_model=TargetShape)
async def get_target(parts: Here, caller: Reader, target_id: str) -> object:
    """Read one target."""
    return TargetShape.of(await parts.services.targets.get(caller, target_id))


@router.patch(
    "/targets/{target_id}",
    response_model=TargetShape,
    responses={409: {"description": "This release does not know the kind of the target."}},
    dependencies=[Depends(media_types(*JSON_TYPES))],
)
async def change_target(parts: Here, caller: Admin, target_id: str, body: TargetPatch) -> object:
    """Change a target. New settings are tried; its consumers go on with them at once."""
    change = TargetChange(name=body.name, settings=body.settings, metadata=body.metadata)
    return TargetShape.of(await parts.services.targets.change(caller, target_id, change))


@router.delete(
    "/targets/{target_id}", status_code=204, responses={409: {"description": "A consumer writes to it."}}
)
async def delete_target(parts: Here, caller: Admin, target_id: str) -> None:
    """Forget a target and its secrets; what was written stays. Refused while a consumer writes to it."""
    await parts.services.targets.delete(caller, target_id)


@router.post(
    "/targets/{target_id}/check",
    response_model=TargetShape,
    responses={409: {"description": "This release does not know the kind of the target."}},
)
async def check_target(parts: Here, caller: Admin, target_id: str) -> object:
    """See whether the target can be reached and written; its health says what came of it.

    Consumers that stand still because of it try again at once.
    """
    return TargetShape.of(await parts.services.targets.check(caller, target_id))


@router.get(
    "/targets/{target_id}/setup",
    response_model=SetupShape,
    responses={409: {"description": "This release does not know the kind of the target."}},
)
async def get_target_setup(parts: Here, caller: Reader, target_id: str) -> object:
    """Read how a person prepares the place for a target, where Headwater is not to do that itself."""
    return SetupShape(setup=await parts.services.targets.setup(caller, target_id))
