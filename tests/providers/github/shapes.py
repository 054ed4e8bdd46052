"""GitHub's own OpenAPI document, as JSON Schemas of its objects."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DOCUMENT = Path(__file__).with_name("openapi.json.gz")
_URI = "urn:github"


@cache
def document() -> dict[str, Any]:
    """Return the document, its `nullable` members as JSON Schema has them."""
    return cast("dict[str, Any]", _plain(json.loads(gzip.decompress(DOCUMENT.read_bytes()))))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = {name: _plain(one) for name, one in cast("dict[str, Any]", value).items()}
    if members.pop("nullable", None) is True:
        return {"anyOf": [{"type": "null"}, members]}
    return members


@cache
def _validator(name: str) -> Draft202012Validator:
    registry: Any = Registry().with_resource(_URI, DRAFT202012.create_resource(document()))
    return Draft202012Validator({"$ref": f"{_URI}#/components/schemas/{name}"}, registry=registry)


def mistakes(name: str, value: Any) -> list[str]:
    """Return what of a value is not as GitHub's document says it of such an object."""
    found = sorted(_validator(name).iter_errors(value), key=str)
    return [f"{name}/{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


def members(name: str) -> set[str]:
    """Return the names of an object's members."""
    schema = document()["components"]["schemas"][name]
    return set(schema["properties"])
