"""What goes on and what is held back."""

from headwater.consumers.holding import MOST_HELD, admit, followed
from headwater.consumers.outstanding import Outstanding
from headwater.model.position import Stream
from headwater.model.record import Entry, EventKind, Origin


def entry(id: str, position: int, partition: int = 0) -> Entry:
    """Return an entry of slot 7."""
    return Entry(partition, position, 7, id, EventKind.UPDATED, Origin.SINCE, 1, None, 1, None, b"{}", None)


def out(id: str, position: int, *held: int) -> Outstanding:
    """Return what is outstanding of a record of slot 7."""
    return Outstanding(
        slot=7, upstream_id=id, partition=0, position=position, delivery="d", deliveries=3, held=held
    )


def test_events_of_a_record_that_is_out_are_held_in_order() -> None:
    """Others go on."""
    row = out("a", 1, 2)
    found = admit(
        Stream.EVENTS, [entry("a", 3), entry("b", 4), entry("a", 5)], {row.key: row}, one_of_each=True
    )
    assert [one.upstream_id for one in found.fresh] == ["b"]
    assert (found.count, found.held, found.more) == (3, {(7, "a"): (2, 3, 5)}, 2)


def test_only_the_newest_version_of_a_record_is_held() -> None:
    """It stands for those before."""
    row = out("a", 1, 2)
    found = admit(Stream.RECORDS, [entry("a", 3), entry("a", 5)], {row.key: row}, one_of_each=True)
    assert (found.fresh, found.held, found.more) == ([], {(7, "a"): (5,)}, 0)


def test_one_of_each_holds_back_behind_what_has_just_gone_on() -> None:
    """Without it, everything of a record of which nothing is out goes on, in order."""
    entries = [entry("a", 1), entry("a", 2), entry("b", 3), entry("a", 4)]
    found = admit(Stream.EVENTS, entries, {}, one_of_each=True)
    assert [one.position for one in found.fresh] == [1, 3]
    assert found.held == {(7, "a"): (2, 4)}
    found = admit(Stream.EVENTS, entries, {}, one_of_each=False)
    assert (found.fresh, found.held) == (entries, {})


def test_it_stops_before_the_one_too_many() -> None:
    """Held ones after the last that fits are still dealt with."""
    entries = [entry("a", 1), entry("a", 2), entry("b", 3), entry("a", 4)]
    found = admit(Stream.EVENTS, entries, {}, one_of_each=True, most=1)
    assert ([one.position for one in found.fresh], found.count, found.held) == ([1], 2, {(7, "a"): (2,)})


def test_it_stops_where_too_much_of_one_record_is_held() -> None:
    """Nothing is passed that is not written down."""
    row = out("a", 1, *range(2, MOST_HELD + 1))
    entries = [entry("b", 2_000), entry("a", 2_001), entry("a", 2_002), entry("c", 2_003)]
    found = admit(Stream.EVENTS, entries, {row.key: row}, one_of_each=True)
    assert ([one.upstream_id for one in found.fresh], found.count, found.more) == (["b"], 2, 1)


def test_after_a_message_comes_the_next_one_held() -> None:
    """As if it had never been handed out; of records with nothing behind, nothing stays."""
    stay, gone = followed([out("a", 1, 2, 5), out("b", 3)], 99)
    assert stay == [Outstanding(slot=7, upstream_id="a", partition=0, position=2, due_us=99, held=(5,))]
    assert gone == [(7, "b")]
