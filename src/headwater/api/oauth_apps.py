"""`/v1/oauth-apps`: what APIs know us as, where users link their accounts."""

from fastapi import APIRouter, Depends

from headwater.api.access import Admin, Reader
from headwater.api.lists import OfProvider
from headwater.api.oauth_app_inputs import OAuthAppInput, OAuthAppPatch
from headwater.api.oauth_app_shapes import OAuthAppShape
from headwater.api.parts import Here
from headwater.api.shapes import Listed, listed
from headwater.api.strict import JSON_TYPES, media_types
from headwater.management.oauth_apps import NewOAuthApp, OAuthAppChange

router = APIRouter(prefix="/v1/oauth-apps", tags=["links"])


@router.get("", response_model=Listed[OAuthAppShape])
async def list_oauth_apps(parts: Here, caller: Reader, wanted: OfProvider) -> object:
    """List OAuth apps; secrets are masked."""
    return listed(await parts.services.oauth_apps.page(caller, wanted), OAuthAppShape.of)


@router.post(
    "", response_model=OAuthAppShape, status_code=201, dependencies=[Depends(media_types(*JSON_TYPES))]
)
async def create_oauth_app(parts: Here, caller: Admin, body: OAuthAppInput) -> object:
    """Make an OAuth app. Its `callback_url` is to be registered at the API."""
    made = await parts.services.oauth_apps.create(
        caller,
        NewOAuthApp(
            provider=body.provider,
            name=body.name,
            client_id=body.client_id,
            client_secret=body.client_secret,
            webhook_secret=body.webhook_secret,
            scopes=body.scopes,
            config=body.config,
            redirect_urls=body.redirect_urls,
            external_id=body.external_id,
            metadata=body.metadata,
        ),
    )
    return OAuthAppShape.of(made)


@router.get("/{oauth_app_id}", response_model=OAuthAppShape)
async def get_oauth_app(parts: Here, caller: Reader, oauth_app_id: str) -> object:
    """Read one OAuth app."""
    return OAuthAppShape.of(await parts.services.oauth_apps.get(caller, oauth_app_id))


@router.patch(
    "/{oauth_app_id}", response_model=OAuthAppShape, dependencies=[Depends(media_types(*JSON_TYPES))]
)
async def change_oauth_app(parts: Here, caller: Admin, oauth_app_id: str, body: OAuthAppPatch) -> object:
    """Change an OAuth app. The next renewal of its accounts' tokens goes by it."""
    change = OAuthAppChange(
        name=body.name,
        client_id=body.client_id,
        client_secret=body.client_secret,
        webhook_secret=body.webhook_secret,
        scopes=body.scopes,
        config=body.config,
        redirect_urls=body.redirect_urls,
        metadata=body.metadata,
    )
    return OAuthAppShape.of(await parts.services.oauth_apps.change(caller, oauth_app_id, change))


@router.delete(
    "/{oauth_app_id}",
    status_code=204,
    responses={409: {"description": "Accounts that were linked by it are still there."}},
)
async def delete_oauth_app(parts: Here, caller: Admin, oauth_app_id: str) -> None:
    """Forget an OAuth app and its secrets. Refused while accounts that it linked are there."""
    await parts.services.oauth_apps.delete(caller, oauth_app_id)
