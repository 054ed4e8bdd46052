"""Settings of a target as users give them: checked by the kind's own model, secrets kept apart and masked.

Not here: where they are kept (`targets`), what a kind has (`headwater.targets`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from headwater.errors import Invalid
from headwater.management import schemas
from headwater.management.schemas import Mistake
from headwater.model.secret import MASK, Secret
from headwater.targets.target import Kind, TargetSettings

FIELD = "settings"
"""Where mistakes are told to be."""


def checked(kind: Kind, given: Mapping[str, Any]) -> TargetSettings:
    """Return the settings that a kind makes of what was given. Raises: Invalid, with every mistake."""
    try:
        return kind.settings.model_validate(dict(given))
    except ValidationError as error:
        found = [(_path(one["loc"]), _sentence(kind, one)) for one in error.errors(include_url=False)]
    raise Invalid(  # outside of `except`: the original error repeats what was given (P8)
        f"The settings are not as a target of kind {kind.name} needs them.",
        errors=found,
        fix="Correct the fields that `errors` names; GET /v1/target-kinds says what there is.",
    )


def shown(kind: Kind | None, given: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they may be seen (P8), only those that were given."""
    if kind is not None:
        try:
            settings = kind.settings.model_validate({**given, **secrets})
        except ValidationError:
            pass  # of another release: what they were is known still
        else:
            return settings.model_dump(mode="json", exclude_unset=True)  # P8: a Secret gives its mask
    return {**given, **dict.fromkeys(secrets, MASK)}  # P8


def split(kind: Kind, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what may be seen, and what holds a secret."""
    secret = secret_fields(kind.settings)
    return (
        {name: value for name, value in given.items() if name not in secret},
        {name: value for name, value in given.items() if name in secret},
    )


def merged(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return kept settings with given ones over them: None takes one out, what is masked stays as it was.

    Raises: Invalid for a mask that nothing lies behind.
    """
    unknown: list[Mistake] = []
    over = {
        name: _unmasked(value, kept.get(name), f"{FIELD}.{name}", unknown) for name, value in given.items()
    }
    if unknown:
        raise Invalid(
            "A setting is masked, and there is no secret behind the mask.",
            errors=unknown,
            fix="Give the secret itself.",
        )
    return {name: value for name, value in {**kept, **over}.items() if value is not None}


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields that hold a secret, at whatever depth."""
    return frozenset(name for name, field in model.model_fields.items() if _is_secret(field.annotation))


def _is_secret(annotation: Any) -> bool:
    if isinstance(annotation, type):
        if issubclass(annotation, Secret):
            return True
        if issubclass(annotation, BaseModel):
            return bool(secret_fields(annotation))
    return any(_is_secret(part) for part in get_args(annotation))


def _unmasked(given: Any, kept: Any, path: str, unknown: list[Mistake]) -> Any:
    if given == MASK:
        if kept is None:
            unknown.append((path, "Is masked, but no secret is kept here."))
        return kept
    if isinstance(given, dict):
        before = cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}
        return {
            name: _unmasked(value, before.get(name), f"{path}.{name}", unknown)
            for name, value in cast("dict[str, Any]", given).items()
        }
    if isinstance(given, list):
        row = dict(enumerate(cast("list[Any]", kept) if isinstance(kept, list) else []))
        return [
            _unmasked(value, row.get(number), f"{path}.{number}", unknown)
            for number, value in enumerate(cast("list[Any]", given))
        ]
    return given


def _path(loc: Sequence[str | int]) -> str:
    return ".".join([FIELD, *map(str, loc)])


def _sentence(kind: Kind, one: Mapping[str, Any]) -> str:
    """Return what is wrong with a field, never with what was given (P8)."""
    if one["type"] == "extra_forbidden":
        return schemas.unknown(str(one["loc"][-1]), _names(kind.settings, one["loc"][:-1]))
    if one["type"] == "missing":
        return "Is missing."
    text = str(one["msg"]).removeprefix("Value error, ").strip()
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _names(annotation: Any, loc: Sequence[str | int]) -> Iterator[str]:
    """Give the names of the fields that there are at a place within a model, whatever is around it."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        for part in get_args(annotation):
            yield from _names(part, loc)
        return
    below = [part for part in loc if isinstance(part, str)]
    if not below:
        yield from annotation.model_fields
    elif below[0] in annotation.model_fields:
        yield from _names(annotation.model_fields[below[0]].annotation, below[1:])
