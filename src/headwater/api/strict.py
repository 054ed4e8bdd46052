"""Nothing that a request says is ignored: unknown parameters, repeated ones, other media types and oversized
bodies are refused, so that a typing mistake shows at once.
"""

import difflib
import inspect
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headwater.errors import Invalid, Refused

JSON_TYPES = ("application/json",)
_OTHERS = ("/webhooks/", "/link/callback/")
"""Below these others decide what they send."""
_PUSHES = "/webhooks/"
LARGEST_PUSH = 26_000_000
"""Bytes of a push: GitHub's may have 25 MB."""
DOCUMENT_TYPES = ("application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a query parameter that the route does not have, or has once and was given twice.

    Raises: Invalid; Refused for text that no database can hold.
    """
    if "%00" in request.scope["query_string"].decode("latin-1") or "\0" in request.scope["path"]:
        raise Refused(
            "The address has a NUL character in it.",
            code="request.malformed",
            fix="Leave the NUL character out; nothing here has one in its name.",
        )
    if request.url.path.startswith(_OTHERS):
        return
    parameters = _query_parameters(request)
    errors: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        plain = name.partition("[")[0] if name.endswith("]") else name
        if name not in parameters and not (
            plain == "metadata" and "metadata" in parameters and plain != name
        ):
            errors.append((name, unknown_name(name, parameters, "parameter")))
        elif name in seen and not parameters.get(name):
            errors.append((name, "Is given more than once."))
        seen.add(name)
    if errors:
        raise Invalid(
            "The address has parameters that this call does not take.",
            errors=errors,
            fix="Correct or leave out the parameters that `errors` names.",
        )


def media_types(*allowed: str) -> Any:
    """Return a dependency that refuses a body of another media type (415)."""

    async def refuse(request: Request) -> None:
        sent = request.headers.get("content-type")
        if sent is not None and sent.partition(";")[0].strip().lower() in allowed:
            return
        if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
            return  # no body is of no type, whatever a client writes above it by habit
        raise UnsupportedMediaType(
            "The body is of a media type that this call does not take.",
            fix=f"Send `Content-Type: {allowed[0]}`.",
        )

    return refuse


class UnsupportedMediaType(Refused):
    """The body is of another media type."""

    code = "request.media_type"
    status = 415


class BodyLimit:
    """Refuses a body of more than so many bytes, whether its length was said or not.

    The framework's own limit answers as plain text, and errors here are problems.
    """

    def __init__(self, app: ASGIApp, largest: int) -> None:
        """Stand before `app`."""
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its body as it is read."""
        left = max(self._largest, LARGEST_PUSH if _is_push(scope) else 0)

        async def counting() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
            return message

        await self._app(scope, counting, send)


def _is_push(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"].startswith(_PUSHES)


def unknown_name(name: str, known: Iterable[str], what: str) -> str:
    """Return the sentence for a name that is not known, with the nearest one that is."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"There is no such {what}; did you mean `{near[0]}`?" if near else f"There is no such {what}."


def known_fields(request: Request, loc: Sequence[str | int]) -> Collection[str]:
    """Return the fields that the request's body has where `loc` points into it."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or route.body_field is None:
        return ()
    model: Any = route.body_field.field_info.annotation
    for part in loc[1:-1]:
        model = _model(model)
        if model is None or part not in model.model_fields:
            return ()
        model = model.model_fields[part].annotation
    model = _model(model)
    return () if model is None else list(model.model_fields)


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is, or that is one of its alternatives."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (found := _model(part)) is not None:
            return found
    return None


def _query_parameters(request: Request) -> Mapping[str, bool]:
    """Return the query parameters that a call is published with, and whether each may be repeated."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return {}
    known: dict[tuple[str, str], Mapping[str, bool]] = request.app.state.query_parameters
    key = (route.path_format, request.method)
    if key not in known:
        calls: Mapping[str, Any] = request.app.openapi()["paths"].get(route.path_format, {})
        known[key] = {
            parameter["name"]: '"array"' in json.dumps(parameter["schema"])
            for parameter in calls.get(request.method.lower(), {}).get("parameters", ())
            if parameter["in"] == "query"
        }
    return known[key]
