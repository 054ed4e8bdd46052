"""What comes in: the bodies of requests, checked. A field that is not here is refused."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_LONGEST_JSON = 64 * 1024


def _storable(text: str) -> str:
    """Refuse what no database column holds."""
    if "\0" in text:
        raise ValueError("Must not contain a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("Must not contain half of a surrogate pair")
    return text


def _storable_json(value: Any) -> Any:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError("Must be plain JSON without NaN or Infinity") from error
    if len(text) > _LONGEST_JSON:
        raise ValueError(f"Must be at most {_LONGEST_JSON // 1024} KiB")
    if "\\u0000" in text:  # how it is written: NUL is escaped
        raise ValueError("Must not contain a NUL character")
    _storable(text)
    return value


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Key = Annotated[Text, Field(min_length=1, max_length=200)]
Object = Annotated[dict[str, Any], AfterValidator(_storable_json)]
Share = Annotated[float, Field(gt=0, le=1)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Scope = Literal["read", "write", "admin"]


class Input(BaseModel):
    """A body. No conversions: `"5"` is no number, and a field that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True)


class RateLimitInput(Input):
    """The share of the API's quota that may be used: so many requests in an interval of seconds."""

    allowed_requests: Annotated[int, Field(ge=1, le=10_000_000)]
    interval: Annotated[float, Field(gt=0, le=31_622_400, allow_inf_nan=False)]
    max_concurrent_requests: Annotated[int, Field(ge=1, le=10_000)] | None = None


class CredentialInput(Input):
    """A credential to make, or to renew where there is one of the same provider, account and external_id."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "provider": "crm",
                    "kind": "bearer",
                    "name": "Acme's CRM",
                    "properties": {"token": "…"},
                    "external_id": "org_42",
                }
            ]
        }
    )

    provider: Name
    kind: Name | None = None
    """May be left out where the provider has one kind only."""
    name: Name | None = None
    properties: Object = {}
    rate_limit: RateLimitInput | None = None
    oauth_app_id: Name | None = None
    """The OAuth app by which its token is renewed, or for which the API pushes."""
    external_id: Key | None = None
    metadata: Object = {}


class CredentialPatch(Input):
    """What to change of a credential. A property that is null is taken out; one that is masked is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"properties": {"token": "…"}}]})

    name: Name | None = None
    properties: Object | None = None
    rate_limit: RateLimitInput | None = None
    metadata: Object | None = None


class SyncInput(Input):
    """A sync to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "provider": "crm",
                    "credential_id": "0190a5c8-6f5e-7d62-8f57-5b1f8a4a2f10",
                    "collection_ids": ["crm:contact", "crm:deal"],
                    "sync_frequency": "continuous",
                    "external_id": "org_42",
                }
            ]
        }
    )

    provider: Name
    credential_id: Key
    name: Name | None = None
    collection_ids: list[Key] | None = None
    """All of the provider's where it is left out."""
    rate_share: Share = 1.0
    status: Literal["active", "paused"] = "active"
    max_age_days: Days | None = None
    sync_frequency: Key = "continuous"
    """`continuous`, or a duration such as `30s`, `15m` or `4h`."""
    config: Object = {}
    external_id: Key | None = None
    metadata: Object = {}


class SyncPatch(Input):
    """What to change of a sync."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "paused"}, {"sync_frequency": "4h"}]}
    )

    name: Name | None = None
    collection_ids: list[Key] | None = None
    rate_share: Share | None = None
    status: Literal["active", "paused"] | None = None
    max_age_days: Days | None = None
    sync_frequency: Key | None = None
    config: Object | None = None
    external_id: Key | None = None
    metadata: Object | None = None


class BackfillInput(Input):
    """Which backfills to start anew; all of the sync's where `collection_ids` is left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"collection_ids": ["crm:contact"]}]})

    collection_ids: Annotated[list[Key], Field(min_length=1)] | None = None


class SweepInput(Input):
    """A sweep to ask for, or with `confirm` the go-ahead for the one that stopped at the brake."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"collection_id": "crm:contact"}]})

    collection_id: Key
    confirm: bool = False


class ApiKeyInput(Input):
    """An API key to make."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "warehouse", "scopes": ["read"], "external_id": "org_42"}]}
    )

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1)] = ["read"]
    external_id: Key | None = None


class ApiKeyPatch(Input):
    """What to change of an API key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "warehouse"}]})

    name: Name | None = None
    scopes: Annotated[list[Scope], Field(min_length=1)] | None = None
