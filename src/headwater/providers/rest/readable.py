"""What of a document can be read although other parts of it cannot, so that rules are tried on it and all
mistakes are told in one round. Not here: the rules (`checks`).
"""

import copy
from collections.abc import Collection, Sequence
from typing import Any, cast

from pydantic import ValidationError

from headwater.providers.rest.document import RestDocument

_ROUNDS = 50
Steps = tuple[str | int, ...]


class Readable:
    """A document without the parts that cannot be read."""

    def __init__(self, document: RestDocument, left_out: Collection[Steps] = ()) -> None:
        """`left_out`: the places of what was left out."""
        self.document = document
        self._left_out = left_out

    def names(self, family: str) -> set[str]:
        """Return the names in a mapping of the document, also of what cannot be read."""
        left_out = {str(out[1]) for out in self._left_out if out[0] == family and len(out) > 1}
        return left_out | set(getattr(self.document, family))

    def whole(self, *places: Steps) -> bool:
        """Say whether nothing was left out of these places, so that what is not there is really missing."""
        return not any(
            out[: len(place)] == place or place[: len(out)] == out
            for out in self._left_out
            for place in places
        )


def readable_part(data: Any) -> Readable | None:
    """Return what of a document can be read; None when no collection can be."""
    if not isinstance(data, dict):
        return None
    fields = copy.deepcopy(cast("dict[str, Any]", data))
    left_out: set[Steps] = set()
    for _ in range(_ROUNDS):
        try:
            return Readable(RestDocument.model_validate(fields), left_out)
        except ValidationError as error:
            places = {_place(fields, one["loc"]) for one in error.errors(include_url=False)}
        for place in places:
            if not place:
                return None
            _leave_out(fields, place)
            left_out.add(place)
    return None


def _place(fields: dict[str, Any], loc: Sequence[str | int]) -> Steps:
    """Return the place of a mistake.

    Of what is missing, that is the part that lacks it, unless something stands in for it; of an element, its
    list. Steps that the validator put in (which kind of paging was chosen) are left out.
    """
    found: Steps = ()
    value: Any = fields
    for step in loc:
        if not isinstance(value, dict):
            break
        members = cast("dict[Any, Any]", value)
        if step not in members and members.get("kind") == step:
            continue
        if step not in members and _stand_in((*found, step)) is None:
            break
        found, value = (*found, step), members.get(step)
    return found


def _leave_out(fields: dict[str, Any], place: Steps) -> None:
    """Take a value out, or put in what stands in for it."""
    within: Any = fields
    *way, last = place
    for step in way:
        if not isinstance(within, dict) or step not in within:
            return  # something around it has been taken out already
        within = cast("dict[Any, Any]", within)[step]
    stand_in = _stand_in(place)
    if stand_in is None:
        within.pop(last, None)
    else:
        within[last] = stand_in


def _stand_in(place: Steps) -> str | None:
    """Return what stands in for something that must be there."""
    match place:
        case ("name",):
            return "x"
        case ("base_url",):
            return "https://x"
        case ("collections", _, "path"):
            return "/"
        case _:
            return None
