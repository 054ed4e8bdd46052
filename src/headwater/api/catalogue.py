"""`/v1/providers`, and `/v1/collections/{credential_id}`: what can be synced, and from which APIs."""

from fastapi import APIRouter, Depends, Request, Response

from headwater.api.access import Admin, Reader
from headwater.api.catalogue_shapes import CatalogueCollection, ProviderShape
from headwater.api.lists import Paged, sliced
from headwater.api.parts import Here
from headwater.api.shapes import Listed, listed
from headwater.api.strict import DOCUMENT_TYPES, media_types
from headwater.errors import Refused
from headwater.management.listing import Wanted
from headwater.providers.provider import Provider

router = APIRouter(prefix="/v1", tags=["catalogue"])

_DOCUMENT = {
    "requestBody": {
        "required": True,
        "description": "A `rest` document, as YAML or JSON.",
        "content": {
            media_type: {"schema": {"type": "object"} if media_type.endswith("json") else {"type": "string"}}
            for media_type in DOCUMENT_TYPES
        },
    }
}


@router.get("/providers", response_model=Listed[ProviderShape])
async def list_providers(parts: Here, _caller: Reader, wanted: Paged) -> object:
    """List the providers with their collections."""
    providers = await parts.services.providers.all()
    return listed(sliced(providers, wanted, lambda provider: provider.name), ProviderShape.of)


@router.get("/providers/{name}", response_model=ProviderShape)
async def get_provider(parts: Here, _caller: Reader, name: str) -> object:
    """Read one provider."""
    return ProviderShape.of(await parts.services.providers.get(name))


@router.put(
    "/providers/{name}",
    response_model=ProviderShape,
    responses={
        201: {"model": ProviderShape, "description": "A new provider."},
        409: {"description": "A built-in provider has this name."},
    },
    openapi_extra=_DOCUMENT,
    dependencies=[Depends(media_types(*DOCUMENT_TYPES))],
)
async def put_provider(parts: Here, caller: Admin, name: str, request: Request, response: Response) -> object:
    """Store a `rest` document: the newest version counts. Mistakes in it are told with their places."""
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise Refused(
            "The document is not UTF-8.", code="request.malformed", fix="Save it as UTF-8."
        ) from error
    provider, made = await parts.services.providers.put(caller, name, text)
    response.status_code = 201 if made else 200
    return ProviderShape.of(provider)


@router.delete(
    "/providers/{name}",
    status_code=204,
    responses={409: {"description": "A sync or a credential uses the provider, or it is built in."}},
)
async def delete_provider(parts: Here, caller: Admin, name: str) -> None:
    """Remove a provider that was stored. Refused while a sync or a credential uses it."""
    await parts.services.providers.delete(caller, name)


@router.get("/collections/{credential_id}", response_model=Listed[CatalogueCollection])
async def list_collections(parts: Here, caller: Reader, credential_id: str, wanted: Paged) -> object:
    """List the collections that a credential can read, with their fields."""
    credential = await parts.services.credentials.get(caller, credential_id)
    return _collections(await parts.services.providers.get(credential.provider), wanted)


@router.post("/collections/{credential_id}/refresh", response_model=Listed[CatalogueCollection])
async def refresh_collections(parts: Here, caller: Admin, credential_id: str, wanted: Paged) -> object:
    """Find out anew which collections a credential can read, and list them.

    Those of a `rest` document are as its newest version says.
    """
    credential = await parts.services.credentials.get(caller, credential_id)
    return _collections(await parts.services.providers.get_anew(credential.provider), wanted)


def _collections(provider: Provider, wanted: Wanted) -> object:
    page = sliced(sorted(provider.collections, key=lambda one: one.name), wanted, lambda one: one.name)
    return listed(page, lambda collection: CatalogueCollection.of(provider.name, collection))
