"""What goes out of management: the JSON of credentials, syncs, keys and the rest, and how it is made of our
values.

Records and events are made as bytes (`render`); `Record` and `Event` here describe them.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from headwater.kit.clock import iso
from headwater.management import credentials, keys, listing, orders, sync_views
from headwater.model.sync import Health

T = TypeVar("T")
V = TypeVar("V")

Instant = Annotated[
    str,
    Field(
        json_schema_extra={"format": "date-time"},
        description="ISO 8601, UTC, microseconds.",
        examples=["2024-11-10T18:39:02.114000Z"],
    ),
]
Word = Literal["ok", "warn", "error"]


class Answer(BaseModel):
    """An answer. Clients must bear fields that are added later."""

    model_config = ConfigDict(frozen=True)


class Problem(Answer):
    """An error (RFC 9457). `code` is stable; `fix` says what to do next."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    fix: str
    errors: list["FieldProblem"] | None = None
    earliest_cursor: str | None = None


class FieldProblem(Answer):
    """What is wrong with one field."""

    field: str
    detail: str


class Listed(Answer, Generic[T]):
    """A page of a list. `cursor` is given as `after_cursor` to go on."""

    data: list[T]
    cursor: str | None
    has_more: bool


def listed(page: listing.Page[V], shape: Callable[[V], T]) -> dict[str, Any]:
    """Return a page as its JSON."""
    return {"data": [shape(item) for item in page.items], "cursor": page.cursor, "has_more": page.has_more}


def listing_of(page: listing.Page[Any], rendered: Sequence[bytes]) -> Response:
    """Return a page whose items are JSON already, as an answer."""
    body = b'{"data":[%b],"cursor":%b,"has_more":%b}' % (
        b",".join(rendered),
        json.dumps(page.cursor).encode(),
        b"true" if page.has_more else b"false",
    )
    return Response(body, media_type="application/json")


class NoteShape(Answer):
    """A sentence for a person: what was seen, what it usually means, what has been done, what to do."""

    code: str
    text: str
    about: str = ""


class HealthShape(Answer):
    """How something is doing, since when, and why."""

    status: Word
    notes: list[NoteShape]
    since: Instant

    @classmethod
    def of(cls, health: Health) -> "HealthShape":
        """Show a health."""
        return cls(
            status=health.status.value,
            notes=[NoteShape(code=note.code, text=note.text, about=note.about) for note in health.notes],
            since=iso(health.since),
        )


class RateLimitShape(Answer):
    """The share of the API's quota that is used: so many requests in an interval of seconds."""

    allowed_requests: int
    interval: float
    max_concurrent_requests: int | None

    @classmethod
    def of(cls, limit: credentials.RateLimit) -> "RateLimitShape":
        """Show a limit."""
        return cls(
            allowed_requests=limit.allowed_requests,
            interval=limit.interval,
            max_concurrent_requests=limit.max_concurrent_requests,
        )


class CredentialShape(Answer):
    """A credential; its secrets are masked."""

    id: str
    provider: str
    kind: str
    name: str
    properties: dict[str, Any]
    oauth_app_id: str | None
    rate_limit: RateLimitShape | None
    external_id: str | None
    metadata: dict[str, Any]
    health: HealthShape
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, credential: credentials.Credential) -> "CredentialShape":
        """Show a credential."""
        return cls(
            id=credential.id,
            provider=credential.provider,
            kind=credential.kind,
            name=credential.name,
            properties=credential.properties,
            oauth_app_id=credential.oauth_app_id,
            rate_limit=None if credential.rate_limit is None else RateLimitShape.of(credential.rate_limit),
            external_id=credential.external_id,
            metadata=credential.metadata,
            health=HealthShape.model_validate(credential.health),
            created_at=iso(credential.created_at),
            updated_at=iso(credential.updated_at),
        )


class BackfillShape(Answer):
    """How far the last backfill of a collection is."""

    started_at: Instant | None
    completed_at: Instant | None
    records: int
    estimated_total: int | None
    eta_seconds: float | None

    @classmethod
    def of(cls, backfill: sync_views.Progress) -> "BackfillShape":
        """Show a backfill."""
        return cls(
            started_at=_iso(backfill.started_at),
            completed_at=_iso(backfill.completed_at),
            records=backfill.records,
            estimated_total=backfill.estimated_total,
            eta_seconds=_seconds(backfill.eta),
        )


class BackfillEntry(Answer):
    """One backfill in the history of a sync. `outcome` is null while it is not over."""

    id: str
    collection_id: str
    requested_at: Instant
    started_at: Instant | None
    completed_at: Instant | None
    records: int
    estimated_total: int | None
    records_per_second: float | None
    eta_seconds: float | None
    outcome: Literal["completed", "replaced", "failed"] | None

    @classmethod
    def of(cls, backfill: sync_views.Progress) -> "BackfillEntry":
        """Show a backfill."""
        rate = backfill.records_per_second
        return cls.model_validate(
            {
                "id": backfill.id,
                "collection_id": backfill.collection_id,
                "requested_at": iso(backfill.requested_at),
                "started_at": _iso(backfill.started_at),
                "completed_at": _iso(backfill.completed_at),
                "records": backfill.records,
                "estimated_total": backfill.estimated_total,
                "records_per_second": None if rate is None else round(rate, 3),
                "eta_seconds": _seconds(backfill.eta),
                "outcome": backfill.outcome,
            }
        )


