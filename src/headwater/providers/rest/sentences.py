"""What is wrong with a part of a document, said for the person who wrote it. Not here: where it is
(`places`).
"""

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

MISTAKE = "mistake"
"""The error type of a sentence that is finished."""

_WANTED = {
    "string_type": "should be text",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "list_type": "should be a list",
    "dict_type": "should be a mapping of names to values",
    "model_type": "should be a mapping of names to values",
    "model_attributes_type": "should be a mapping of names to values",
    "union_tag_not_found": "needs a kind",
    "missing": "is missing",
}


def in_our_words(error: ValidationError, title: str, known: Sequence[str]) -> ValidationError:
    """Return the same mistakes as finished sentences. `known` are the fields of the part that was read."""
    details: list[InitErrorDetails] = [
        {
            "type": PydanticCustomError(MISTAKE, "{sentence}", {"sentence": _sentence(detail, known)}),
            "loc": detail["loc"],
            "input": None,  # the document's content stays out of errors
        }
        for detail in error.errors(include_url=False, include_input=True)
    ]
    return ValidationError.from_exception_data(title, details)


def nearest(name: str, known: Sequence[str]) -> str:
    """Return ` Did you mean …?` or the names that there are."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(sorted(known))}" if known else "there are none"


def _sentence(detail: ErrorDetails, known: Sequence[str]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == MISTAKE:
        return detail["msg"]
    if kind == "extra_forbidden":
        return f"is not known here; {nearest(str(detail['loc'][-1]), known)}"
    if kind in ("literal_error", "union_tag_invalid"):
        expected = context.get("expected") or context.get("expected_tags")
        return f"should be one of {expected}".replace("'", "")
    if kind == "value_error":
        return str(context["error"])
    wanted = _WANTED.get(kind)
    if wanted is None:
        return detail["msg"].removeprefix("Input ").replace("should be a valid", "should be a")
    return (
        wanted if kind in ("missing", "union_tag_not_found") else f"{wanted}, not {_kind_of(detail['input'])}"
    )


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    names: tuple[tuple[Any, str], ...] = (
        (int | float, "a number"),
        (str, "text"),
        (list, "a list"),
        (dict, "a mapping"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "nothing")
