"""Whether the process lives and can serve, its metrics, and the one page at `/`."""

from functools import cache
from importlib.resources import files
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
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FILES = {"index.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}


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
    """Say whether the process can serve: its database answers, and it is not stopping."""
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


@router.get("/", include_in_schema=False)
async def page() -> Response:
    """Give the page that shows both streams."""
    return _file("index.html")


@router.get("/static/{name}", include_in_schema=False)
async def static(name: str) -> Response:
    """Give a file of the page."""
    if name not in _FILES:
        return problems.problem(404, code="not_found", detail="There is nothing at this address.")
    return _file(name)


def _file(name: str) -> Response:
    return Response(_read(name), media_type=_FILES[name], headers=_PAGE_HEADERS)


@cache
def _read(name: str) -> bytes:
    return (files("headwater.api") / "static" / name).read_bytes()
