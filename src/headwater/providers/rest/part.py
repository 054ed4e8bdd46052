"""What every part of a document is, and the kinds of values in it. Not here: the parts themselves."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError
from pydantic import model_validator as validator

from headwater.kit import durations
from headwater.providers.rest.sentences import in_our_words


class Part(BaseModel):
    """A part of a document. Unknown fields are mistakes, so that a misspelt one is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, strict=True)

    @validator(mode="wrap")
    @classmethod
    def _say_mistakes(cls, value: Any, handler: ModelWrapValidatorHandler["Part"]) -> "Part":
        try:
            return handler(value)
        except ValidationError as error:
            raise in_our_words(error, cls.__name__, [*cls.model_fields]) from error


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('should be a duration such as "30s", "15m" or "4h"')
    return durations.parse(value)


def as_text(value: Any) -> Any:
    """Return a number, true or false as it is written in an address; anything else as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def _name(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", value):
        raise ValueError("should be snake_case: small letters, digits and _, a letter first, 63 at most")
    return value


def _path(value: Any) -> Any:
    if isinstance(value, str) and not all(re.split(r"(?<!\\)\.", value)):
        raise ValueError("should be a dotted path such as meta.next_cursor, without empty steps")
    return value


def _body_path(value: Any) -> Any:
    return value if value == "" else _path(value)


def _address(value: Any) -> Any:
    if isinstance(value, str) and (not value.startswith("/") or set(value) & set("?# \t\n")):
        raise ValueError(
            'should be a path below the base URL that starts with "/"; parameters go into params'
        )
    return value


def _base_url(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"(https?://|\{config\.)[^\s?#]+", value):
        raise ValueError('should be a URL that starts with "https://", without "?" and "#"')
    return value


_DURATION_SCHEMA: dict[str, Any] = {"type": "string", "examples": ["30s", "15m", "4h"]}

Duration = Annotated[timedelta, BeforeValidator(_duration), Field(json_schema_extra=_DURATION_SCHEMA)]
Name = Annotated[str, BeforeValidator(_name)]
Path = Annotated[str, BeforeValidator(_path)]
BodyPath = Annotated[str, BeforeValidator(_body_path)]
"""A path in an answer's body; empty for the body itself."""
Address = Annotated[str, BeforeValidator(_address)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
Text = Annotated[
    str, BeforeValidator(as_text), Field(json_schema_extra={"type": ["string", "number", "boolean"]})
]
Texts = dict[str, Text]
Times = Literal["iso", "iso_ms", "iso_s", "date", "s", "ms", "us", "http"]
