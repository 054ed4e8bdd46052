"""Syncs and their health."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What the user wants of a sync."""

    ACTIVE = "active"
    PAUSED = "paused"


class CollectionState(StrEnum):
    """What a collection of a sync is doing."""

    PENDING = "pending"
    BACKFILLING = "backfilling"
    LIVE = "live"
    PAUSED = "paused"
    FAILED = "failed"


class HealthStatus(StrEnum):
    """How something is doing. `warn`: it works, with something to look at. `error`: it stands until a person
    acts."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence for a person: what was seen, what it usually means, what has been done, what to do.

    `about` names what it is on (a collection id, `credential`), so that a later note on the same replaces it.
    """

    code: str
    text: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How something is doing, since when, and why.

    Shape: `{"status": "warn", "notes": [{"code", "text", "about"}], "since": "…Z"}`
    """

    status: HealthStatus
    since: datetime
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """One account of one API whose collections are kept in the streams. Ids of collections are
    `provider:name`."""

    id: str
    provider: str
    name: str
    credential_id: str
    collection_ids: tuple[str, ...]
    rate_share: float
    status: Status
    health: Health
    max_age_days: int | None
    sync_frequency: str
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    initial_backfill_completed_at: datetime | None = None
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    checks: int = 0


CONTINUOUS = "continuous"
"""`sync_frequency` of a sync that is looked at as often as the budget and its changes suggest."""
