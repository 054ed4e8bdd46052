"""Bodies of the calls of managed consumers, checked; and the filters, which both kinds of consumer have."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema

from headwater.api.inputs import Input, Key, Name, Object

_MANY = 1_000


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def everything() -> list[str]:
    """Return the filter that leaves nothing out."""
    return ["*"]


def _not_none(count: int) -> int:
    if count == 0:
        raise ValueError("Must be -1 (without end), or at least 1")
    return count


_WORD = {"type": "string", "minLength": 1, "maxLength": 200}
Values = Annotated[
    list[Key],
    BeforeValidator(_as_list),
    Field(min_length=1, max_length=_MANY),
    WithJsonSchema({"anyOf": [_WORD, {"type": "array", "items": _WORD, "minItems": 1, "maxItems": _MANY}]}),
]
"""One value or several."""


class FiltersInput(Input):
    """Which entries are wanted: each filter a value, a list of values, or `*` for all."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"collection_id": ["crm:contact", "crm:deal"], "event": "*"}]}
    )

    provider: Values = Field(default_factory=everything)
    sync_id: Values = Field(default_factory=everything)
    collection_id: Values = Field(default_factory=everything)
    """`provider:collection`, or `provider:*`."""
    event: Values = Field(default_factory=everything)
    """`created` (or `inserted`), `updated`, `deleted`. Only of the stream of events."""

    def given(self) -> dict[str, list[str]]:
        """Return the filters as management takes them."""
        return self.model_dump()


Messages = Annotated[int, Field(ge=1, le=10_000)]
Bytes = Annotated[int, Field(ge=1_000, le=100_000_000)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Deliveries = Annotated[
    int,
    Field(ge=-1, le=1_000_000, json_schema_extra={"not": {"const": 0}}),
    AfterValidator(_not_none),
]
"""How often something is delivered at most."""


class BatchInput(Input):
    """How much is written at once. What is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_messages": 500, "max_wait_ms": 200}]})

    max_messages: Messages | None = None
    """1000 by default."""
    max_bytes: Bytes | None = None
    """8 MB by default; a message that is larger goes alone."""
    max_wait_ms: Milliseconds | None = None
    """How long a message waits for company: 0 by default, so that it waits only while the target is busy."""

    def given(self) -> dict[str, int]:
        """Return what was given."""
        return self.model_dump(exclude_none=True)


class ConsumerInput(Input):
    """A managed consumer to make: what is forwarded, from where on, to which target."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "target_id": "0190a5c8-6f5e-7d62-8f57-5b1f8a4a2f10",
                    "stream": "records",
                    "filters": {"collection_id": "crm:*"},
                    "start": "beginning",
                }
            ]
        }
    )

    target_id: Key
    name: Name | None = None
    stream: Literal["records", "events"] = "records"
    filters: FiltersInput = Field(default_factory=FiltersInput)
    start: Key = "beginning"
    """`beginning`, `end`, or a time in ISO 8601."""
    on_gap: Literal["halt", "skip"] = "halt"
    """What to do when events have passed out of retention before they were read."""
    max_deliver: Deliveries = -1
    """After so many attempts a message goes to the dead letters; -1: it is tried without end."""
    batch: BatchInput = Field(default_factory=BatchInput)
    status: Literal["active", "paused"] = "active"
    external_id: Key | None = None
    metadata: Object = Field(default_factory=dict[str, Any])


class ConsumerPatch(Input):
    """What to change of a managed consumer. It goes on from where it stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "paused"}]})

    name: Name | None = None
    filters: FiltersInput | None = None
    """In place of all filters before; for what is yet to be read."""
    on_gap: Literal["halt", "skip"] | None = None
    max_deliver: Deliveries | None = None
    batch: BatchInput | None = None
    status: Literal["active", "paused"] | None = None
    metadata: Object | None = None


class ConsumerReset(Input):
    """Where a managed consumer begins anew."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"start": "beginning"}, {"start": "2026-11-24T08:00:00Z"}]}
    )

    start: Key
    """`beginning`, `end`, or a time in ISO 8601."""
