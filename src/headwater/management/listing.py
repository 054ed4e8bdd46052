"""Lists of what users have made: pages by cursor, filters, and only what the caller may see (P12).

Not here: the streams, whose cursors are another thing (`streams.cursor`).
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, Table, Text, case, cast, exists, false, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from headwater.errors import Refused
from headwater.management.caller import Caller

T = TypeVar("T")
_MARK = b"after:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which things a list should have, and from where on.

    `metadata` compares values as text: `{"team": "eu"}` finds `{"team": "eu", …}`.
    """

    limit: int = 100
    after_cursor: str | None = None
    provider: str | None = None
    external_id: str | None = None
    health: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list. `cursor` goes on after it; at the end of the list it finds what is made later."""

    items: tuple[T, ...]
    cursor: str | None
    has_more: bool


def page_of(wanted: Wanted, found: Sequence[T], key: Callable[[T], str]) -> Page[T]:
    """Make a page of rows of which one more than wanted was asked for.

    `key` is what the list is ordered by.
    """
    items = tuple(found[: wanted.limit])
    cursor = cursor_after(key(items[-1])) if items else wanted.after_cursor
    return Page(items=items, cursor=cursor, has_more=len(found) > wanted.limit)


def cursor_after(key: str) -> str:
    """Return the cursor that goes on after a key."""
    return base64.urlsafe_b64encode(_MARK + key.encode()).decode().rstrip("=")


def key_of(cursor: str) -> str:
    """Return the key after which a cursor goes on."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if text.startswith(_MARK):
            return text.removeprefix(_MARK).decode()
    except (binascii.Error, ValueError):
        pass
    raise Refused(
        "This is no cursor of this list.",
        code="cursor.invalid",
        fix="Pass the `cursor` of the page before as it was, or leave `after_cursor` out.",
    )


def seen_by(caller: Caller, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """Return the condition that keeps a tenant's key to its own (P12)."""
    return [] if caller.external_id is None else [column == caller.external_id]


def narrowed(query: Select[Any], table: Table, caller: Caller, wanted: Wanted, dialect: str) -> Select[Any]:
    """Return a query for one page of a table, and one row more."""
    conditions = seen_by(caller, table.c.external_id)
    if wanted.after_cursor is not None:
        conditions.append(table.c.id > key_of(wanted.after_cursor))
    if wanted.external_id is not None:
        conditions.append(table.c.external_id == wanted.external_id)
    if wanted.provider is not None:
        conditions.append(table.c.provider == wanted.provider)
    if wanted.health is not None:
        conditions.append(_member(table.c.health, "status", dialect) == wanted.health)
    for name, value in wanted.metadata.items():
        conditions.append(_has(table.c.metadata, name, value, dialect))
    return query.where(*conditions).order_by(table.c.id).limit(wanted.limit + 1)


def _member(column: ColumnElement[Any], name: str, dialect: str) -> ColumnElement[Any]:
    """Return a member of a JSON column as text; `name` is ours."""
    if dialect == "postgresql":
        return cast(column, JSONB)[name].astext
    return func.json_extract(column, f"$.{name}")


def _has(column: ColumnElement[Any], name: str, value: str, dialect: str) -> ColumnElement[bool]:
    """Say that a JSON object has a member of this value, compared as text; `name` is the user's."""
    if "\0" in name or "\0" in value:
        return false()
    if dialect == "postgresql":
        return cast(column, JSONB)[name].astext == value
    each = func.json_each(column).table_valued("key", "type", "atom")
    words = ((each.c.type == word, literal(word)) for word in ("true", "false"))
    as_text = case(*words, else_=cast(each.c.atom, Text))
    return exists(select(literal(1)).select_from(each).where(each.c.key == name, as_text == value))


def to_json(value: Any) -> str:
    """Return a user's JSON value as text for a column; numbers of any size survive."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
