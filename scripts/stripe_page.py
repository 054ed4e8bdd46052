"""What docs/providers/stripe.md has from the declarations: the table of its collections.

The page's prose is its author's; what stands between the two marks is written by `make docs`.
"""

from pathlib import Path

from headwater.kit import durations
from headwater.providers.stripe import STRIPE
from headwater.providers.stripe.kinds import KINDS, Kind, Seen

BEGIN = "<!-- Collections: written by `make docs` from the code. Change them there. -->"
END = "<!-- End of collections. -->"
_SEEN = {
    Seen.FEED: "events",
    Seen.FEED_AND_LISTING: "events, and listed anew",
    Seen.FEED_BUT_CREATION: "events; new ones by `created`",
    Seen.CREATION: "new ones by `created`",
    Seen.LISTING: "listed anew",
}
_HEAD = """\
| collection | what it is | by default | changes seen by | deletes seen by | whole list every | key may read |
|---|---|---|---|---|---|---|
"""


def page(path: Path) -> str:
    """Return the page: what is written there, with the collections as they are declared."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    table = _HEAD + "".join(map(_row, KINDS))
    return f"{before}{BEGIN}\n\n{table}\n{END}{rest.partition(END)[2]}"


def _row(kind: Kind) -> str:
    collection = STRIPE.collection(kind.name)
    if collection is None:
        raise LookupError(kind.name)
    below = f" Below each `{kind.parent}`: a request for each." if kind.parent else ""
    listed = collection.poll_every[1] if kind.seen is Seen.LISTING else collection.sweep_every
    cells = (
        f"`{kind.name}`",
        kind.description + below,
        "yes" if kind.by_default else "no",
        _SEEN[kind.seen],
        _deletes(kind),
        durations.show(listed),
        kind.scope,
    )
    return f"| {' | '.join(cells)} |\n"


def _deletes(kind: Kind) -> str:
    if kind.deletes:
        return "events"
    return "the list" if kind.seen is not Seen.CREATION else "never deleted"
