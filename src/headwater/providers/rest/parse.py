"""Text into a checked document. All mistakes are told at once, each with its place."""

from pydantic import ValidationError

from headwater.providers.rest.checks import Mistake, mistakes
from headwater.providers.rest.document import RestDocument
from headwater.providers.rest.places import Source, refused
from headwater.providers.rest.readable import Readable, readable_part


def parse(text: str) -> RestDocument:
    """Return the document that a YAML or JSON text holds.

    Raises: Invalid (`provider.document_invalid`) with all mistakes, each as its place and what is wrong
    there.
    """
    source = Source(text)
    found: list[Mistake] = []
    try:
        readable = Readable(RestDocument.model_validate(source.data))
    except ValidationError as error:
        found += [(detail["loc"], detail["msg"]) for detail in error.errors(include_url=False)]
        readable = readable_part(source.data)
    if readable is not None:
        found += mistakes(readable)
    told = source.mistakes + [(source.place(place), what) for place, what in found]
    if told or readable is None:
        raise refused(told)
    return readable.document
