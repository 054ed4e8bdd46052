"""The only door to the HTTP client: a request waits for its budget, and comes back whole or as an error.

Belongs here: sending, reading an answer to its end, what a status and a limit header mean. Does not: what
an answer holds. `door` has the protocols that everybody else needs, `client` the real thing, `push` sends to
addresses that users name; only `wire` and `push` name the library.
"""

from headwater.kit.http.client import Client, Told
from headwater.kit.http.door import Answer, Authorizer, Http, Opening, Poster, Registrar
from headwater.kit.http.push import Answered, Failure, Pusher
from headwater.kit.http.wire import Limits, Session, open_session

__all__ = [
    "Answer",
    "Answered",
    "Authorizer",
    "Client",
    "Failure",
    "Http",
    "Limits",
    "Opening",
    "Poster",
    "Pusher",
    "Registrar",
    "Session",
    "Told",
    "open_session",
]
