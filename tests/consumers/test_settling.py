"""What is written down of a batch, for every answer that a target may give. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from headwater.consumers.holding import MOST_HELD, admit
from headwater.consumers.outstanding import Key, Outstanding, unpacked
from headwater.consumers.settling import Aside, Patience, key_of, known_before, of_due, of_fresh
from headwater.model.position import Stream
from headwater.model.record import Entry, EventKind
from headwater.targets.target import Item, Refusal, Written
from headwater.testing.target_rig import SLOTS, Author

NOW_US = 10**15
DAY_US = 86_400_000_000


def patience(stream: Stream = Stream.EVENTS, max_deliver: int = -1) -> Patience:
    """Return how a consumer waits: a second for each delivery."""
    return Patience(
        stream=stream,
        max_deliver=max_deliver,
        keep_us=3 * DAY_US,
        wait=lambda deliveries: timedelta(seconds=deliveries),
    )


def items_of(ids: Sequence[str], stream: Stream = Stream.EVENTS) -> list[Item]:
    """Return messages of these records, in order, committed just now."""
    author = Author(stream)
    made = [author.updated(id) for id in ids]
    return [replace(item, entry=replace(item.entry, inserted_us=NOW_US)) for item in made]


def held(index: int, after: timedelta | None = None) -> Refusal:
    """Return that an item could not be stored now."""
    return Refusal(index, "target.item_held", "Not now.", after)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Stream, int, list[Item], Written]:
    """Return a batch and what a target that keeps the protocol may say of it."""
    stream = draw(st.sampled_from(Stream))
    ids = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=20, unique=stream is Stream.RECORDS))
    items = items_of(ids, stream)
    count = draw(st.integers(0, len(items)))
    rejected, kept, waiting = list[Refusal](), list[Refusal](), set[str]()
    for index, id in enumerate(ids[:count]):
        fate = draw(st.sampled_from(["stored", "stored", "rejected", "held"]))
        if id in waiting or fate == "held":
            waiting.add(id)
            kept.append(held(index))
        elif fate == "rejected":
            rejected.append(Refusal(index, "target.item_refused", "Never."))
    return stream, draw(st.sampled_from([-1, 1, 2])), items, Written(count, rejected, kept)


def places(aside: Aside) -> list[int]:
    """Return every position that stands aside."""
    return [one.row.position for one in aside.dead] + [
        at for row in aside.put for at in (row.position, *row.held)
    ]


@given(answers())
def test_each_message_that_was_dealt_with_is_stored_or_stands_aside_once(
    case: tuple[Stream, int, list[Item], Written],
) -> None:
    """P4, P5: and none that was not reached; what is held of a record is in order."""
    stream, most, items, written = case
    aside = of_fresh(items, written, patience(stream, most), NOW_US)
    put_aside = {one.index for one in (*written.rejected, *written.held)}
    assert sorted(places(aside)) == sorted(items[index].updated_idx for index in put_aside)
    for row in aside.put:
        behind = [row.position, *row.held]
        assert behind == sorted(behind)
        assert all(items[at - 1].entry.upstream_id == row.upstream_id for at in behind)
    assert len({row.key for row in aside.put}) == len(aside.put)
    assert aside.gone == []
    assert all(unpacked(one.payload).position == one.row.position for one in aside.dead)


@given(answers())
def test_a_batch_that_is_read_again_after_a_crash_is_known(
    case: tuple[Stream, int, list[Item], Written],
) -> None:
    """What is outstanding is not held back a second time."""
    stream, most, items, written = case
    aside = of_fresh(items, written, patience(stream, most), NOW_US)
    rows = {row.key: row for row in aside.put}
    unknown = [item.entry for item in items if not known_before(item.entry, rows)]
    admitted = admit(stream, unknown, rows, one_of_each=False)
    outstanding = {at for row in aside.put for at in (row.position, *row.held)}
    assert not {entry.position for entry in admitted.fresh} & outstanding


@given(st.lists(st.sampled_from(["stored", "rejected", "held", "not reached"]), max_size=10))
def test_what_was_delivered_again_is_followed_by_what_waited_behind_it(fates: list[str]) -> None:
    """Whether it was stored or given up; otherwise it goes on waiting."""
    fates = sorted(fates, key=lambda fate: fate == "not reached")
    items = items_of([f"r{number}" for number in range(len(fates))])
    rows = [_row(item.entry, held=(item.updated_idx + 100,)) for item in items]
    by_fate = {fate: [n for n, one in enumerate(fates) if one == fate] for fate in set(fates)}
    written = Written(
        len(fates) - len(by_fate.get("not reached", ())),
        [Refusal(n, "target.item_refused", "Never.") for n in by_fate.get("rejected", ())],
        [held(n) for n in by_fate.get("held", ())],
    )
    aside = of_due(list(zip(rows, items, strict=True)), written, patience(), NOW_US)
    put = {row.upstream_id: row for row in aside.put}
    for number, fate in enumerate(fates):
        row = put.get(f"r{number}")
        if fate == "not reached":
            assert row is None
        elif fate == "held":
            assert row == replace(rows[number], deliveries=2, due_us=NOW_US + 2_000_000, error="Not now.")
        else:
            assert row is not None
            assert (row.position, row.held, row.deliveries, row.error) == (number + 101, (), 0, None)
    assert [one.row.upstream_id for one in aside.dead] == [f"r{n}" for n in by_fate.get("rejected", ())]


def test_the_wait_that_a_target_asks_for_counts() -> None:
    """Else it is the consumer's own."""
    items = items_of("ab")
    written = Written(2, held=[held(0, timedelta(minutes=3)), held(1)])
    first, second = of_fresh(items, written, patience(), NOW_US).put
    assert first.due_us == NOW_US + 180_000_000
    assert second.due_us == NOW_US + 1_000_000


