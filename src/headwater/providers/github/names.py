"""Objects that GitHub knows by name alone: tags and branches. Their name is their id, percent-encoded, since
it may hold the slash that separates a record's id from its parent's.
"""

from urllib.parse import quote

from headwater.model.record import Observed
from headwater.providers.fetch import SCOPED, Fields
from headwater.providers.provider import Page

NAMED = Fields(id="name", scoped=True)


def name_id(name: str) -> str:
    """Return the id of a name: `release/1.0` is `release%2F1.0`."""
    return quote(name, safe="")


def by_name(page: Page, parent: str) -> Page:
    """Return a page whose objects were read with their bare names as ids."""
    start = len(parent) + len(SCOPED)

    def renamed(one: Observed) -> Observed:
        return Observed(
            f"{parent}{SCOPED}{name_id(one.id[start:])}", one.raw, one.fingerprint, deleted=one.deleted
        )

    return Page(
        observed=[renamed(one) for one in page.observed],
        asked_us=page.asked_us,
        resume=page.resume,
        rejected=page.rejected,
        unchanged=page.unchanged,
        validators=page.validators,
    )
