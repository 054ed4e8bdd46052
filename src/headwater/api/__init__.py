"""The HTTP API: routes, the shapes of what comes and goes, and errors as `application/problem+json`.

Belongs here: HTTP. Does not: rules of any kind, which are `management`'s. `app.create` makes the
application out of the parts that it is given.
"""

from headwater.api.app import create

__all__ = ["create"]
