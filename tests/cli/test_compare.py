"""Whether the two streams say the same as an API: the judge must not be lenient."""

from typing import Any

import pytest
from tests.cli.fake_server import event, record

from headwater.cli import compare


def a(kind: str, idx: int, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return event(idx, kind, upstream_id="c1", data=data, **more)


CREATED = a("created", 1, {"n": 1, "same": True})
UPDATED = a("updated", 2, {"n": 2, "same": True, "new": "x"}, previous_data={"n": 1, "new": None})
DELETED = a("deleted", 3, {"n": 2, "same": True, "new": "x"})


def test_a_true_story_has_no_mistakes() -> None:
    """Created, updated, deleted, and created again."""
    again = a("created", 4, {"n": 5})
    happened = compare.replay([CREATED, UPDATED, DELETED, again])
    assert happened.mistakes == []
    assert happened.counts == {"created": 2, "updated": 1, "deleted": 1}
    assert happened.objects == {("acme:contact", "c1"): {"n": 5}}


@pytest.mark.parametrize(
    ("story", "said"),
    [
        ([CREATED, CREATED], "came twice"),
        ([CREATED, a("updated", 1, {"n": 2}, previous_data={"n": 1})], "not above"),
        ([CREATED, a("created", 2, {"n": 1})], "there already"),
        ([UPDATED], "was not there"),
        ([DELETED], "was not there"),
        ([CREATED, a("deleted", 2, {"n": 9})], "other data"),
        ([CREATED, a("updated", 2, {"n": 3, "same": True}, previous_data={"n": 2})], "other values before"),
        ([CREATED, a("updated", 2, {"n": 2, "same": False}, previous_data={"n": 1})], "other values before"),
    ],
)
def test_a_false_story_is_found_out(story: list[Any], said: str) -> None:
    """Each kind of lie by its name."""
    assert any(said in mistake for mistake in compare.replay(story).mistakes)


def test_differences_name_the_object_and_its_fields() -> None:
    """Missing, too many, other values, null where nothing was."""
    wanted = compare.truth("acme", {"contact": [{"id": "c1", "n": 1}, {"id": "c2"}, {"id": "c3", "x": None}]})
    records = [
        record(1, upstream_id="c1", data={"id": "c1", "n": 2}),
        record(2, upstream_id="c3", data={"id": "c3"}),
        record(3, upstream_id="c4", data={"id": "c4"}),
        record(4, upstream_id="c5", data={"id": "c5"}, deleted=True),
    ]
    assert compare.differences(compare.held(records), wanted) == [
        "acme:contact c1 differs in n.",
        "acme:contact c2 is missing.",
        "acme:contact c3 differs in x.",
        "acme:contact c4 should be gone.",
    ]
    assert compare.differences(wanted, wanted) == []


def test_lag_counts_changes_and_not_the_backfill() -> None:
    """From the API's own time to our stream."""
    late = a("updated", 2, {}, previous_data={}, origin="since")
    late |= {
        "upstream_updated_at": "2026-11-24T08:00:00.000000Z",
        "event_inserted_at": "2026-11-24T08:00:01.500000Z",
    }
    assert compare.lags([CREATED, late]) == [1.5]
    assert compare.quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert compare.quantile([], 0.99) is None
