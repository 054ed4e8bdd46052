"""`…/dead-letters` below managed consumers and consumers over HTTP: looked at, redriven, discarded."""

from fastapi import APIRouter, Depends, Response

from headwater.api.access import Admin, Reader
from headwater.api.dead_letter_shapes import DeadLetterShape, DeadLettersInput, Discarded, Redriven, rendered
from headwater.api.lists import Paged
from headwater.api.parts import Here
from headwater.api.shapes import Listed, listing_of
from headwater.api.strict import JSON_TYPES, media_types
from headwater.errors import Invalid
from headwater.management.undelivered import Of


def _routes(prefix: str, name: str, of: Of) -> APIRouter:
    """Return the calls of the dead letters of one kind of consumer; `name` is part of their own names."""
    below = APIRouter(prefix=prefix + "/{consumer_id}/dead-letters", tags=["consumers"])
    json = [Depends(media_types(*JSON_TYPES))]

    @below.get(
        "",
        name=f"list_{name}_dead_letters",
        responses={200: {"model": Listed[DeadLetterShape]}},
        response_class=Response,
    )
    async def page(parts: Here, caller: Reader, consumer_id: str, wanted: Paged) -> Response:
        """List messages that were given up, in the order in which they were, each with its reason."""
        stream, found = await parts.services.undelivered.page(caller, of, consumer_id, wanted)
        return listing_of(found, [rendered(letter, stream) for letter in found.items])

    @below.get(
        "/{dead_letter_id}",
        name=f"get_{name}_dead_letter",
        responses={200: {"model": DeadLetterShape}},
        response_class=Response,
    )
    async def one(parts: Here, caller: Reader, consumer_id: str, dead_letter_id: str) -> Response:
        """Look at one message that was given up."""
        stream, letter = await parts.services.undelivered.get(caller, of, consumer_id, dead_letter_id)
        return Response(rendered(letter, stream), media_type="application/json")

    @below.post(
        "/redrive",
        name=f"redrive_{name}_dead_letters",
        response_model=Redriven,
        status_code=202,
        dependencies=json,
    )
    async def redrive(parts: Here, caller: Admin, consumer_id: str, body: DeadLettersInput) -> object:
        """Have messages delivered once more, each as soon as no other of its record is under way.

        Later messages of the record may have been delivered before; `updated_idx` tells. Of records only a
        version that is still the newest is delivered.
        """
        count = await parts.services.undelivered.redrive(caller, of, consumer_id, _ids(body))
        return Redriven(redriven=count)

    @below.post("/discard", name=f"discard_{name}_dead_letters", response_model=Discarded, dependencies=json)
    async def discard(parts: Here, caller: Admin, consumer_id: str, body: DeadLettersInput) -> object:
        """Let messages go for good."""
        count = await parts.services.undelivered.discard(caller, of, consumer_id, _ids(body))
        return Discarded(discarded=count)

    return below


router = APIRouter()
router.include_router(_routes("/v1/consumers", "consumer", Of.MANAGED))
router.include_router(_routes("/v1/http-consumers", "http_consumer", Of.HTTP))


def _ids(body: DeadLettersInput) -> list[str] | None:
    """Return which are meant; None for all. Raises: Invalid when it is neither or both."""
    if body.all == (body.ids is not None):
        raise Invalid(
            "The request does not say which dead letters are meant.",
            errors=[("ids", "Must name some, or be left out where `all` is true.")],
            fix='Send {"ids": […]} or {"all": true}.',
        )
    return body.ids
