"""Records and events as the OpenAPI document describes them.

They are made as bytes (`render`), in this order.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from headwater.api.shapes import Answer, Instant

_KEY = {
    "sync_id": "0190a5c8-6f5e-7d62-8f57-5b1f8a4a2f10",
    "sync_external_id": "org_42",
    "provider": "salesforce",
    "collection_id": "salesforce:task",
    "upstream_id": "0018b000021BldZAAS",
}


class Record(Answer):
    """The current state of one object of an API."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "7c1b5f6e-0d0c-5a8e-9d57-0c1f2f5d6a11",
                    **_KEY,
                    "upstream_created_at": "2024-11-01T08:00:00.000000Z",
                    "upstream_updated_at": "2024-11-10T18:39:00.070453Z",
                    "updated_idx": 2745327037,
                    "inserted_at": "2024-11-10T18:39:02.114000Z",
                    "data": {"Id": "0018b000021BldZAAS", "Subject": "Call back"},
                    "deleted": False,
                }
            ]
        }
    )

    id: str
    sync_id: str
    sync_external_id: str | None
    provider: str
    collection_id: str
    upstream_id: str
    upstream_created_at: Instant | None
    upstream_updated_at: Instant
    updated_idx: int = Field(description="Grows each time the record changes: the guard for upserts.")
    inserted_at: Instant
    data: dict[str, Any] = Field(description="The API's object, as the API sent it.")
    deleted: bool


class Event(Answer):
    """One change of one record."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_KEY,
                    "upstream_updated_at": "2024-11-10T18:39:00.070453Z",
                    "updated_idx": 2745327037,
                    "data": {"Id": "0018b000021BldZAAS", "Subject": "Call back", "Description": "after"},
                    "event": "updated",
                    "event_id": "5f0c9a1e-56c7-5d0f-8a51-3b7e2f0f9b52",
                    "event_inserted_at": "2024-11-10T18:39:02.114000Z",
                    "previous_data": {"Description": "before"},
                    "origin": "since",
                }
            ]
        }
    )

    sync_id: str
    sync_external_id: str | None
    provider: str
    collection_id: str
    upstream_id: str
    upstream_updated_at: Instant
    updated_idx: int
    data: dict[str, Any] = Field(description="On `deleted`, the whole record before it was deleted.")
    event: Literal["created", "inserted", "updated", "deleted"]
    event_id: str = Field(description="The same change never has two ids.")
    event_inserted_at: Instant
    previous_data: dict[str, Any] | None = Field(
        default=None, description="Only on `updated`: the prior values of the fields that changed."
    )
    origin: Literal["backfill", "since", "feed", "sweep", "webhook", "mutation"]
    mutation_id: str | None = Field(
        default=None, description="There when the change is the echo of a write of ours."
    )


class RecordPage(Answer):
    """Records, and the cursor after them."""

    records: list[Record]
    cursor: str
    has_more: bool


class EventPage(Answer):
    """Events, and the cursor after them."""

    events: list[Event]
    cursor: str
    has_more: bool
