"""`decide` and `fold`: what an observation changes. Leaves out: pages, engines (see test_ingest)."""

import json
from typing import Any

import xxhash
from hypothesis import given
from hypothesis import strategies as st

from headwater.model.record import CHAINED, Change, EventKind, Held, Observed, Origin, Renewal
from headwater.syncs.decide import Before, Shape, decide, fold

SHAPE = Shape(slot=1)


def seen(
    data: dict[str, Any] | str | None, *, id: str = "a", version: int | None = None, deleted: bool = False
) -> Observed:
    """Make an observation of an object, or of its absence."""
    raw = data if isinstance(data, str) else "" if data is None else json.dumps(data)
    raw = raw.encode()
    return Observed(
        id, raw, xxhash.xxh3_128_digest(raw), version=version, updated_us=version, deleted=deleted
    )


def before(change: Change, position: int = 7) -> Before:
    """Return what is held after a change."""
    deleted = change.event is EventKind.DELETED
    held = Held(position, change.fingerprint, change.version, change.asked_us, deleted)
    return Before(held, change.data)


def created(data: dict[str, Any] | str, *, version: int | None = None, asked_us: int = 10) -> Before:
    """Return what is held after a first observation."""
    change = decide(None, seen(data, version=version), asked_us, Origin.SINCE, SHAPE)
    assert isinstance(change, Change)
    return before(change)


def test_first_sight_creates() -> None:
    """What was never seen is created, without the white space between its tokens."""
    change = decide(None, seen('{ "b": 1.50, "a": [ ] }', version=3), 10, Origin.BACKFILL, SHAPE)
    assert isinstance(change, Change)
    assert change.event is EventKind.CREATED
    assert change.data == b'{"b":1.50,"a":[]}'
    assert (change.expects, change.version, change.asked_us) == (None, 3, 10)


def test_p1_same_observation_twice_changes_nothing() -> None:
    """Equal bytes are an equal object, whenever they were asked for."""
    held = created({"x": 1}, version=5)
    assert decide(held, seen({"x": 1}, version=5), 11, Origin.SINCE, SHAPE) is None
    assert decide(held, seen({"x": 1}, version=5), 9, Origin.SINCE, SHAPE) is None


def test_respelling_is_no_change() -> None:
    """Another key order and another spelling of a number renew the fingerprint and nothing else."""
    held = created('{"a": 1.0, "b": 2}')
    renewal = decide(held, seen('{"b": 2, "a": 1}'), 11, Origin.SINCE, SHAPE)
    assert renewal == Renewal(1, "a", 7, seen('{"b": 2, "a": 1}').fingerprint)


def test_update_tells_what_was_before() -> None:
    """Only the members that differ are in `previous_data`; one that was absent is null there."""
    held = created({"a": 1, "b": {"c": 2}}, version=1)
    change = decide(held, seen({"a": 1, "b": {"c": 3}, "e": 4}, version=2), 11, Origin.SINCE, SHAPE)
    assert isinstance(change, Change)
    assert change.event is EventKind.UPDATED
    assert change.expects == 7
    assert json.loads(change.previous_data or b"") == {"b": {"c": 2}, "e": None}


def test_p2_lower_version_is_late() -> None:
    """An older version changes nothing, however late it was asked for."""
    held = created({"x": 2}, version=20)
    assert decide(held, seen({"x": 1}, version=10), 99, Origin.SINCE, SHAPE) is None


def test_p2_equal_versions_are_settled_by_when_we_asked() -> None:
    """Of two answers with one version the one asked for later counts."""
    held = created({"x": 1}, version=20, asked_us=10)
    assert decide(held, seen({"x": 2}, version=20), 9, Origin.SINCE, SHAPE) is None
    assert isinstance(decide(held, seen({"x": 2}, version=20), 11, Origin.SINCE, SHAPE), Change)


def test_p2_without_versions_the_time_of_asking_decides() -> None:
    """Where the API has no order of its own, an answer asked for earlier is late."""
    held = created({"x": 1}, asked_us=10)
    assert decide(held, seen({"x": 0}), 9, Origin.SINCE, SHAPE) is None


def test_delete_keeps_the_last_data_and_the_version() -> None:
    """A delete by absence keeps what was last known, and the version it had."""
    change = decide(created({"x": 1}, version=5), seen(None, deleted=True), 11, Origin.SWEEP, SHAPE)
    assert isinstance(change, Change)
    assert (change.event, change.data, change.version) == (EventKind.DELETED, b'{"x":1}', 5)


def test_p1_deleted_twice_is_deleted_once() -> None:
    """A second tombstone, or one of a record never seen, says nothing new."""
    gone = decide(created({"x": 1}), seen(None, deleted=True), 11, Origin.SWEEP, SHAPE)
    assert isinstance(gone, Change)
    assert decide(before(gone, 8), seen(None, deleted=True), 12, Origin.SWEEP, SHAPE) is None
    assert decide(None, seen(None, deleted=True), 12, Origin.SWEEP, SHAPE) is None


