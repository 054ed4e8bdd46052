"""The books of one account of the fake Stripe: its objects, and the events of what happened to them. No HTTP.

Objects are kept as JSON, whole; what the API shows of them has at most ten items in a nested list.
"""

import heapq
import time
from bisect import bisect_left, insort
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, cast

import orjson

from headwater.testing.fake_stripe.resources import BY_OBJECT, EXAMPLES, Resource
from headwater.testing.fake_stripe.switches import Switches

SHOWN = 10
"""Items of a nested list that its owner shows."""
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONG_AGO_S = 3 * 365 * 86_400
"""How far back the objects of the beginning were created, at most."""
_MANY_ITEMS = 25

_OWNERS = ("customer", "account")
"""Whose a card or a bank account can be: one of both."""

Object = dict[str, Any]
Key = tuple[int, int]
"""Creation in seconds, and a number that tells apart what was created in one second."""


@dataclass(frozen=True, slots=True)
class Row:
    """An object, or an event, as it is now. `whole` is its JSON with nested lists whole."""

    id: str
    key: Key
    whole: bytes
    shown: bytes


class Shelf:
    """Rows, newest first where they are listed."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._keys: list[tuple[Key, str]] = []

    def put(self, row: Row) -> None:
        """Put a row in its place; its key never changes."""
        if row.id not in self.rows:
            insort(self._keys, (row.key, row.id))
        self.rows[row.id] = row

    def take(self, id: str) -> None:
        """Take a row away."""
        row = self.rows.pop(id)
        del self._keys[bisect_left(self._keys, (row.key, id))]

    def __len__(self) -> int:
        return len(self._keys)

    def at(self, index: int) -> Row:
        """Return the row at a place in the order of creation."""
        return self.rows[self._keys[index][1]]

    def below(self, end: int) -> Iterator[Row]:
        """Return the rows before a place, newest first."""
        for place in range(end - 1, -1, -1):
            yield self.rows[self._keys[place][1]]

    def above(self, start: int) -> Iterator[Row]:
        """Return the rows from a place on, oldest first."""
        for place in range(start, len(self._keys)):
            yield self.rows[self._keys[place][1]]

    def place(self, id: str) -> int | None:
        """Return the place of a row."""
        row = self.rows.get(id)
        return None if row is None else bisect_left(self._keys, (row.key, id))

    def first_since(self, second: int) -> int:
        """Return the place of the first row that was created in a second or later."""
        return bisect_left(self._keys, ((second, -1), ""))


@dataclass
class Told:
    """What is known of an event beside it: whether deliveries of it are pending or failed."""

    pending: int = 0
    failed: bool = False


class Books:
    """All objects of an account. `told` hears of each event when it happens: for webhooks."""

    def __init__(self, account: str, seed: int, switches: Switches, *, livemode: bool) -> None:
        self.account, self.livemode, self.switches = account, livemode, switches
        self.shelves = {object: Shelf() for object in BY_OBJECT}
        self.events = Shelf()
        self.told: dict[str, Told] = {}
        self.ghosts: dict[str, set[str]] = {object: set() for object in BY_OBJECT}
        """Ids of objects that were deleted."""
        self.happened: list[Object] = []
        """Events that no webhook has been told of yet."""
        self.created = int(time.time()) - _LONG_AGO_S
        self._dice = Random(f"{account}/{seed}")
        self._number = 0
        self._unseen: list[tuple[float, int, Row]] = []

    # --- objects ------------------------------------------------------------------------------------------

    def fill(self, object: str, count: int, *, parent: str | None = None, items: int = 0) -> None:
        """Make objects of the past, of which no event tells, with so many items in each nested list.

        Times come closer to each other towards now, as those of a company that grows.
        """
        for number in range(count):
            share = ((number + 1) / (count + 1)) ** 0.5
            made = self.new(object, parent=parent, items=items)
            if "created" in made:
                made["created"] = self.created + int(share * (_LONG_AGO_S - 600))
            self._put(BY_OBJECT[object], made)

    def new(self, object: str, *, parent: str | None = None, items: int = 0) -> Object:
        """Return a new object like the example, not kept yet."""
        resource, made = BY_OBJECT[object], deepcopy(EXAMPLES[object])
        made["id"] = self.new_id(made["id"])
        if "created" in made:
            made["created"] = int(time.time())
        if "livemode" in made:
            made["livemode"] = self.livemode
        if resource.owner is not None:
            made |= {name: None for name in _OWNERS if name in made}
            made[resource.owner] = parent or self._some(resource.parent or "")
        for nested in resource.nested:
            data = [self._item(made["id"], nested.object, nested.owner) for _ in range(items or 1)]
            made[nested.member] = _list(data, nested.path.replace("{id}", made["id"]))
        return made

    def new_id(self, like: str) -> str:
        """Return an id that begins like another."""
        self._number += 1
        prefix = like.rpartition("_")[0]
        drawn = "".join(self._dice.choices(_LETTERS, k=16))
        return f"{prefix}_{drawn}" if prefix else drawn

    def create(self, object: str, changes: Object | None = None, **more: Any) -> Object:
        """Make an object, and tell of it."""
        made = self.new(object, **more) | (changes or {})
        self._put(BY_OBJECT[object], made)
        self._happen(BY_OBJECT[object].made, made)
        return made

    def change(self, object: str, id: str, changes: Object, type: str | None = None) -> Object:
        """Change members of an object, and tell of it."""
        resource, row = BY_OBJECT[object], self.shelves[object].rows[id]
        made = orjson.loads(row.whole)
        before = {name: made.get(name) for name, value in changes.items() if made.get(name) != value}
        made |= changes
        self._put(resource, made)
        if before or type:
            self._happen(type or resource.changed, made, before)
        return made

    def delete(self, object: str, id: str) -> None:
        """Delete an object, and tell of it."""
        row = self.shelves[object].rows[id]
        self.shelves[object].take(id)
        self.ghosts[object].add(id)
        self._happen(BY_OBJECT[object].deleted, orjson.loads(row.whole))

    def get(self, object: str, id: str) -> Object | None:
        """Return an object whole."""
        row = self.shelves[object].rows.get(id)
        return None if row is None else orjson.loads(row.whole)

    # --- by dice ------------------------------------------------------------------------------------------

    def happen(self, dice: Random, object: str, *, deletes: float = 0.15) -> str:
        """Let something happen to some object; return what."""
        resource, roll = BY_OBJECT[object], dice.random()
        if roll < deletes and resource.deleted is not None and len(self.shelves[object]):
            self.delete(object, self._drawn(dice, object))
            return "deleted"
        if roll < deletes + 0.2 or not len(self.shelves[object]):
            self.create(object, items=dice.choice((1, 1, 1, _MANY_ITEMS)))
            return "created"
        self.touch(dice, object, self._drawn(dice, object))
        return "updated"

    def touch(self, dice: Random, object: str, id: str) -> None:
        """Change an object a little."""
        held = orjson.loads(self.shelves[object].rows[id].whole)
        metadata: dict[str, str] = held.get("metadata") or {}
        revision = int(metadata.get("revision", "0")) + 1
        self.change(object, id, {"metadata": {"revision": str(revision), "drawn": str(dice.random())}})

    def _drawn(self, dice: Random, object: str) -> str:
        shelf = self.shelves[object]
        return shelf.at(dice.randrange(len(shelf))).id

    # --- events -------------------------------------------------------------------------------------------

    def reveal(self) -> None:
        """Put the events into their list that are due there."""
        now = time.monotonic()
        while self._unseen and self._unseen[0][0] <= now:
            self.events.put(heapq.heappop(self._unseen)[2])

    @property
    def unseen(self) -> int:
        """How many events the list does not show yet."""
        return len(self._unseen)

    def _happen(self, type: str | None, object: Object, before: Object | None = None) -> None:
        if type is None:
            return
        data = {"object": shortened(object)} | ({"previous_attributes": before} if before else {})
        event: Object = {
            "id": self.new_id("evt_1"),
            "object": "event",
            "api_version": self.switches.account_version,
            "created": int(time.time()),
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
            "type": type,
        }
        raw = orjson.dumps(event)
        row = Row(event["id"], (event["created"], self._number), raw, raw)
        late = self._dice.random() < self.switches.late
        visible = time.monotonic() + (self.switches.late_ms / 1000 if late else 0)
        heapq.heappush(self._unseen, (visible, self._number, row))
        self.told[event["id"]] = Told()
        self.happened.append(event)
        self.reveal()

    # --- small things -------------------------------------------------------------------------------------

    def _put(self, resource: Resource, made: Object) -> None:
        shelf, id = self.shelves[resource.object], made["id"]
        known = shelf.rows.get(id)
        self._number += 1
        key = known.key if known else (int(made.get("created") or time.time()), self._number)
        whole = orjson.dumps(made)
        shown = orjson.dumps(shortened(made)) if resource.nested else whole
        shelf.put(Row(id, key, whole, shown))

    def _item(self, owner_id: str, object: str, owner: str | None) -> Object:
        item = deepcopy(EXAMPLES[object])
        item["id"] = self.new_id(item["id"])
        return item | ({owner: owner_id} if owner else {})

    def _some(self, object: str) -> str:
        """Return the id of some object; one is made where there is none."""
        shelf = self.shelves[object]
        if not len(shelf):
            return str(self.create(object)["id"])
        return shelf.at(self._dice.randrange(len(shelf))).id


def shortened(object: Object) -> Object:
    """Return an object as the API shows it: with ten items at most in each nested list."""
    return {name: _shortened(value) for name, value in object.items()}


def _shortened(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = cast("Object", value)
    data: list[Object] = inner["data"] if inner.get("object") == "list" else []
    return inner | {"data": data[:SHOWN], "has_more": True} if len(data) > SHOWN else inner


def _list(data: list[Object], url: str) -> Object:
    return {"object": "list", "data": data, "has_more": False, "url": url}
