"""Stripe's OpenAPI document as JSON Schemas, for tests of what has its shapes. MIT, see stripe/LICENSE."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator

DOCUMENT = Path(__file__).parents[1] / "providers" / "stripe" / "openapi.json.gz"


@cache
def schemas() -> dict[str, Any]:
    """Return the schemas of all objects."""
    document = json.loads(gzip.decompress(DOCUMENT.read_bytes()))
    return {"components": {"schemas": _plain(document["components"]["schemas"])}}


@cache
def validator(name: str) -> Draft4Validator:
    """Return what checks objects of a class."""
    return Draft4Validator({"$ref": f"#/components/schemas/{name}", **schemas()})


def mistakes(name: str, value: Any) -> list[str]:
    """Return how a value differs from a schema."""
    found = validator(name).iter_errors(value)
    return [f"{name} {'/'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in found]


def _plain(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as one of JSON Schema: `nullable` is its own word for null."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    nullable = schema.get("nullable") is True
    plain = {name: _plain(value) for name, value in schema.items() if not (nullable and name == "nullable")}
    if not nullable:
        return plain
    if "anyOf" in plain:
        plain["anyOf"] = [*plain["anyOf"], {"type": "null"}]
    elif "$ref" in plain:
        plain = {"anyOf": [plain, {"type": "null"}]}
    elif "type" in plain:
        plain["type"] = [plain["type"], "null"]
        if "enum" in plain:
            plain["enum"] = [*plain["enum"], None]
    return plain
