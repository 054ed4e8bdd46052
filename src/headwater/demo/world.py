"""The made-up CRM's objects and what happens to them. No HTTP, and no clock: the times are the caller's.

The same seed and the same number of steps make the same objects and changes. What a step writes carries the
time of the writing, but one step in eight becomes visible only some hundred milliseconds later, as in APIs
that read from a replica or stamp a row before its transaction ends.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any

from headwater.demo import words
from headwater.demo.tables import Fields, Row, Table, iso

KINDS = ("company", "contact", "deal")
YEAR_MS = 365 * 24 * 3600 * 1000
LATE = 0.125
"""Which part of all steps becomes visible late."""
LATE_MS = (200, 700)

PREFIXES = {"company": "com", "contact": "con", "deal": "dea"}


class World:
    """All objects of the CRM, and the writes that nobody can see yet."""

    def __init__(self, seed: int, objects: int) -> None:
        """`objects` is about how many there shall be: deletes and creates keep to it."""
        self.tables: dict[str, Table] = {
            "company": Table(timed=True),
            "contact": Table(timed=True),
            "deal": Table(timed=False),
        }
        self.counts = {"created": 0, "updated": 0, "deleted": 0}
        self._dice = Random(seed)
        self._objects = objects
        self._numbers: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._unseen: list[tuple[int, int, Row]] = []
        self._busy: set[str] = set()
        self._writes = 0

    # --- beginnings -----------------------------------------------------------------------------------

    def found(self, now_ms: int) -> list[Row]:
        """Make the objects that are there from the start, up to two years old, and return them.

        They came in by imports of a few at a time, so many share their update time.
        """
        rows: list[Row] = []
        instant = now_ms - 2 * YEAR_MS
        pace = 2 * YEAR_MS // max(1, self._objects)
        while len(rows) < self._objects:
            size = min(self._dice.choice((1, 1, 2, 5, 12, 40)), self._objects - len(rows))
            instant = min(instant + self._dice.randint(1, 2 * pace * size), now_ms - 60_000)
            for _ in range(size):
                row = self._create(instant)
                self.tables[row.kind].put(row)
                rows.append(row)
        return rows

    def restore(self, rows: Iterable[Row]) -> None:
        """Take over the objects of an earlier life."""
        for row in rows:
            self.tables[row.kind].put(row)
            self._numbers[row.kind] = max(self._numbers[row.kind], int(row.id.rpartition("_")[2]))

    # --- going on -------------------------------------------------------------------------------------

    @property
    def unseen(self) -> int:
        """How many writes nobody can see yet."""
        return len(self._unseen)

    def step(self, now_ms: int) -> None:
        """Let somebody do one thing: often one write, sometimes several at one instant."""
        visible_ms = now_ms
        if self._dice.random() < LATE:
            visible_ms += self._dice.randint(*LATE_MS)
        for row in self._act(now_ms):
            self._busy.add(row.id)
            self._writes += 1
            heapq.heappush(self._unseen, (visible_ms, self._writes, row))

    def settle(self, now_ms: int) -> list[Row]:
        """Show the writes that are due, and return them."""
        shown: list[Row] = []
        while self._unseen and self._unseen[0][0] <= now_ms:
            row = heapq.heappop(self._unseen)[2]
            table = self.tables[row.kind]
            known = table.get(row.id)
            self.counts["deleted" if row.deleted else "created" if known is None else "updated"] += 1
            table.put(row)
            self._busy.discard(row.id)
            shown.append(row)
        return shown

    def _act(self, now_ms: int) -> list[Row]:
        crowd = sum(map(len, self.tables.values())) / max(1, self._objects)
        creates = 0.3 if crowd < 1.1 else 0.1
        deletes = 0.06 if crowd < 1.1 else 0.2
        die = self._dice.random()
        if die < creates:
            return [self._create(now_ms)]
        if die < creates + deletes:
            return self._delete(now_ms)
        if die < creates + deletes + 0.03:
            return self._reassign(now_ms)
        kind = self._dice.choices(KINDS, (2, 3, 5))[0]
        row = self._pick(kind)
        return [self._edited(row, now_ms, EDITS[kind](self._dice, row.fields))] if row else []

    def _pick(self, kind: str) -> Row | None:
        """Return an object that exists and that nobody is writing to; None when none is found quickly."""
        table = self.tables[kind]
        for _ in range(20 if len(table) else 0):
            row = table.at(self._dice.random())
            if not row.deleted and row.id not in self._busy:
                return row
        return None

    def _create(self, now_ms: int) -> Row:
        company = self._pick("company")
        if company is None or (kind := self._dice.choices(KINDS, (2, 4, 4))[0]) == "company":
            return self._new("company", new_company(self._dice), now_ms)
        if kind == "contact":
            links = {"company_id": company.id}
            return self._new(kind, links | new_contact(self._dice, company.fields["domain"]), now_ms)
        contact = self._pick("contact")
        links = {"company_id": company.id, "contact_id": contact.id if contact else None}
        return self._new(kind, links | new_deal(self._dice, company.fields["name"]), now_ms)

    def _new(self, kind: str, fields: dict[str, Any], now_ms: int) -> Row:
        self._numbers[kind] += 1
        row_id = f"{PREFIXES[kind]}_{self._numbers[kind]:06d}"
        fields = {"id": row_id, **fields, "created_at": iso(now_ms)}
        return self._stamped(Row(kind=kind, id=row_id, updated_ms=now_ms, fields=fields))

    def _edited(self, row: Row, now_ms: int, edit: Fields) -> Row:
        # An object's time always moves on, even when its last write carries a time of this very millisecond.
        at_ms = max(now_ms, row.updated_ms + 1)
        return self._stamped(replace(row, updated_ms=at_ms, fields={**row.fields, **edit}))

    def _stamped(self, row: Row) -> Row:
        if row.kind == "deal":  # deals show no update time: whoever wants their changes must compare
            return row
        return replace(row, fields={**row.fields, "updated_at": iso(row.updated_ms)})

    def _delete(self, now_ms: int) -> list[Row]:
        kind = self._dice.choices(KINDS, (1, 8, 6))[0]
        row = self._pick(kind)
        if row is None:
            return []
        gone = [row]
        if kind == "company":
            of_it = [r for k in ("contact", "deal") for r in self._of(row.id, k)]
            if any(r.id in self._busy for r in of_it):
                return []
            gone = [*of_it, row]
        at_ms = max(now_ms, *(r.updated_ms + 1 for r in gone))
        return [replace(r, updated_ms=at_ms, fields={}, deleted=True) for r in gone]

    def _reassign(self, now_ms: int) -> list[Row]:
        """Hand many of one owner's people over to another: several objects, one update time."""
        owner, heir = self._dice.sample(words.OWNERS, 2)
        theirs = (
            r for r in self.tables["contact"].live() if r.fields["owner"] == owner and r.id not in self._busy
        )
        rows = list(islice(theirs, self._dice.randint(2, 25)))
        at_ms = max(now_ms, *(r.updated_ms + 1 for r in rows), 0)
        return [self._edited(r, at_ms, {"owner": heir}) for r in rows]

    def _of(self, company_id: str, kind: str) -> list[Row]:
        return [r for r in self.tables[kind].live() if r.fields["company_id"] == company_id]


