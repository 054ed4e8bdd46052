"""Which column a field of an object has, where each collection has a table of its own. No SQL is run here.

A column's type follows from the values that were seen. When a value does not fit, the column gets the next
wider type, filled anew from the raw object, so that nothing depends on the order in which values came:

    bigint -> numeric -> text        boolean, timestamp with time zone, jsonb -> text

A column is never dropped and never gets a narrower type. Values themselves are converted by PostgreSQL.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from headwater.targets.postgres.settings import LONGEST_NAME
from headwater.targets.postgres.tables import OWN, Table, literal, quoted
from headwater.targets.postgres.text import held_json, held_text
from headwater.targets.target import Item

BOOLEAN, BIGINT, NUMERIC, TEXT, JSONB = "boolean", "bigint", "numeric", "text", "jsonb"
TIME = "timestamp with time zone"
TYPES = frozenset({BOOLEAN, BIGINT, NUMERIC, TEXT, JSONB, TIME})
"""The types that we give. A column of another type was made by a person and is left as it is."""

MOST_COLUMNS = 300
"""Fields beyond have no column: a row of PostgreSQL must fit into one page of 8 KB, with at least a pointer
for each long value."""

_SYSTEM = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_LEAST, _GREATEST = -(2**63), 2**63 - 1
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-](0\d|1[0-4]):[0-5]\d)")


class Columns:
    """The columns of a collection's table beside our own, by name, which is that of the field."""

    def __init__(
        self, table: Table, present: Mapping[str, str], generated: frozenset[str] = frozenset()
    ) -> None:
        """`present`: each column's type, as PostgreSQL spells it. `generated` ones fill themselves."""
        self.table, self.present, self.generated = table, present, generated
        self._room = MOST_COLUMNS - len(present)

    def wanted(self, items: Iterable[Item]) -> dict[str, str]:
        """Return the fields whose column is missing or too narrow, and the type that it should have."""
        present, found = self.present, dict[str, str]()
        for item in items:
            for field, value in members(item.entry.data).items():
                has = found.get(field) or present.get(field)
                if value is None or has == TEXT:
                    continue
                needed = type_of(value)
                if has == needed or (has is not None and has not in TYPES):
                    continue
                if has is not None:
                    if (joined := wider(has, needed)) != has:
                        found[field] = joined
                elif self._room > 0 and field not in self.generated and may_be_a_column(field):
                    found[field] = needed
        return found

    def alteration(self, fields: Mapping[str, str]) -> str | None:
        """Return the statement that makes columns that are `wanted`; None where there is nothing to do."""
        changed = [
            f"ALTER COLUMN {quoted(field)} TYPE {type} USING {_value(field, type)}"
            for field, type in fields.items()
            if field in self.present
        ]
        added = [
            f"ADD COLUMN IF NOT EXISTS {quoted(field)} {type}"
            for field, type in fields.items()
            if field not in self.present
        ]
        actions = [*changed, *added[: max(self._room, 0)]]
        return f"ALTER TABLE {self.table.quoted} {', '.join(actions)}" if actions else None


def may_be_a_column(field: str) -> bool:
    """Say whether a field's name can be a column's: not too long, not ours, none of PostgreSQL's own."""
    if not field or field in _SYSTEM or field.startswith(OWN):
        return False
    return len(held_text(field)) <= LONGEST_NAME


def type_of(value: Any) -> str:
    """Return the narrowest type that holds a decoded value that is not null."""
    match value:
        case bool():
            return BOOLEAN
        case int():
            return BIGINT if _LEAST <= value <= _GREATEST else NUMERIC
        case float():
            return NUMERIC
        case str():
            return TIME if _is_time(value) else TEXT
        case _:
            return JSONB


def wider(one: str, other: str) -> str:
    """Return the type that holds the values of both."""
    if one == other:
        return one
    return NUMERIC if {one, other} == {BIGINT, NUMERIC} else TEXT


def members(data: bytes) -> Mapping[str, Any]:
    """Return the members of an object as PostgreSQL will see them; of anything else none."""
    held = held_json(data)
    try:
        value: object = msgspec.json.decode(held)
    except (msgspec.MsgspecError, RecursionError):
        try:
            value = json.loads(held, parse_int=_integer)  # numbers that are out of a float's range
        except (ValueError, RecursionError):
            return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _value(field: str, type: str) -> str:
    """Return the expression of a field's value in the raw object."""
    text = f"({quoted(f'{OWN}data')} ->> {literal(field)})"
    return text if type == TEXT else f"{text}::{type}"


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def _is_time(text: str) -> bool:
    """Say whether it is an instant in the form of RFC 3339 that PostgreSQL takes as well."""
    if not 20 <= len(text) <= 35 or text[10] != "T" or _TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
