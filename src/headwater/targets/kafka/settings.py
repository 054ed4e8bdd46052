"""What a user may set of a Kafka target, and the URLs that stand for one. Needs no driver."""

from collections.abc import Mapping
from string import Formatter
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from headwater.model.secret import Secret
from headwater.targets.target import TargetSettings

PLACES = frozenset({"stream", "provider", "collection", "sync_id"})
"""What may stand in braces in the name of a topic."""

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaSettings(TargetSettings):
    """How a Kafka cluster is reached, and where messages go in it."""

    bootstrap_servers: str = Field(min_length=1, max_length=2_000, examples=["kafka-1:9092,kafka-2:9092"])
    """Some brokers as `host:port`, with commas between them; the others are learned from these."""

    topic: str = "headwater.{stream}.{provider}.{collection}"
    """Name of the topics. In braces: `stream` (`records` or `events`), `provider`, `collection`, `sync_id`.
    With a topic for many collections, a reader tells them apart by the header `headwater-collection-id`."""

    tombstones: bool = False
    """Whether a deleted record is a message without a value, so that compaction removes it. Only for
    consumers of the record stream; otherwise a deleted record is JSON with `"deleted": true`, and stays."""

    transactional: bool = False
    """Whether messages are written in transactions that hold our position too: readers with
    `isolation.level=read_committed` then get each message exactly once. It costs some speed and some delay.
    """

    positions_topic: str = Field("headwater.positions", pattern=r"^[A-Za-z0-9._-]{1,249}$")
    """The compacted topic for our positions, used when `transactional`; many consumers may share it.
    Another name for a consumer that is there makes it begin anew."""

    transactional_id_prefix: str = Field("headwater.", max_length=100)
    """First part of the `transactional.id`, before the id of the consumer; rights can be given by it."""

    create_topics: bool = False
    """Whether missing topics are made. Otherwise a consumer that needs one stops and names it."""

    partitions: int = Field(-1, ge=-1, le=100_000)
    """Partitions of topics that are made; -1 is the cluster's default. More of them later move records to
    other partitions, so that their order is lost once."""

    replication_factor: int = Field(-1, ge=-1, le=100)
    """Copies of topics that are made; -1 is the cluster's default. With 1, a lost disk loses messages."""

    topic_config: dict[str, str] = Field(default_factory=dict[str, str])
    """Configuration of topics that are made, such as `{"cleanup.policy": "compact"}`."""

    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "lz4"
    """How batches are compressed. JSON shrinks to a fifth or less; `lz4` costs least of our time."""

    max_message_bytes: int = Field(1_048_588, ge=10_000, le=1_000_000_000)
    """Bytes of the largest message; larger ones go to the dead letters. Not more than the
    topics' `max.message.bytes`, whose own default is this."""

    timeout_ms: int = Field(30_000, ge=1_000, le=300_000)
    """Milliseconds that a batch may take before it is given up and written again. Shorter than the time a
    broker needs to be replaced, and every failover repeats messages."""

    tls: bool = False
    """Whether connections are encrypted. Without it, passwords and messages can be read on the way."""

    ca: str | None = Field(None, max_length=100_000)
    """Certificates to trust, PEM text; default: those that the system trusts."""

    certificate: str | None = Field(None, max_length=100_000)
    """Our own certificate for a cluster that asks for one, PEM text."""

    key: Secret | None = None
    """Private key of `certificate`, PEM text without a passphrase."""

    mechanism: Mechanism = "SCRAM-SHA-512"
    """How `password` is shown to the cluster (SASL). With `PLAIN` it is sent as it is: only with `tls`."""

    username: str | None = Field(None, max_length=500)
    """User of the cluster, where it asks for one."""

    password: Secret | None = None
    """Password of `username`."""

    @field_validator("topic")
    @classmethod
    def _known_places(cls, template: str) -> str:
        try:
            parts = list(Formatter().parse(template))
        except ValueError:
            raise ValueError("braces must come in pairs") from None
        for _, place, form, conversion in parts:
            if place is not None and (place not in PLACES or form or conversion):
                raise ValueError(f"in braces may stand {', '.join(sorted(PLACES))}, and nothing else")
        if not template.strip():
            raise ValueError("must name a topic")
        return template

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        if not self.tls and (self.ca or self.certificate):
            raise ValueError("certificates are of no use without tls")
        return self


def from_url(url: str) -> Mapping[str, Any]:
    """Return the settings that a URL stands for; its query has any of them.

    Shape: `kafka://user:password@host:9092,host:9092?topic=all&transactional=true`; `kafkas://` is with TLS.
    """
    parts = urlsplit(url)
    login, _, servers = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    made: dict[str, Any] = {"bootstrap_servers": servers, **dict(parse_qsl(parts.query))}
    if parts.scheme.lower() == "kafkas":
        made["tls"] = True
    if login:
        made |= {"username": unquote(username), "password": unquote(password)}
    return made
