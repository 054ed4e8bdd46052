"""How Stripe refuses a request.

Source: https://docs.stripe.com/api/errors, https://docs.stripe.com/error-codes. Read 2026-11-24.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from headwater.testing.fake_stripe.writing import text


class Problem(Exception):
    """A request that is refused."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.headers = status, dict(headers or {})
        error: dict[str, Any] = {"message": message, "type": type}
        error |= {"code": code} if code else {}
        error |= {"param": param} if param else {}
        self.body = {"error": error}
        super().__init__(message)

    def response(self, *, indent: bool = True) -> Response:
        """Return the answer."""
        return Response(text(self.body, indent=indent), self.status, self.headers, "application/json")


def missing(kind: str, id: str, param: str = "id") -> Problem:
    """Return the refusal of an id that is none; in a path it is a 404, in a parameter a 400."""
    status = 404 if param == "id" else 400
    return Problem(status, f"No such {kind}: '{id}'", code="resource_missing", param=param)


def unknown(method: str, path: str) -> Problem:
    """Return the refusal of an address that is none."""
    return Problem(404, f"Unrecognized request URL ({method}: {path}).")
