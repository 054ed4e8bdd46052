"""What docs/providers/github.md has from the declarations: the table of its collections.

The page's prose is its author's; what stands between the two marks is written by `make docs`.
"""

from pathlib import Path

from headwater.kit import durations
from headwater.providers.github import GITHUB
from headwater.providers.github.kinds import REPOSITORY, RIGHTS, seen
from headwater.providers.provider import Collection

BEGIN = "<!-- Collections: written by `make docs` from the code. Change them there. -->"
END = "<!-- End of collections. -->"
_COLUMNS = (
    "collection",
    "what it is",
    "by default",
    "changes seen by",
    "looked at every",
    "deletes seen by",
    "whole list every",
    "right to read",
)
_HEAD = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|\n"


def page(path: Path) -> str:
    """Return the page: what is written there, with the collections as they are declared."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    table = _HEAD + "".join(map(_row, GITHUB.collections))
    return f"{before}{BEGIN}\n\n{table}\n{END}{rest.partition(END)[2]}"


def _row(collection: Collection) -> str:
    nested = collection.parent not in (None, REPOSITORY)
    below = f" Below each `{collection.parent}`: a request for each that has changed." if nested else ""
    shortest, longest = map(durations.show, collection.poll_every)
    cells = (
        f"`{collection.name}`",
        collection.description + below,
        "yes" if collection.by_default else "no",
        seen(collection.name),
        f"{shortest} to {longest}",
        _deletes(collection),
        durations.show(collection.sweep_every),
        RIGHTS[collection.name],
    )
    return f"| {' | '.join(cells)} |\n"


def _deletes(collection: Collection) -> str:
    if collection.sees_deletes:
        return "force pushes, the list"
    return "the list, each verified" if collection.read_one is not None else "the list, twice"
