"""`/v1/credentials`: how accounts of APIs are entered."""

from fastapi import APIRouter, Depends, Response

from headwater.api.access import Admin, Reader
from headwater.api.inputs import CredentialInput, CredentialPatch, RateLimitInput
from headwater.api.lists import Filtered
from headwater.api.parts import Here
from headwater.api.shapes import CredentialShape, Listed, listed
from headwater.api.strict import JSON_TYPES, media_types
from headwater.management.credentials import CredentialChange, NewCredential, RateLimit

router = APIRouter(prefix="/v1/credentials", tags=["credentials"])


@router.get("", response_model=Listed[CredentialShape])
async def list_credentials(parts: Here, caller: Reader, wanted: Filtered) -> object:
    """List credentials; secrets are masked."""
    return listed(await parts.services.credentials.page(caller, wanted), CredentialShape.of)


@router.post(
    "",
    response_model=CredentialShape,
    status_code=201,
    responses={200: {"model": CredentialShape, "description": "Renewed: there was one of this account."}},
    dependencies=[Depends(media_types(*JSON_TYPES))],
)
async def put_credential(parts: Here, caller: Admin, body: CredentialInput, response: Response) -> object:
    """Make a credential, or renew the one of the same provider, upstream account and external_id."""
    credential, made = await parts.services.credentials.put(
        caller,
        NewCredential(
            provider=body.provider,
            kind=body.kind,
            name=body.name,
            properties=body.properties,
            rate_limit=_limit(body.rate_limit),
            external_id=body.external_id,
            metadata=body.metadata,
            oauth_app_id=body.oauth_app_id,
        ),
    )
    response.status_code = 201 if made else 200
    return CredentialShape.of(credential)


@router.get("/{credential_id}", response_model=CredentialShape)
async def get_credential(parts: Here, caller: Reader, credential_id: str) -> object:
    """Read one credential."""
    return CredentialShape.of(await parts.services.credentials.get(caller, credential_id))


@router.patch(
    "/{credential_id}", response_model=CredentialShape, dependencies=[Depends(media_types(*JSON_TYPES))]
)
async def change_credential(parts: Here, caller: Admin, credential_id: str, body: CredentialPatch) -> object:
    """Change a credential. Its syncs go on with it at once."""
    change = CredentialChange(
        name=body.name,
        properties=body.properties,
        rate_limit=_limit(body.rate_limit),
        metadata=body.metadata,
    )
    return CredentialShape.of(await parts.services.credentials.change(caller, credential_id, change))


@router.delete(
    "/{credential_id}", status_code=204, responses={409: {"description": "A sync uses the credential."}}
)
async def delete_credential(parts: Here, caller: Admin, credential_id: str) -> None:
    """Remove a credential and its secrets. Refused while a sync uses it."""
    await parts.services.credentials.delete(caller, credential_id)


@router.post("/{credential_id}/check", response_model=CredentialShape)
async def check_credential(parts: Here, caller: Admin, credential_id: str) -> object:
    """Try a credential at its API; its health says what came of it."""
    return CredentialShape.of(await parts.services.credentials.check(caller, credential_id))


def _limit(limit: RateLimitInput | None) -> RateLimit | None:
    if limit is None:
        return None
    return RateLimit(
        allowed_requests=limit.allowed_requests,
        interval=limit.interval,
        max_concurrent_requests=limit.max_concurrent_requests,
    )
