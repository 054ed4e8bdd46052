"""Settings: what a person may choose when starting Headwater, each by a variable `HEADWATER_<NAME>`.

Everything has a default that works on one machine. Not here: what is set through the API (syncs, credentials,
keys). Secrets are shown masked (P8).
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from platformdirs import user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from headwater.errors import Halt
from headwater.kit import durations
from headwater.model.secret import Secret
from headwater.store.location import Location
from headwater.telemetry import LogFormat, LogLevel

PREFIX = "HEADWATER_"


def _duration(value: object) -> object:
    return durations.parse(value) if isinstance(value, str) else value


def _http_url(value: str) -> str:
    TypeAdapter(HttpUrl).validate_python(value)
    return value.rstrip("/")


Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""Written as `7d`, `36h`, `15m`, `30s`, or in ISO 8601."""

WebAddress = Annotated[str, AfterValidator(_http_url)]
"""An http or https URL, without a slash at its end."""


class Settings(BaseSettings):
    """All settings. Made by `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    home: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        default_factory=lambda: user_data_path("headwater", appauthor=False)
    )
    """Folder of everything that is kept in files: the database, secret.key, api.key. Default: the platform's
    folder for users' data. Another folder is another installation."""

    database_url: Secret | None = None
    """`sqlite:///path` or `postgresql://user:password@host:5432/name`. Default: headwater.db in the home,
    since a file needs no server. Several processes or machines need PostgreSQL."""

    partitions: int | None = Field(default=None, ge=1, le=1024)
    """In how many parts the streams are written, fixed when the database is made. Default: 16 on PostgreSQL
    (commits of different parts do not wait for each other), 1 on SQLite (which has one writer). More makes
    cursors longer."""

    host: str = "127.0.0.1"
    """Address to listen on. Default: this machine only, since without TLS in front keys travel in the
    clear."""

    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""

    public_url: WebAddress | None = None
    """The address under which browsers and other people's APIs reach this server, such as
    https://headwater.example.com. Needed to link accounts and to receive webhooks. Default: none, and changes
    are found by asking only."""

    worker_port: int | None = Field(default=None, ge=0, le=65535)
    """Port on which a process with `--role worker` answers /health/live, /health/ready and /metrics, and
    nothing else; 0 takes a free one. Default: none, a worker listens nowhere."""

    secret_keys: Secret | None = None
    """Keys that seal stored secrets, separated by commas, the newest first. Default: the file secret.key in
    the home. Processes that share a database need the same keys; with a key lost, what it sealed is lost."""

    event_retention: Duration = Field(default=timedelta(days=7), ge=timedelta(minutes=1))
    """How long events stay readable, at least a minute. Default: 7 days, time for a consumer to be mended.
    Longer takes disk; a reader that is further behind is refused and must start over."""

    created_event_name: Literal["created", "inserted"] = "created"
    """The word for the event of a new record. `inserted` is for clients that expect that one."""

    lease_time: Duration = Field(
        default=timedelta(seconds=15), ge=timedelta(seconds=2), le=timedelta(minutes=10)
    )
    """How long a silent process keeps its syncs, 2 seconds to 10 minutes. Default: 15 seconds, longer than a
    busy machine pauses. Shorter takes over faster, and takes work from processes that are only slow."""

    max_body_bytes: int = Field(default=10_000_000, ge=1_000)
    """Largest body of a request to our API, in bytes. Default: 10 MB, room for thousands of records."""

    metrics_open: bool = False
    """Whether /metrics needs no key. The numbers show names of providers, collections and syncs."""

    log_level: LogLevel = "info"
    """The least important lines that are written."""

    log_format: LogFormat = "console"
    """`console` for people, `json` for machines. Lines go to standard error."""

    url: WebAddress | None = None
    """Where the command line finds the server. Default: on this machine, at HEADWATER_PORT."""

    api_key: Secret | None = None
    """The key that the command line uses. Default: the file api.key in the home, made at the first start."""

    @classmethod
    def load(cls, **chosen: Any) -> Self:
        """Read the environment; `chosen` values (of the command line) count more.

        Raises: Halt `settings.invalid`, naming each variable and what it may be, never what it was.
        """
        try:
            return cls(**chosen)
        except ValidationError as error:
            wrong = [
                f"{_variable(str(one['loc'][0]))}: {one['msg']}" for one in error.errors(include_input=False)
            ]
            message = "Settings are wrong: " + "; ".join(wrong) + "."
            fix = "`headwater settings` explains each of them."
            raise Halt(message, code="settings.invalid", fix=fix) from None

    @property
    def database(self) -> Secret:
        """The database's URL."""
        return self.database_url or Secret(f"sqlite:///{self.home.absolute()}/headwater.db")

    @property
    def server_url(self) -> str:
        """Where the command line finds the server."""
        return self.url or f"http://127.0.0.1:{self.port}"

    @property
    def worker_address(self) -> tuple[str, int] | None:
        """Where a worker listens, if anywhere."""
        return None if self.worker_port is None else (self.host, self.worker_port)

    @property
    def keys(self) -> list[str]:
        """The secret keys that were given, the newest first; empty where they are in `secret_key_file`."""
        given = self.secret_keys.reveal().split(",") if self.secret_keys else []
        return [key.strip() for key in given if key.strip()]

    @property
    def secret_key_file(self) -> Path:
        """The file with the secret keys."""
        return self.home / "secret.key"

    @property
    def api_key_file(self) -> Path:
        """The file with the first API key."""
        return self.home / "api.key"

    def shown(self) -> list["Shown"]:
        """Return all settings as a person may see them (P8)."""
        return [self._show(name, field.description or "") for name, field in type(self).model_fields.items()]

    def _show(self, name: str, description: str) -> "Shown":
        value: object = getattr(self, name)
        match value:
            case timedelta():
                text = durations.show(value)
            case Secret() if name == "database_url":
                text = Location.parse(value.reveal()).shown
            case None:
                text = ""
            case _:
                text = str(value)
        return Shown(
            name=name,
            variable=_variable(name),
            value=text,
            chosen=name in self.model_fields_set,
            description=" ".join(description.split()),
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments and the environment, nothing else."""
        return init_settings, env_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One setting, for people. `chosen`: it was set, and is no default."""

    name: str
    variable: str
    value: str
    chosen: bool
    description: str


def unknown(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for each variable that looks like one of ours and is none: most likely mistyped."""
    known = [name.upper() for name in Settings.model_fields]
    named = sorted(name for name in environment if name.startswith(PREFIX))
    strangers = [name for name in named if name.removeprefix(PREFIX).upper() not in known]
    return [
        _about(name, difflib.get_close_matches(name.removeprefix(PREFIX).upper(), known, 1))
        for name in strangers
    ]


def _about(stranger: str, nearest: list[str]) -> str:
    hint = (
        f"Did you mean {PREFIX}{nearest[0]}?"
        if nearest
        else "`headwater settings` lists those that there are."
    )
    return f"{stranger} is no setting and has no effect. {hint}"


def _variable(name: str) -> str:
    return PREFIX + name.upper()
