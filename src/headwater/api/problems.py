"""Every error of the API as `application/problem+json` (RFC 9457) with a stable `code` and a `fix`: here
alone.

No secrets and no payloads: a message never repeats what was sent (P8).
"""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from headwater.api.strict import known_fields, unknown_name
from headwater.errors import (
    Conflict,
    Gone,
    Halt,
    HeadwaterError,
    Invalid,
    LeaseLost,
    Refused,
    Retry,
    TooMany,
    Unauthorized,
)

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:headwater:error:"
TITLES: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
"""As RFC 9110 has them. Python's own differ between its versions."""
_FIXES: Mapping[int, str] = {
    400: "Correct the request; its form is described at /openapi.json.",
    401: "Send `Authorization: Bearer hw_…` with a key of this installation.",
    403: "Use a key that may do this.",
    404: "Look at the address again; /openapi.json lists every path.",
    405: "Use one of the methods in the answer's Allow header.",
    409: "Look at the thing's present state, then decide again.",
    410: "Start again from the earliest cursor.",
    413: "Send less at once.",
    415: "Send JSON, with `Content-Type: application/json`.",
    422: "Correct the fields that `errors` names.",
    429: "Wait as long as Retry-After says, then try again.",
    500: "This is a mistake in Headwater. Its log has the details; please report it.",
    502: "Look at the health of the sync and its credential.",
    503: "Try again in a moment.",
}
_DETAILS: Mapping[int, str] = {
    400: "The body cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The body is too large.",
}
_CODES: Mapping[int, str] = {
    400: "request.malformed",
    404: "not_found",
    405: "request.method",
    413: "request.too_large",
    415: "request.media_type",
}


def problem(
    status: int,
    *,
    code: str,
    detail: str,
    fix: str | None = None,
    errors: Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, str] | None = None,
) -> Response:
    """Return an error as an answer. `members` are further ones of its own."""
    body = problem_body(status, code=code, detail=detail, fix=fix, errors=errors)
    return Response(
        orjson.dumps(body | dict(members or {})), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def problem_body(
    status: int, *, code: str, detail: str, fix: str | None = None, errors: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Return an error as the members of its JSON."""
    body: dict[str, Any] = {
        "type": _TYPE + code,
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "fix": fix or _FIXES.get(status, _FIXES[500]),
    }
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        body["errors"] = [{"field": field, "detail": text} for field, text in errors]
    return body


def of_error(error: HeadwaterError) -> Response:
    """Return one of our errors as an answer."""
    status, headers = 503, dict[str, str]()
    match error:
        case Refused():
            status = error.status
        case Conflict() | LeaseLost():
            status = 409
        case Retry():
            wait = 1.0 if error.after is None else error.after.total_seconds()
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        case Halt():
            status = 502 if error.error_code.startswith(("provider.", "upstream.")) else 503
        case _:
            status = 500
    if isinstance(error, TooMany):
        headers["Retry-After"] = "1"
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(
        status,
        code=error.error_code,
        detail=error.message,
        fix=error.fix,
        errors=error.errors if isinstance(error, Invalid) else (),
        headers=headers,
        members=error.context if isinstance(error, Gone) else None,
    )


def install(app: FastAPI) -> None:
    """Let an application answer every error as a problem: its framework's too, and our own mistakes."""
    app.add_exception_handler(HeadwaterError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


async def _ours(_request: Request, error: Exception) -> Response:
    return of_error(cast("HeadwaterError", error))


async def _invalid(request: Request, error: Exception) -> Response:
    found = cast("Sequence[dict[str, Any]]", cast("RequestValidationError", error).errors())
    if any(one["type"] == "json_invalid" for one in found):
        return problem(
            400, code="request.malformed", detail="The body is not JSON.", fix="Send one JSON object."
        )
    errors = [(_field(one["loc"]), _sentence(request, one)) for one in found]
    return problem(422, code="request.invalid", detail="The request is not as it should be.", errors=errors)


async def _http(_request: Request, error: Exception) -> Response:
    found = cast("HTTPException", error)
    status = found.status_code
    detail = _DETAILS.get(status, HTTPStatus(status).phrase + ".")
    return problem(status, code=_CODES.get(status, "request.refused"), detail=detail, headers=found.headers)


async def _bug(_request: Request, _error: Exception) -> Response:
    return problem(500, code="internal", detail="Something went wrong in Headwater.")


def _field(loc: Sequence[str | int]) -> str:
    """Return where a mistake is: the path within the body, or the name of a parameter."""
    path = [str(part) for part in loc]
    if path[0] in {"body", "query", "path", "header"} and len(path) > 1:
        path = path[1:]
    return ".".join(path)


def _sentence(request: Request, one: Mapping[str, Any]) -> str:
    if one["type"] == "extra_forbidden":
        return unknown_name(str(one["loc"][-1]), known_fields(request, one["loc"]), "field")
    if one["type"] == "missing":
        return "Is missing."
    text = str(one["msg"]).removeprefix("Value error, ").strip()
    return text[:1].upper() + text[1:].rstrip(".") + "."
