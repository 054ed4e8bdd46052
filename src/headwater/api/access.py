"""Who is asking: the API key of a request, and whether it may do what it asks.

The rules are `management`'s.
"""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from headwater.api.parts import Here
from headwater.errors import Unauthorized
from headwater.management.caller import Caller, Permission

_bearer = HTTPBearer(auto_error=False, scheme_name="ApiKey", description="An API key: `hw_…`.")
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def caller_of(parts: Here, bearer: _Bearer) -> Caller:
    """Return who a request's key speaks for. Raises: Unauthorized."""
    if bearer is None:
        raise Unauthorized("The request has no API key.", code="key.missing")
    return await parts.services.keys.caller(bearer.credentials)


async def _reading(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    caller.require(Permission.READ)
    return caller


async def _ruling(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    caller.require(Permission.ADMIN)
    return caller


Reader = Annotated[Caller, Depends(_reading)]
"""The caller of a route that needs the `read` scope."""

Admin = Annotated[Caller, Depends(_ruling)]
"""The caller of a route that needs the `admin` scope."""
