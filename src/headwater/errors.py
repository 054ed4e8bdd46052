"""Every error that a caller may handle, named after what the caller should do. Not here: bugs.

`Retry` waits and asks again, `Reject` puts one item aside, `Halt` needs a person, `Conflict` reads and
decides again, `Refused` is a request of a user that cannot be served. Codes are stable and listed in
`docs/errors.md`.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar


class HeadwaterError(Exception):
    """Something went wrong in Headwater."""

    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        fix: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """Make an error; `message` defaults to the class docstring.

        `context` holds ids and names, never payloads or secrets (P8).
        """
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.error_code = code or self.code
        self.fix = fix
        self.context = dict(context or {})
        super().__init__(self.message)


class Retry(HeadwaterError):
    """The same call may work later."""

    code = "upstream.unavailable"

    def __init__(
        self,
        message: str | None = None,
        *,
        after: timedelta | None = None,
        code: str | None = None,
        fix: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """`after` is the wait that the API itself asked for, if it did."""
        super().__init__(message, code=code, fix=fix, context=context)
        self.after = after


class Reject(HeadwaterError):
    """This item can never be read or stored; the others can."""

    code = "item.rejected"


class Halt(HeadwaterError):
    """A person must act before this can go on."""

    code = "halted"


class Conflict(HeadwaterError):
    """Someone else wrote first."""

    code = "stream.conflict"


class LeaseLost(HeadwaterError):
    """Another process has taken this work over; nothing was written."""

    code = "lease.lost"


class Refused(HeadwaterError):
    """The request cannot be served as it is; `status` is the HTTP status that says so."""

    code = "request.refused"
    status: ClassVar[int] = 400


class NotFound(Refused):
    """There is no such thing, or this key may not see it."""

    code = "not_found"
    status = 404


class Unauthorized(Refused):
    """The API key is missing or not known."""

    code = "key.invalid"
    status = 401


class Forbidden(Refused):
    """This API key may not do that."""

    code = "key.scope"
    status = 403


class InUse(Refused):
    """It is still in use, or in a state that does not allow this."""

    code = "conflict"
    status = 409


class Gone(Refused):
    """What was asked for has passed out of retention."""

    code = "cursor.expired"
    status = 410


class Invalid(Refused):
    """A field of the request is wrong."""

    code = "request.invalid"
    status = 422

    def __init__(
        self,
        message: str | None = None,
        *,
        errors: list[tuple[str, str]] | None = None,
        code: str | None = None,
        fix: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """`errors` are pairs of field (dotted path) and what is wrong with it."""
        super().__init__(message, code=code, fix=fix, context=context)
        self.errors = errors or []


class TooMany(Refused):
    """Too many requests of this kind are under way."""

    code = "request.too_many"
    status = 429