def test_an_old_event_is_kept_before_retention_comes_for_it() -> None:
    """Of a record its newest version is never far."""
    for stream in Stream:
        [item] = items_of("a", stream)
        old = replace(item, entry=replace(item.entry, inserted_us=NOW_US - 4 * DAY_US))
        [row] = of_fresh([old], Written(1, held=[held(0)]), patience(stream), NOW_US).put
        assert (row.payload is not None) == (stream is Stream.EVENTS)
    [row] = of_fresh(items_of("a"), Written(1, held=[held(0)]), patience(), NOW_US).put
    assert row.payload is None


def test_a_message_whose_deliveries_are_used_up_is_given_up() -> None:
    """The next one of its record has its turn at once."""
    [item] = items_of("a")
    row = _row(item.entry, held=(9, 12), deliveries=2)
    aside = of_due([(row, item)], Written(1, held=[held(0)]), patience(max_deliver=3), NOW_US)
    assert [(one.row.position, one.row.deliveries, one.code) for one in aside.dead] == [
        (1, 3, "target.item_held")
    ]
    [after] = aside.put
    assert (after.position, after.held, after.due_us) == (9, (12,), NOW_US)


def test_no_more_is_held_of_a_record_than_agreed() -> None:
    """The scan stops there, and comes back when the record has moved on."""
    entries = [item.entry for item in items_of(["a"] * 3 + ["b"])]
    key: Key = key_of(entries[0])
    full = _row(entries[0], held=tuple(range(1, MOST_HELD + 1)))
    admitted = admit(Stream.EVENTS, entries[1:], {key: full}, one_of_each=False)
    assert admitted.count == 0


def _row(entry: Entry, *, held: tuple[int, ...] = (), deliveries: int = 1) -> Outstanding:
    assert entry.event == EventKind.UPDATED
    assert entry.slot == SLOTS[0].slot.number
    return Outstanding(
        slot=entry.slot,
        upstream_id=entry.upstream_id,
        partition=entry.partition,
        position=entry.position,
        deliveries=deliveries,
        held=held,
        error=None,
    )
