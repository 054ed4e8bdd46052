"""Text into a checked document. All mistakes are told at once, each with its place."""

from typing import Any, cast

from pydantic import ValidationError

from headwater.providers.rest.checks import Mistake, mistakes
from headwater.providers.rest.document import RestDocument
from headwater.providers.rest.places import Source, refused


def parse(text: str) -> RestDocument:
    """Return the document that a YAML or JSON text holds.

    Raises: Invalid (`provider.document_invalid`) with all mistakes, each as its place and what is wrong
    there.
    """
    source = Source(text)
    found: list[Mistake] = []
    try:
        document = RestDocument.model_validate(source.data)
    except ValidationError as error:
        found += [(detail["loc"], detail["msg"]) for detail in error.errors(include_url=False)]
        document = _readable_part(source.data)
    if document is not None:
        names: dict[str, Any] = source.data["collections"]
        found += mistakes(document, set(names))
    told = source.mistakes + [(source.place(place), what) for place, what in found]
    if told or document is None:
        raise refused(told)
    return document


def _readable_part(data: Any) -> RestDocument | None:
    """Return a document of the parts that can be read, so that the rules between fields are tried on them."""
    if not isinstance(data, dict):
        return None
    fields = cast("dict[str, Any]", data)
    collections = fields.get("collections")
    if not isinstance(collections, dict):
        return None
    readable = {
        name: part
        for name, part in cast("dict[str, Any]", collections).items()
        if _reads({"name": "x", "base_url": "https://x", "collections": {name: part}})
    }
    kept: dict[str, Any] = {"name": "x", "base_url": "https://x", "collections": readable}
    for name, value in fields.items():
        if name != "collections" and _reads({**kept, name: value}):
            kept[name] = value
    return RestDocument.model_validate(kept) if readable else None


def _reads(fields: dict[str, Any]) -> bool:
    try:
        RestDocument.model_validate(fields)
    except ValidationError:
        return False
    return True