class BackfillsStarted(Answer):
    """The backfills that were asked for."""

    data: list[BackfillEntry]


class CollectionShape(Answer):
    """One collection of a sync. `lag_seconds`: since when there may be changes that were not seen."""

    collection_id: str
    state: Literal["pending", "backfilling", "live", "paused", "failed"]
    backfill: BackfillShape | None
    last_checked_at: Instant | None
    lag_seconds: float | None
    records: int
    error: str | None

    @classmethod
    def of(cls, view: sync_views.CollectionView) -> "CollectionShape":
        """Show a collection of a sync."""
        return cls(
            collection_id=view.collection_id,
            state=view.state.value,
            backfill=None if view.backfill is None else BackfillShape.of(view.backfill),
            last_checked_at=_iso(view.last_checked_at),
            lag_seconds=_seconds(view.lag),
            records=view.records,
            error=view.error,
        )


class SyncShape(Answer):
    """A sync."""

    id: str
    provider: str
    name: str
    credential_id: str
    collection_ids: list[str]
    rate_share: float
    status: Literal["active", "paused"]
    health: HealthShape
    max_age_days: int | None
    sync_frequency: str
    config: dict[str, Any]
    external_id: str | None
    metadata: dict[str, Any]
    initial_backfill_completed_at: Instant | None
    created_at: Instant
    updated_at: Instant
    collections: list[CollectionShape]

    @classmethod
    def of(cls, view: sync_views.SyncView) -> "SyncShape":
        """Show a sync."""
        sync = view.sync
        return cls(
            id=sync.id,
            provider=sync.provider,
            name=sync.name,
            credential_id=sync.credential_id,
            collection_ids=list(sync.collection_ids),
            rate_share=sync.rate_share,
            status=sync.status.value,
            health=HealthShape.of(sync.health),
            max_age_days=sync.max_age_days,
            sync_frequency=sync.sync_frequency,
            config=sync.config,
            external_id=sync.external_id,
            metadata=sync.metadata,
            initial_backfill_completed_at=_iso(sync.initial_backfill_completed_at),
            created_at=iso(sync.created_at),
            updated_at=iso(sync.updated_at),
            collections=[CollectionShape.of(one) for one in view.collections],
        )


class SweepShape(Answer):
    """A sweep. `halted`: it found so much missing that a person must confirm."""

    id: str
    collection_id: str
    state: Literal["requested", "running", "completed", "void", "halted"]
    requested_at: Instant
    started_at: Instant | None
    completed_at: Instant | None
    seen: int
    missing: int
    deleted: int
    confirmed: bool

    @classmethod
    def of(cls, sweep: orders.Sweep) -> "SweepShape":
        """Show a sweep."""
        return cls.model_validate(
            {
                "id": sweep.id,
                "collection_id": sweep.collection_id,
                "state": sweep.state,
                "requested_at": iso(sweep.requested_at),
                "started_at": _iso(sweep.started_at),
                "completed_at": _iso(sweep.completed_at),
                "seen": sweep.seen,
                "missing": sweep.missing,
                "deleted": sweep.deleted,
                "confirmed": sweep.confirmed,
            }
        )


class RejectedShape(Answer):
    """An object that could not be read as its collection says."""

    collection_id: str
    upstream_id: str
    reason: str
    rejected_at: Instant

    @classmethod
    def of(cls, one: orders.RejectedObject) -> "RejectedShape":
        """Show a rejected object."""
        return cls(
            collection_id=one.collection_id,
            upstream_id=one.upstream_id,
            reason=one.reason,
            rejected_at=iso(one.rejected_at),
        )


class ApiKeyShape(Answer):
    """An API key without the key itself."""

    id: str
    name: str
    prefix: str
    scopes: list[Literal["read", "write", "admin"]]
    external_id: str | None
    created_at: Instant
    last_used_at: Instant | None

    @classmethod
    def of(cls, key: keys.ApiKey) -> "ApiKeyShape":
        """Show a key."""
        return cls(**_key(key))


class NewApiKeyShape(ApiKeyShape):
    """An API key that has just been made; `key` is shown this once."""

    key: str

    @classmethod
    def made(cls, key: keys.ApiKey, text: str) -> "NewApiKeyShape":
        """Show a new key with its text."""
        return cls(**_key(key), key=text)


def _key(key: keys.ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(scope.value for scope in key.scopes),
        "external_id": key.external_id,
        "created_at": iso(key.created_at),
        "last_used_at": _iso(key.last_used_at),
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else iso(instant)


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds(), 3)
