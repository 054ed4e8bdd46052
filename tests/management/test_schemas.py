"""The small part of JSON Schema in which providers declare fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.management.schemas import mistakes, unknown


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ("x", {"type": "string"}, []),
        (5, {"type": "string"}, [("f", "Must be a string.")]),
        (True, {"type": "integer"}, [("f", "Must be an integer.")]),
        (2.0, {"type": "integer"}, []),
        (2.5, {"type": "integer"}, [("f", "Must be an integer.")]),
        (None, {"type": ["string", "null"]}, []),
        ("", {"type": "string", "minLength": 1}, [("f", "Must not be empty.")]),
        ("ab", {"minLength": 3}, [("f", "Must have at least 3 characters.")]),
        ("abcd", {"maxLength": 3}, [("f", "Must have at most 3 characters.")]),
        ("abc", {"pattern": "^[0-9]+$"}, [("f", "Must match ^[0-9]+$.")]),
        (0, {"minimum": 1}, [("f", "Must be at least 1.")]),
        (9, {"maximum": 5}, [("f", "Must be at most 5.")]),
        ("c", {"enum": ["a", "b"]}, [("f", "Must be one of a, b.")]),
        ("c", {"const": "a"}, [("f", "Must be a.")]),
        ([], {"type": "array", "minItems": 1}, [("f", "Must have at least 1 entries.")]),
        ([1, 2], {"maxItems": 1}, [("f", "Must have at most 1 entries.")]),
        ([1, "x"], {"items": {"type": "integer"}}, [("f.1", "Must be an integer.")]),
        ({}, {"properties": {"a": {}}, "required": ["a"]}, [("f.a", "Is missing.")]),
        ({"b": 1}, {"properties": {"a": {}}}, [("f.b", "There is no such field.")]),
        ({"b": 1}, {"properties": {"a": {}}, "additionalProperties": True}, []),
        ({"b": "x"}, {"additionalProperties": {"type": "integer"}}, [("f.b", "Must be an integer.")]),
        ({"b": 1}, {"type": "object"}, []),
        ("x", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, []),
        (None, {"anyOf": [{"type": "string"}]}, [("f", "Must be a string.")]),
    ],
)
def test_what_is_wrong_is_said(value: Any, schema: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """One sentence for each mistake, with its place."""
    assert mistakes(value, schema, "f") == expected


@given(st.text(min_size=8).map(lambda text: "SECRET" + text))
def test_p8_values_are_never_repeated(value: str) -> None:
    """Whatever is wrong with a value, it is not in the sentence."""
    schemas = ({"type": "integer"}, {"pattern": "^$"}, {"maxLength": 1}, {"enum": [1]}, {"const": 1})
    for schema in schemas:
        assert "SECRET" not in str(mistakes(value, schema, "f"))


def test_the_nearest_name_is_offered() -> None:
    """Where there is one."""
    assert unknown("tokn", ["token", "region"]) == "There is no such field; did you mean `token`?"
    assert unknown("x", ["token"]) == "There is no such field."
