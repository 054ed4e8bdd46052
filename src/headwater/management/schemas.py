"""Checks a JSON value against the small part of JSON Schema in which providers declare their fields.

Known: type, enum, const, properties, required, additionalProperties, items, minItems, maxItems, minLength,
maxLength, pattern, minimum, maximum, anyOf. An object whose schema lists `properties` takes no others
unless it says so: a typing mistake is never silently ignored. Not a complete validator, and never given a
user's schema.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

Schema = Mapping[str, Any]
Mistake = tuple[str, str]
"""A field (dotted path) and what is wrong with it."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


OBJECT: Schema = {"type": "object", "properties": dict[str, Any]()}
"""The schema of an object without members: what holds where a provider declares nothing."""


def mistakes(value: Any, schema: Schema, path: str) -> list[Mistake]:
    """Return everything that is wrong with a value.

    `path` names it. Values themselves are never repeated (P8).
    """
    return list(_mistakes(value, schema, path))


def unknown(name: str, known: Iterable[str]) -> str:
    """Return what to say of a name that is not known."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"There is no such field; did you mean `{near[0]}`?" if near else "There is no such field."


def _mistakes(value: Any, schema: Schema, path: str) -> Iterator[Mistake]:
    types = schema.get("type")
    if types is not None:
        allowed = [types] if isinstance(types, str) else list(types)
        if not any(_is(value, name) for name in allowed):
            yield path, f"Must be {_article(' or '.join(allowed))}."
            return
    if "enum" in schema and value not in schema["enum"]:
        yield path, "Must be one of " + ", ".join(str(one) for one in schema["enum"]) + "."
    if "const" in schema and value != schema["const"]:
        yield path, f"Must be {schema['const']}."
    if "anyOf" in schema:
        branches = [mistakes(value, branch, path) for branch in schema["anyOf"]]
        if all(branches):
            yield from min(branches, key=len)
    if isinstance(value, str):
        yield from _of_text(value, schema, path)
    elif isinstance(value, bool):
        return
    elif isinstance(value, (int, float)):
        yield from _of_number(value, schema, path)
    elif isinstance(value, list):
        yield from _of_list(cast("list[Any]", value), schema, path)
    elif isinstance(value, dict):
        yield from _of_object(cast("dict[str, Any]", value), schema, path)


def _of_text(value: str, schema: Schema, path: str) -> Iterator[Mistake]:
    if len(value) < schema.get("minLength", 0):
        yield (
            path,
            "Must not be empty." if not value else f"Must have at least {schema['minLength']} characters.",
        )
    if len(value) > schema.get("maxLength", len(value)):
        yield path, f"Must have at most {schema['maxLength']} characters."
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield path, f"Must match {schema['pattern']}."


def _of_number(value: float, schema: Schema, path: str) -> Iterator[Mistake]:
    if value < schema.get("minimum", value):
        yield path, f"Must be at least {schema['minimum']}."
    if value > schema.get("maximum", value):
        yield path, f"Must be at most {schema['maximum']}."


def _of_list(value: Sequence[Any], schema: Schema, path: str) -> Iterator[Mistake]:
    if len(value) < schema.get("minItems", 0):
        yield path, f"Must have at least {schema['minItems']} entries."
    if len(value) > schema.get("maxItems", len(value)):
        yield path, f"Must have at most {schema['maxItems']} entries."
    if "items" in schema:
        for number, item in enumerate(value):
            yield from _mistakes(item, schema["items"], f"{path}.{number}")


def _of_object(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[Mistake]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}.{name}", "Is missing."
    others = schema.get("additionalProperties", "properties" not in schema)
    for name, member in value.items():
        if name in properties:
            yield from _mistakes(member, properties[name], f"{path}.{name}")
        elif others is False:
            yield f"{path}.{name}", unknown(name, properties)
        elif isinstance(others, Mapping):
            yield from _mistakes(member, cast("Schema", others), f"{path}.{name}")


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"
