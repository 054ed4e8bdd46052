"""New ids."""

import uuid

from headwater.kit.ids import new_id


def test_new_ids_sort_by_the_time_of_their_making() -> None:
    """And are version 7 UUIDs, each another."""
    ids = [new_id() for _ in range(1_000)]
    assert [id[:18] for id in ids] == sorted(id[:18] for id in ids)
    assert len(set(ids)) == len(ids)
    made = uuid.UUID(ids[0])
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
