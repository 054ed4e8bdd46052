"""Regular APIs: the functions that fetch a collection, made from a declaration of where things are.

Belongs here: addresses with placeholders, cutting pages, reading ids and times of objects. Does not: how
lists are paged (`paging`), what one API is like, when to ask. A collection that is irregular brings functions
of its own and may use the pieces.
"""

from headwater.providers.fetch.address import fill_all, fill_path, placeholders, values_of
from headwater.providers.fetch.cut import Cut, cutter
from headwater.providers.fetch.instants import FORMATS, ISO, ISO_S, InstantFormat
from headwater.providers.fetch.listing import (
    Listing,
    SinceParam,
    Single,
    Validity,
    check_listing,
    read_all,
    read_ids,
    read_one,
    read_since,
)
from headwater.providers.fetch.objects import SCOPED, Fields, Instant, Mark, Sighted, check_fields, reader

__all__ = [
    "FORMATS",
    "ISO",
    "ISO_S",
    "SCOPED",
    "Cut",
    "Fields",
    "Instant",
    "InstantFormat",
    "Listing",
    "Mark",
    "Sighted",
    "SinceParam",
    "Single",
    "Validity",
    "check_fields",
    "check_listing",
    "cutter",
    "fill_all",
    "fill_path",
    "placeholders",
    "read_all",
    "read_ids",
    "read_one",
    "read_since",
    "reader",
    "values_of",
]
