"""What a user may choose of a webhook target."""

import ssl
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from headwater.model.secret import Secret
from headwater.targets.target import Duration, TargetSettings
from headwater.targets.webhook.signing import key_of

_TAKEN = frozenset(
    (
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "host",
        "expect",
    )
)
_OURS = "webhook-"
"""What the names of the signature's headers begin with."""
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
"""What a header's name is made of. Source: RFC 9110, section 5.6.2."""


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be https://host/path")
    if "@" in parts.netloc:
        raise ValueError("must hold no user and password: give them as the header Authorization")
    if any(ord(character) <= 32 for character in url):
        raise ValueError("must hold no white space")
    return url


def _secrets(secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
    for secret in secrets:
        key_of(secret)
    return secrets


def _headers(headers: dict[str, Secret]) -> dict[str, Secret]:
    for name, value in headers.items():
        if not name or not _TOKEN.issuperset(name.lower()):
            raise ValueError("has a name that no header can have")
        if name.lower() in _TAKEN or name.lower().startswith(_OURS):
            raise ValueError("names a header that Headwater sets itself")
        if not all(" " <= character <= "~" or character == "\t" for character in value.reveal()):
            raise ValueError("has a value with other characters than printable ASCII")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("names a header twice")
    return headers


def _certificates(text: str) -> str:
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError("must be certificates as PEM text") from None
    return text


class WebhookSettings(TargetSettings):
    """Where messages are pushed, and how."""

    url: Annotated[str, AfterValidator(_address)]
    """Where to: `https://host/path`. Whoever may see the target sees it, so secrets belong into `secrets` and
    `headers`. With `http://` messages travel in the clear. Redirects are not followed."""

    secrets: Annotated[tuple[Secret, ...], AfterValidator(_secrets)] = Field(default=(), max_length=10)
    """Keys that sign each request: `whsec_` and 24 to 64 random bytes in base64; `echo
    "whsec_$(openssl rand -base64 32)"` makes one. While you change to a new key, give both: each gives a
    signature. Without a key nothing is signed, and the receiver cannot know who sends."""

    headers: Annotated[dict[str, Secret], AfterValidator(_headers)] = Field(default={}, max_length=50)
    """More headers for each request, such as Authorization. Their values are kept sealed."""

    batch: bool = False
    """Whether a request holds many messages: `{"records": […]}` or `{"events": […]}`. Default: one Record or
    Event, as the HTTP API serves it. Many are faster, and the receiver takes or refuses them together."""

    max_batch_messages: int = Field(default=100, ge=1, le=1_000)
    """Most messages of one request, with `batch`. More need a receiver that is quick with many."""

    max_batch_bytes: int = Field(default=1_000_000, ge=1_000, le=100_000_000)
    """Most bytes of one request's body, with `batch`; a single larger message goes alone. More than the
    receiver takes is answered with 413, and sent again in smaller parts, each time."""

    concurrency: int = Field(default=8, ge=1, le=100)
    """How many requests are under way at once. Those of one record go one after another all the same. More
    than the receiver has workers for makes it slow."""

    timeout: Duration = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1), le=timedelta(minutes=2))
    """How long one request may take, 1 second to 2 minutes. Shorter than the receiver needs, and it gets
    messages again that it was at work on."""

    give_up_after: Duration | None = Field(default=None, ge=timedelta(minutes=1))
    """How long a message that is refused while others pass is tried before it goes to the dead letters,
    counted from the first refusal that this process has seen; at least a minute. When nothing has passed for
    so long, the consumer halts, which shows in its health, and looks for the receiver from time to time.
    Default: never."""

    allow_private: bool = False
    """Whether the address may lead to this machine or into a private network. Default: no, since whoever
    may make a target could reach what is meant to be out of reach."""

    ca: Annotated[str, AfterValidator(_certificates)] | None = Field(default=None, max_length=100_000)
    """Certificates to trust for `https://`, PEM text. Default: those that the system trusts."""
