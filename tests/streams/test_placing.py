from hypothesis import given
from hypothesis import strategies as st

from headwater.model.record import CHAINED, Change, EventKind, Origin
from headwater.streams.placing import counted, place


def change(id: str, expects: int | None, event: EventKind = EventKind.UPDATED) -> Change:
    return Change(
        slot=1,
        upstream_id=id,
        event=event,
        origin=Origin.SINCE,
        expects=expects,
        fingerprint=b"",
        version=None,
        asked_us=0,
        created_us=None,
        updated_us=None,
        data=b"{}",
    )


def test_changes_get_positions_in_their_order() -> None:
    """Each replaces what it expects and is its record's latest version."""
    placed = place([change("a", None), change("b", 3)], 10)
    assert [(one.position, one.replaces, one.expects, one.latest) for one in placed] == [
        (10, None, None, True),
        (11, 3, 3, True),
    ]


def test_a_chain_replaces_link_by_link_and_expects_what_its_first_did() -> None:
    """Only the last link is the record."""
    placed = place([change("a", 3), change("b", None), change("a", CHAINED), change("a", CHAINED)], 10)
    assert [(one.position, one.replaces, one.expects, one.latest) for one in placed] == [
        (10, 3, 3, False),
        (11, None, None, True),
        (12, 10, 3, False),
        (13, 12, 3, True),
    ]


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_of_each_record_one_change_is_latest(ids: list[str]) -> None:
    """The last one, whatever the order of records."""
    changes = [change(id, CHAINED if id in ids[:n] else None) for n, id in enumerate(ids)]
    latest = {one.change.upstream_id: one.position for one in place(changes, 1) if one.latest}
    assert latest == {id: n + 1 for n, id in enumerate(ids)}


def test_counts_move_with_what_happens() -> None:
    """New, gone, back again: a record that replaces something was among the deleted ones."""
    assert counted([change("a", None, EventKind.CREATED), change("b", 2)]) == {1: (1, 0)}
    assert counted([change("a", 1, EventKind.DELETED)]) == {1: (-1, 1)}
    assert counted([change("a", 1, EventKind.CREATED)]) == {1: (1, -1)}
    life = [change("a", None, EventKind.CREATED), change("a", CHAINED, EventKind.DELETED)]
    assert counted(life) == {1: (0, 1)}
    assert counted([]) == {}
