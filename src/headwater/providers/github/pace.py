"""How often GitHub's collections are looked at, so that looking alone never uses the budget up.

Every look asks once for each repository. What is right for one would, for a hundred or without a token, leave
nothing for reading what is there already; so the waits grow with the repositories and shrink with the quota.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from headwater.providers.provider import Collection

UNKNOWN = 20
"""Repositories to reckon with where only GitHub knows how many there are."""
_SHARE = 0.3
"""Of the budget that looks may take while nothing changes."""
_HASTE = 8
"""So much shorter than the longest the shortest wait is: what changes is looked at oftener."""


def paced(collections: Sequence[Collection], repositories: int, hourly: int) -> tuple[Collection, ...]:
    """Return collections that are looked at no oftener than a budget of so many requests an hour allows."""
    whole_round = timedelta(hours=len(collections) * max(repositories, 1) / (_SHARE * hourly))

    def slower(collection: Collection) -> Collection:
        shortest, longest = collection.poll_every
        return replace(
            collection,
            poll_every=(max(shortest, whole_round / _HASTE), max(longest, whole_round)),
            sweep_every=max(collection.sweep_every, whole_round),
        )

    return tuple(map(slower, collections))
