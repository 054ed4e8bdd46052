"""Regular APIs: the functions that fetch a collection, made from a declaration of where things are.

Belongs here: addresses with placeholders, cutting pages, reading ids and times of objects. Does not: how
lists are paged (`paging`), what one API is like, when to ask. A collection that is irregular brings functions
of its own and may use the pieces.
"""

from headwater.providers.fetch.address import placeholders
from headwater.providers.fetch.instants import FORMATS, InstantFormat
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
from headwater.providers.fetch.objects import Fields, Instant, Mark, check_fields

__all__ = [
    "FORMATS",
    "Fields",
    "Instant",
    "InstantFormat",
    "Listing",
    "Mark",
    "SinceParam",
    "Single",
    "Validity",
    "check_fields",
    "check_listing",
    "placeholders",
    "read_all",
    "read_ids",
    "read_one",
    "read_since",
]
