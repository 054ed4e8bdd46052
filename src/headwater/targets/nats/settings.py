"""What a user may set of a NATS target, and the URLs that stand for one. Needs no driver."""

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from headwater.model.secret import Secret
from headwater.targets.target import TargetSettings


class NatsSettings(TargetSettings):
    """How a NATS server is reached, and which subjects are written."""

    servers: str = Field(min_length=1, max_length=2_000, examples=["nats://nats-1:4222,nats://nats-2:4222"])
    """Servers as `nats://host:port`, with commas between them, tried in turn. User and password have settings
    of their own."""

    subject_prefix: str = Field("headwater", pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=200)
    """First tokens of every subject. Nothing outside it is written."""

    create_stream: bool = False
    """Whether a missing stream is made: `HEADWATER_RECORDS` with the newest message of each subject, or
    `HEADWATER_EVENTS`. Otherwise a consumer without a stream stops and says how to make one."""

    stream: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,200}$")
    """Name of the stream that is made, where it is to be another one."""

    replicas: int = Field(1, ge=1, le=5)
    """Copies of the stream that is made. With 1, a lost disk loses messages."""

    duplicate_window_ms: int = Field(600_000, ge=100, le=86_400_000)
    """Milliseconds for which the stream that is made remembers ids of messages, to drop repeats. Shorter
    than an outage of Headwater, and what was under way then may be there twice. It costs memory of the
    server."""

    max_age_days: int = Field(7, ge=0, le=36_500)
    """Days for which a stream of events that is made keeps them; 0 is without end."""

    window: int = Field(512, ge=1, le=10_000)
    """Messages that may be under way unacknowledged, at most one of each record."""

    timeout_ms: int = Field(10_000, ge=500, le=300_000)
    """Milliseconds without any acknowledgement until a batch is given up and written again."""

    tls: bool = False
    """Whether a connection without encryption is refused. Without it, passwords and messages can be read on
    the way, unless the server demands TLS by itself."""

    ca: str | None = Field(None, max_length=100_000)
    """Certificates to trust, PEM text; default: those that the system trusts."""

    certificate: str | None = Field(None, max_length=100_000)
    """Our own certificate for a server that asks for one, PEM text."""

    key: Secret | None = None
    """Private key of `certificate`, PEM text without a passphrase."""

    username: str | None = Field(None, max_length=500)
    """User, for servers with users and passwords."""

    password: Secret | None = None
    """Password of `username`."""

    token: Secret | None = None
    """Token, for servers that want one."""

    nkey: Secret | None = None
    """Seed of a user's key (`SU…`), for servers that know its public half."""

    credentials: Secret | None = None
    """Content of a `.creds` file: a user's JWT and the seed of its key."""

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: str) -> str:
        for server in servers.split(","):
            parts = urlsplit(server.strip())
            if parts.scheme not in ("nats", "tls") or not parts.hostname:
                raise ValueError("each server is given as nats://host:port or tls://host:port")
            if parts.username is not None:
                raise ValueError("user, password and token have settings of their own")
        return servers

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        ways = (self.username, self.token, self.nkey, self.credentials)
        if sum(way is not None for way in ways) > 1:
            raise ValueError("of username, token, nkey and credentials only one can be used")
        return self

    @property
    def addresses(self) -> list[str]:
        """The servers, one by one."""
        return [server.strip() for server in self.servers.split(",")]

    @property
    def encrypted(self) -> bool:
        """Whether only TLS will do."""
        return self.tls or self.ca is not None or any(one.startswith("tls:") for one in self.addresses)


def from_url(url: str) -> Mapping[str, Any]:
    """Return the settings that a URL stands for; its query has any of them.

    Shape: `nats://user:password@host:4222,host:4222?create_stream=true`, `nats://token@host`;
    `tls+nats://` is with TLS.
    """
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    servers = ",".join(f"nats://{host}" for host in hosts.split(","))
    made: dict[str, Any] = {"servers": servers, **dict(parse_qsl(parts.query))}
    if parts.scheme.lower() == "tls+nats":
        made["tls"] = True
    username, colon, password = login.partition(":")
    if colon:
        made |= {"username": unquote(username), "password": unquote(password)}
    elif login:
        made["token"] = unquote(login)
    return made
