"""Bodies of the calls of targets, checked. What a kind's settings are is checked by `management`."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from headwater.api.inputs import Input, Key, Name, Object, Text

Url = Annotated[Text, Field(min_length=1, max_length=4096)]


class TargetInput(Input):
    """A target to make: a kind with its settings, or a URL that tells both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "postgres",
                    "name": "Warehouse",
                    "settings": {"url": "postgresql://…"},
                    "external_id": "org_42",
                },
                {"url": "postgresql://…", "reuse": True},
            ]
        }
    )

    kind: Name | None = None
    """One of those that `GET /v1/target-kinds` lists. May be left out where there is a `url`."""
    url: Url | None = None
    """What it is reached at, where the scheme tells the kind. `settings` lie over those of the URL."""
    name: Name | None = None
    settings: Object = Field(default_factory=dict[str, Any])
    external_id: Key | None = None
    metadata: Object = Field(default_factory=dict[str, Any])
    reuse: bool = False
    """Where there is a target of this kind, with these settings and this `external_id`: take that one."""


class TargetPatch(Input):
    """What to change of a target. A setting that is null is taken out; one that is masked is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"settings": {"url": "postgresql://…"}}]})

    name: Name | None = None
    settings: Object | None = None
    metadata: Object | None = None