def test_later_read_revives() -> None:
    """A record that was thought to be gone and is read again, asked for later, is created again."""
    gone = decide(created({"x": 1}, version=5), seen(None, deleted=True), 11, Origin.SWEEP, SHAPE)
    assert isinstance(gone, Change)
    back = decide(before(gone, 8), seen({"x": 1}, version=5), 12, Origin.SINCE, SHAPE)
    assert isinstance(back, Change)
    assert (back.event, back.expects) == (EventKind.CREATED, 8)


def test_p2_no_revival_by_an_answer_asked_for_before_the_delete() -> None:
    """Even a higher version does not bring a record back when its answer was asked for before the delete."""
    gone = decide(created({"x": 1}, version=5), seen(None, deleted=True), 11, Origin.SWEEP, SHAPE)
    assert isinstance(gone, Change)
    assert decide(before(gone, 8), seen({"x": 2}, version=6), 10, Origin.SINCE, SHAPE) is None


def test_too_old_is_not_created() -> None:
    """What was updated before the oldest time that is kept is not fetched anew."""
    shape = Shape(slot=1, oldest_us=100)
    assert decide(None, seen({"x": 1}, version=99), 200, Origin.SWEEP, shape) is None
    assert isinstance(decide(None, seen({"x": 1}, version=100), 200, Origin.SWEEP, shape), Change)


def test_members_one_level_down() -> None:
    """Where an API keeps its fields in a member, the previous values have the same nesting."""
    shape = Shape(slot=1, nested="properties")
    held = created({"id": 1, "properties": {"a": 1, "b": 2}})
    change = decide(held, seen({"id": 1, "properties": {"a": 1, "b": 3}}), 11, Origin.SINCE, shape)
    assert isinstance(change, Change)
    assert json.loads(change.previous_data or b"") == {"properties": {"b": 2}}


def test_fold_makes_every_real_change_an_event() -> None:
    """Two changes of one record in one page are two events, the second one chained to the first."""
    folded = fold(
        {},
        [(seen({"x": 1}, version=1), 10), (seen({"x": 1}, version=1), 10), (seen({"x": 2}, version=2), 10)],
        Origin.FEED,
        SHAPE,
    )
    assert [change.event for change in folded.changes] == [EventKind.CREATED, EventKind.UPDATED]
    assert [change.expects for change in folded.changes] == [None, CHAINED]


def test_fold_keeps_what_it_cannot_read_apart() -> None:
    """One object that is no JSON costs its neighbours nothing, and its content is not in the reason."""
    folded = fold(
        {}, [(seen('{"secret": \udcff}'.encode("utf-8", "surrogateescape").decode("latin-1")), 10),
             (seen({"x": 1}, id="b"), 10)], Origin.FEED, SHAPE
    )  # fmt: skip
    assert [change.upstream_id for change in folded.changes] == ["b"]
    assert [id for id, _ in folded.unreadable] == ["a"]
    assert "secret" not in folded.unreadable[0][1]


STATES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=12)


@given(STATES, st.randoms(use_true_random=False))
def test_p2_any_order_of_arrival_ends_in_the_newest_state(
    states: list[tuple[int, int, bool]], random: Any
) -> None:
    """Answers that show ever newer versions may arrive in any order: the last one asked for is what stays."""
    history = [
        (seen(None if deleted else {"x": x, "v": v}, version=v * 100 + i, deleted=deleted), i)
        for i, (v, x, deleted) in enumerate(sorted(states, key=lambda state: state[0]))
    ]
    arrivals = list(history)
    random.shuffle(arrivals)
    held: Before | None = None
    position = 0
    for observed, asked_us in [*arrivals, *arrivals]:
        decision = decide(held, observed, asked_us, Origin.SINCE, SHAPE)
        if isinstance(decision, Change):
            position += 1
            held = before(decision, position)
    last = history[-1][0]
    if last.deleted:
        assert held is None or held.held.deleted
    else:
        assert held is not None
        assert not held.held.deleted
        assert json.loads(held.data) == json.loads(last.raw)


OBJECTS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 3) | st.none() | st.booleans(), max_size=3)


@given(st.lists(OBJECTS | st.none(), min_size=1, max_size=8))
def test_previous_data_replays(states: list[dict[str, Any] | None]) -> None:
    """The new data overlaid with `previous_data` is the old data, absent and null alike."""
    observations = [(seen(state, version=i, deleted=state is None), i) for i, state in enumerate(states)]
    folded = fold({}, observations, Origin.FEED, SHAPE)
    old: dict[str, Any] = {}
    for change in folded.changes:
        new = json.loads(change.data)
        if change.event is EventKind.UPDATED:
            overlaid = new | json.loads(change.previous_data or b"{}")
            assert {k: v for k, v in overlaid.items() if v is not None} == {
                k: v for k, v in old.items() if v is not None
            }
        old = new
