"""What an answer to a request means for its messages. Pure.

Whether it is about the message or about the endpoint, no status says for sure. So this says what it means if
nothing else passes; `verdict` looks at what came of the others.
"""

from datetime import timedelta
from enum import Enum, auto

import msgspec

from headwater.kit.http import Answered, Failure


class Sense(Enum):
    """What an answer means."""

    TAKEN = auto()
    """2xx: acknowledged."""
    LATER = auto()
    """The endpoint cannot be reached or cannot just now: whatever is sent, wait."""
    REFUSED = auto()
    """It was looked at and not taken, so perhaps the message is to blame."""
    PERSON = auto()
    """As long as nobody changes something, nothing will pass."""


class Answer(msgspec.Struct, frozen=True):
    """What came of a message: what it means, a code, and sentences for a person without payload (P8)."""

    sense: Sense
    code: str
    reason: str
    fix: str = ""
    after: timedelta | None = None


TAKEN = Answer(Sense.TAKEN, "", "")

_LATER = frozenset({408, 425, 429, 502, 503, 504})
_FAILED = {
    Failure.TIMEOUT: Answer(
        Sense.LATER,
        "target.timeout",
        "The endpoint did not answer in time.",
        "Let the receiver answer first and work afterwards, or raise the target's timeout.",
    ),
    Failure.UNREACHABLE: Answer(
        Sense.LATER,
        "target.unreachable",
        "The endpoint cannot be reached, or the connection was lost.",
        "Check that the receiver runs, and host and port of the target's URL.",
    ),
    Failure.CERTIFICATE: Answer(
        Sense.LATER,
        "target.certificate",
        "There is no safe connection to the endpoint.",
        "Look at the endpoint's certificate; where a private authority signed it, name its file as ca_file.",
    ),
    Failure.BROKEN: Answer(
        Sense.LATER,
        "target.broken_answer",
        "What the endpoint answered is no HTTP.",
        "Check port and scheme of the target's URL.",
    ),
    Failure.ADDRESS: Answer(
        Sense.PERSON,
        "target.address_invalid",
        "The target's URL is no address.",
        "Correct it: https://host/path.",
    ),
    Failure.PRIVATE: Answer(
        Sense.PERSON,
        "target.private_network",
        "The endpoint is in a private network.",
        "Give it a public address; or set allow_private, if that network is meant.",
    ),
}

_PERSON = {
    401: ("target.refused", "Give the target the header that the endpoint asks for, and the right secrets."),
    403: (
        "target.refused",
        "Let the receiver accept our requests, or correct the target's headers and secrets.",
    ),
    404: ("target.endpoint_missing", "Correct the path of the target's URL, or put the receiver there."),
    405: ("target.endpoint_missing", "Correct the target's URL: the receiver must take POST there."),
    407: ("target.refused", "Look at the proxy in front of the endpoint."),
    410: (
        "target.endpoint_gone",
        "Give the target another URL, or remove its consumers: nobody wants these.",
    ),
}


def meaning(outcome: Answered | Failure) -> Answer:
    """Return what came of a request."""
    if isinstance(outcome, Failure):
        return _FAILED[outcome]
    status, after = outcome.status, outcome.retry_after
    said = f"The endpoint answered with {status}."
    if 200 <= status < 300:
        return TAKEN
    if status in _LATER:
        fix = "Wait; if it stays, look at the receiver, or lower the target's concurrency."
        return Answer(Sense.LATER, "target.busy", said, fix, after)
    if status in _PERSON:
        code, fix = _PERSON[status]
        return Answer(Sense.PERSON, code, said, fix, after)
    if 300 <= status < 400:
        fix = "Set the target's URL to where it leads: redirects are not followed."
        return Answer(Sense.PERSON, "target.redirected", f"{said} That is a redirect.", fix, after)
    fix = "Look into the receiver's log: it must answer with 2xx once it has the message."
    return Answer(Sense.REFUSED, "target.item_refused", said, fix, after)
