"""The fake API's objects and what happens to them: changes by dice, some of them visible late. No HTTP.

The same seed and the same steps make the same objects and changes; only the times are those of the clock.
"""

import heapq
import time
from collections.abc import Sequence
from random import Random
from uuid import UUID

import msgspec

from headwater.testing.fake_api.rows import Row, Rows, state, tombstone
from headwater.testing.fake_api.switches import Switches

_UPDATES, _CREATES = 0.7, 0.2
"""Shares of updates and creates among changes; the rest are deletes."""
_REVIVED = 0.2
"""Share of creates that bring a deleted object back."""
_TRIES = 20


class Objects(msgspec.Struct, frozen=True, kw_only=True):
    """What there is at first. `random_ids`: UUIDs instead of counted ids."""

    collections: Sequence[str] = ("contact",)
    count: int = 100
    size: int = 300
    random_ids: bool = False


class World:
    """All collections, and the changes that nobody can see yet."""

    def __init__(
        self, seed: int = 1, objects: Objects | None = None, switches: Switches | None = None
    ) -> None:
        self.objects = objects or Objects()
        self.switches = switches or Switches()
        self.seed = seed
        self.rows = {name: Rows() for name in self.objects.collections}
        self.made = {"created": 0, "updated": 0, "deleted": 0}
        self._dice = Random(seed)
        self._numbers = dict.fromkeys(self.rows, 0)
        self._unseen: list[tuple[int, int, str, Row]] = []
        self._newest: dict[tuple[str, str], Row] = {}
        self._visible_ms: dict[tuple[str, str], int] = {}
        self._writes = 0
        begun = self.now_ms() - 86_400_000
        for name, rows in self.rows.items():
            for number in range(self.objects.count):
                at = self._rounded(begun + number * 3_600_000 // max(self.objects.count, 1))
                rows.show(state(self._id(name), number, 1, at, at, self.objects.size))

    def now_ms(self) -> int:
        """Return the time on the API's own clock."""
        return time.time_ns() // 1_000_000 + self.switches.clock_ms

    @property
    def unseen(self) -> int:
        """How many changes are not visible yet."""
        return len(self._unseen)

    def reveal(self) -> None:
        """Make visible what is due."""
        now = self.now_ms()
        while self._unseen and self._unseen[0][0] <= now:
            _, _, name, row = heapq.heappop(self._unseen)
            self.rows[name].show(row)
            if self._newest.get((name, row.id)) is row:
                del self._newest[name, row.id], self._visible_ms[name, row.id]

    def change(self, dice: Random, name: str | None = None) -> None:
        """Create, update or delete one object."""
        name = name or dice.choice(list(self.rows))
        roll = dice.random()
        if roll < _UPDATES:
            self.update(dice, name)
        elif roll < _UPDATES + _CREATES:
            self.create(dice, name)
        else:
            self.delete(dice, name)

    def create(self, dice: Random, name: str) -> None:
        """Create an object, or bring one back that was deleted."""
        now = self._rounded(self.now_ms())
        old = self._pick(dice, name, deleted=True) if dice.random() < _REVIVED else None
        if old is not None:
            made = state(old.id, old.number, old.revision + 1, old.created_ms, now, self.objects.size)
        else:
            number = self._numbers[name]
            made = state(self._id(name), number, 1, now, now, self.objects.size)
        self._write(name, made, "created")

    def update(self, dice: Random, name: str, at_ms: int | None = None) -> None:
        """Change an object; by default now."""
        row = self._pick(dice, name, deleted=False)
        if row is not None:
            at = max(self._rounded(self.now_ms() if at_ms is None else at_ms), row.updated_ms)
            made = state(row.id, row.number, row.revision + 1, row.created_ms, at, self.objects.size)
            self._write(name, made, "updated")

    def delete(self, dice: Random, name: str) -> None:
        """Delete an object."""
        row = self._pick(dice, name, deleted=False)
        if row is not None:
            self._write(name, tombstone(row, max(self._rounded(self.now_ms()), row.updated_ms)), "deleted")

    def burst(self, dice: Random, name: str, count: int) -> None:
        """Change many objects at one instant, as an import does."""
        at = self.now_ms()
        for _ in range(count):
            self.update(dice, name, at)

    def _write(self, name: str, row: Row, what: str) -> None:
        """Take a change in; some become visible late, those of one object in their order."""
        self.made[what] += 1
        self._writes += 1
        now, key = self.now_ms(), (name, row.id)
        late = self._dice.random() < self.switches.late
        visible = max(now + (self.switches.late_ms if late else 0), self._visible_ms.get(key, 0))
        if visible <= now and key not in self._newest:
            self.rows[name].show(row)
            return
        self._newest[key], self._visible_ms[key] = row, visible
        heapq.heappush(self._unseen, (visible, self._writes, name, row))

    def _pick(self, dice: Random, name: str, *, deleted: bool) -> Row | None:
        """Return the newest state of some object that exists, or that does not; None if none is found."""
        rows = self.rows[name]
        for _ in range(_TRIES if len(rows) else 0):
            row = rows.at(dice.randrange(len(rows)))
            row = self._newest.get((name, row.id), row)
            if row.deleted is deleted:
                return row
        return None

    def _id(self, name: str) -> str:
        number = self._numbers[name]
        self._numbers[name] += 1
        if self.objects.random_ids:
            return str(UUID(int=Random(f"{self.seed}/{name}/{number}").getrandbits(128), version=4))
        return f"{name}_{number:07}"

    def _rounded(self, instant_ms: int) -> int:
        return instant_ms - instant_ms % self.switches.resolution_ms
