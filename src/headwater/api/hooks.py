"""`/v1/syncs/{sync_id}/webhook`: where a sync's API pushes."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field

from headwater.api.access import Admin, Reader
from headwater.api.inputs import Input, Text
from headwater.api.parts import Here
from headwater.api.shapes import Answer, Instant
from headwater.api.strict import JSON_TYPES, media_types
from headwater.kit.clock import iso
from headwater.management.hooks import HookView, HookWish
from headwater.model.secret import Secret

router = APIRouter(prefix="/v1/syncs/{sync_id}/webhook", tags=["webhooks"])


class WebhookInput(Input):
    """What is wanted of a webhook; nothing: to have one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"rotate": True}, {"secret": "whsec_…"}]})

    secret: Annotated[Text, Field(min_length=8, max_length=1024)] | None = None
    """What the API signs with, where it makes that up. Else one is made up here."""
    rotate: bool = False
    """A new secret; the older one counts for 24 hours more."""
    register_: Annotated[bool, Field(alias="register")] = True
    """Tell the API where to push, where it can be told. False: a person does."""


class WebhookSecretShape(Answer):
    """A secret that may sign, masked. `until`: null for the one in use."""

    secret: str
    until: Instant | None


class WebhookShape(Answer):
    """A sync's webhook.

    `state`: `unsupported` (the API does not push here), `off`, `by_hand` (a person pastes what
    `instructions` say), `registered` (the API was told). `url` is null without HEADWATER_PUBLIC_URL.
    `secret` is there once, in the answer that made it, where a person must paste it.
    """

    sync_id: str
    provider: str
    state: Literal["unsupported", "off", "by_hand", "registered"]
    note: str
    url: str | None
    secrets: list[WebhookSecretShape]
    secret: str | None
    instructions: str | None
    last_received_at: Instant | None
    created_at: Instant | None
    updated_at: Instant | None

    @classmethod
    def of(cls, view: HookView) -> "WebhookShape":
        """Show a webhook."""
        return cls(
            sync_id=view.sync_id,
            provider=view.provider,
            state=view.state.value,
            note=view.note,
            url=view.url,
            secrets=[
                WebhookSecretShape(secret=one.secret, until=None if one.until is None else iso(one.until))
                for one in view.secrets
            ],
            secret=view.secret,
            instructions=view.instructions,
            last_received_at=None if view.last_received_at is None else iso(view.last_received_at),
            created_at=None if view.created_at is None else iso(view.created_at),
            updated_at=None if view.updated_at is None else iso(view.updated_at),
        )


@router.get("", response_model=WebhookShape)
async def get_webhook(parts: Here, caller: Reader, sync_id: str) -> object:
    """Read where a sync's API pushes, or why it does not. Secrets are masked."""
    return WebhookShape.of(await parts.services.hooks.get(caller, sync_id))


@router.post(
    "",
    response_model=WebhookShape,
    responses={
        409: {"description": "The API does not push, or HEADWATER_PUBLIC_URL is not set."},
        502: {"description": "The API refused to be told; `detail` says why. Nothing was changed."},
    },
    dependencies=[Depends(media_types(*JSON_TYPES))],
)
async def put_webhook(parts: Here, caller: Admin, sync_id: str, body: WebhookInput) -> object:
    """Have the API push for a sync, or sign with a new secret."""
    secret = None if body.secret is None else Secret(body.secret)
    wish = HookWish(secret=secret, rotate=body.rotate, register=body.register_)
    return WebhookShape.of(await parts.services.hooks.put(caller, sync_id, wish))


@router.delete("", status_code=204)
async def delete_webhook(parts: Here, caller: Admin, sync_id: str) -> None:
    """Have no webhook any more. The API is told, where it can be."""
    await parts.services.hooks.delete(caller, sync_id)