# --- what the fields look like --------------------------------------------------------------------


def new_company(dice: Random) -> dict[str, Any]:
    """Return the fields of a new company."""
    first, second = dice.choice(words.COMPANY_FIRST), dice.choice(words.COMPANY_SECOND)
    city, country = dice.choice(words.CITIES)
    return {
        "name": f"{first} {second} {dice.choice(words.COMPANY_FORMS)}",
        "domain": f"{second}-{dice.randint(1, 9999)}.example".lower(),
        "industry": dice.choice(words.INDUSTRIES),
        "city": city,
        "country": country,
        "employees": int(dice.lognormvariate(3.5, 1.3)) + 1,
        "owner": dice.choice(words.OWNERS),
        "tags": sorted(dice.sample(words.TAGS, dice.randint(0, 3))),
    }


def new_contact(dice: Random, domain: str) -> dict[str, Any]:
    """Return the fields of a new contact of a company with this domain."""
    return {
        "first_name": dice.choice(words.FIRST_NAMES),
        "last_name": dice.choice(words.LAST_NAMES),
        "email": f"{dice.choice('abcdefghijklmnoprstuw')}{dice.randint(10, 9999)}@{domain}",
        "phone": phone(dice),
        "title": dice.choice(words.TITLES),
        "owner": dice.choice(words.OWNERS),
        "newsletter": dice.random() < 0.4,
    }


def new_deal(dice: Random, company: str) -> dict[str, Any]:
    """Return the fields of a new deal with a company."""
    stage, chance = words.STAGES[0]
    return {
        "name": f"{company}: {dice.choice(words.DEAL_NAMES)}",
        "stage": stage,
        "probability": chance,
        "amount": amount(dice),
        "currency": dice.choice(words.CURRENCIES),
        "owner": dice.choice(words.OWNERS),
    }


def amount(dice: Random) -> float:
    """Return a deal's worth: mostly small, in steps that people write."""
    return round(dice.lognormvariate(9, 1) / 50) * 50 + dice.choice((0, 0, 0, 0.5, 0.99))


def phone(dice: Random) -> str:
    """Return a number from a range kept for fiction."""
    return f"+1 555 01{dice.randint(0, 99):02d} {dice.randint(0, 99):02d}"


def edit_company(dice: Random, fields: Fields) -> Fields:
    """Return what somebody changes on a company."""
    if dice.random() < 0.5:
        return {"employees": max(1, fields["employees"] + dice.choice((-3, -1, 1, 2, 5)))}
    others = [tag for tag in words.TAGS if tag not in fields["tags"]]
    return {"tags": sorted({*fields["tags"][-3:], dice.choice(others)})}


def edit_contact(dice: Random, fields: Fields) -> Fields:
    """Return what somebody changes on a contact."""
    if dice.random() < 0.4:
        return {"phone": phone(dice)}
    if dice.random() < 0.4:
        return {"newsletter": not fields["newsletter"]}
    return {"title": dice.choice([t for t in words.TITLES if t != fields["title"]])}


def edit_deal(dice: Random, fields: Fields) -> Fields:
    """Return what somebody changes on a deal: mostly it moves on, at times it is lost or revalued."""
    names = [name for name, _ in words.STAGES]
    place = names.index(fields["stage"])
    if dice.random() < 0.2:
        return {"amount": amount(dice) + 1}
    if place >= names.index("won"):
        stage, chance = words.STAGES[0]
    else:
        stage, chance = words.STAGES[place + 1] if dice.random() < 0.8 else words.STAGES[-1]
    return {"stage": stage, "probability": chance}


EDITS: dict[str, Callable[[Random, Fields], Fields]] = {
    "company": edit_company,
    "contact": edit_contact,
    "deal": edit_deal,
}
