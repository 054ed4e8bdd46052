"""`/v1/api-keys`: made, listed, revoked. A key's text is in one answer only: that of its making."""

from fastapi import APIRouter, Depends

from headwater.api.access import Admin
from headwater.api.inputs import ApiKeyInput, ApiKeyPatch
from headwater.api.lists import Paged
from headwater.api.parts import Here
from headwater.api.shapes import ApiKeyShape, Listed, NewApiKeyShape, listed
from headwater.api.strict import JSON_TYPES, media_types
from headwater.management.caller import Permission

router = APIRouter(prefix="/v1/api-keys", tags=["api keys"])


@router.get("", response_model=Listed[ApiKeyShape])
async def list_api_keys(parts: Here, caller: Admin, wanted: Paged) -> object:
    """List API keys, without the keys themselves."""
    return listed(await parts.services.keys.page(caller, wanted), ApiKeyShape.of)


@router.post(
    "", response_model=NewApiKeyShape, status_code=201, dependencies=[Depends(media_types(*JSON_TYPES))]
)
async def create_api_key(parts: Here, caller: Admin, body: ApiKeyInput) -> object:
    """Make an API key. The answer shows it this once."""
    key, text = await parts.services.keys.create(
        caller, name=body.name, scopes=set(map(Permission, body.scopes)), external_id=body.external_id
    )
    return NewApiKeyShape.made(key, text)


@router.get("/{key_id}", response_model=ApiKeyShape)
async def get_api_key(parts: Here, caller: Admin, key_id: str) -> object:
    """Read one API key, without the key itself."""
    return ApiKeyShape.of(await parts.services.keys.get(caller, key_id))


@router.patch(
    "/{key_id}",
    response_model=ApiKeyShape,
    responses={409: {"description": "It is the last admin key."}},
    dependencies=[Depends(media_types(*JSON_TYPES))],
)
async def change_api_key(parts: Here, caller: Admin, key_id: str, body: ApiKeyPatch) -> object:
    """Rename an API key, or give it other scopes."""
    scopes = None if body.scopes is None else set(map(Permission, body.scopes))
    return ApiKeyShape.of(await parts.services.keys.change(caller, key_id, name=body.name, scopes=scopes))


@router.delete("/{key_id}", status_code=204, responses={409: {"description": "It is the last admin key."}})
async def revoke_api_key(parts: Here, caller: Admin, key_id: str) -> None:
    """Revoke an API key: it is refused from now on."""
    await parts.services.keys.revoke(caller, key_id)
