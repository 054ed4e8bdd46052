"""What NATS's errors mean to us: the driver's exceptions, and the answers to what was published."""

from collections.abc import Generator
from contextlib import contextmanager
from ssl import SSLError

import msgspec
from nats import errors as nats
from nats.aio.msg import Msg
from nats.js.errors import APIError, ServiceUnavailableError

from headwater.errors import Halt, HeadwaterError, Retry

NO_RESPONDERS = "503"
MESSAGE_TOO_LARGE, HEADERS_TOO_LARGE = 10054, 10097
STORE_FAILED = 10077
OTHER_STREAM = 10060
DISABLED = frozenset({10039, 10076})
SEALED = 10109
FULL = frozenset({10023, 10028, 10047})
"""Codes of JetStream.
Source: https://github.com/nats-io/nats-server/blob/main/server/errors.json (read 2026-11-24)."""

_REFUSING = ("authorization", "authentication", "user credentials", "nkey", "signature", "jwt", "nonce")
_WAIT = "Nothing, if it passes; look at the server if it stays."


class Trouble(msgspec.Struct, frozen=True):
    """What went wrong with a message, as JetStream says it."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Answer(msgspec.Struct, frozen=True):
    """The answer to a message. Without trouble it is stored, or was before."""

    error: Trouble | None = None
    nobody: bool = False
    """There is no stream for its subject."""

    @classmethod
    def read(cls, answer: Msg) -> "Answer":
        """Read what came."""
        if not answer.data and answer.headers and answer.headers.get("Status") == NO_RESPONDERS:
            return cls(nobody=True)
        try:
            return msgspec.json.decode(answer.data, type=cls)
        except msgspec.DecodeError:
            return cls(Trouble(description="an answer that cannot be read"))


def of_answer(trouble: Trouble) -> HeadwaterError:
    """Return what an answer means for everything that is written."""
    said = f"({trouble.err_code})"
    if trouble.err_code in DISABLED:
        return Halt(
            f"JetStream is not enabled on the server or for the account. {said}",
            code="target.unusable",
            fix="Enable JetStream there, or write to another server.",
        )
    if trouble.err_code == SEALED:
        return Halt(
            f"The stream is sealed: it takes no more messages. {said}",
            code="target.unusable",
            fix="Make another stream for these subjects.",
        )
    if trouble.err_code in FULL or trouble.err_code == STORE_FAILED:
        return Retry(
            f"The stream or the server is full: {trouble.description}. {said}",
            code="target.full",
            fix="Give the stream more room, or let its readers take messages out; let it discard old ones.",
        )
    return Retry(
        f"JetStream cannot take this now: {trouble.description}. {said}", code="target.busy", fix=_WAIT
    )


def of_request(error: APIError) -> HeadwaterError:
    """Return what a refused request to JetStream means: it was about making a stream."""
    trouble = Trouble(error.code or 0, error.err_code or 0, error.description or "")
    if isinstance(error, ServiceUnavailableError) or trouble.err_code in DISABLED | FULL:
        return of_answer(trouble)
    return Halt(
        f"The stream cannot be made: {trouble.description}. ({trouble.err_code})",
        code="target.settings_refused",
        fix="Correct `stream`, `replicas` and `subject_prefix`, or make the stream by hand.",
    )


def mapped(error: Exception) -> HeadwaterError:
    """Return what an exception of the driver means; also one that came on the side, while nobody waited."""
    said = str(error).lower()
    if isinstance(error, APIError) and getattr(error, "err_code", None):  # some come without it
        return of_request(error)
    if isinstance(error, SSLError | nats.SecureConnFailedError):
        return Halt(
            "No safe connection to NATS: its certificate is not trusted, or it wants one of ours.",
            code="target.certificate",
            fix="Give the target the server's `ca`, and `certificate` and `key` where it asks for them.",
        )
    if isinstance(error, nats.SecureConnRequiredError | nats.SecureConnWantedError):
        return Halt(
            "Server and target do not agree about TLS.",
            code="target.certificate",
            fix="Set `tls` as the server has it.",
        )
    if "permissions violation" in said:
        return Halt(
            "The user may not do this in NATS: a subject or the inbox is not allowed.",
            code="target.forbidden",
            fix="Allow the user to publish below `subject_prefix` and to subscribe to `_INBOX.>`: "
            "docs/targets/nats.md.",
        )
    refused = isinstance(error, nats.AuthorizationError | nats.InvalidUserCredentialsError)
    if refused or any(word in said for word in _REFUSING):
        return Halt(
            "NATS does not take the user, password, token or key.",
            code="target.refused",
            fix="Give the target the right ones; look into the server's log.",
        )
    if isinstance(error, nats.BadSubjectError | nats.BadHeaderError | nats.BadTimeoutError):
        return Halt(
            f"The driver does not take what it is given ({type(error).__name__}).",
            code="target.settings_refused",
            fix="Report it: this should not happen.",
        )
    if isinstance(error, TimeoutError):
        return Retry("NATS did not answer in time.", code="target.timeout", fix=_WAIT)
    return Retry(
        f"NATS cannot be reached, or the connection was lost ({type(error).__name__}).",
        code="target.unreachable",
        fix="Check that the server runs, and the target's `servers`.",
    )


@contextmanager
def mapped_errors() -> Generator[None]:
    """Turn the driver's exceptions into ours."""
    try:
        yield
    except (nats.Error, OSError, TimeoutError) as error:
        raise mapped(error) from error
