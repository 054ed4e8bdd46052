"""`/webhooks/…`: where APIs push. No key: the signature over the raw body is what counts."""

from typing import Any, Literal

from fastapi import APIRouter, Request

from headwater.api.parts import Here, Parts
from headwater.api.shapes import Answer
from headwater.providers.provider import Received

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class Stored(Answer):
    """The push is stored, and will be in the streams; or no sync is of the account that it speaks of."""

    status: Literal["stored", "ignored"] = "stored"


_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The signature is missing, wrong or too old."},
    404: {"description": "No webhook is expected here."},
}


@router.post("/app/{oauth_app_id}", response_model=Stored, responses=_REFUSALS)
async def receive_app_push(request: Request, parts: Here, oauth_app_id: str) -> object:
    """Take what an API pushes for an OAuth app. It goes to every sync of the account that it speaks of."""
    found = await parts.services.webhooks.receive_for_app(oauth_app_id, await _received(request, parts))
    return Stored() if found else Stored(status="ignored")


@router.post("/{sync_id}/{provider}", response_model=Stored, responses=_REFUSALS)
async def receive_push(request: Request, parts: Here, sync_id: str, provider: str) -> object:
    """Take what an API pushes for a sync. It is answered once it is stored; a second delivery is known."""
    await parts.services.webhooks.receive(sync_id, provider, await _received(request, parts))
    return Stored()


async def _received(request: Request, parts: Parts) -> Received:
    url = request.url
    return Received(
        method=request.method,
        url=parts.services.hooks.public.of_request(url.path, url.query, str(url)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.body(),
        received_us=parts.clock.now_us(),
    )
