"""The format of documents as a page of documentation, made from the models themselves. Nothing is written by
hand.
"""

import inspect
from collections.abc import Iterator
from datetime import timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from headwater.kit import durations
from headwater.providers.rest import auth, paged
from headwater.providers.rest.collection import (
    CollectionPart,
    Defaults,
    Deleted,
    DeletedList,
    Ids,
    InstantField,
    One,
    Poll,
    Since,
)
from headwater.providers.rest.document import Check, RateLimit, RestDocument, Setting
from headwater.providers.rest.part import Part

_INTRODUCTION = """\
# The document of a REST API

This page is made from the program's own declarations (`make docs`). How to write a document is in
[Sync any REST API](../how-to/sync-any-rest-api.md).

A document is YAML or JSON. Of YAML only what JSON can say is read: no anchors, no tags, and `yes`, `010` and
`2026-01-02` are text. A field that is not known is a mistake, never ignored. A *path* is dotted
(`meta.next`); a dot inside a name takes a backslash (`@odata\\.nextLink`). A *duration* is written `30s`,
`15m`, `4h` or `7d`. An *address* begins with `/` and is below the base URL; `{config.…}` in it stands for a
setting of the sync, `{parent.id}` and `{parent.…}` for the parent record's id and members, `{id}` (in `one`)
for the object's id.
"""

_SECTIONS: tuple[tuple[str, str, tuple[type[Part], ...]], ...] = (
    ("The document", "", (RestDocument,)),
    ("config", "Each setting:", (Setting,)),
    ("auth", "By its `kind`:", tuple(get_args(get_args(auth.Auth)[0]))),
    ("rate_limit", "", (RateLimit,)),
    ("check", "", (Check,)),
    ("defaults", "", (Defaults,)),
    ("A collection", "", (CollectionPart,)),
    ("paging", "By its `kind`:", tuple(get_args(get_args(paged.Paging)[0]))),
    ("size", "", (paged.Size,)),
    ("created_at, updated_at, deleted_at", "", (InstantField,)),
    ("since", "", (Since,)),
    ("deleted", "", (Deleted,)),
    ("deleted.list", "", (DeletedList,)),
    ("one", "", (One,)),
    ("ids", "", (Ids,)),
    ("poll", "", (Poll,)),
)


def page() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_INTRODUCTION, *(line for section in _SECTIONS for line in _section(*section))])


def _section(title: str, introduction: str, parts: tuple[type[Part], ...]) -> Iterator[str]:
    yield f"## {title}\n"
    if introduction:
        yield f"{introduction}\n"
    for part in parts:
        kind = part.model_fields.get("kind")
        if kind is not None:
            yield f"### {get_args(kind.annotation)[0]}\n"
        yield f"{_line(inspect.getdoc(part) or '')}\n"
        fields = {name: field for name, field in part.model_fields.items() if name != "kind"}
        if fields:
            yield "| field | | default | |\n|---|---|---|---|"
            yield from (_row(name, field) for name, field in fields.items())
            yield ""


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {_kind(field.annotation)} | {_default(field)} | {_line(field.description or '')} |"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required():
        return "**required**"
    if default is None or isinstance(default, BaseModel) or default in ({}, [], ""):
        return ""
    if isinstance(default, timedelta):
        return f"`{durations.show(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _kind(annotation: Any) -> str:
    """Return the name of a type as the page says it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, UnionType):
        names = dict.fromkeys(_kind(each) for each in inner if each is not NoneType)
        return " or ".join(names)
    if origin is list:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"mapping of name to {_kind(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return _NAMES.get(annotation, "see below")
    return _SCALARS.get(annotation, "text")


_SCALARS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    timedelta: "duration",
}
_NAMES: dict[type[Part], str] = {
    part: f"[{title}](#{title.lower().replace(', ', '-').replace(' ', '-').replace('.', '')})"
    for title, _, parts in _SECTIONS
    for part in parts
}
