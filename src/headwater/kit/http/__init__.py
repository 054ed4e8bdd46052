"""The only door to the HTTP client: a request waits for its budget, and comes back whole or as an error.

Belongs here: sending, reading an answer to its end, what a status and a limit header mean. Does not: what
an answer holds. `door` has the protocols that everybody else needs, `client` the real thing; only `wire`
names the library.
"""

from headwater.kit.http.client import Client, Told
from headwater.kit.http.door import Answer, Authorizer, Http, Opening, Poster
from headwater.kit.http.wire import Limits, Session, open_session

__all__ = [
    "Answer",
    "Authorizer",
    "Client",
    "Http",
    "Limits",
    "Opening",
    "Poster",
    "Session",
    "Told",
    "open_session",
]
