"""The OpenAPI document, made complete: every call with the problems that it may answer.

FastAPI writes what the routes declare; what holds for all of them is added here, so that no route can
forget it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from headwater.api.problems import MEDIA_TYPE, TITLES, problem_body
from headwater.api.shapes import Problem

_SUMMARY = "Syncs third-party APIs into a record stream and an event stream, and serves both."
_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_EXAMPLES: Mapping[int, tuple[str, str]] = {
    400: ("request.malformed", "The body is not JSON."),
    401: ("key.invalid", "This API key is not known, or was revoked."),
    403: ("key.scope", "This API key lacks the admin scope."),
    404: ("sync.not_found", "There is no such sync."),
    409: ("conflict", "It is still in use, or in a state that does not allow this."),
    410: ("cursor.expired", "The cursor is older than the events that are kept; some were missed."),
    413: ("request.too_large", "The body is too large."),
    415: ("request.media_type", "The body is of a media type that this call does not take."),
    422: ("request.invalid", "The request is not as it should be."),
    429: ("request.too_many", "Too many requests of this kind are under way."),
    502: ("provider.forbidden", "The API refused POST /hooks with 403."),
    503: ("database.busy", "The database is busy."),
}
_METHODS = {"get", "put", "post", "patch", "delete"}


def install(app: FastAPI) -> None:
    """Let an application publish the completed document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(app)
        return app.openapi_schema

    app.openapi = document


def _completed(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="Headwater",
        version=app.version,
        summary=_SUMMARY,
        description="Errors are `application/problem+json`. Unknown fields and parameters are refused."
        " HEAD is answered wherever GET is.",
        routes=app.routes,
    )
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    document["components"]["responses"] = {
        _name(status): _problem(status, TITLES[status]) for status in _EXAMPLES
    }
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            if method in _METHODS:
                _complete(path, method, call)
    return document


def _complete(path: str, method: str, call: dict[str, Any]) -> None:
    answers: dict[str, Any] = call["responses"]
    statuses = {int(status) for status in answers if int(status) >= 400} | {400, 422}
    if "security" in call:
        statuses |= {401, 403, 503}
    if "{" in path:
        statuses.add(404)
    if method in {"post", "put", "patch"}:
        statuses.add(413)
    if "requestBody" in call:
        statuses |= {413, 415}
    for status in sorted(statuses):
        described = answers.pop(str(status), {}).get("description")
        answers[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
        if described is not None and status != HTTPStatus.UNPROCESSABLE_ENTITY:
            answers[str(status)] = _problem(status, described)


def _problem(status: int, described: str) -> dict[str, Any]:
    code, detail = _EXAMPLES[status]
    example = problem_body(status, code=code, detail=detail)
    return {"description": described, "content": {MEDIA_TYPE: {"schema": _SCHEMA, "example": example}}}


def _name(status: int) -> str:
    """Return the name of a status as a component: `NotFound`."""
    return TITLES[status].replace(" ", "")
