"""Whether the process lives and can do its work, and its metrics. Workers serve nothing else."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from headwater.api import problems
from headwater.api.access import caller_of
from headwater.api.parts import Here
from headwater.api.shapes import Answer
from headwater.errors import Forbidden
from headwater.management.caller import Permission

router = APIRouter(tags=["system"])

_bearer = HTTPBearer(auto_error=False, scheme_name="ApiKey")


class Health(Answer):
    """All is well."""

    status: str = "ok"


@router.get("/health/live", response_model=Health)
async def live() -> object:
    """Say that the process runs."""
    return Health()


@router.get(
    "/health/ready",
    response_model=Health,
    responses={503: {"description": "It cannot serve now; it says why."}},
)
async def ready(parts: Here) -> object:
    """Say whether the process can do its work: its database answers and takes writes; it is not stopping."""
    reasons = list(await parts.ready())
    if parts.stopping.is_set():
        reasons.append("It is stopping.")
    if not reasons:
        return Health()
    return problems.problem(503, code="not_ready", detail=" ".join(reasons), headers={"Retry-After": "1"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
)
async def metrics(
    parts: Here, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Response:
    """Give the metrics. Needs a key with the `read` scope, unless the setting opens them."""
    if not parts.metrics_open:
        caller = await caller_of(parts, bearer)
        caller.require(Permission.READ)
        if caller.external_id is not None:  # P12: the numbers are everybody's
            raise Forbidden(
                "This API key belongs to a tenant, and the metrics are those of all.",
                code="key.tenant",
                fix="Use a key that is not bound to an external_id.",
            )
    return Response(parts.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
