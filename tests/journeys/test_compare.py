"""The comparisons of the journeys notice what they are for: each is shown a fault that was planted."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from tests.journeys import compare
from tests.journeys.entries import Seen, read_page

A1, A2, A3 = '{"id":"a","n":1,"x":1.10}', '{"id":"a","n":2,"x":1.10}', '{"id":"a","n":3,"y":true}'
B1, C1 = '{"id":"b","n":1}', '{"id":"c","n":1}'
STATES = {"contact": {"a": [A1, A2, A3], "b": [B1, None], "c": [C1]}}
OBJECTS = {"contact": {"a": A3, "c": C1}}


def seen(id: str, text: str, position: int, event: str = "", previous: str = "", **more: Any) -> Seen:
    return Seen(
        sync_id="s",
        collection_id="fake:contact",
        upstream_id=id,
        updated_idx=position,
        data=msgspec.Raw(text.encode()),
        event=event,
        event_id=f"e{position}",
        previous_data=msgspec.Raw(previous.encode()),
        at_ms=1000 * position,
        **more,
    )


def events() -> list[Seen]:
    return [
        seen("a", A1, 1, "created"),
        seen("b", B1, 2, "created"),
        seen("a", A3, 3, "updated", '{"n":1,"x":1.1,"y":null}'),
        seen("b", B1, 4, "deleted"),
        seen("c", C1, 6, "created"),
    ]


def records() -> list[Seen]:
    return [seen("a", A3, 3), seen("b", B1, 4, deleted=True), seen("c", C1, 6)]


Tamper = Callable[[list[Seen]], Any]


def changed(index: int, **fields: Any) -> Tamper:
    def tamper(found: list[Seen]) -> None:
        found[index] = msgspec.structs.replace(found[index], **fields)

    return tamper


def test_a_good_end() -> None:
    """Nothing is found where nothing is wrong."""
    assert compare.stream_equals(OBJECTS, records()) == []
    assert compare.final_states_have_events(STATES, events()) == []
    assert compare.order_holds(STATES, events()) == []
    assert compare.nothing_twice(events()) == []
    assert compare.events_tell_their_difference(events()) == []
    assert compare.follower_has_everything(events(), events()) == []
    assert compare.follower_is_up_to_date([seen("a", A1, 1), *records()], records()) == []


def plant(tamper: Tamper, found: list[Seen]) -> list[Seen]:
    tamper(found)
    return found


@pytest.mark.parametrize(
    "tamper",
    [
        lambda found: found.pop(0),
        lambda found: found.append(found[0]),
        changed(0, data=msgspec.Raw(A2.encode())),
        changed(0, data=msgspec.Raw(A3.replace(":3", ": 3").encode())),
        changed(1, deleted=False),
        changed(2, deleted=True),
        changed(2, upstream_id="d"),
    ],
)
def test_a_wrong_stream(tamper: Tamper) -> None:
    """Missing, twice, old, respelled, not deleted, deleted, a stranger."""
    assert compare.stream_equals(OBJECTS, plant(tamper, records()))


@pytest.mark.parametrize(
    "tamper", [lambda found: found.pop(4), lambda found: found.pop(3), lambda found: found.pop(2)]
)
def test_a_final_state_without_its_event(tamper: Tamper) -> None:
    """Never created, never deleted, left at an older state."""
    assert compare.final_states_have_events(STATES, plant(tamper, events()))


def swap(one: int, other: int) -> Tamper:
    def tamper(found: list[Seen]) -> None:
        found[one], found[other] = found[other], found[one]

    return tamper


@pytest.mark.parametrize(
    "tamper", [swap(0, 2), swap(1, 3), lambda found: found.append(found[2]), changed(4, upstream_id="d")]
)
def test_a_wrong_order(tamper: Tamper) -> None:
    """Two events of a record swapped, a state told twice, an object that never was."""
    assert compare.order_holds(STATES, plant(tamper, events()))


@pytest.mark.parametrize("tamper", [changed(4, event_id="e1"), changed(4, updated_idx=3), swap(0, 1)])
def test_something_twice(tamper: Tamper) -> None:
    """An id twice, a position twice, positions that go back."""
    assert compare.nothing_twice(plant(tamper, events()))


@pytest.mark.parametrize(
    "tamper",
    [
        changed(0, event="updated"),
        changed(2, event="created"),
        changed(2, previous_data=msgspec.Raw()),
        changed(2, previous_data=msgspec.Raw(b'{"n":1,"y":null}')),
        changed(2, previous_data=msgspec.Raw(b'{"n":true,"x":1.1,"y":null}')),
        changed(2, previous_data=msgspec.Raw(b'{"n":1,"x":1.1,"y":null,"id":"a"}')),
        changed(3, data=msgspec.Raw(b"{}")),
        lambda found: found.append(seen("b", B1, 9, "deleted")),
    ],
)
def test_a_wrong_difference(tamper: Tamper) -> None:
    """Kinds that do not follow, fields that are missing, wrong or too many, a delete without its data."""
    assert compare.events_tell_their_difference(plant(tamper, events()))


@pytest.mark.parametrize(
    "tamper", [lambda found: found.pop(1), lambda found: found.append(found[0]), swap(1, 2)]
)
def test_a_follower_that_missed(tamper: Tamper) -> None:
    """An event less, an event twice, events in another order."""
    assert compare.follower_has_everything(plant(tamper, events()), events())


@pytest.mark.parametrize(
    "tamper",
    [
        lambda found: found.pop(0),
        lambda found: found.append(seen("a", A1, 1)),
        lambda found: found.append(found[2]),
        changed(1, deleted=False),
    ],
)
def test_a_follower_that_is_behind(tamper: Tamper) -> None:
    """A record less, an old version after a new one, a version twice, a delete not told."""
    assert compare.follower_is_up_to_date(plant(tamper, records()), records())


def test_lags() -> None:
    """Each state counts until an event of it or of a later one was read; one that never was does not."""
    shown = {"contact": {"a": [500, 1500, 2900], "b": [2000, 3500], "c": [5000]}}
    assert sorted(compare.lags_ms(STATES, shown, events(), since_ms=1000)) == [0, 100, 500, 1000, 1500]


def test_pages_keep_bytes() -> None:
    """`data` is what stands between the member's name and the next one."""
    entry = (
        b'{"sync_id":"s","collection_id":"p:c","upstream_id":"1","updated_idx":1,"data":%b,"deleted":false}'
    )
    ends = b'],"cursor":"x","has_more":false}'
    records = read_page(b'{"records":[' + entry % b'{"n": 1.10}' + ends).entries
    assert [(one.text, one.previous) for one in records] == [('{"n": 1.10}', "")]
    event = entry.replace(b"false", b'false,"previous_data":{"n": 1.0}') % b'{"n":2}'
    events = read_page(b'{"events":[' + event + b"," + event + ends).entries
    assert [one.previous for one in events] == ['{"n": 1.0}'] * 2


def test_values_are_compared_as_values() -> None:
    """Order of members and spelling of numbers are no difference; true, 1 and "1" are three values."""
    same: Sequence[tuple[str, str]] = [("1", "1.0"), ('{"a":1,"b":2}', '{"b":2,"a":1e0}'), ("100", "1E2")]
    other: Sequence[tuple[str, str]] = [("1", "true"), ("1", '"1"'), ("[1,2]", "[2,1]"), ("null", "false")]
    for one, two in same:
        assert compare.difference({"f": compare.value(one)}, {"f": compare.value(two)}) == {}
    for one, two in other:
        assert compare.difference({"f": compare.value(one)}, {"f": compare.value(two)}) != {}
