"""What an answer to a request means for its messages. Pure.

Whether it is about the message or about the endpoint, no status says for sure. So this says what it means if
nothing else passes; `verdict` looks at what came of the others.
"""

from datetime import timedelta
from enum import Enum, auto

import msgspec
from msgspec.structs import replace

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


TAKEN = Answer(Sense.TAKEN, code="", reason="")

_LATER = frozenset({408, 425, 429, 502, 503, 504})
_FAILED = {
    Failure.TIMEOUT: Answer(
        Sense.LATER,
        code="target.timeout",
        reason="The endpoint did not answer in time.",
        fix="Let the receiver answer first and work afterwards, or raise the target's timeout.",
    ),
    Failure.UNREACHABLE: Answer(
        Sense.LATER,
        code="target.unreachable",
        reason="The endpoint cannot be reached, or the connection was lost.",
        fix="Check that the receiver runs, and host and port of the target's URL.",
    ),
    Failure.CERTIFICATE: Answer(
        Sense.LATER,
        code="target.certificate",
        reason="There is no safe connection to the endpoint.",
        fix="Look at its certificate; where a private authority signed it, give that one's as ca.",
    ),
    Failure.BROKEN: Answer(
        Sense.LATER,
        code="target.broken_answer",
        reason="What the endpoint answered is no HTTP.",
        fix="Check port and scheme of the target's URL.",
    ),
    Failure.ADDRESS: Answer(
        Sense.PERSON,
        code="target.address_invalid",
        reason="The target's URL is no address.",
        fix="Correct it: https://host/path.",
    ),
    Failure.PRIVATE: Answer(
        Sense.PERSON,
        code="target.private_network",
        reason="The endpoint is in a private network.",
        fix="Give it a public address; or set allow_private, if that network is meant.",
    ),
}


def meaning(outcome: Answered | Failure) -> Answer:
    """Return what came of a request."""
    if isinstance(outcome, Failure):
        return _FAILED[outcome]
    if 200 <= outcome.status < 300:
        return TAKEN
    answer = _of_status(outcome.status)
    reason = f"The endpoint answered with {outcome.status}. {answer.reason}"
    return replace(answer, reason=reason.strip(), after=outcome.retry_after)


def _of_status(status: int) -> Answer:
    if status in _LATER:
        return _BUSY
    if status in (401, 403, 407):
        return _UNKNOWN_TO_IT
    if status in (404, 405):
        return _NOT_THERE
    if status == 410:
        return _GONE
    return _REDIRECTED if 300 <= status < 400 else _NOT_TAKEN


_BUSY = Answer(
    Sense.LATER,
    code="target.busy",
    reason="",
    fix="Wait; if it stays, look at the receiver, or lower the target's concurrency.",
)
_UNKNOWN_TO_IT = Answer(
    Sense.PERSON,
    code="target.refused",
    reason="It does not let us in.",
    fix="Give the target the headers and secrets that the receiver asks for.",
)
_NOT_THERE = Answer(
    Sense.PERSON,
    code="target.endpoint_missing",
    reason="Nothing takes POST there.",
    fix="Correct the path of the target's URL, or put the receiver there.",
)
_GONE = Answer(
    Sense.PERSON,
    code="target.endpoint_gone",
    reason="So it wants no more messages.",
    fix="Give the target another URL, or remove its consumers.",
)
_REDIRECTED = Answer(
    Sense.PERSON,
    code="target.redirected",
    reason="Redirects are not followed.",
    fix="Set the target's URL to where it leads.",
)
_NOT_TAKEN = Answer(
    Sense.REFUSED,
    code="target.item_refused",
    reason="",
    fix="Look into the receiver's log: it must answer with 2xx once it has the message.",
)
