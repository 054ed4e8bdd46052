"""Targets as JSON, and the catalogue of their kinds."""

from importlib.util import find_spec
from typing import Any, Literal

from headwater.api.shapes import Answer, HealthShape, Instant
from headwater.kit.clock import iso
from headwater.management.target_settings import secret_fields
from headwater.management.targets import TargetView
from headwater.targets.target import Kind


class TargetKindShape(Answer):
    """A kind of target.

    `settings`: JSON Schema; `secret` names those that are masked. `schemes`: of URLs that tell the kind.
    `installed`: whether this server has the driver; else `install` says how to get it.
    """

    kind: str
    title: str
    summary: str
    guarantee: str
    streams: list[Literal["records", "events"]]
    schemes: list[str]
    settings: dict[str, Any]
    secret: list[str]
    installed: bool
    install: str | None

    @classmethod
    def of(cls, kind: Kind) -> "TargetKindShape":
        """Show a kind."""
        return cls(
            kind=kind.name,
            title=kind.title,
            summary=kind.summary,
            guarantee=kind.guarantee,
            streams=sorted(stream.value for stream in kind.streams),
            schemes=list(kind.schemes),
            settings=kind.settings.model_json_schema(),
            secret=sorted(secret_fields(kind.settings)),
            installed=kind.driver is None or find_spec(kind.driver.partition(".")[0]) is not None,
            install=None if kind.driver is None else f"pip install 'headwater[{kind.name}]'",
        )


class TargetShape(Answer):
    """A target; its secrets are masked. `settings` are those that were given."""

    id: str
    kind: str
    name: str
    settings: dict[str, Any]
    external_id: str | None
    metadata: dict[str, Any]
    health: HealthShape
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, target: TargetView) -> "TargetShape":
        """Show a target."""
        return cls(
            id=target.id,
            kind=target.kind,
            name=target.name,
            settings=target.settings,
            external_id=target.external_id,
            metadata=target.metadata,
            health=HealthShape.model_validate(target.health),
            created_at=iso(target.created_at),
            updated_at=iso(target.updated_at),
        )


class SetupShape(Answer):
    """What a person runs at the target before it is written, such as SQL; null where that is nothing."""

    setup: str | None
