"""A small API in memory for the tests of the detectors: objects on a shelf, read page by page. No network.

It behaves like a real one where that matters: rows that become visible late, ties, objects that vanish,
pages that fail. `asked_us` is its own clock, which the test moves.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import xxhash

from headwater.errors import HeadwaterError, Reject
from headwater.kit.http import Http
from headwater.model.record import Observed
from headwater.providers.provider import Collection, Page, Scope, Since

PAGE = 3


@dataclass
class Shelf:
    """Objects by id. `failures` are raised instead of the next pages, one each; None lets a page through."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    now_us: int = 1_000_000_000
    failures: list[HeadwaterError | None] = field(default_factory=list[HeadwaterError | None])
    refusals: list[HeadwaterError | None] = field(default_factory=list[HeadwaterError | None])
    """The same for single reads."""
    hidden: set[str] = field(default_factory=set[str])
    """Ids that are not shown yet."""
    unreadable: list[Reject] = field(default_factory=list[Reject])
    """What the first page of every listing shows and nobody can read."""
    pages: int = 0
    versions: bool = True

    def put(self, id: str, **data: Any) -> None:
        """Create or update an object now."""
        self.now_us += 1
        self.objects[id] = {"id": id, "updated": self.now_us} | data

    def drop(self, id: str) -> None:
        """Delete an object, leaving a tombstone."""
        self.now_us += 1
        self.objects[id] = {"id": id, "updated": self.now_us, "deleted": True}

    def vanish(self, id: str) -> None:
        """Delete an object without a trace."""
        self.now_us += 1
        del self.objects[id]

    def alive(self) -> dict[str, dict[str, Any]]:
        """Return what a sync should hold."""
        return {
            id: one for id, one in self.objects.items() if not one.get("deleted") and id not in self.hidden
        }

    def _observed(self, one: dict[str, Any]) -> Observed:
        shown = one if self.versions else {k: v for k, v in one.items() if k != "updated"}
        raw = json.dumps(shown).encode()
        at = one["updated"] if self.versions else None
        deleted = bool(one.get("deleted"))
        return Observed(
            one["id"], raw, xxhash.xxh3_128_digest(raw), version=at, updated_us=at, deleted=deleted
        )

    async def _paged(self, rows: list[dict[str, Any]], resume: Any) -> AsyncIterator[Page]:
        start = resume or 0
        while True:
            self.pages += 1
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None:
                raise failure
            end = start + PAGE
            yield Page(
                observed=[self._observed(one) for one in rows[start:end]],
                rejected=[] if start else list(self.unreadable),
                asked_us=self.now_us,
                resume=end if end < len(rows) else None,
                estimated_total=len(rows),
            )
            start = end
            if start >= len(rows):
                return

    def read_all(self, http: Http, scope: Scope | None, resume: Any) -> AsyncIterator[Page]:
        """List everything by id."""
        return self._paged([one for _, one in sorted(self.alive().items())], resume)

    def read_since(self, http: Http, scope: Scope | None, since: Since, resume: Any) -> AsyncIterator[Page]:
        """List what was updated since, by update time, tombstones too."""
        from_us = since.updated_us or 0
        rows = [
            one for id, one in self.objects.items() if one["updated"] >= from_us and id not in self.hidden
        ]
        return self._paged(sorted(rows, key=lambda one: (one["updated"], one["id"])), resume)

    async def read_one(self, http: Http, scope: Scope | None, id: str) -> Page:
        """Read one object; one that is not there is a tombstone."""
        self.pages += 1
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        one = self.alive().get(id)
        observed = Observed(id, b"", b"", deleted=True) if one is None else self._observed(one)
        return Page(observed=[observed], asked_us=self.now_us)

    async def read_whole(
        self, http: Http, scope: Scope | None, since: Since, resume: Any
    ) -> AsyncIterator[Page]:
        """List everything, unless nothing has changed since it was read with the same validators."""
        validators = {"ETag": str(self.now_us)}
        if since.validators == validators:
            self.pages += 1
            yield Page(observed=(), asked_us=self.now_us, unchanged=True, validators=validators)
            return
        async for page in self.read_all(http, scope, resume):
            yield replace(page, validators=validators)

    def whole(self) -> Collection:
        """Return the shelf as a collection that can only be read whole, but says when nothing has changed."""
        return Collection(name="thing", read_all=self.read_all, read_since=self.read_whole, reads_whole=True)

    def collection(self, *, since: bool = True, one: bool = False, in_order: bool = True) -> Collection:
        """Return the shelf as a collection."""
        return Collection(
            name="thing",
            read_all=self.read_all,
            read_since=self.read_since if since else None,
            read_one=self.read_one if one else None,
            since_in_order=in_order,
            updated_at_source="upstream" if self.versions else "observed",
        )
