"""What a user may choose of a Redis target."""

import ssl
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from headwater.model.secret import Secret
from headwater.targets.target import Duration, TargetSettings

LARGEST_BYTES = 512 * 1024 * 1024
"""What Redis takes as one value unless it is told otherwise. Source: redis.conf, `proto-max-bulk-len`."""


def _address(url: Secret) -> Secret:
    parts = urlsplit(url.reveal())
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("must be redis://host:port/database, or rediss://… for TLS")
    if (database := parts.path.strip("/")) and not database.isdecimal():
        raise ValueError("must end with the number of a database, or with the port")
    if parts.query or parts.fragment:
        raise ValueError("takes no parameters: use the other settings")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has a port that is none") from None
    return url


def _certificates(text: str) -> str:
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError("must be certificates as PEM text") from None
    return text


class RedisSettings(TargetSettings):
    """Where Redis is, and how records and events lie there."""

    url: Annotated[Secret, AfterValidator(_address)]
    """`redis://user:password@host:6379/0`; `rediss://…` for TLS. What is special in user and password is
    percent-encoded."""

    cluster: bool = False
    """Whether it is a Redis Cluster. The URL then names any of its nodes, which tells the others; there is
    only database 0. Set wrongly, nothing is written and the health says so."""

    ca: Annotated[str, AfterValidator(_certificates)] | None = Field(default=None, max_length=100_000)
    """Certificates to trust for `rediss://`, PEM text. Default: those that the system trusts. A server with a
    certificate of another authority is not reached without it."""

    prefix: str = Field(default="headwater", min_length=1, max_length=100, pattern=r"^[^\s{}]+$")
    """First part of every key written; nothing outside `<prefix>:` is touched. Another prefix is another
    place: what lies under the old one stays there."""

    layout: Literal["key", "hash"] = "key"
    """Where records lie: each under a key of its own, or all of a collection in one hash. A key can be given
    a time to live and spreads over a cluster; a hash can be read at once. Changed later, what was written
    before stays where it is: reset the consumer to write all of it anew."""

    deletes: Literal["hard", "soft"] = "hard"
    """What becomes of a record that is deleted upstream: `hard` removes it, `soft` leaves its last state with
    `"deleted": true`."""

    tombstone_ttl: Duration = Field(default=timedelta(days=7), ge=timedelta(minutes=1))
    """How long the version of a removed record is remembered, so that an older state written late does not
    bring it back; at least a minute. Default: 7 days, longer than any message is under way. Longer takes some
    100 bytes of memory for each removed record."""

    ttl: Duration | None = Field(default=None, ge=timedelta(seconds=1))
    """How long a record stays after it was written last, at least a second; only with the layout `key`.
    Default: for ever. A record whose time has run out comes back with its next change, or after a reset."""

    max_events: int | None = Field(default=100_000, ge=1)
    """How many events each stream keeps: about so many, never fewer. null keeps all, until memory is
    full."""

    max_value_bytes: int = Field(default=LARGEST_BYTES, ge=1_000, le=LARGEST_BYTES)
    """Larger records and events go to the dead letters, bytes. Default: 512 MB, Redis's own. With more than
    the server's `proto-max-bulk-len` a large one halts the consumer."""

    timeout: Duration = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1))
    """How long Redis may take for an answer before the batch is written again, at least a second. Default:
    30 s, since a server that saves its data can pause for seconds."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.ttl is not None and self.layout == "hash":
            raise ValueError(
                "ttl goes with the layout `key` only: the fields of a hash live as long as it does"
            )
        if self.ca is not None and not self.url.reveal().startswith("rediss:"):
            raise ValueError("ca goes with a URL that begins with rediss:// only")
        if self.cluster and urlsplit(self.url.reveal()).path.strip("/") not in ("", "0"):
            raise ValueError("a cluster has database 0 only")
        return self
