"""Ids: made fast, and equal to what the standard library gives."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from headwater.model.ids import NAMESPACE, RecordIds, event_id, record_id

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, TEXT, st.integers(0, 2**63))
def test_derived_ids_are_version_5_uuids(
    sync_id: str, collection_id: str, upstream_id: str, idx: int
) -> None:
    """Those of the standard library."""
    record = str(uuid.uuid5(NAMESPACE, f"{sync_id}/{collection_id}/{upstream_id}"))
    event = str(uuid.uuid5(uuid.UUID(record), str(idx)))
    ids = RecordIds(sync_id, collection_id)
    assert record_id(sync_id, collection_id, upstream_id) == ids.record(upstream_id) == record
    assert event_id(record, idx) == ids.event(upstream_id, idx) == event


def test_half_of_a_surrogate_pair_has_an_id_too() -> None:
    """An API's id may be any JSON string."""
    assert uuid.UUID(record_id("s", "c", "\ud800")).version == 5
