"""`/webhooks/…`: where APIs push. No key: the signature over the raw body is what counts."""

from fastapi import APIRouter, Request

from headwater.api.parts import Here
from headwater.api.shapes import Answer
from headwater.providers.provider import Received

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class Stored(Answer):
    """The push is stored, and will be in the streams."""

    status: str = "stored"


@router.post(
    "/{sync_id}/{provider}",
    response_model=Stored,
    responses={
        401: {"description": "The signature is missing, wrong or too old."},
        404: {"description": "No webhook is expected here."},
    },
)
async def receive_push(request: Request, parts: Here, sync_id: str, provider: str) -> object:
    """Take what an API pushes for a sync. It is answered once it is stored; a second delivery is known."""
    await parts.services.webhooks.receive(
        sync_id,
        provider,
        Received(
            method=request.method,
            url=str(request.url),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.body(),
            received_us=parts.clock.now_us(),
        ),
    )
    return Stored()
